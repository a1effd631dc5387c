#include "session/timer_wheel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace offload::session {
namespace {

using base::MonotonicTime;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr absl::Duration kTick = TimerWheel::kTick;
constexpr size_t kAll = 1000;

// Not a multiple of the tick: the wheel's ticks count from its own start.
const MonotonicTime kStart = MonotonicTime::FromStart(absl::Hours(1) + absl::Nanoseconds(12345));

MonotonicTime At(absl::Duration since_start) { return kStart + since_start; }

TEST(TimerWheelTest, NeverEarlyAndFoundATickAfterOnEveryLevel) {
  // One tick, one revolution of each level (64, 64^2, 64^3 ticks), what is between, and beyond the
  // reach of 64^4 ticks.
  std::vector<absl::Duration> distances;
  for (const int64_t ticks :
       {int64_t{1}, int64_t{63}, int64_t{64}, int64_t{65}, int64_t{4095}, int64_t{4096},
        int64_t{4097}, int64_t{262143}, int64_t{262144}, int64_t{300000}, int64_t{16777215},
        int64_t{16777216}, int64_t{40000000}}) {
    for (const absl::Duration off :
         {-absl::Nanoseconds(1), absl::ZeroDuration(), absl::Nanoseconds(1)}) {
      distances.push_back(kTick * ticks + off);
    }
  }
  for (const absl::Duration distance : distances) {
    for (const absl::Duration past : {absl::ZeroDuration(), kTick * 777}) {
      TimerWheel wheel(kStart);
      wheel.Advance(At(past), kAll);
      wheel.Schedule(5, At(past + distance));
      EXPECT_THAT(wheel.Advance(At(past + distance) - absl::Nanoseconds(1), kAll), IsEmpty())
          << distance;
      EXPECT_EQ(wheel.size(), 1U);
      EXPECT_THAT(wheel.Advance(At(past + distance) + kTick, kAll), ElementsAre(5)) << distance;
      EXPECT_EQ(wheel.size(), 0U);
    }
  }
}

TEST(TimerWheelTest, CascadesThroughAllLevelsInSmallSteps) {
  TimerWheel wheel(kStart);
  // A little over one bucket of the highest level: it passes through all four.
  const absl::Duration deadline = kTick * (64 * 64 * 64 + 64 * 64 + 64 + 1);
  wheel.Schedule(9, At(deadline));
  for (absl::Duration now; now < deadline; now += kTick * 50) {
    ASSERT_THAT(wheel.Advance(At(now), kAll), IsEmpty()) << now;
  }
  EXPECT_THAT(wheel.Advance(At(deadline + kTick), kAll), ElementsAre(9));
}

TEST(TimerWheelTest, ADeadlineThatIsPastIsDueAtOnce) {
  TimerWheel wheel(kStart);
  wheel.Advance(At(absl::Seconds(10)), kAll);
  wheel.Schedule(1, At(absl::Seconds(3)));
  wheel.Schedule(2, kStart - absl::Hours(1));
  wheel.Schedule(3, At(absl::Seconds(10)));
  EXPECT_THAT(wheel.Advance(At(absl::Seconds(10)), kAll), UnorderedElementsAre(1, 2, 3));
}

TEST(TimerWheelTest, AnInfiniteDeadlineNeverComes) {
  TimerWheel wheel(kStart);
  wheel.Schedule(1, MonotonicTime::FromStart(absl::InfiniteDuration()));
  EXPECT_THAT(wheel.Advance(At(absl::Hours(24 * 365)), kAll), IsEmpty());
  EXPECT_EQ(wheel.size(), 1U);
}

TEST(TimerWheelTest, GivesBackInTheOrderOfDeadlines) {
  TimerWheel wheel(kStart);
  for (Slot slot = 0; slot < 100; ++slot) {
    wheel.Schedule(slot, At(kTick * ((slot * 7919) % 100) * 200));
  }
  const std::vector<Slot> due = wheel.Advance(At(absl::Hours(1)), kAll);
  ASSERT_EQ(due.size(), 100U);
  for (size_t i = 0; i < due.size(); ++i) EXPECT_EQ((due[i] * 7919) % 100, i);
}

TEST(TimerWheelTest, WhatIsBeyondMaxComesWithTheNextCall) {
  TimerWheel wheel(kStart);
  for (Slot slot = 0; slot < 5; ++slot) wheel.Schedule(slot, At(kTick * (slot + 1)));
  const MonotonicTime now = At(absl::Seconds(1));
  EXPECT_THAT(wheel.Advance(now, 2), ElementsAre(0, 1));
  EXPECT_EQ(wheel.size(), 3U);
  EXPECT_THAT(wheel.Advance(now, 0), IsEmpty());
  EXPECT_THAT(wheel.Advance(now, 2), ElementsAre(2, 3));
  EXPECT_THAT(wheel.Advance(now, 2), ElementsAre(4));
  EXPECT_THAT(wheel.Advance(now, 2), IsEmpty());
}

TEST(TimerWheelTest, CancelledSlotsDoNotComeBack) {
  TimerWheel wheel(kStart);
  wheel.Cancel(1000);  // never heard of
  for (Slot slot = 0; slot < 4; ++slot) wheel.Schedule(slot, At(absl::Seconds(1)));
  wheel.Cancel(0);
  wheel.Cancel(2);
  wheel.Cancel(2);
  EXPECT_EQ(wheel.size(), 2U);
  EXPECT_THAT(wheel.Advance(At(absl::Seconds(2)), kAll), ElementsAre(1, 3));
}

TEST(TimerWheelTest, WhatIsDueAndWaitsForItsTurnCanBeCancelled) {
  TimerWheel wheel(kStart);
  for (Slot slot = 0; slot < 3; ++slot) wheel.Schedule(slot, At(kTick * (slot + 1)));
  EXPECT_THAT(wheel.Advance(At(absl::Seconds(1)), 1), ElementsAre(0));
  wheel.Cancel(1);
  EXPECT_THAT(wheel.Advance(At(absl::Seconds(1)), kAll), ElementsAre(2));
}

TEST(TimerWheelTest, ScheduleReplacesTheEarlierDeadline) {
  TimerWheel wheel(kStart);
  wheel.Schedule(1, At(absl::Seconds(1)));
  wheel.Schedule(1, At(absl::Seconds(100)));
  wheel.Schedule(2, At(absl::Seconds(100)));
  wheel.Schedule(2, At(absl::Seconds(1)));
  EXPECT_EQ(wheel.size(), 2U);
  EXPECT_THAT(wheel.Advance(At(absl::Seconds(2)), kAll), ElementsAre(2));
  EXPECT_THAT(wheel.Advance(At(absl::Seconds(99)), kAll), IsEmpty());
  EXPECT_THAT(wheel.Advance(At(absl::Seconds(101)), kAll), ElementsAre(1));
}

TEST(TimerWheelTest, WhatIsDueCanBeScheduledAgain) {
  TimerWheel wheel(kStart);
  wheel.Schedule(1, At(kTick));
  wheel.Schedule(2, At(kTick));
  EXPECT_THAT(wheel.Advance(At(absl::Seconds(1)), 1), ElementsAre(1));
  wheel.Schedule(2, At(absl::Seconds(5)));
  EXPECT_THAT(wheel.Advance(At(absl::Seconds(4)), kAll), IsEmpty());
  EXPECT_THAT(wheel.Advance(At(absl::Seconds(6)), kAll), ElementsAre(2));
}

TEST(TimerWheelTest, AnEarlierNowDoesNotTurnTimeBack) {
  TimerWheel wheel(kStart);
  wheel.Schedule(1, At(absl::Seconds(5)));
  EXPECT_THAT(wheel.Advance(At(absl::Seconds(10)), 0), IsEmpty());
  EXPECT_THAT(wheel.Advance(At(absl::Seconds(1)), kAll), ElementsAre(1)) << "was due at 10 s";
  wheel.Schedule(2, At(absl::Seconds(9)));
  EXPECT_THAT(wheel.Advance(kStart - absl::Hours(1), kAll), ElementsAre(2));
}

}  // namespace
}  // namespace offload::session
