// When a session is idle, and when it is not.
#include "engine_fixture.h"

namespace offload::engine {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

class AgingTest : public EngineTest {
 protected:
  // Lets time pass until session `id` is closed; returns how long that took.
  absl::Duration PassUntilClosed(uint64_t id, absl::Duration limit = absl::Minutes(1)) {
    const base::MonotonicTime start = clock_.Now();
    while (clock_.Now() - start < limit && !log_.Find(Key(id))) Pass(kPeriod);
    EXPECT_TRUE(log_.Find(Key(id)));
    return clock_.Now() - start;
  }
};

TEST_F(AgingTest, AnIdleSessionClosesNoEarlierThanItsTimeoutAndSoonAfter) {
  for (const absl::Duration timeout : {absl::Seconds(1), absl::Seconds(3), absl::Seconds(30)}) {
    session::SessionSpec spec = Spec(1);
    spec.timeout = timeout;
    ASSERT_TRUE(Add(spec).ok());
    const absl::Duration took = PassUntilClosed(1);
    EXPECT_GE(took, timeout);
    EXPECT_LE(took, timeout + kLate);
    const auto records = Records();
    ASSERT_THAT(records, SizeIs(1));
    EXPECT_EQ(records[0].reason, CloseReason::kTimeout);
    EXPECT_GE(records[0].end - records[0].start, timeout);
    EXPECT_LE(records[0].end - records[0].start, timeout + kLate);
  }
  EXPECT_EQ(engine_->Stats().closed_timeout, 3U);
}

TEST_F(AgingTest, APacketOfEitherDirectionMovesTheDeadline) {
  for (const Direction direction : session::kDirections) {
    ASSERT_TRUE(Add(Spec(1)).ok());
    Pass(absl::Seconds(2.9));
    Packets(1, direction, 5);
    const absl::Duration took = PassUntilClosed(1);
    EXPECT_GE(took, absl::Seconds(3));
    EXPECT_LE(took, absl::Seconds(3) + kLate);
    EXPECT_EQ(Records()[0].counters.of(direction), (session::Counters{5, 300}));
  }
}

TEST_F(AgingTest, ASessionWithAPacketJustWithinItsTimeoutLivesOn) {
  ASSERT_TRUE(Add(Spec(1)).ok());
  for (int i = 0; i < 20; ++i) {
    Packets(1, i % 2 == 0 ? Direction::kIn : Direction::kOut);
    Pass(absl::Seconds(2.95));
  }
  EXPECT_THAT(Records(), IsEmpty());
  EXPECT_THAT(List(), SizeIs(1));
}

TEST_F(AgingTest, AFrozenCounterInOneDirectionDoesNotCloseALiveSession) {
  for (const Direction frozen : session::kDirections) {
    ASSERT_TRUE(Add(Spec(1)).ok());
    datapath_.Freeze(Key(1), frozen);
    const Direction alive = frozen == Direction::kIn ? Direction::kOut : Direction::kIn;
    for (int i = 0; i < 10; ++i) {
      Packets(1, frozen);
      Packets(1, alive);
      Pass(absl::Seconds(2));
    }
    EXPECT_THAT(Records(), IsEmpty());
    EXPECT_LE(PassUntilClosed(1), absl::Seconds(1) + kLate) << "idle in both";
    EXPECT_EQ(Records()[0].counters.of(frozen), session::Counters{});
  }
}

TEST_F(AgingTest, ANicThatSamplesGetsItsGrace) {
  datapath_.SetSampleGrace(absl::Seconds(1));
  ASSERT_TRUE(Add(Spec(1)).ok());
  Pass(absl::Seconds(1));
  Packets(1, Direction::kIn);
  const absl::Duration took = PassUntilClosed(1);
  EXPECT_GE(took, absl::Seconds(4));
  EXPECT_LE(took, absl::Seconds(4) + kLate);
}

TEST_F(AgingTest, AnIdleSessionIsLookedAtOnce) {
  ASSERT_TRUE(Add(Spec(1)).ok());
  PassUntilClosed(1);
  EXPECT_EQ(datapath_.LoggedOps(Kind::kQuery), 2U) << "one of each rule";
}

TEST_F(AgingTest, ABusySessionIsLookedAtOncePerTimeout) {
  ASSERT_TRUE(Add(Spec(1)).ok());
  for (int i = 0; i < 300; ++i) {
    Packets(1, Direction::kIn);
    Pass(absl::Milliseconds(100));
  }
  EXPECT_LE(datapath_.LoggedOps(Kind::kQuery), 2U * 11) << "30 s, timeout 3 s";
}

TEST_F(AgingTest, AQueryThatFailsSaysNothingAndIsRepeated) {
  for (const Direction direction : session::kDirections) {
    ASSERT_TRUE(Add(Spec(1)).ok());
    datapath_.Inject({.kind = Kind::kQuery, .direction = direction, .times = 1000000});
    Pass(absl::Seconds(10));
    EXPECT_THAT(Records(), IsEmpty()) << "one direction may be alive";
    datapath_.ClearFaults();
    EXPECT_LE(PassUntilClosed(1), absl::Milliseconds(100) + kLate);
    EXPECT_EQ(Records()[0].reason, CloseReason::kTimeout);
  }
  EXPECT_GT(engine_->Stats().query_failures, 0U);
}

TEST_F(AgingTest, ALostRuleClosesTheSessionWithTheCountersLastSeen) {
  for (const Direction lost : session::kDirections) {
    const Direction other = lost == Direction::kIn ? Direction::kOut : Direction::kIn;
    ASSERT_TRUE(Add(Spec(1)).ok());
    Packets(1, lost, 5);
    ASSERT_TRUE(engine_->Get(Key(1)).ok());
    Packets(1, other, 6);
    datapath_.LoseRule(Key(1), lost);
    Pass(absl::Seconds(3) + kLate);
    const auto records = Records();
    ASSERT_THAT(records, SizeIs(1));
    EXPECT_EQ(records[0].reason, CloseReason::kRulesLost);
    EXPECT_EQ(records[0].counters.of(lost).packets, 5U);
    EXPECT_EQ(records[0].counters.of(other).packets, 6U);
    EXPECT_EQ(datapath_.RuleCount(), 0U) << "the other half goes";
  }
  EXPECT_EQ(engine_->Stats().closed_lost, 2U);
}

TEST_F(AgingTest, AReaderFindsALostRuleAtOnce) {
  ASSERT_TRUE(Add(Spec(1)).ok());
  ASSERT_TRUE(Add(Spec(2)).ok());
  datapath_.LoseRule(Key(1), Direction::kOut);
  datapath_.LoseRule(Key(2), Direction::kIn);
  EXPECT_EQ(engine_->Get(Key(1))->state, SessionState::kClosed);
  EXPECT_EQ(engine_->Get(Key(1))->close_reason, CloseReason::kRulesLost);
  EXPECT_THAT(List(), IsEmpty());
  EXPECT_THAT(Records(), SizeIs(2));
}

TEST_F(AgingTest, CountersNeverGoBackwards) {
  ASSERT_TRUE(Add(Spec(1)).ok());
  Packets(1, Direction::kIn, 5);
  EXPECT_EQ(engine_->Get(Key(1))->counters.in.packets, 5U);
  datapath_.Inject({.kind = Kind::kQuery, .direction = Direction::kIn});
  engine_->Get(Key(1)).IgnoreError();
  datapath_.LoseRule(Key(1), Direction::kIn);
  EXPECT_EQ(engine_->Get(Key(1))->counters.in.packets, 5U);
}

TEST_F(AgingTest, MoreDueSessionsThanATickLooksAtAreDoneByTheNextOnes) {
  MakeEngine({.max_sessions = 100, .tick_batch = 10});
  for (uint64_t id = 1; id <= 35; ++id) ASSERT_TRUE(Add(Spec(id)).ok());
  clock_.Advance(absl::Seconds(4));
  for (const size_t closed : {10, 10, 10, 5, 0}) EXPECT_EQ(engine_->Tick(clock_.Now()), closed);
  EXPECT_THAT(Records(), SizeIs(35));
}

TEST_F(AgingTest, WhatIsDueWhileAReaderHasItIsLookedAtAgain) {
  ASSERT_TRUE(Add(Spec(1)).ok());
  clock_.Advance(absl::Seconds(4));
  datapath_.Block(Kind::kQuery);
  std::thread reading([&] { EXPECT_TRUE(engine_->Get(Key(1)).ok()); });
  datapath_.AwaitBlocked();
  EXPECT_EQ(engine_->Tick(clock_.Now()), 0U) << "does not wait for the reader";
  datapath_.Release();
  reading.join();
  EXPECT_LE(PassUntilClosed(1), absl::Milliseconds(100) + kLate);
}

TEST_F(AgingTest, WallClockStepsDoNotTurnTimesAround) {
  for (const absl::Duration step : {-absl::Hours(1), absl::Hours(1)}) {
    ASSERT_TRUE(Add(Spec(1)).ok());
    clock_.StepWall(step);
    PassUntilClosed(1);
    const auto records = Records();
    EXPECT_GE(records[0].end - records[0].start, absl::Seconds(3));
    EXPECT_LE(records[0].end - records[0].start, absl::Seconds(3) + kLate);
  }
}

}  // namespace
}  // namespace offload::engine
