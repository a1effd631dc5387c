// The closed log in memory: lost with the process, bounded, ordered per owner.
//
// Bound: `max_records` records per owner. While a reader has some of them under lease there may be
// twice as many, so that nothing is dropped while a client reads, and one that has stopped reading
// cannot exhaust the memory. At the bound an Append drops one record, the oldest that is not under
// lease: what a time of reading has left above max_records is not dropped all at once.
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
  // Threads that append and threads that give records back may call `notify` at the same time.
  // Destroying the handle waits for calls that run on other threads; it may be destroyed inside
  // `notify`.
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
