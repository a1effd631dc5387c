// What becomes of sessions when a link goes down or away.
#include "closed/memory_log.h"
#include "engine/engine.h"
#include "gmock/gmock.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_datapath.h"

namespace offload::engine {
namespace {

using datapath::LifState;
using session::SessionSpec;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class LostLinksTest : public ::testing::Test {
 protected:
  LostLinksTest() : datapath_(clock_), log_(1000) { Start(OnLinkDown::kClose); }
  void Start(OnLinkDown on_link_down) {
    engine_ = std::make_unique<Engine>(
        EngineOptions{.on_link_down = on_link_down, .link_down_hold = absl::Seconds(3)}, clock_,
        datapath_, log_);
  }
  // From LIF `in` to LIF `out`.
  void Add(uint64_t id, session::LifId in, session::LifId out) {
    datapath_.SetAttachmentPoint(in, 10U * in);
    datapath_.SetAttachmentPoint(out, 10U * out);
    SessionSpec spec;
    spec.key = {.owner = 0, .id = id};
    spec.in_lif = in;
    spec.out_lif = out;
    spec.tuple = {.source = session::IpAddress::V4(0x0A000001),
                  .destination = session::IpAddress::V4(0x0A000002),
                  .source_port = static_cast<uint16_t>(id),
                  .destination_port = 80};
    spec.timeout = absl::Seconds(3600);
    absl::Status status;
    engine_->Add(absl::MakeConstSpan(&spec, 1), absl::MakeSpan(&status, 1));
    ASSERT_TRUE(status.ok()) << status;
  }
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
  fakes::FakeDatapath datapath_;
  closed::MemoryLog log_;
  std::unique_ptr<Engine> engine_;
};

// The kernel keeps rules that redirect to a netdev that is gone, and the NIC matches on.
TEST_F(LostLinksTest, ALostLifTakesTheRulesOnOtherPortsWithIt) {
  for (const OnLinkDown on_link_down : {OnLinkDown::kClose, OnLinkDown::kKeep}) {
    Start(on_link_down);
    Add(1, 1, 2);
    Add(2, 2, 1);
    Add(3, 2, 3);
    ASSERT_TRUE(datapath_.Count(session::SessionKey{0, 1}, session::Direction::kOut, 4, 400));
    datapath_.LoseRules(1);
    engine_->OnLifState(1, LifState::kLost);
    engine_->OnLifState(1, LifState::kUp);  // back, as another netdev
    Pass(absl::Milliseconds(100));
    EXPECT_EQ(datapath_.RuleCount(), 2U) << "those of the session without LIF 1";
    const auto records = Records();
    ASSERT_THAT(records, SizeIs(2));
    for (const auto& record : records) {
      EXPECT_EQ(record.reason, session::CloseReason::kRulesLost);
      EXPECT_EQ(record.counters.out.packets, record.key.id == 1 ? 4U : 0U);
    }
    ASSERT_TRUE(engine_->Delete({0, 3}, DeleteMode::kReply).ok());
  }
}

TEST_F(LostLinksTest, CloseClosesAfterTheHoldTime) {
  Add(1, 1, 2);
  Add(2, 2, 3);
  engine_->OnLifState(1, LifState::kDown);
  Pass(absl::Seconds(2.9));
  EXPECT_THAT(Records(), IsEmpty());
  Pass(absl::Seconds(0.2));
  EXPECT_THAT(Records(), SizeIs(1));
  EXPECT_EQ(datapath_.RuleCount(), 2U);
}

TEST_F(LostLinksTest, ALinkThatIsUpAgainWithinTheHoldTimeClosesNothing) {
  Add(1, 1, 2);
  engine_->OnLifState(1, LifState::kDown);
  Pass(absl::Seconds(2.9));
  engine_->OnLifState(1, LifState::kUp);
  Pass(absl::Seconds(10));
  EXPECT_THAT(Records(), IsEmpty());
  EXPECT_EQ(datapath_.RuleCount(), 2U);
}

TEST_F(LostLinksTest, KeepKeepsHoweverLongTheLinkIsDown) {
  Start(OnLinkDown::kKeep);
  Add(1, 1, 2);
  engine_->OnLifState(1, LifState::kDown);
  Pass(absl::Seconds(60));
  EXPECT_THAT(Records(), IsEmpty());
  EXPECT_EQ(datapath_.RuleCount(), 2U);
}

// The engine asks before the datapath knows what its standing rules take.
TEST_F(LostLinksTest, ACapacityThatShrinksWithTheStartIsKept) {
  datapath_.SetRuleCapacity(5);
  Add(1, 1, 2);
  Add(2, 1, 2);
  SessionSpec spec;
  spec.key.id = 3;
  spec.in_lif = 1;
  spec.out_lif = 2;
  absl::Status status;
  engine_->Add(absl::MakeConstSpan(&spec, 1), absl::MakeSpan(&status, 1));
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_EQ(status.message(), "the table of 2 sessions is full");
}

}  // namespace
}  // namespace offload::engine
