// A closed log that takes no records for as long as the test says.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "base/mutex.h"
#include "closed/memory_log.h"

namespace offload::engine {

// Thread-safe.
class RefusingLog final : public closed::ClosedLog {
 public:
  explicit RefusingLog(size_t max_records) : log_(max_records) {}

  // What Append answers before it does anything; OK = it takes the record.
  void SetStatus(absl::Status status) {
    base::MutexLock lock(mutex_);
    status_ = std::move(status);
  }

  absl::Status Append(const session::ClosedRecord& record) override {
    {
      base::MutexLock lock(mutex_);
      if (!status_.ok()) return status_;
    }
    return log_.Append(record);
  }
  std::unique_ptr<closed::ClosedLease> Lease(session::OwnerId owner, size_t max) override {
    return log_.Lease(owner, max);
  }
  std::optional<session::ClosedRecord> Find(const session::SessionKey& key) const override {
    return log_.Find(key);
  }
  std::optional<session::ClosedRecord> Take(const session::SessionKey& key) override {
    return log_.Take(key);
  }
  std::shared_ptr<void> Subscribe(session::OwnerId owner, std::function<void()> notify) override {
    return log_.Subscribe(owner, std::move(notify));
  }
  closed::ClosedLogStats Stats() const override { return log_.Stats(); }

 private:
  closed::MemoryLog log_;
  base::Mutex mutex_;
  absl::Status status_ GUARDED_BY(mutex_);
};

}  // namespace offload::engine
