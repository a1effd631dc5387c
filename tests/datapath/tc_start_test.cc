// What Start finds, removes and refuses.
#include <cerrno>

#include "tc_datapath_fixture.h"

namespace offload::datapath {
namespace {

using absl::StatusCode;
using netlink::ErrnoToStatus;
using netlink::FlowerFilter;
using session::Direction;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class TcStartTest : public TcDatapathTest {
 protected:
  absl::Status StartWith(TcDatapathOptions options) {
    return TcDatapath(std::move(options), kernel_).Start().status();
  }
  // A rule of ours from an earlier life.
  FlowerFilter OldRule(uint64_t id, Direction direction = Direction::kIn,
                       uint16_t priority_base = 5) {
    const bool in = direction == Direction::kIn;
    return *ToFilter(MakeRule(Spec(id), static_cast<Slot>(id), 3, direction),
                     {.ingress_ifindex = in ? kP0 : kP1, .egress_ifindex = in ? kP1 : kP0},
                     {.mode = OffloadMode::kSoftware, .priority_base = priority_base});
  }
  FlowerFilter Foreign(uint16_t priority, uint32_t handle) {
    FlowerFilter filter = OldRule(100);
    filter.id.priority = priority;
    filter.id.handle = handle;
    filter.actions.front().cookie = {1, 2, 3, 4};
    return filter;
  }
};

TEST_F(TcStartTest, PreparesEachNetdevOnce) {
  const auto report = datapath_.Start();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->removed_rules, 0U);
  EXPECT_THAT(report->notes, IsEmpty());
  EXPECT_EQ(kernel_.modules_loaded(), 1U);
  EXPECT_EQ(kernel_.clsact_created(), 2U);
  EXPECT_THAT(kernel_.Filters(), SizeIs(6));
  for (const uint32_t ifindex : {kP0, kP1}) {
    for (const uint16_t priority : {5, 6, 7}) {
      EXPECT_TRUE(kernel_.Find(ifindex, priority, kKeepAliveHandle)) << ifindex << priority;
    }
  }
}

TEST_F(TcStartTest, RefusesOptionsThatCannotWork) {
  const auto code = [this](auto change) {
    TcDatapathOptions options = Options();
    change(options);
    return StartWith(options).code();
  };
  EXPECT_EQ(code([](TcDatapathOptions& o) { o.priority_base = 0; }), StatusCode::kInvalidArgument);
  EXPECT_EQ(code([](TcDatapathOptions& o) { o.priority_base = 15; }), StatusCode::kInvalidArgument);
  EXPECT_EQ(code([](TcDatapathOptions& o) { o.table_size = 7; }), StatusCode::kInvalidArgument);
  EXPECT_EQ(code([](TcDatapathOptions& o) { o.lifs.clear(); }), StatusCode::kInvalidArgument);
  EXPECT_EQ(code([](TcDatapathOptions& o) { o.lifs[1].lif = 1; }), StatusCode::kInvalidArgument);
  EXPECT_EQ(code([](TcDatapathOptions& o) { o.priority_base = 14; }), StatusCode::kOk);
}

TEST_F(TcStartTest, AMissingNetdevIsNamedAndTheStartMayBeRepeated) {
  kernel_.DeleteLinkUnheard("p1");
  const absl::Status status = datapath_.Start().status();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(status.message(), "LIF 2: netdev p1 does not exist");
  kernel_.AddLink(LinkOf("p1", 20));
  Start();
  EXPECT_TRUE(Do(Make(Kind::kAdd, 7)).status.ok());
}

TEST_F(TcStartTest, ClsactErrorsNameTheNetdev) {
  kernel_.FailClsact(absl::FailedPreconditionError("the qdisc is bound to a shared block"));
  EXPECT_EQ(datapath_.Start().status(),
            absl::FailedPreconditionError("p0: the qdisc is bound to a shared block"));
}

TEST_F(TcStartTest, RulesOfAnEarlierLifeAreRemovedAndTold) {
  kernel_.Put(OldRule(7, Direction::kIn));
  kernel_.Put(OldRule(7, Direction::kOut));
  kernel_.Put(OldRule(8, Direction::kOut));
  const auto report = datapath_.Start();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->removed_rules, 3U);
  EXPECT_EQ(report->removed_sessions, 2U);
  EXPECT_THAT(report->notes, ElementsAre("removed 2 rules of session 7 (owner 0) from p0, p1",
                                         "removed 1 rule of session 8 (owner 0) from p1"));
  EXPECT_EQ(Rules(), 0U);
}

