// A Clock whose time the test owns. Thread-safe.
#pragma once

#include "base/clock.h"
#include "base/mutex.h"

namespace offload::fakes {

class FakeClock final : public base::Clock {
 public:
  base::MonotonicTime Now() override {
    base::MutexLock lock(mutex_);
    return now_;
  }
  absl::Time WallNow() override {
    base::MutexLock lock(mutex_);
    return wall_;
  }
  // Both clocks move on together.
  void Advance(absl::Duration d) {
    base::MutexLock lock(mutex_);
    now_ = now_ + d;
    wall_ += d;
  }
  // What NTP or an administrator does: only wall time changes.
  void StepWall(absl::Duration d) {
    base::MutexLock lock(mutex_);
    wall_ += d;
  }

 private:
  base::Mutex mutex_;
  base::MonotonicTime now_ GUARDED_BY(mutex_) = base::MonotonicTime::FromStart(absl::Hours(1));
  absl::Time wall_ GUARDED_BY(mutex_) = absl::FromUnixSeconds(1'700'000'000);
};

}  // namespace offload::fakes
