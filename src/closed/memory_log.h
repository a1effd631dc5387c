// The closed log in memory: lost with the process, bounded, ordered per owner.
//
// Bound: at most `max_records` records per owner wait for a reader; one more drops the oldest of
// them. Records under lease do not count and are never dropped, so a reader that gives back what it
// could not send may exceed the bound until the next Append.
//
// Leases and subscriptions may outlive the log. Thread-safe.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>

#include "closed/closed_log.h"

namespace offload::closed {

class MemoryLog final : public ClosedLog {
 public:
  // REQUIRES: max_records > 0.
  explicit MemoryLog(size_t max_records);
  ~MemoryLog() override;
  MemoryLog(const MemoryLog&) = delete;
  MemoryLog& operator=(const MemoryLog&) = delete;

  // Never fails.
  absl::Status Append(const session::ClosedRecord& record) override;
  std::unique_ptr<ClosedLease> Lease(session::OwnerId owner, size_t max) override;
  std::optional<session::ClosedRecord> Find(const session::SessionKey& key) const override;
  // None as well when the oldest record of `key` is under lease.
  std::optional<session::ClosedRecord> Take(const session::SessionKey& key) override;
  // Appending threads may call `notify` at the same time. Destroying the handle waits for calls
  // that run on other threads; it may be destroyed inside `notify`.
  std::shared_ptr<void> Subscribe(session::OwnerId owner, std::function<void()> notify) override;
  ClosedLogStats Stats() const override;

 private:
  class Records;
  class Subscribers;
  class MemoryLease;

  std::shared_ptr<Records> records_;
  std::shared_ptr<Subscribers> subscribers_;
};

}  // namespace offload::closed
