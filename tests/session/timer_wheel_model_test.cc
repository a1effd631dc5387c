// The wheel against a model that keeps deadlines in a map and looks at all of them.
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "session/timer_wheel.h"

namespace offload::session {
namespace {

using base::MonotonicTime;

constexpr Slot kSlots = 60;
constexpr int kSteps = 4000;

class Comparison {
 public:
  explicit Comparison(uint32_t seed) : random_(seed) {}

  void Step() {
    switch (Below(4)) {
      case 0:
      case 1:
        Schedule();
        break;
      case 2:
        Cancel();
        break;
      default:
        Advance();
        break;
    }
    ASSERT_EQ(wheel_.size(), deadlines_.size());
  }

 private:
  uint64_t Below(uint64_t end) { return random_() % end; }

  // From nanoseconds to about 18 days, each order of magnitude as often as another: the wheel
  // reaches 116 hours.
  absl::Duration Distance() {
    const int64_t magnitude = int64_t{1} << (10 + Below(41));
    return absl::Nanoseconds(static_cast<int64_t>(Below(static_cast<uint64_t>(magnitude))));
  }

  void Schedule() {
    const auto slot = static_cast<Slot>(Below(kSlots));
    const MonotonicTime deadline = Below(10) == 0 ? now_ - Distance() : now_ + Distance();
    wheel_.Schedule(slot, deadline);
    deadlines_[slot] = deadline;
  }

  void Cancel() {
    const auto slot = static_cast<Slot>(Below(kSlots));
    wheel_.Cancel(slot);
    deadlines_.erase(slot);
  }

  void Advance() {
    now_ = now_ + Distance();
    const size_t max = Below(3) == 0 ? Below(4) : kSlots;
    const std::vector<Slot> due = wheel_.Advance(now_, max);
    ASSERT_LE(due.size(), max);
    for (const Slot slot : due) {
      const auto found = deadlines_.find(slot);
      ASSERT_NE(found, deadlines_.end()) << "slot " << slot << " is not scheduled";
      ASSERT_LE(found->second.since_start(), now_.since_start()) << "early";
      deadlines_.erase(found);
    }
    if (due.size() == max) return;  // there may be more
    for (const auto& [slot, deadline] : deadlines_) {
      ASSERT_GT((deadline + TimerWheel::kTick).since_start(), now_.since_start())
          << "slot " << slot << " was not found";
    }
  }

  std::mt19937_64 random_;
  MonotonicTime now_ = MonotonicTime::FromStart(absl::Hours(1));
  TimerWheel wheel_{now_};
  std::map<Slot, MonotonicTime> deadlines_;
};

class TimerWheelModelTest : public ::testing::TestWithParam<uint32_t> {};

TEST_P(TimerWheelModelTest, Agrees) {
  Comparison comparison(GetParam());
  for (int step = 0; step < kSteps && !HasFatalFailure(); ++step) {
    SCOPED_TRACE(step);
    comparison.Step();
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, TimerWheelModelTest, ::testing::Range(uint32_t{1}, uint32_t{21}));

}  // namespace
}  // namespace offload::session
