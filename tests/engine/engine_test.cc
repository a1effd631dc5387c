#include "engine/engine.h"

#include "closed/memory_log.h"
#include "gmock/gmock.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_datapath.h"

namespace offload::engine {
namespace {

using fakes::FakeDatapath;
using session::Direction;
using session::SessionSpec;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class EngineTest : public ::testing::Test {
 protected:
  EngineTest() : datapath_(clock_), log_(1000) {
    datapath_.SetAttachmentPoint(1, 10);
    datapath_.SetAttachmentPoint(2, 20);
    engine_ = std::make_unique<Engine>(EngineOptions{.max_sessions = 8}, clock_, datapath_, log_);
  }
  static SessionSpec Spec(uint64_t id, uint16_t port) {
    SessionSpec spec;
    spec.key = {.owner = 0, .id = id};
    spec.in_lif = 1;
    spec.out_lif = 2;
    spec.tuple = {.source = session::IpAddress::V4(0x0A000001),
                  .destination = session::IpAddress::V4(0x0A000002),
                  .source_port = port,
                  .destination_port = 80};
    spec.timeout = absl::Seconds(3);
    return spec;
  }
  std::vector<absl::Status> Add(const std::vector<SessionSpec>& specs) {
    std::vector<absl::Status> results(specs.size());
    engine_->Add(specs, absl::MakeSpan(results));
    return results;
  }
  // Time passes in small steps, with a Tick each, as the ager does it.
  void Pass(absl::Duration time) {
    constexpr absl::Duration kStep = absl::Milliseconds(50);
    for (absl::Duration t; t < time; t += kStep) {
      clock_.Advance(kStep);
      engine_->Tick(clock_.Now());
    }
  }
  std::vector<session::ClosedRecord> Records() {
    std::vector<session::ClosedRecord> records;
    const auto lease = log_.Lease(0, 1000);
    while (const auto* record = lease->Peek()) {
      records.push_back(*record);
      lease->Commit();
    }
    return records;
  }

  fakes::FakeClock clock_;
  FakeDatapath datapath_;
  closed::MemoryLog log_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(EngineTest, EitherHalfThatFailsLeavesNothing) {
  for (const Direction direction : session::kDirections) {
    for (const bool unknown : {false, true}) {
      datapath_.Inject({.direction = direction,
                        .status = unknown ? absl::UnknownError("lost") : absl::InternalError("no"),
                        .takes_effect = unknown});
      const auto results = Add({Spec(1, 1), Spec(2, 2)});
      EXPECT_FALSE(results[0].ok());
      EXPECT_TRUE(results[1].ok()) << results[1];
      EXPECT_EQ(datapath_.RuleCount(), 2u) << "the other session's pair only";
      ASSERT_TRUE(engine_->Delete({0, 2}, DeleteMode::kReply).ok());
      datapath_.ClearFaults();
    }
  }
  EXPECT_THAT(Records(), IsEmpty());
}

TEST_F(EngineTest, IdAndEitherRuleKeyAreUnique) {
  ASSERT_TRUE(Add({Spec(1, 1)})[0].ok());
  SessionSpec reverse = Spec(3, 1);
  std::swap(reverse.in_lif, reverse.out_lif);
  reverse.tuple = reverse.tuple.Reversed();
  for (const auto& status : Add({Spec(1, 9), Spec(2, 1), reverse})) {
    EXPECT_TRUE(absl::IsAlreadyExists(status)) << status;
  }
  EXPECT_TRUE(Add({Spec(4, 4), Spec(4, 5)})[0].ok());
  EXPECT_EQ(datapath_.RuleCount(), 4u);
  SessionSpec other_owner = Spec(1, 7);
  other_owner.key.owner = 1;
  EXPECT_TRUE(Add({other_owner})[0].ok()) << "ids of owners are their own";
}

TEST_F(EngineTest, ClosesAfterTheTimeoutOfTheLastPacketOfEitherDirection) {
  ASSERT_TRUE(Add({Spec(1, 1)})[0].ok());
  Pass(absl::Seconds(2));
  ASSERT_TRUE(datapath_.Count(session::SessionKey{0, 1}, Direction::kOut, 5, 500));
  Pass(absl::Seconds(2.95));
  EXPECT_THAT(Records(), IsEmpty());
  Pass(absl::Seconds(0.25));
  const auto records = Records();
  ASSERT_THAT(records, SizeIs(1));
  EXPECT_EQ(records[0].counters.out, (session::Counters{5, 500}));
  EXPECT_EQ(records[0].reason, session::CloseReason::kTimeout);
  EXPECT_EQ(datapath_.RuleCount(), 0u);
}

TEST_F(EngineTest, AFrozenCounterInOneDirectionDoesNotCloseALiveSession) {
  ASSERT_TRUE(Add({Spec(1, 1)})[0].ok());
  datapath_.Freeze({0, 1}, Direction::kIn);
  for (int i = 0; i < 10; ++i) {
    datapath_.Count(session::SessionKey{0, 1}, Direction::kOut, 1, 60);
    Pass(absl::Seconds(1));
  }
  EXPECT_THAT(Records(), IsEmpty());
  Pass(absl::Seconds(4));
  EXPECT_THAT(Records(), SizeIs(1));
}

TEST_F(EngineTest, ADeleteThatFailsIsRepeatedAndKeepsItsSlot) {
  ASSERT_TRUE(Add({Spec(1, 1)})[0].ok());
  const auto slot = datapath_.Rules()[0].slot;
  datapath_.Inject({.kind = FakeDatapath::Kind::kDelete, .status = absl::UnavailableError("busy")});
  EXPECT_TRUE(absl::IsUnavailable(engine_->Delete({0, 1}, DeleteMode::kReply).status()));
  ASSERT_TRUE(Add({Spec(2, 2)})[0].ok());
  for (const auto& rule : datapath_.Rules()) {
    if (rule.key.id != 2) continue;
    EXPECT_NE(rule.slot, slot) << "reused before both deletes were confirmed";
  }
  Pass(absl::Seconds(0.2));
  EXPECT_THAT(Records(), SizeIs(1)) << "the reply carried nothing, so the record does";
  EXPECT_EQ(datapath_.RuleCount(), 2u);
}

TEST_F(EngineTest, ALostRuleClosesTheSession) {
  ASSERT_TRUE(Add({Spec(1, 1)})[0].ok());
  datapath_.LoseRule({0, 1}, Direction::kIn);
  Pass(absl::Seconds(4));
  const auto records = Records();
  ASSERT_THAT(records, SizeIs(1));
  EXPECT_EQ(records[0].reason, session::CloseReason::kRulesLost);
  EXPECT_EQ(datapath_.RuleCount(), 0u);
}

TEST_F(EngineTest, AFullTableRefusesOneByOneAndFreesSlots) {
  std::vector<SessionSpec> specs;
  for (uint16_t i = 0; i < 10; ++i) specs.push_back(Spec(i, i));
  const auto results = Add(specs);
  for (size_t i = 0; i < results.size(); ++i) {
    EXPECT_EQ(absl::IsResourceExhausted(results[i]), i >= 8) << results[i];
  }
  ASSERT_TRUE(engine_->Delete({0, 3}, DeleteMode::kReply).ok());
  EXPECT_TRUE(Add({Spec(9, 9)})[0].ok());
}

TEST_F(EngineTest, WallClockStepsDoNotTurnTimesAround) {
  ASSERT_TRUE(Add({Spec(1, 1)})[0].ok());
  clock_.StepWall(-absl::Hours(1));
  Pass(absl::Seconds(4));
  const auto records = Records();
  ASSERT_THAT(records, SizeIs(1));
  EXPECT_LE(records[0].start, records[0].end);
}

}  // namespace
}  // namespace offload::engine
