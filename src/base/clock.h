// Time as a parameter. Everything that decides about time takes a Clock (or an instant) from
// outside; tests pass a FakeClock (tests/fakes/fake_clock.h) and own the time.
//
// Two kinds of time: monotonic decides (deadlines, ages), wall is only reported. Both have their
// own type so that they cannot be mixed.
#pragma once

#include <chrono>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace offload::base {

// An instant of CLOCK_MONOTONIC; differences are absl::Duration.
class MonotonicTime {
 public:
  constexpr MonotonicTime() = default;
  static constexpr MonotonicTime FromStart(absl::Duration since_start) {
    return MonotonicTime(since_start);
  }
  constexpr absl::Duration since_start() const { return since_start_; }

  friend constexpr bool operator==(MonotonicTime a, MonotonicTime b) {
    return a.since_start_ == b.since_start_;
  }
  friend constexpr bool operator<(MonotonicTime a, MonotonicTime b) {
    return a.since_start_ < b.since_start_;
  }
  friend constexpr bool operator>(MonotonicTime a, MonotonicTime b) { return b < a; }
  friend constexpr bool operator<=(MonotonicTime a, MonotonicTime b) { return !(b < a); }
  friend constexpr bool operator>=(MonotonicTime a, MonotonicTime b) { return !(a < b); }
  friend absl::Duration operator-(MonotonicTime a, MonotonicTime b) {
    return a.since_start_ - b.since_start_;
  }
  friend MonotonicTime operator+(MonotonicTime t, absl::Duration d) {
    return MonotonicTime(t.since_start_ + d);
  }
  friend MonotonicTime operator-(MonotonicTime t, absl::Duration d) {
    return MonotonicTime(t.since_start_ - d);
  }

 private:
  explicit constexpr MonotonicTime(absl::Duration since_start) : since_start_(since_start) {}
  absl::Duration since_start_;
};

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual MonotonicTime Now() = 0;
  virtual absl::Time WallNow() = 0;
};

class SystemClock final : public Clock {
 public:
  MonotonicTime Now() override {
    return MonotonicTime::FromStart(
        absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch()));
  }
  absl::Time WallNow() override { return absl::Now(); }
};

}  // namespace offload::base
