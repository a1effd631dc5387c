// The log of closed sessions: appended by the engine, drained by the firewall, per owner, in order.
//
// A record leaves the log only when its reader commits it (the gRPC Write was accepted); what a
// reader took and did not commit returns to the front, in its order. The memory implementation is
// closed/memory_log.h; a durable one implements the same interface.
//
// Thread-safe. Callbacks are called without any lock of the log held.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "session/types.h"

namespace offload::closed {

struct ClosedLogStats {
  uint64_t appended = 0;   // records accepted
  uint64_t delivered = 0;  // records committed by a reader or removed by Take
  uint64_t dropped = 0;    // oldest records given up because the bound was reached and nobody read
  uint64_t pending = 0;    // records in the log now, leased ones included
};

// Records taken by one reader. Destroying it returns what was not committed to the front of the
// log. Used by one thread at a time.
class ClosedLease {
 public:
  virtual ~ClosedLease() = default;
  // The next record, or null at the end. The pointer is valid until Commit or destruction.
  virtual const session::ClosedRecord* Peek() = 0;
  // The record Peek shows was delivered: it leaves the log for good.
  virtual void Commit() = 0;
};

class ClosedLog {
 public:
  virtual ~ClosedLog() = default;

  // Takes the record. When the bound is reached and nobody reads, the oldest record is dropped and
  // counted; records under lease are never dropped. Error: the record was not taken, try again.
  virtual absl::Status Append(const session::ClosedRecord& record) = 0;

  // Leases up to `max` of the oldest records of `owner` that nobody else has leased; never null.
  virtual std::unique_ptr<ClosedLease> Lease(session::OwnerId owner, size_t max) = 0;

  // The pending record of a session (the oldest, if its id was used again), leased or not.
  virtual std::optional<session::ClosedRecord> Find(const session::SessionKey& key) const = 0;

  // Removes and returns that record, unless a reader has it under lease.
  virtual std::optional<session::ClosedRecord> Take(const session::SessionKey& key) = 0;

  // Calls `notify` when there are records for a reader of `owner`, until the returned handle is
  // destroyed: after each Append, and when a lease has given records back. `notify` must not give
  // records back itself.
  virtual std::shared_ptr<void> Subscribe(session::OwnerId owner, std::function<void()> notify) = 0;

  virtual ClosedLogStats Stats() const = 0;
};

}  // namespace offload::closed