TEST_F(TcStartTest, OldRulesAtAnotherPriorityBaseAreRemovedToo) {
  kernel_.Put(OldRule(7, Direction::kIn, 10));
  kernel_.Put(KeepAliveFilter(RuleClass::kIpv4, kP0, {.priority_base = 10}));
  const auto report = datapath_.Start();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->removed_rules, 1U);
  EXPECT_THAT(report->notes, Contains(HasSubstr("keep-alive of ours at priority 10")));
  EXPECT_THAT(kernel_.Filters(), SizeIs(6));
}

// A priority takes one protocol: old IPv6 rules at the new IPv4 priority were called a stranger's.
TEST_F(TcStartTest, APriorityBaseThatOverlapsTheOldOneIsStartedWith) {
  for (const uint16_t base : {6, 4, 7, 5}) {
    TcDatapathOptions options = Options();
    options.priority_base = base;
    ASSERT_TRUE(StartWith(options).ok()) << base << StartWith(options);
    EXPECT_THAT(kernel_.Filters(), SizeIs(6));
    EXPECT_TRUE(kernel_.Find(kP0, base, kKeepAliveHandle)) << base;
  }
}

TEST_F(TcStartTest, NotesAreBounded) {
  for (uint64_t id = 0; id < 100; ++id) kernel_.Put(OldRule(id));
  const auto report = datapath_.Start();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->removed_sessions, 100U);
  ASSERT_THAT(report->notes, SizeIs(SweepLog::kMaxNotes + 1));
  EXPECT_EQ(report->notes.back(), "removed the rules of 84 more sessions, 100 rules in all");
}

TEST_F(TcStartTest, AbortedDumpsAndLostAnswersAreRepeated) {
  kernel_.Put(OldRule(7));
  kernel_.Put(OldRule(8));
  kernel_.AbortDumps(2);
  kernel_.Expect({.op = Op::kDelete, .handle = 15, .status = absl::UnknownError("no answer")});
  const auto report = datapath_.Start();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->removed_rules, 2U);
  EXPECT_EQ(Rules(), 0U);
}

TEST_F(TcStartTest, AnOldRuleThatCannotBeRemovedEndsTheStart) {
  kernel_.Put(OldRule(7));
  Answer(Op::kDelete, ErrnoToStatus(EPERM));
  const absl::Status status = datapath_.Start().status();
  EXPECT_EQ(status.code(), StatusCode::kPermissionDenied);
  EXPECT_THAT(std::string(status.message()), HasSubstr("p0: removing an old rule: "));
}

TEST_F(TcStartTest, FiltersOfOthersAreLeftAsTheyAre) {
  FlowerFilter matchall = Foreign(20, 1);
  matchall.kind = "matchall";
  const FlowerFilter at_our_priority = Foreign(5, 5000);
  const FlowerFilter elsewhere = Foreign(1, 3);
  for (const FlowerFilter& filter : {matchall, at_our_priority, elsewhere}) kernel_.Put(filter);
  const auto report = datapath_.Start();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->notes, ElementsAre("p0: left alone a foreign filter of kind flower, protocol "
                                         "0x0800, handle 0x1388 at priority 5"));
  for (const FlowerFilter& filter : {matchall, at_our_priority, elsewhere}) {
    const auto there = kernel_.Find(kP0, filter.id.priority, filter.id.handle);
    ASSERT_TRUE(there);
    EXPECT_EQ(there->actions.front().cookie, filter.actions.front().cookie);
    EXPECT_EQ(there->kind, filter.kind);
  }
  EXPECT_EQ(kernel_.Requests(Op::kDelete), 0U);
}

