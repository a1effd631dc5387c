// What Apply makes of the kernel's answers.
#include <cerrno>
#include <thread>

#include "tc_datapath_fixture.h"

namespace offload::datapath {
namespace {

using absl::StatusCode;
using netlink::ErrnoToStatus;
using session::Direction;
using ::testing::HasSubstr;

const absl::Status kNoAnswer = absl::UnknownError("no answer from the kernel");

TEST_F(TcDatapathTest, BeforeStartEverythingIsUnavailable) {
  EXPECT_EQ(Do(Make(Kind::kAdd, 1)).status.code(), StatusCode::kUnavailable);
  EXPECT_EQ(datapath_.AttachmentPoint(1).status().code(), StatusCode::kFailedPrecondition);
}

TEST_F(TcDatapathTest, ASessionIsAPairOfRulesOnTheTwoNetdevs) {
  Start();
  const auto results =
      Apply({Make(Kind::kAdd, 7, Direction::kIn), Make(Kind::kAdd, 7, Direction::kOut)});
  EXPECT_TRUE(results[0].status.ok()) << results[0].status;
  EXPECT_TRUE(results[1].status.ok()) << results[1].status;
  const auto in = kernel_.Find(kP0, 5, 15), out = kernel_.Find(kP1, 5, 16);
  ASSERT_TRUE(in && out);
  EXPECT_EQ(std::get<netlink::Mirred>(in->actions[0].what).ifindex, kP1);
  EXPECT_EQ(std::get<netlink::Mirred>(out->actions[0].what).ifindex, kP0);
  EXPECT_EQ(in->key.src_port->value, 4000);
  EXPECT_EQ(out->key.src_port->value, 80);
}

TEST_F(TcDatapathTest, QueryTellsCountersAndIdle) {
  Start();
  Do(Make(Kind::kAdd, 7));
  kernel_.Count(kP0, 5, 15, 12, 3400, absl::Milliseconds(1230));
  const FlowResult result = Do(Make(Kind::kQuery, 7));
  EXPECT_TRUE(result.status.ok()) << result.status;
  EXPECT_TRUE(result.existed);
  EXPECT_EQ(result.counters, (session::Counters{12, 3400}));
  EXPECT_EQ(result.idle, absl::Milliseconds(1230));
}

TEST_F(TcDatapathTest, QueryOfALostRuleOrOfAnotherGenerationIsNotFound) {
  Start();
  EXPECT_EQ(Do(Make(Kind::kQuery, 7)).status.code(), StatusCode::kNotFound);
  Do(Make(Kind::kAdd, 7));
  FlowOp later = Make(Kind::kQuery, 7);
  later.rule.generation = 2;
  EXPECT_EQ(Do(later).status.code(), StatusCode::kNotFound);
  Answer(Op::kGet, ErrnoToStatus(EINVAL, "Parent Qdisc doesn't exists"));
  EXPECT_EQ(Do(Make(Kind::kQuery, 7)).status.code(), StatusCode::kNotFound);
}

TEST_F(TcDatapathTest, AQueryErrorSaysNothingAboutTheRule) {
  Start();
  Do(Make(Kind::kAdd, 7));
  Answer(Op::kGet, ErrnoToStatus(EPERM));
  EXPECT_EQ(Do(Make(Kind::kQuery, 7)).status.code(), StatusCode::kPermissionDenied);
  Answer(Op::kGet, kNoAnswer);
  EXPECT_TRUE(Do(Make(Kind::kQuery, 7)).existed) << "asked again";
  for (int i = 0; i < 4; ++i) Answer(Op::kGet, kNoAnswer);
  EXPECT_EQ(Do(Make(Kind::kQuery, 7)).status.code(), StatusCode::kUnknown);
}

TEST_F(TcDatapathTest, DeleteCarriesTheFinalCounters) {
  Start();
  Do(Make(Kind::kAdd, 7));
  kernel_.Count(kP0, 5, 15, 3, 180, absl::Seconds(2));
  const FlowResult result = Do(Make(Kind::kDelete, 7));
  EXPECT_TRUE(result.status.ok()) << result.status;
  EXPECT_TRUE(result.existed);
  EXPECT_EQ(result.counters, (session::Counters{3, 180}));
  EXPECT_EQ(Rules(), 0U);
}

TEST_F(TcDatapathTest, DeleteOfWhatIsGoneIsOk) {
  Start();
  for (const int error : {ENOENT, ENODEV, EINVAL}) {
    Answer(Op::kDelete, ErrnoToStatus(error));
    const FlowResult result = Do(Make(Kind::kDelete, 7));
    EXPECT_TRUE(result.status.ok()) << result.status;
    EXPECT_FALSE(result.existed);
    EXPECT_EQ(result.counters, session::Counters{});
  }
}

TEST_F(TcDatapathTest, DeleteThatFailsKeepsItsError) {
  Start();
  Do(Make(Kind::kAdd, 7));
  for (int i = 0; i <= TcPort::kBusyRounds; ++i) {
    Answer(Op::kDelete, ErrnoToStatus(EBUSY, "eswitch mode change"));
  }
  const FlowResult result = Do(Make(Kind::kDelete, 7));
  EXPECT_EQ(result.status.code(), StatusCode::kUnavailable);
  EXPECT_EQ(result.status.message(), "p0: eswitch mode change");
  EXPECT_EQ(Rules(), 1U);
}

TEST_F(TcDatapathTest, DeleteOfAnotherGenerationReportsNothing) {
  Start();
  Do(Make(Kind::kAdd, 7));
  kernel_.Count(kP0, 5, 15, 3, 180, absl::Seconds(2));
  FlowOp later = Make(Kind::kDelete, 7);
  later.rule.generation = 2;
  const FlowResult result = Do(later);
  EXPECT_TRUE(result.status.ok());
  EXPECT_FALSE(result.existed);
  EXPECT_EQ(result.counters, session::Counters{});
}

TEST_F(TcDatapathTest, DeleteWithoutAnswerIsReadBackAndRepeated) {
  Start();
  Do(Make(Kind::kAdd, 7));
  kernel_.Count(kP0, 5, 15, 3, 180, absl::Seconds(2));
  Answer(Op::kDelete, kNoAnswer, /*takes_effect=*/false);
  const FlowResult repeated = Do(Make(Kind::kDelete, 7));
  EXPECT_TRUE(repeated.status.ok()) << repeated.status;
  EXPECT_EQ(repeated.counters.packets, 3U);

  Do(Make(Kind::kAdd, 7));
  Answer(Op::kDelete, kNoAnswer, /*takes_effect=*/true);
  const FlowResult done = Do(Make(Kind::kDelete, 7));
  EXPECT_TRUE(done.status.ok()) << done.status;
  EXPECT_FALSE(done.existed);
  EXPECT_EQ(Rules(), 0U);
}

TEST_F(TcDatapathTest, AddOfTheSameRuleAgainIsOk) {
  Start();
  Do(Make(Kind::kAdd, 7));
  const FlowResult again = Do(Make(Kind::kAdd, 7));
  EXPECT_TRUE(again.status.ok()) << again.status;
  EXPECT_EQ(Rules(), 1U);
}

TEST_F(TcDatapathTest, AddUnderATakenHandleSaysSo) {
  Start();
  Do(Make(Kind::kAdd, 7));
  FlowOp other = Make(Kind::kAdd, 7);
  other.rule.tuple.source_port = 5000;
  FlowResult result = Do(other);
  EXPECT_EQ(result.status.code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(result.status.message(),
            "p0: handle 0xf is taken by another rule; Filter already exists");
  // The same key, but another generation's cookie.
  other = Make(Kind::kAdd, 7);
  other.rule.generation = 2;
  EXPECT_EQ(Do(other).status.code(), StatusCode::kAlreadyExists);
}

TEST_F(TcDatapathTest, AddOfATakenKeySaysSo) {
  Start();
  Do(Make(Kind::kAdd, 7));
  FlowOp other = Make(Kind::kAdd, 8);
  other.rule.tuple = Spec(7).tuple;
  const FlowResult result = Do(other);
  EXPECT_EQ(result.status.code(), StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(result.status.message()),
              HasSubstr("p0: another rule matches tcp 10.0.0.7:4000 > 10.1.0.1:80"));
}

TEST_F(TcDatapathTest, AddWithoutAnswerIsReadBack) {
  Start();
  Answer(Op::kAdd, kNoAnswer, /*takes_effect=*/true);
  EXPECT_TRUE(Do(Make(Kind::kAdd, 7)).status.ok());
  EXPECT_EQ(kernel_.Requests(Op::kAdd), 6U + 1) << "not repeated";

  Answer(Op::kAdd, kNoAnswer, /*takes_effect=*/false);
  EXPECT_TRUE(Do(Make(Kind::kAdd, 8)).status.ok()) << "repeated once";
  EXPECT_EQ(Rules(), 2U);
}

TEST_F(TcDatapathTest, AddWithNoAnswerTwiceIsUnknown) {
  Start();
  Answer(Op::kAdd, kNoAnswer);
  Answer(Op::kAdd, kNoAnswer);
  EXPECT_EQ(Do(Make(Kind::kAdd, 7)).status.code(), StatusCode::kUnknown);
}

TEST_F(TcDatapathTest, ATakenKeyThatCannotBeReadBackIsUnknownNotTaken) {
  Start();
  Do(Make(Kind::kAdd, 7));
  Answer(Op::kGet, kNoAnswer);
  Answer(Op::kGet, kNoAnswer);
  EXPECT_EQ(Do(Make(Kind::kAdd, 7)).status.code(), StatusCode::kUnknown);
}

TEST_F(TcDatapathTest, WhatTheKernelSaidReachesTheCaller) {
  Start();
  struct Case {
    int error;
    std::string text;
    StatusCode code;
  };
  for (const Case& c :
       std::vector<Case>{{EINVAL, "Failed to create dr rule", StatusCode::kInvalidArgument},
                         {ENOSPC, "table full", StatusCode::kResourceExhausted},
                         {ENOMEM, "no counters", StatusCode::kResourceExhausted},
                         {ENODEV, "no such device", StatusCode::kFailedPrecondition}}) {
    Answer(Op::kAdd, ErrnoToStatus(c.error, c.text));
    const FlowResult result = Do(Make(Kind::kAdd, 7));
    EXPECT_EQ(result.status.code(), c.code) << c.text;
    EXPECT_EQ(result.status.message(), "p0: " + c.text);
    EXPECT_EQ(Rules(), 0U);
  }
}

TEST_F(TcDatapathTest, LifsThatAreNotConfiguredAreNamed) {
  Start();
  FlowOp op = Make(Kind::kAdd, 7);
  op.rule.ingress = 9;
  EXPECT_EQ(Do(op).status.message(), "ingress LIF 9 is not configured");
  op = Make(Kind::kAdd, 7);
  op.rule.egress = 8;
  EXPECT_EQ(Do(op).status.message(), "egress LIF 8 is not configured");
  op.rule.action = session::Action::kDrop;
  EXPECT_TRUE(Do(op).status.ok()) << "a drop has no egress";
  op = Make(Kind::kDelete, 7);
  op.rule.slot = kMaxSlot + 1;
  EXPECT_EQ(Do(op).status.code(), StatusCode::kInvalidArgument);
}

TEST_F(TcDatapathTest, OneFailureInABatchIsAlone) {
  Start();
  kernel_.Expect({.op = Op::kAdd, .handle = 2 * 20 + 1, .status = ErrnoToStatus(ENOSPC)});
  std::vector<FlowOp> ops;
  for (uint64_t id = 0; id < 40; ++id) {
    ops.push_back(Make(Kind::kAdd, id, Direction::kIn));
    ops.push_back(Make(Kind::kAdd, id, Direction::kOut));
  }
  const auto results = Apply(ops);
  for (size_t i = 0; i < results.size(); ++i) {
    EXPECT_EQ(results[i].status.ok(), i != 40) << i << results[i].status;
  }
  EXPECT_EQ(Rules(), 79U);
}

TEST_F(TcDatapathTest, OperationsOfOneRuleInABatchAreDoneInOrder) {
  Start();
  FlowOp next = Make(Kind::kAdd, 7);
  next.rule.generation = 2;
  const auto results = Apply({Make(Kind::kAdd, 7), Make(Kind::kQuery, 7), Make(Kind::kDelete, 7),
                              next, Make(Kind::kQuery, 7)});
  for (size_t i = 0; i < 4; ++i) EXPECT_TRUE(results[i].status.ok()) << i << results[i].status;
  EXPECT_TRUE(results[1].existed);
  EXPECT_TRUE(results[2].existed);
  EXPECT_EQ(results[4].status.code(), StatusCode::kNotFound) << "of the first generation";
}

TEST_F(TcDatapathTest, ABatchLargerThanASliceIsWhole) {
  TcDatapathOptions options = Options();
  options.table_size = 10000;
  TcDatapath datapath(options, kernel_);
  ASSERT_TRUE(datapath.Start().ok());
  std::vector<FlowOp> ops;
  for (uint64_t id = 0; id < 2 * TcPort::kSlice + 10; ++id) ops.push_back(Make(Kind::kAdd, id));
  std::vector<FlowResult> results(ops.size());
  datapath.Apply(ops, absl::MakeSpan(results));
  for (const FlowResult& result : results) ASSERT_TRUE(result.status.ok()) << result.status;
  EXPECT_EQ(Rules(), ops.size());
}

TEST_F(TcDatapathTest, ThreadsWithSlotsOfTheirOwnDoNotDisturbEachOther) {
  Start();
  std::vector<std::thread> threads;
  for (uint64_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([this, thread] {
      for (int round = 0; round < 20; ++round) {
        std::vector<FlowOp> ops;
        for (uint64_t id = 10 * thread; id < 10 * thread + 10; ++id) {
          for (const Direction d : session::kDirections) ops.push_back(Make(Kind::kAdd, id, d));
        }
        for (const FlowResult& r : Apply(ops)) EXPECT_TRUE(r.status.ok()) << r.status;
        for (FlowOp& op : ops) op.kind = Kind::kDelete;
        for (const FlowResult& r : Apply(ops)) EXPECT_TRUE(r.existed);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Rules(), 0U);
}

TEST_F(TcDatapathTest, OneArmedSessionHasBothRulesOnOneNetdev) {
  Start();
  session::SessionSpec spec = Spec(7);
  spec.out_lif = 3;
  std::vector<FlowOp> ops;
  for (const Direction d : session::kDirections) {
    ops.push_back({.kind = Kind::kAdd, .rule = MakeRule(spec, 7, 1, d)});
  }
  for (const FlowResult& result : Apply(ops)) EXPECT_TRUE(result.status.ok()) << result.status;
  EXPECT_TRUE(kernel_.Find(kP0, 5, 15));
  EXPECT_TRUE(kernel_.Find(kP0, 5, 16));
}

TEST_F(TcDatapathTest, LifsOfOneNetdevShareItsAttachmentPoint) {
  Start();
  EXPECT_EQ(*datapath_.AttachmentPoint(1), *datapath_.AttachmentPoint(3));
  EXPECT_NE(*datapath_.AttachmentPoint(1), *datapath_.AttachmentPoint(2));
  EXPECT_EQ(datapath_.AttachmentPoint(4).status().code(), StatusCode::kInvalidArgument);
}

TEST_F(TcDatapathTest, CapacityIsWhatKeepAlivesLeave) {
  EXPECT_EQ(datapath_.SessionCapacity(), 1000U);  // (2006 - 2 netdevs x 3) / 2
  TcDatapathOptions options = Options();
  options.table_size = 2009;
  EXPECT_EQ(TcDatapath(options, kernel_).SessionCapacity(), 1001U);
  options.table_size = 5;
  EXPECT_EQ(TcDatapath(options, kernel_).SessionCapacity(), 0U);
  options.table_size = UINT32_MAX;
  EXPECT_EQ(TcDatapath(options, kernel_).SessionCapacity(), 0x7FFFFFFCU - 0x7D);
}

TEST_F(TcDatapathTest, GraceIsOfHardwareOnly) {
  TcDatapathOptions options = Options();
  options.sample_grace = absl::Seconds(1);
  EXPECT_EQ(TcDatapath(options, kernel_).SampleGrace(), absl::ZeroDuration());
  options.mode = OffloadMode::kHardware;
  EXPECT_EQ(TcDatapath(options, kernel_).SampleGrace(), absl::Seconds(1));
}

}  // namespace
}  // namespace offload::datapath
