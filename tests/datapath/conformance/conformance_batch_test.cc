// Many operations in one call, and many calls at once; LIFs, capacity, and the next life.
#include <thread>

#include "tests/datapath/conformance/conformance.h"

namespace offload::datapath::conformance {
namespace {

using absl::StatusCode;
using session::Direction;

// Both rules of sessions [first, last).
std::vector<FlowOp> Pairs(FlowOp::Kind kind, uint64_t first, uint64_t last,
                          Generation generation = 1) {
  std::vector<FlowOp> ops;
  for (uint64_t id = first; id < last; ++id) {
    for (const Direction d : session::kDirections) {
      ops.push_back({kind, MakeRule(Spec(id), static_cast<Slot>(id), generation, d)});
    }
  }
  return ops;
}

TEST_P(ConformanceTest, AnEmptyBatchIsNothing) {
  EXPECT_TRUE(Apply({}).empty());
  EXPECT_EQ(subject_->RuleCount(), 0U);
}

TEST_P(ConformanceTest, ABatchHasOneResultForEachOperationInOrder) {
  constexpr uint64_t kSessions = 300;
  for (const FlowResult& result : Apply(Pairs(Kind::kAdd, 0, kSessions))) {
    ASSERT_TRUE(result.status.ok()) << result.status;
  }
  EXPECT_EQ(subject_->RuleCount(), 2 * kSessions);
  const session::Counters sent = subject_->Send(Rule(123, Direction::kOut), 4);
  const std::vector<FlowOp> queries = Pairs(Kind::kQuery, 0, kSessions);
  const std::vector<FlowResult> results = Apply(queries);
  for (size_t i = 0; i < results.size(); ++i) {
    ASSERT_TRUE(results[i].existed) << i;
    const bool is_it = i == 2 * 123 + 1;
    ASSERT_EQ(results[i].counters, is_it ? sent : session::Counters{}) << i;
  }
  for (const FlowResult& result : Apply(Pairs(Kind::kDelete, 0, kSessions))) {
    ASSERT_TRUE(result.existed) << result.status;
  }
  EXPECT_EQ(subject_->RuleCount(), 0U);
}

TEST_P(ConformanceTest, OperationsOfDifferentSlotsDoNotTouchEachOther) {
  ASSERT_TRUE(Add(Rule(1)).ok());
  ASSERT_TRUE(Add(Rule(2)).ok());
  FlowRule taken_key = Rule(5), taken_handle = Rule(1), no_lif = Rule(6);
  taken_key.tuple = Rule(2).tuple;
  taken_handle.tuple.source_port = 1;
  no_lif.ingress = 9;
  const std::vector<FlowResult> results = Apply({{Kind::kAdd, Rule(3)},
                                                 {Kind::kAdd, taken_key},
                                                 {Kind::kQuery, Rule(2)},
                                                 {Kind::kAdd, taken_handle},
                                                 {Kind::kDelete, Rule(77)},
                                                 {Kind::kAdd, no_lif},
                                                 {Kind::kQuery, Rule(88)},
                                                 {Kind::kAdd, Rule(4, Direction::kOut)}});
  EXPECT_TRUE(results[0].status.ok()) << results[0].status;
  EXPECT_EQ(results[1].status.code(), StatusCode::kAlreadyExists);
  EXPECT_TRUE(results[2].existed);
  EXPECT_EQ(results[3].status.code(), StatusCode::kAlreadyExists);
  ExpectGone(results[4]);
  EXPECT_FALSE(results[5].status.ok());
  EXPECT_EQ(results[6].status.code(), StatusCode::kNotFound);
  EXPECT_TRUE(results[7].status.ok()) << results[7].status;
  EXPECT_EQ(subject_->RuleCount(), 4U);
}

TEST_P(ConformanceTest, OperationsOfOneSlotAreDoneInOrder) {
  const FlowRule first = Rule(7), next = Rule(7, Direction::kIn, 2);
  const std::vector<FlowResult> results = Apply({{Kind::kQuery, first},
                                                 {Kind::kAdd, first},
                                                 {Kind::kQuery, first},
                                                 {Kind::kAdd, next},
                                                 {Kind::kDelete, first},
                                                 {Kind::kDelete, first},
                                                 {Kind::kAdd, next},
                                                 {Kind::kQuery, next},
                                                 {Kind::kQuery, first}});
  EXPECT_EQ(results[0].status.code(), StatusCode::kNotFound);
  EXPECT_TRUE(results[1].status.ok()) << results[1].status;
  EXPECT_TRUE(results[2].existed);
  EXPECT_EQ(results[3].status.code(), StatusCode::kAlreadyExists);
  EXPECT_TRUE(results[4].existed);
  ExpectGone(results[5]);
  EXPECT_TRUE(results[6].status.ok()) << results[6].status;
  EXPECT_TRUE(results[7].existed);
  EXPECT_EQ(results[8].status.code(), StatusCode::kNotFound);
  EXPECT_EQ(subject_->RuleCount(), 1U);
}

TEST_P(ConformanceTest, TheTwoDirectionsCountOnTheirOwn) {
  for (const FlowResult& result : Apply(Pairs(Kind::kAdd, 7, 8))) EXPECT_TRUE(result.status.ok());
  const session::Counters in = subject_->Send(Rule(7), 3);
  const session::Counters out = subject_->Send(Rule(7, Direction::kOut), 5);
  EXPECT_EQ(out.packets, 5U);
  ExpectThere(Rule(7), in);
  ExpectThere(Rule(7, Direction::kOut), out);
}

TEST_P(ConformanceTest, AOneArmedSessionHasBothRulesOnOneNetdev) {
  session::SessionSpec spec = Spec(7);
  spec.out_lif = 3;
  const FlowRule in = MakeRule(spec, 7, 1, Direction::kIn);
  const FlowRule out = MakeRule(spec, 7, 1, Direction::kOut);
  EXPECT_TRUE(Add(in).ok());
  EXPECT_TRUE(Add(out).ok());
  const session::Counters sent = subject_->Send(out, 2);
  ExpectThere(in);
  ExpectThere(out, sent);
  EXPECT_TRUE(Delete(in).existed);
  ExpectThere(out, sent);
}

TEST_P(ConformanceTest, ThreadsWithSlotsOfTheirOwnDoNotDisturbEachOther) {
  constexpr uint64_t kThreads = 4, kSessions = 20;
  std::vector<std::thread> threads;
  for (uint64_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([this, first = thread * kSessions] {
      for (Generation round = 0; round < 10; ++round) {
        const auto all = [&](Kind kind) {
          return Apply(Pairs(kind, first, first + kSessions, round));
        };
        for (const FlowResult& r : all(Kind::kAdd)) EXPECT_TRUE(r.status.ok()) << r.status;
        for (const FlowResult& r : all(Kind::kQuery)) EXPECT_TRUE(r.existed) << r.status;
        for (const FlowResult& r : all(Kind::kDelete)) EXPECT_TRUE(r.existed) << r.status;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(subject_->RuleCount(), 0U);
}

TEST_P(ConformanceTest, AttachmentPointsAreEqualForLifsOfOneNetdev) {
  const auto first = datapath().AttachmentPoint(1), second = datapath().AttachmentPoint(2),
             third = datapath().AttachmentPoint(3);
  ASSERT_TRUE(first.ok() && second.ok() && third.ok());
  EXPECT_EQ(*first, *third);
  EXPECT_NE(*first, *second);
  EXPECT_EQ(datapath().AttachmentPoint(9).status().code(), StatusCode::kInvalidArgument);
}

TEST_P(ConformanceTest, ExactlySessionCapacitySessionsFit) {
  constexpr uint32_t kSessions = 20;
  Begin(kSessions);
  ASSERT_EQ(datapath().SessionCapacity(), kSessions);
  for (const FlowResult& result : Apply(Pairs(Kind::kAdd, 0, kSessions))) {
    ASSERT_TRUE(result.status.ok()) << result.status;
  }
  if (!subject_->refuses_beyond_capacity()) return;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Add(Rule(kSessions)).code(), StatusCode::kResourceExhausted);
    ExpectAbsent(Rule(kSessions));
  }
  EXPECT_TRUE(Delete(Rule(4)).existed);
  EXPECT_TRUE(Add(Rule(kSessions)).ok());
  EXPECT_EQ(Add(Rule(4)).code(), StatusCode::kResourceExhausted);
}

TEST_P(ConformanceTest, StartRemovesWhatAnEarlierLifeLeft) {
  for (const FlowResult& result : Apply(Pairs(Kind::kAdd, 0, 5))) ASSERT_TRUE(result.status.ok());
  ASSERT_TRUE(Delete(Rule(4)).existed);
  subject_->Restart();
  const auto report = datapath().Start();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->removed_rules, 9U);
  EXPECT_EQ(report->removed_sessions, 5U);
  EXPECT_EQ(subject_->RuleCount(), 0U);
  for (const FlowResult& result : Apply(Pairs(Kind::kAdd, 0, 5))) EXPECT_TRUE(result.status.ok());
}

}  // namespace
}  // namespace offload::datapath::conformance