TEST_F(TcStartTest, StrangersInTheWayAreNamedAndNothingIsRemoved) {
  FlowerFilter kind = Foreign(6, 5000);
  kind.kind = "u32";
  FlowerFilter protocol = Foreign(7, 5000);
  protocol.id.protocol = 0x0003;
  FlowerFilter version = OldRule(9);
  version.actions.front().cookie[1] = 2;
  struct Case {
    FlowerFilter filter;
    std::string text;
  };
  for (const Case& c : std::vector<Case>{
           {kind, "kind u32, protocol 0x0800, handle 0x1388 at priority 6 is not ours"},
           {protocol, "protocol 0x0003, handle 0x1388 at priority 7"},
           {Foreign(5, 2000), "handle 0x7d0 at priority 5 is not ours and that handle is ours"},
           {Foreign(5, kKeepAliveHandle), "handle 0xffffff00 at priority 5"},
           {version, "handle 0x13 at priority 5"}}) {
    ScriptedKernel kernel;
    kernel.AddLink(LinkOf("p0", kP0));
    kernel.AddLink(LinkOf("p1", kP1));
    kernel.Put(c.filter);
    kernel.Put(OldRule(7));
    const absl::Status status = TcDatapath(Options(), kernel).Start().status();
    EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition) << c.text;
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.text));
    EXPECT_THAT(std::string(status.message()), HasSubstr("p0: filter of kind"));
    EXPECT_EQ(kernel.Requests(Op::kDelete), 0U);
  }
}

TEST_F(TcStartTest, KeepAlivesOfTheSameModeAreKept) {
  ASSERT_TRUE(StartWith(Options()).ok());
  const size_t before = kernel_.Requests(Op::kDelete);
  Start();
  EXPECT_EQ(kernel_.Requests(Op::kDelete), before);
  EXPECT_THAT(kernel_.Filters(), SizeIs(6));
}

TEST_F(TcStartTest, KeepAlivesOfAnotherModeAreReplaced) {
  TcDatapathOptions any = Options();
  any.mode = OffloadMode::kAny;
  ASSERT_TRUE(StartWith(any).ok());
  Start();
  for (const FlowerFilter& filter : kernel_.Filters()) {
    EXPECT_TRUE(filter.flags & netlink::kSkipHw) << filter.id.priority;
  }
  EXPECT_THAT(kernel_.Filters(), SizeIs(6));
}

TEST_F(TcStartTest, AKeepAliveThatFailsTellsTheKernelsReason) {
  Answer(Op::kAdd, ErrnoToStatus(ENOSPC, "table full"));
  EXPECT_EQ(datapath_.Start().status().message(), "p0: keep-alive at priority 5: table full");
}

TEST_F(TcStartTest, AKeepAliveThatTheNicDoesNotTakeIsNoted) {
  Answer(Op::kAdd, ErrnoToStatus(EOPNOTSUPP, "drop is not supported"));
  const auto report = datapath_.Start();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->notes, ElementsAre("p0: no keep-alive at priority 5: drop is not supported"));
}

TEST_F(TcStartTest, TwoNamesOfOneNetdevAreOnePort) {
  kernel_.AddLink(LinkOf("alternative", kP0));
  TcDatapathOptions options = Options();
  options.lifs.push_back({.lif = 4, .netdev = "alternative"});
  TcDatapath datapath(options, kernel_);
  ASSERT_TRUE(datapath.Start().ok());
  EXPECT_EQ(*datapath.AttachmentPoint(1), *datapath.AttachmentPoint(4));
  EXPECT_THAT(kernel_.Filters(), SizeIs(6));
}

TEST_F(TcStartTest, ANetdevWithAMasterIsNoted) {
  netlink::Link enslaved = LinkOf("p0", kP0);
  enslaved.master = 33;
  kernel_.AddLink(enslaved);
  const auto report = datapath_.Start();
  ASSERT_TRUE(report.ok());
  EXPECT_THAT(report->notes, ElementsAre(HasSubstr("p0: has a master")));
}

}  // namespace
}  // namespace offload::datapath
