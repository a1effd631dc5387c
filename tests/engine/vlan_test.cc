// Sessions whose LIFs carry VLANs, over the fake datapath.
#include "closed/memory_log.h"
#include "engine/engine.h"
#include "gmock/gmock.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_datapath.h"

namespace offload::engine {
namespace {

using session::Direction;
using session::SessionSpec;

class EngineVlanTest : public ::testing::Test {
 protected:
  EngineVlanTest() : datapath_(clock_), log_(100), engine_({}, clock_, datapath_, log_) {}

  static SessionSpec Spec(uint64_t id, std::optional<uint16_t> in_vlan,
                          std::optional<uint16_t> out_vlan) {
    return {.key = {.owner = 0, .id = id},
            .in_lif = 1,
            .out_lif = 1,
            .tuple = {.source = session::IpAddress::V4(0x0A000001),
                      .destination = session::IpAddress::V4(0x0A000002),
                      .source_port = 4000,
                      .destination_port = 80},
            .in_vlan = in_vlan,
            .out_vlan = out_vlan,
            .timeout = absl::Seconds(3)};
  }
  absl::Status Add(const SessionSpec& spec) {
    absl::Status result;
    engine_.Add({&spec, 1}, {&result, 1});
    return result;
  }

  fakes::FakeClock clock_;
  fakes::FakeDatapath datapath_;
  closed::MemoryLog log_;
  Engine engine_;
};

TEST_F(EngineVlanTest, EachDirectionHasTheTagOfWhereItArrivesAndLeaves) {
  ASSERT_TRUE(Add(Spec(1, 100, 200)).ok());
  const auto in = datapath_.Rule({0, 1}, Direction::kIn);
  const auto out = datapath_.Rule({0, 1}, Direction::kOut);
  ASSERT_TRUE(in && out);
  EXPECT_EQ(in->vlan, 100);
  EXPECT_EQ(in->egress_vlan, 200);
  EXPECT_EQ(out->vlan, 200);
  EXPECT_EQ(out->egress_vlan, 100);
}

TEST_F(EngineVlanTest, OneTupleInTwoVlanPairsIsTwoSessions) {
  EXPECT_TRUE(Add(Spec(1, 100, 200)).ok());
  EXPECT_TRUE(Add(Spec(2, 200, 100)).ok()) << "the other way round is another flow";
  EXPECT_EQ(Add(Spec(3, 100, 300)).code(), absl::StatusCode::kAlreadyExists);
  SessionSpec from_the_other_side = Spec(4, 200, 100);
  from_the_other_side.tuple = from_the_other_side.tuple.Reversed();
  EXPECT_EQ(Add(from_the_other_side).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(datapath_.RuleCount(), 4U);
}

TEST_F(EngineVlanTest, ATupleThatIsItsOwnReverseCanGoFromVlanToVlan) {
  SessionSpec spec = Spec(1, 100, 100);
  spec.tuple.destination = spec.tuple.source;
  spec.tuple.destination_port = spec.tuple.source_port;
  EXPECT_EQ(Add(spec).code(), absl::StatusCode::kInvalidArgument);
  spec.out_vlan = 200;
  EXPECT_TRUE(Add(spec).ok());
}

// Else the packets of one direction would be forwarded with a tag that belongs to the other side.
TEST_F(EngineVlanTest, AVlanOnOneLifOnlyIsRefused) {
  EXPECT_EQ(Add(Spec(1, 100, {})).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Add(Spec(1, {}, 100)).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(datapath_.RuleCount(), 0U);
}

}  // namespace
}  // namespace offload::engine
