// What the engine says of itself and of its datapath.
#include <memory>
#include <vector>

#include "closed/memory_log.h"
#include "engine/engine.h"
#include "gmock/gmock.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_datapath.h"

namespace offload::engine {
namespace {

using datapath::Finding;
using datapath::LifState;
using session::Direction;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class InsightTest : public ::testing::Test {
 protected:
  absl::Status Add(uint64_t id) {
    session::SessionSpec spec;
    spec.key = {.owner = 0, .id = id};
    spec.in_lif = 1;
    spec.out_lif = 2;
    spec.tuple = {.source = session::IpAddress::V4(0x0A000001),
                  .destination = session::IpAddress::V4(0x0A000002),
                  .source_port = static_cast<uint16_t>(id),
                  .destination_port = 80};
    spec.timeout = absl::Seconds(3);
    absl::Status result;
    engine_.Add({&spec, 1}, {&result, 1});
    return result;
  }

  fakes::FakeClock clock_;
  fakes::FakeDatapath datapath_{clock_};
  closed::MemoryLog log_{1000};
  Engine engine_{{.max_sessions = 3}, clock_, datapath_, log_};
};

TEST_F(InsightTest, ExaminePassesTheFindingsOn) {
  EXPECT_THAT(engine_.Examine(), IsEmpty());
  const Finding finding = {.level = Finding::Level::kProblem,
                           .check = "switchdev",
                           .subject = "p0",
                           .text = "legacy",
                           .advice = "devlink"};
  datapath_.SetFindings({finding});
  EXPECT_THAT(engine_.Examine(), ElementsAre(finding));
}

// An examination takes seconds on a real NIC: sessions must not wait for it. With a lock held this
// test does not end.
TEST_F(InsightTest, SessionsGoOnDuringAnExamination) {
  datapath_.SetExamination([this] {
    EXPECT_TRUE(Add(1).ok());
    EXPECT_EQ(engine_.Stats().sessions, 1u);
    engine_.Tick(clock_.Now());
    return std::vector<Finding>{};
  });
  engine_.Examine();
  EXPECT_EQ(datapath_.RuleCount(), 2u);
}

TEST_F(InsightTest, CapacityIsInTheStatistics) {
  ASSERT_TRUE(Add(1).ok());
  EXPECT_EQ(engine_.Stats().sessions, 1u);
  EXPECT_EQ(engine_.Stats().capacity, 3u);
  const Engine sized_by_datapath({}, clock_, datapath_, log_);
  EXPECT_EQ(sized_by_datapath.Stats().capacity, datapath_.SessionCapacity());
}

TEST_F(InsightTest, DatapathStatsCountRules) {
  ASSERT_TRUE(Add(1).ok());
  datapath_.Inject({.direction = Direction::kIn, .status = absl::UnimplementedError("shape")});
  EXPECT_FALSE(Add(2).ok());
  datapath_.Inject({.direction = Direction::kIn, .status = absl::PermissionDeniedError("root")});
  EXPECT_FALSE(Add(3).ok());
  ASSERT_TRUE(engine_.Get({0, 1}).ok());
  const datapath::DatapathStats stats = engine_.DatapathStats();
  EXPECT_EQ(stats.added, 4u) << "two of session 1, one half each of 2 and 3";
  EXPECT_EQ(stats.refused_unsupported, 1u);
  EXPECT_EQ(stats.refused_other, 1u);
  EXPECT_EQ(stats.refused_full, 0u);
  EXPECT_GE(stats.deleted, 2u) << "the halves";
  EXPECT_EQ(stats.queried, 2u);
}

TEST_F(InsightTest, LinkStateIsWhatWasToldLast) {
  EXPECT_EQ(engine_.LinkState(1), LifState::kUp);
  for (const LifState state : {LifState::kDown, LifState::kLost, LifState::kUp}) {
    engine_.OnLifState(1, state);
    EXPECT_EQ(engine_.LinkState(1), state);
  }
  EXPECT_EQ(engine_.LinkState(2), LifState::kUp);
}

// The engine forgets a down link when it has acted on it; people still want to know.
TEST_F(InsightTest, LinkStateStaysDownAfterItsSessionsAreClosed) {
  engine_.OnLifState(1, LifState::kDown);
  clock_.Advance(absl::Minutes(1));
  engine_.Tick(clock_.Now());
  EXPECT_EQ(engine_.LinkState(1), LifState::kDown);
}

}  // namespace
}  // namespace offload::engine
