// One rule: added, asked for, deleted.
#include "tests/datapath/conformance/conformance.h"

namespace offload::datapath::conformance {
namespace {

using absl::StatusCode;
using session::Direction;

TEST_P(ConformanceTest, AnAddedRuleIsThereAndHasCountedNothing) {
  EXPECT_TRUE(Add(Rule(7)).ok());
  EXPECT_EQ(subject_->RuleCount(), 1U);
  ExpectThere(Rule(7));
  ExpectAbsent(Rule(7, Direction::kOut));
}

TEST_P(ConformanceTest, AddingTheSameRuleAgainIsOkAndKeepsItsCounters) {
  ASSERT_TRUE(Add(Rule(7)).ok());
  const session::Counters sent = subject_->Send(Rule(7), 3);
  EXPECT_TRUE(Add(Rule(7)).ok());
  EXPECT_EQ(subject_->RuleCount(), 1U);
  ExpectThere(Rule(7), sent);
}

TEST_P(ConformanceTest, AHandleInUseIsTaken) {
  ASSERT_TRUE(Add(Rule(7)).ok());
  FlowRule other = Rule(7);
  other.tuple.source_port = 5000;
  EXPECT_EQ(Add(other).code(), StatusCode::kAlreadyExists) << "another key";
  EXPECT_EQ(Add(Rule(7, Direction::kIn, 2)).code(), StatusCode::kAlreadyExists)
      << "another generation";
  other = Rule(7);
  other.key.id = 8;
  EXPECT_EQ(Add(other).code(), StatusCode::kAlreadyExists) << "another session";
  other = Rule(7);
  other.key.owner = 4;
  EXPECT_EQ(Add(other).code(), StatusCode::kAlreadyExists) << "another owner";
  ExpectThere(Rule(7));
  EXPECT_EQ(subject_->RuleCount(), 1U);
}

TEST_P(ConformanceTest, AKeyInUseIsTaken) {
  ASSERT_TRUE(Add(Rule(7)).ok());
  FlowRule other = Rule(8);
  other.tuple = Rule(7).tuple;
  EXPECT_EQ(Add(other).code(), StatusCode::kAlreadyExists);
  other.ingress = 3;
  EXPECT_EQ(Add(other).code(), StatusCode::kAlreadyExists) << "LIF 3 is the netdev of LIF 1";
  ExpectAbsent(other);
  EXPECT_EQ(subject_->RuleCount(), 1U);
}

TEST_P(ConformanceTest, AKeyIsOfNetdevVlanAndTuple) {
  ASSERT_TRUE(Add(Rule(7)).ok());
  FlowRule other = Rule(8);
  other.tuple = Rule(7).tuple;
  other.ingress = 2;
  other.egress = 1;
  EXPECT_TRUE(Add(other).ok()) << "the other netdev";
  other = Rule(9);
  other.tuple = Rule(7).tuple;
  other.vlan = 100;
  EXPECT_TRUE(Add(other).ok()) << "tagged";
  other.slot = 10;
  other.vlan = 101;
  EXPECT_TRUE(Add(other).ok()) << "another tag";
  other = Rule(11);
  other.tuple = Rule(7).tuple;
  other.tuple.protocol = session::Protocol::kUdp;
  EXPECT_TRUE(Add(other).ok()) << "another protocol";
  EXPECT_EQ(subject_->RuleCount(), 5U);
}

TEST_P(ConformanceTest, ALifThatIsNotConfiguredIsRefused) {
  FlowRule rule = Rule(7);
  rule.ingress = 9;
  EXPECT_FALSE(Add(rule).ok());
  rule = Rule(7);
  rule.egress = 9;
  const absl::Status status = Add(rule);
  EXPECT_FALSE(status.ok());
  EXPECT_NE(status.code(), StatusCode::kUnknown) << "these would mean that the rule may be there";
  EXPECT_NE(status.code(), StatusCode::kUnavailable);
  EXPECT_EQ(subject_->RuleCount(), 0U);
  rule.action = session::Action::kDrop;
  EXPECT_TRUE(Add(rule).ok()) << "what is dropped leaves nowhere";
}

TEST_P(ConformanceTest, WhatIsNotThisRuleIsNotFound) {
  ExpectAbsent(Rule(7));
  ASSERT_TRUE(Add(Rule(7)).ok());
  ExpectAbsent(Rule(7, Direction::kIn, 2));
  FlowRule other = Rule(7);
  other.key.id = 8;
  ExpectAbsent(other);
  other = Rule(7);
  other.key.owner = 4;
  ExpectAbsent(other);
  ExpectAbsent(Rule(8));
  ExpectThere(Rule(7));
}

TEST_P(ConformanceTest, ALostRuleIsNotFoundAndItsDeleteIsOk) {
  ASSERT_TRUE(Add(Rule(7)).ok());
  subject_->Lose(Rule(7));
  ExpectAbsent(Rule(7));
  ExpectGone(Delete(Rule(7)));
  EXPECT_TRUE(Add(Rule(7)).ok());
}

TEST_P(ConformanceTest, ADeleteCarriesTheFinalCounters) {
  ASSERT_TRUE(Add(Rule(7)).ok());
  const session::Counters sent = subject_->Send(Rule(7), 5);
  ASSERT_EQ(sent.packets, 5U);
  const FlowResult result = Delete(Rule(7));
  EXPECT_TRUE(result.status.ok()) << result.status;
  EXPECT_TRUE(result.existed);
  EXPECT_EQ(result.counters, sent);
  EXPECT_EQ(subject_->RuleCount(), 0U);
  ExpectAbsent(Rule(7));
}

TEST_P(ConformanceTest, DeletingWhatIsAbsentIsOkEachTime) {
  ExpectGone(Delete(Rule(7)));
  ASSERT_TRUE(Add(Rule(7)).ok());
  EXPECT_TRUE(Delete(Rule(7)).existed);
  ExpectGone(Delete(Rule(7)));
  ExpectGone(Delete(Rule(7)));
}

TEST_P(ConformanceTest, DeletingARuleOfAnotherGenerationReportsNothing) {
  ASSERT_TRUE(Add(Rule(7)).ok());
  subject_->Send(Rule(7), 5);
  ExpectGone(Delete(Rule(7, Direction::kIn, 2)));
}

TEST_P(ConformanceTest, ADeletedRulesHandleAndKeyAreFreeAtOnceAndCountFromZero) {
  ASSERT_TRUE(Add(Rule(7)).ok());
  subject_->Send(Rule(7), 5);
  ASSERT_TRUE(Delete(Rule(7)).existed);
  EXPECT_TRUE(Add(Rule(7, Direction::kIn, 2)).ok());
  ExpectThere(Rule(7, Direction::kIn, 2));
  ASSERT_TRUE(Delete(Rule(7, Direction::kIn, 2)).existed);
  FlowRule same_key = Rule(8);
  same_key.tuple = Rule(7).tuple;
  EXPECT_TRUE(Add(same_key).ok());
}

TEST_P(ConformanceTest, TheHighestGenerationAndLongestTimeoutAreKept) {
  FlowRule rule = Rule(7, Direction::kIn, kGenerationMask);
  rule.key = {.owner = session::kMaxOwner, .id = UINT64_MAX};
  rule.timeout = absl::Seconds(86400);
  EXPECT_TRUE(Add(rule).ok());
  ExpectThere(rule);
  EXPECT_TRUE(Delete(rule).existed);
}

TEST_P(ConformanceTest, EachShapeOfRuleCountsItsPackets) {
  const auto v6 = [](uint8_t last) {
    return session::IpAddress::V6({0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last});
  };
  std::vector<FlowRule> rules;
  for (int shape = 0; shape < 16; ++shape) {
    FlowRule rule = Rule(static_cast<uint64_t>(shape));
    if ((shape & 1) != 0) rule.tuple.source = v6(1), rule.tuple.destination = v6(2);
    if ((shape & 2) != 0) rule.tuple.protocol = session::Protocol::kUdp;
    if ((shape & 4) != 0) rule.vlan = 100;
    if ((shape & 8) != 0) rule.action = session::Action::kDrop;
    rule.tuple.source_port = static_cast<uint16_t>(4000 + shape);
    rules.push_back(rule);
    ASSERT_TRUE(Add(rule).ok()) << shape << Query(rule).status;
  }
  std::vector<session::Counters> sent;
  for (const FlowRule& rule : rules) sent.push_back(subject_->Send(rule, rule.slot + 1));
  for (size_t i = 0; i < rules.size(); ++i) {
    SCOPED_TRACE(i);
    ExpectThere(rules[i], sent[i]);
    EXPECT_EQ(Delete(rules[i]).counters, sent[i]);
  }
  EXPECT_EQ(subject_->RuleCount(), 0U);
}

TEST_P(ConformanceTest, IdleIsTheTimeSinceTheLastPacketOrTheInstallation) {
  constexpr absl::Duration kStep = absl::Seconds(2);
  ASSERT_TRUE(Add(Rule(7)).ok());
  EXPECT_LT(Query(Rule(7)).idle, kStep);
  subject_->Wait(kStep);
  const absl::Duration resolution = absl::Milliseconds(10) + datapath().SampleGrace();
  EXPECT_GE(Query(Rule(7)).idle, kStep - resolution) << "since the installation";
  subject_->Send(Rule(7), 1);
  subject_->Wait(datapath().SampleGrace());
  EXPECT_LT(Query(Rule(7)).idle, kStep + datapath().SampleGrace()) << "since the packet";
  subject_->Wait(kStep);
  EXPECT_GE(Query(Rule(7)).idle, kStep - resolution);
}

}  // namespace
}  // namespace offload::datapath::conformance
