// What errnos mean for operations, what is repeated, and what is counted.
#include <cerrno>

#include "datapath/tc_errno.h"
#include "tc_datapath_fixture.h"

namespace offload::datapath {
namespace {

using absl::StatusCode;
using netlink::ErrnoToStatus;
using session::Direction;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(TcErrnoTest, EachErrnoHasItsMeaning) {
  struct Case {
    int error;
    std::string text;
    OffloadMode mode;
    bool worked_before;
    StatusCode code;
  };
  constexpr OffloadMode kHw = OffloadMode::kHardware, kSw = OffloadMode::kSoftware;
  for (const Case& c : std::vector<Case>{
           {EOPNOTSUPP, "", kHw, true, StatusCode::kUnimplemented},
           {ENOSPC, "", kHw, false, StatusCode::kResourceExhausted},
           {ENOMEM, "", kHw, false, StatusCode::kResourceExhausted},
           {EINVAL, "", kHw, true, StatusCode::kResourceExhausted},
           {EINVAL, "", kHw, false, StatusCode::kInvalidArgument},
           {EINVAL, "", kSw, true, StatusCode::kInvalidArgument},
           {EINVAL, "", OffloadMode::kAny, true, StatusCode::kInvalidArgument},
           {EINVAL, "Parent Qdisc doesn't exists", kHw, true, StatusCode::kFailedPrecondition},
           {EINVAL, "Filter with specified priority/protocol not found", kHw, true,
            StatusCode::kFailedPrecondition},
           {EBUSY, "", kHw, true, StatusCode::kUnavailable},
           {ENODEV, "", kHw, true, StatusCode::kFailedPrecondition},
           {EIO, "", kHw, true, StatusCode::kInternal},
           {EPERM, "", kHw, true, StatusCode::kPermissionDenied},
           {EEXIST, "", kHw, true, StatusCode::kAlreadyExists}}) {
    const absl::Status meaning =
        MeaningOfAdd(ErrnoToStatus(c.error, c.text), c.mode, c.worked_before);
    EXPECT_EQ(meaning.code(), c.code) << ErrnoName(meaning) << c.text;
    EXPECT_EQ(netlink::ErrnoOf(meaning), c.error);
  }
}

TEST(TcErrnoTest, ReasonsCarryTheNameOfTheErrno) {
  EXPECT_EQ(Reason(ErrnoToStatus(EOPNOTSUPP, "other uplink")), "other uplink (EOPNOTSUPP)");
  EXPECT_EQ(Reason(ErrnoToStatus(524)), "Unknown error 524 (errno 524)");
  EXPECT_EQ(Reason(absl::InternalError("ours")), "ours");
}

class TcOutcomeTest : public TcDatapathTest {
 protected:
  void BusyTimes(Op op, int times) {
    for (int i = 0; i < times; ++i) Answer(op, ErrnoToStatus(EBUSY, "eswitch mode change"));
  }
};

TEST_F(TcOutcomeTest, WhatIsBusyIsRepeatedAfterGrowingPauses) {
  Start();
  BusyTimes(Op::kAdd, 3);
  EXPECT_TRUE(Do(Make(Kind::kAdd, 7)).status.ok());
  EXPECT_THAT(kernel_.pauses(),
              ElementsAre(absl::Milliseconds(1), absl::Milliseconds(2), absl::Milliseconds(4)));
  EXPECT_EQ(datapath_.Stats().busy_retries, 3U);
  BusyTimes(Op::kGet, 1);
  EXPECT_TRUE(Do(Make(Kind::kQuery, 7)).existed);
  BusyTimes(Op::kDelete, 1);
  EXPECT_TRUE(Do(Make(Kind::kDelete, 7)).existed);
  EXPECT_EQ(Rules(), 0U);
  EXPECT_EQ(datapath_.Stats().busy_retries, 5U);
}

TEST_F(TcOutcomeTest, WhatStaysBusyIsUnavailableAfterABoundedTime) {
  Start();
  BusyTimes(Op::kAdd, 1 + TcPort::kBusyRounds);
  const absl::Status status = Do(Make(Kind::kAdd, 7)).status;
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_EQ(status.message(), "p0: eswitch mode change");
  absl::Duration paused;
  for (const absl::Duration pause : kernel_.pauses()) paused += pause;
  EXPECT_EQ(paused, absl::Milliseconds(31));
  const DatapathStats stats = datapath_.Stats();
  EXPECT_EQ(stats.busy_retries, 5U);
  EXPECT_EQ(stats.refused_other, 0U) << "whether it is there is not said";
  EXPECT_EQ(Rules(), 0U);
}

TEST_F(TcOutcomeTest, OneBusyOperationDoesNotRepeatTheOthers) {
  Start();
  kernel_.Expect({.op = Op::kAdd, .handle = 2 * 3 + 1, .status = ErrnoToStatus(EBUSY)});
  std::vector<FlowOp> ops;
  for (uint64_t id = 0; id < 20; ++id) ops.push_back(Make(Kind::kAdd, id));
  const size_t before = kernel_.Requests(Op::kAdd);
  for (const FlowResult& result : Apply(ops)) EXPECT_TRUE(result.status.ok()) << result.status;
  EXPECT_EQ(kernel_.Requests(Op::kAdd), before + 21);
  EXPECT_EQ(datapath_.Stats().busy_retries, 1U);
}

TEST_F(TcOutcomeTest, EverythingIsCounted) {
  EXPECT_EQ(Do(Make(Kind::kAdd, 7)).status.code(), StatusCode::kUnavailable);
  EXPECT_EQ(datapath_.Stats().added, 0U) << "before the start";
  Start();
  Apply({Make(Kind::kAdd, 7), Make(Kind::kAdd, 8), Make(Kind::kAdd, 8, Direction::kOut)});
  Apply({Make(Kind::kQuery, 7), Make(Kind::kQuery, 9)});
  Apply({Make(Kind::kDelete, 7), Make(Kind::kDelete, 9)});
  for (const int error : {EOPNOTSUPP, ENOSPC, ENOMEM, EIO, EPERM}) {
    Answer(Op::kAdd, ErrnoToStatus(error));
    FlowOp op = Make(Kind::kAdd, 10);
    if (error != EOPNOTSUPP) op.rule.tuple.protocol = session::Protocol::kUdp;
    EXPECT_FALSE(Do(op).status.ok());
  }
  Do(Make(Kind::kAdd, 8, Direction::kOut));  // there already: read back
  const DatapathStats stats = datapath_.Stats();
  EXPECT_EQ(stats.added, 4U);
  EXPECT_EQ(stats.queried, 1U);
  EXPECT_EQ(stats.deleted, 2U);
  EXPECT_EQ(stats.refused_unsupported, 1U);
  EXPECT_EQ(stats.refused_full, 2U);
  EXPECT_EQ(stats.refused_other, 2U);
  EXPECT_EQ(stats.read_back, 1U);
  EXPECT_EQ(stats.busy_retries, 0U);
  EXPECT_THAT(kernel_.pauses(), IsEmpty());
}

}  // namespace
}  // namespace offload::datapath
