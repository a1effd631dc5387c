// A session is both rules or none; ids and rule keys are unique.
#include "engine_fixture.h"

namespace offload::engine {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class AddTest : public EngineTest {};

TEST_F(AddTest, ASessionIsOneRuleOnEachSide) {
  session::SessionSpec spec = Spec(7, 5);
  spec.in_vlan = 100;
  spec.out_vlan = 200;
  ASSERT_TRUE(Add(spec).ok());
  const std::vector<datapath::FlowRule> rules = datapath_.Rules();
  ASSERT_THAT(rules, SizeIs(2));
  for (const Direction d : session::kDirections) {
    const datapath::FlowRule& rule = rules[static_cast<size_t>(d)];
    EXPECT_EQ(rule.direction, d);
    EXPECT_EQ(rule.slot, rules[0].slot);
    EXPECT_EQ(rule.generation, rules[0].generation);
    EXPECT_EQ(rule.key, spec.key);
    EXPECT_EQ(rule.ingress, d == Direction::kIn ? 1 : 2);
    EXPECT_EQ(rule.egress, d == Direction::kIn ? 2 : 1);
    EXPECT_EQ(rule.tuple, d == Direction::kIn ? spec.tuple : spec.tuple.Reversed());
    EXPECT_EQ(rule.vlan, d == Direction::kIn ? 100 : 200);
    EXPECT_EQ(rule.egress_vlan, d == Direction::kIn ? 200 : 100);
    EXPECT_EQ(rule.timeout, absl::Seconds(3));
  }
}

TEST_F(AddTest, ABatchGoesDownInOneCall) {
  for (const absl::Status& status : Add({Spec(1), Spec(2), Spec(3)})) EXPECT_TRUE(status.ok());
  ASSERT_THAT(datapath_.Log(), SizeIs(6));
  EXPECT_EQ(datapath_.Log().front().call, datapath_.Log().back().call);
  EXPECT_THAT(Add(std::vector<session::SessionSpec>{}), IsEmpty());
  EXPECT_THAT(datapath_.Log(), SizeIs(6)) << "an empty batch is no call";
}

// What the datapath may answer to an add, and whether the rule is there all the same.
struct HalfCase {
  absl::StatusCode code;
  bool takes_effect;
};

class HalfTest : public EngineTest,
                 public ::testing::WithParamInterface<std::tuple<HalfCase, int>> {};

TEST_P(HalfTest, AHalfThatFailsLeavesNothingOfItsSessionAndTheOthersWhole) {
  const auto& [half, directions] = GetParam();
  for (const Direction d : session::kDirections) {
    if (((directions >> static_cast<int>(d)) & 1) == 0) continue;
    datapath_.Inject({.kind = Kind::kAdd,
                      .direction = d,
                      .key = Key(2),
                      .times = 10,
                      .status = absl::Status(half.code, "injected"),
                      .takes_effect = half.takes_effect});
  }
  const std::vector<absl::Status> results = Add({Spec(1), Spec(2), Spec(3)});
  EXPECT_TRUE(results[0].ok()) << results[0];
  EXPECT_EQ(results[1].code(), half.code);
  EXPECT_THAT(std::string(results[1].message()), HasSubstr("injected"));
  EXPECT_TRUE(results[2].ok()) << results[2];
  EXPECT_EQ(datapath_.RuleCount(), 4U) << "two pairs, and nothing of 2 before the answer";
  EXPECT_EQ(datapath_.Rule(Key(2), Direction::kIn), std::nullopt);
  EXPECT_EQ(datapath_.Rule(Key(2), Direction::kOut), std::nullopt);
  EXPECT_EQ(engine_->Get(Key(2)).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(engine_->Stats().sessions, 2U);
  EXPECT_EQ(engine_->Stats().added, 2U);
  EXPECT_EQ(engine_->Stats().rejected, 1U);

  datapath_.ClearFaults();
  EXPECT_TRUE(Add(Spec(2)).ok()) << "id, tuple and slot are free again";
  EXPECT_EQ(FreeSlots(100), 5U);
  Pass(absl::Seconds(4));
  EXPECT_THAT(Records(), SizeIs(8)) << "no record for what was never accepted";
  EXPECT_EQ(datapath_.RuleCount(), 0U);
}

INSTANTIATE_TEST_SUITE_P(
    All, HalfTest,
    ::testing::Combine(::testing::Values(HalfCase{absl::StatusCode::kInternal, false},
                                         HalfCase{absl::StatusCode::kUnimplemented, false},
                                         HalfCase{absl::StatusCode::kAlreadyExists, false},
                                         HalfCase{absl::StatusCode::kInvalidArgument, false},
                                         HalfCase{absl::StatusCode::kFailedPrecondition, false},
                                         HalfCase{absl::StatusCode::kResourceExhausted, false},
                                         HalfCase{absl::StatusCode::kPermissionDenied, false},
                                         HalfCase{absl::StatusCode::kUnknown, false},
                                         HalfCase{absl::StatusCode::kUnknown, true},
                                         HalfCase{absl::StatusCode::kUnavailable, false},
                                         HalfCase{absl::StatusCode::kUnavailable, true}),
                       ::testing::Values(1, 2, 3)));

TEST_F(AddTest, AnUndoThatIsNotConfirmedKeepsTheSlotUntilATickConfirmsIt) {
  datapath_.Inject({.direction = Direction::kOut, .key = Key(1)});
  datapath_.Inject({.kind = Kind::kDelete, .times = 3, .status = absl::UnavailableError("busy")});
  EXPECT_EQ(Add(Spec(1)).code(), absl::StatusCode::kInternal);
  EXPECT_EQ(datapath_.RuleCount(), 1U);
  EXPECT_EQ(Add(Spec(1)).code(), absl::StatusCode::kUnavailable) << "it is still closing";
  EXPECT_EQ(FreeSlots(100), 7U);
  Pass(absl::Seconds(0.3));
  EXPECT_EQ(datapath_.RuleCount(), 14U);
  EXPECT_TRUE(Add(Spec(1)).ok());
  EXPECT_THAT(Records(), IsEmpty());
  EXPECT_GE(engine_->Stats().delete_retries, 3U);
}

// It was never accepted: it is no session that closes, and no record will follow.
TEST_F(AddTest, WhatWasUndoneAndIsNotConfirmedIsNoSession) {
  datapath_.Inject({.direction = Direction::kOut, .key = Key(1)});
  datapath_.Inject({.kind = Kind::kDelete, .times = 3, .status = absl::UnavailableError("busy")});
  EXPECT_EQ(Add(Spec(1)).code(), absl::StatusCode::kInternal);
  EXPECT_EQ(engine_->Get(Key(1)).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(engine_->Delete(Key(1), DeleteMode::kReply).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_THAT(List(), IsEmpty());
}

TEST_F(AddTest, WhatFailedFullIsRetriedOnceAloneAfterTheUndo) {
  // Room for three rules: in the batch the halves of two sessions are in each other's way.
  datapath_.SetRuleCapacity(3);
  datapath_.Inject({.direction = Direction::kOut,
                    .times = 2,
                    .status = absl::ResourceExhaustedError("the other writer was faster")});
  const std::vector<absl::Status> results = Add({Spec(1), Spec(2)});
  EXPECT_TRUE(results[0].ok()) << "alone it fits: " << results[0];
  EXPECT_EQ(results[1].code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(datapath_.RuleCount(), 2U);
  EXPECT_EQ(engine_->Stats().added, 1U);
  EXPECT_EQ(engine_->Stats().rejected, 1U);
}

TEST_F(AddTest, WhatFailsFullTwiceIsAnsweredSo) {
  datapath_.Inject(
      {.direction = Direction::kIn, .times = 2, .status = absl::ResourceExhaustedError("full")});
  EXPECT_EQ(Add(Spec(1)).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(datapath_.LoggedOps(Kind::kAdd), 4U) << "tried twice, not three times";
  EXPECT_TRUE(Add(Spec(1)).ok());
}

TEST_F(AddTest, TheTableIsFullExactlyAtItsCapacity) {
  std::vector<session::SessionSpec> specs;
  for (uint64_t id = 0; id < 10; ++id) specs.push_back(Spec(id));
  const std::vector<absl::Status> results = Add(specs);
  for (size_t i = 0; i < results.size(); ++i) {
    EXPECT_EQ(results[i].code(),
              i < 8 ? absl::StatusCode::kOk : absl::StatusCode::kResourceExhausted);
  }
  EXPECT_EQ(datapath_.LoggedOps(Kind::kAdd), 16U);
  ASSERT_TRUE(engine_->Delete(Key(3), DeleteMode::kReply).ok());
  EXPECT_TRUE(Add(Spec(9)).ok());
  EXPECT_FALSE(Add(Spec(3)).ok());
}

TEST_F(AddTest, CapacityIsTheDatapathsUnlessSet) {
  datapath_.SetRuleCapacity(7);
  MakeEngine({});
  EXPECT_EQ(FreeSlots(1), 3U);
}

TEST_F(AddTest, BothDirectedRuleKeysAreUniqueOverAllOwners) {
  ASSERT_TRUE(Add(Spec(1)).ok());
  session::SessionSpec same = Spec(1);
  same.key = Key(2);
  EXPECT_THAT(std::string(Add(same).message()), HasSubstr("in use by session 1"));
  same = FromTheOtherSide(same);
  EXPECT_EQ(Add(same).code(), absl::StatusCode::kAlreadyExists) << "the same flow";
  same.key = Key(1, /*owner=*/1);
  EXPECT_EQ(Add(same).message(), "the flow is in use by another owner");
  // Only the forward, then only the reverse rule is the same.
  const auto tagged = [](uint64_t id, uint16_t in, uint16_t out) {
    session::SessionSpec spec = Spec(1);
    spec.key = Key(id);
    spec.in_vlan = in;
    spec.out_vlan = out;
    return spec;
  };
  EXPECT_TRUE(Add(tagged(3, 5, 6)).ok());
  EXPECT_EQ(Add(tagged(4, 5, 7)).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Add(tagged(4, 8, 6)).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_TRUE(Add(tagged(4, 8, 7)).ok()) << "both differ";
  EXPECT_EQ(datapath_.RuleCount(), 6U);
}

TEST_F(AddTest, LifsOfOneNetdevAreOnePlace) {
  ASSERT_TRUE(Add(Spec(1)).ok());
  session::SessionSpec spec = Spec(1);
  spec.key = Key(2);
  spec.in_lif = 3;
  EXPECT_EQ(Add(spec).code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(AddTest, AnIdIsUniquePerOwner) {
  ASSERT_TRUE(Add(Spec(1)).ok());
  session::SessionSpec spec = Spec(2);
  spec.key = Key(1);
  EXPECT_EQ(Add(spec).message(), "sessionId: in use");
  spec.key = Key(1, /*owner=*/1);
  EXPECT_TRUE(Add(spec).ok());
  EXPECT_EQ(engine_->Get(Key(1))->spec.tuple, Spec(1).tuple);
  EXPECT_EQ(engine_->Get(Key(1, 1))->spec.tuple, Spec(2).tuple);
  EXPECT_TRUE(engine_->Delete(Key(1, 1), DeleteMode::kReply).ok());
  EXPECT_TRUE(engine_->Get(Key(1)).ok());
}

TEST_F(AddTest, OneArmedSessionsNeedATupleThatDiffersFromItsReverse) {
  session::SessionSpec spec = Spec(1);
  spec.out_lif = 3;  // the netdev of LIF 1
  EXPECT_TRUE(Add(spec).ok());
  EXPECT_EQ(datapath_.RuleCount(), 2U);
  spec = Spec(2);
  spec.out_lif = 1;
  spec.tuple.destination = spec.tuple.source;
  spec.tuple.destination_port = spec.tuple.source_port;
  EXPECT_EQ(Add(spec).code(), absl::StatusCode::kInvalidArgument);
  spec.out_lif = 3;
  EXPECT_EQ(Add(spec).code(), absl::StatusCode::kInvalidArgument);
  spec.in_vlan = 6;
  spec.out_vlan = 7;
  EXPECT_TRUE(Add(spec).ok()) << "the VLANs tell the directions apart";
}

TEST_F(AddTest, LifsThatAreNotConfiguredAreRefusedAndTheRestOfTheBatchGoesOn) {
  session::SessionSpec in = Spec(1), out = Spec(2);
  in.in_lif = 77;
  out.out_lif = 78;
  const std::vector<absl::Status> results = Add({in, out, Spec(3)});
  EXPECT_EQ(results[0].code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(results[0].message()), HasSubstr("77"));
  EXPECT_EQ(results[1].code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(results[1].message()), HasSubstr("78"));
  EXPECT_TRUE(results[2].ok());
}

TEST_F(AddTest, TimeoutsAreDefaultedAndClamped) {
  MakeEngine({.default_timeout = absl::Seconds(20), .max_timeout = absl::Seconds(100)});
  session::SessionSpec none = Spec(1), most = Spec(2), more = Spec(3);
  none.timeout = absl::ZeroDuration();
  most.timeout = absl::Seconds(100);
  more.timeout = absl::Seconds(101);
  for (const absl::Status& status : Add({none, most, more})) EXPECT_TRUE(status.ok());
  EXPECT_EQ(engine_->Get(Key(1))->spec.timeout, absl::Seconds(20));
  EXPECT_EQ(engine_->Get(Key(2))->spec.timeout, absl::Seconds(100));
  EXPECT_EQ(engine_->Get(Key(3))->spec.timeout, absl::Seconds(100));
  EXPECT_EQ(datapath_.Rule(Key(1), Direction::kIn)->timeout, absl::Seconds(20));
}

}  // namespace
}  // namespace offload::engine
