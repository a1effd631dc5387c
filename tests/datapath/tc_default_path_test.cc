// The default path's rules and the keep-alives: installed, kept, repaired, removed.
#include <cerrno>

#include "datapath/tc_standing.h"
#include "tc_datapath_fixture.h"

namespace offload::datapath {
namespace {

using absl::StatusCode;
using netlink::ErrnoToStatus;
using netlink::FlowerFilter;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr uint32_t kFw0 = 20, kFw1 = 21;
constexpr uint16_t kAllProtocols = 0x0003;

class TcDefaultPathTest : public TcDatapathTest {
 protected:
  TcDefaultPathTest() {
    kernel_.AddLink(LinkOf("fw0", kFw0));
    kernel_.AddLink(LinkOf("fw1", kFw1));
  }

  // p0 <-> fw0, p1 <-> fw1; audits follow each other at once.
  static TcDatapathOptions WithPaths(OffloadMode mode = OffloadMode::kSoftware) {
    TcDatapathOptions options = Options();
    options.mode = mode;
    options.lifs = {{.lif = 1, .netdev = "p0", .default_path = "fw0"},
                    {.lif = 2, .netdev = "p1", .default_path = "fw1"},
                    {.lif = 3, .netdev = "p0"}};
    options.audit_interval = absl::Milliseconds(1);
    return options;
  }
  void StartWithPaths(OffloadMode mode = OffloadMode::kSoftware) { Restart(WithPaths(mode)); }
  // As a new life of the daemon.
  void Restart(TcDatapathOptions options) {
    started_.reset();
    started_ = std::make_unique<TcDatapath>(std::move(options), kernel_);
    started_->SetObserver(&listener_);
    const auto report = started_->Start();
    ASSERT_TRUE(report.ok()) << report.status();
    notes_ = report->notes;
  }
  absl::Status StatusOf(TcDatapathOptions options) {
    return TcDatapath(std::move(options), kernel_).Start().status();
  }

  // Where the default path's rule on `ifindex` leads; 0: nowhere, none: no such rule.
  std::optional<uint32_t> Target(uint32_t ifindex, uint16_t priority = 15) {
    const auto filter = kernel_.Find(ifindex, priority, kDefaultPathHandle);
    if (!filter) return std::nullopt;
    return std::get<netlink::Mirred>(filter->actions.at(0).what).ifindex;
  }
  size_t Writes() {
    return kernel_.Requests(Op::kAdd) + kernel_.Requests(Op::kReplace) +
           kernel_.Requests(Op::kDelete);
  }
  // Several audits later.
  bool AfterAudits() {
    const size_t looked = kernel_.Requests(Op::kGet);
    return Eventually([&] { return kernel_.Requests(Op::kGet) > looked + 100; });
  }
  FlowerFilter Foreign(uint32_t ifindex, uint16_t protocol, uint32_t handle) {
    FlowerFilter filter = DefaultPathFilter({ifindex, kP1}, 15, OffloadMode::kSoftware);
    filter.id.protocol = protocol;
    filter.id.handle = handle;
    filter.actions[0].cookie = {1, 2};
    return filter;
  }

  Listener listener_;
  std::vector<std::string> notes_;
  std::unique_ptr<TcDatapath> started_;
};

TEST_F(TcDefaultPathTest, LeadsToTheRepresentorAndBack) {
  for (const OffloadMode mode :
       {OffloadMode::kSoftware, OffloadMode::kAny, OffloadMode::kHardware}) {
    StartWithPaths(mode);
    EXPECT_EQ(Target(kP0), kFw0);
    EXPECT_EQ(Target(kFw0), kP0);
    EXPECT_EQ(Target(kP1), kFw1);
    EXPECT_EQ(Target(kFw1), kP1);
    const FlowerFilter rule = *kernel_.Find(kP0, 15, kDefaultPathHandle);
    EXPECT_EQ(rule.id.protocol, kAllProtocols);
    EXPECT_EQ(rule.key, netlink::FlowerKey()) << "every packet";
    const uint32_t where = rule.flags & (netlink::kSkipHw | netlink::kSkipSw);
    EXPECT_EQ(where, mode == OffloadMode::kSoftware ? netlink::kSkipHw : 0);
    EXPECT_TRUE(IsStandingCookie(rule.actions[0].cookie));
  }
}

TEST_F(TcDefaultPathTest, IsKeptByTheNextStartWithoutAGap) {
  StartWithPaths();
  started_.reset();
  EXPECT_EQ(Target(kP0), kFw0) << "stays when the daemon goes";
  const size_t before = Writes();
  StartWithPaths();
  EXPECT_EQ(Writes(), before);
}

TEST_F(TcDefaultPathTest, AnotherTargetReplacesInPlace) {
  StartWithPaths();
  kernel_.AddLink(LinkOf("fw2", 22));
  TcDatapathOptions options = WithPaths();
  options.lifs[0].default_path = "fw2";
  const size_t deletes = kernel_.Requests(Op::kDelete);
  Restart(options);
  EXPECT_EQ(Target(kP0), 22U);
  EXPECT_EQ(Target(22), kP0);
  EXPECT_EQ(Target(kFw0), std::nullopt) << "not a representor of ours any more";
  EXPECT_EQ(kernel_.Requests(Op::kDelete) - deletes, 1U) << "only the one on fw0";
  EXPECT_THAT(notes_, Contains(HasSubstr("fw0: removed the default path of an earlier")));
  EXPECT_THAT(notes_, Contains(HasSubstr("p0: replaced the default path")));
}

TEST_F(TcDefaultPathTest, AReplaceThatIsRefusedMakesRoomFirst) {
  StartWithPaths();
  Answer(Op::kReplace, ErrnoToStatus(ENOSPC));
  Restart(WithPaths(OffloadMode::kAny));
  EXPECT_EQ(Target(kP0), kFw0);
}

TEST_F(TcDefaultPathTest, IsRemovedWhenTheConfigurationHasNone) {
  StartWithPaths();
  Restart(Options());
  for (const uint32_t ifindex : {kP0, kP1, kFw0, kFw1}) EXPECT_EQ(Target(ifindex), std::nullopt);
  EXPECT_EQ(kernel_.Filters().size(), 6U) << "the keep-alives";
}

TEST_F(TcDefaultPathTest, AtAnotherPriorityTheNewOneIsMadeBeforeTheOldOneGoes) {
  StartWithPaths();
  started_.reset();
  TcDatapathOptions options = WithPaths();
  options.default_path_priority = 16;
  Answer(Op::kAdd, ErrnoToStatus(EPERM));
  EXPECT_EQ(StatusOf(options).code(), StatusCode::kPermissionDenied);
  EXPECT_EQ(Target(kP0, 15), kFw0) << "the old one serves until the new one does";
  Restart(options);
  EXPECT_EQ(Target(kP0, 16), kFw0);
  EXPECT_EQ(Target(kP0, 15), std::nullopt);
  EXPECT_EQ(Target(kFw1, 16), kP1);
}

TEST_F(TcDefaultPathTest, AnOldDefaultPathAtASessionPriorityIsRemoved) {
  TcDatapathOptions options = WithPaths();
  options.default_path_priority = 8;
  Restart(options);
  options.default_path_priority = 15;
  options.priority_base = 7;
  Restart(options);
  EXPECT_EQ(Target(kP0, 8), std::nullopt);
  EXPECT_EQ(Target(kP0, 15), kFw0);
  EXPECT_TRUE(kernel_.Find(kP0, 8, kKeepAliveHandle));
}

TEST_F(TcDefaultPathTest, SessionRulesOfWhenTheRepresentorWasALifAreRemoved) {
  const session::SessionSpec spec = Spec(7);
  kernel_.Put(*ToFilter(MakeRule(spec, 7, 3, session::Direction::kIn),
                        {.ingress_ifindex = kFw0, .egress_ifindex = kP1},
                        {.mode = OffloadMode::kSoftware}));
  kernel_.Put(KeepAliveFilter(RuleClass::kIpv4, kFw0, {}));
  StartWithPaths();
  EXPECT_FALSE(kernel_.Find(kFw0, 5, 15));
  EXPECT_FALSE(kernel_.Find(kFw0, 5, kKeepAliveHandle));
}

TEST_F(TcDefaultPathTest, FiltersOfOthersInTheWayAreNamedAndLeft) {
  struct Case {
    FlowerFilter filter;
    std::string text;
  };
  FlowerFilter matchall = Foreign(kP0, kAllProtocols, 1);
  matchall.kind = "matchall";
  FlowerFilter same_match = Foreign(kP0, kAllProtocols, 5);
  for (const Case& c : std::vector<Case>{
           {matchall, "p0: default path: filter of kind matchall, protocol 0x0003, handle 0x1"},
           {Foreign(kFw1, 0x0800, 1), "fw1: default path: filter of kind flower, protocol 0x0800"},
           {Foreign(kP0, kAllProtocols, kDefaultPathHandle), "handle 0xffffff01 at priority 15"},
           {same_match, "a filter that is not ours has the match of our filter"}}) {
    kernel_.Put(c.filter);
    const absl::Status status = StatusOf(WithPaths());
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.text)) << status;
    EXPECT_FALSE(status.ok());
    const auto there = kernel_.Find(c.filter.id.at.ifindex, 15, c.filter.id.handle);
    ASSERT_TRUE(there);
    EXPECT_EQ(there->actions[0].cookie, c.filter.actions[0].cookie);
    kernel_.Remove(c.filter.id);
  }
}

TEST_F(TcDefaultPathTest, AForeignFilterBesideItIsNoted) {
  FlowerFilter beside = Foreign(kP0, kAllProtocols, 5);
  beside.key.eth_type = 0x88CC;
  kernel_.Put(beside);
  StartWithPaths();
  EXPECT_THAT(notes_, ElementsAre(HasSubstr("p0: left alone a foreign filter of kind flower")));
  EXPECT_TRUE(kernel_.Find(kP0, 15, 5));
  EXPECT_EQ(Target(kP0), kFw0);
}

TEST_F(TcDefaultPathTest, RepresentorsThatCannotBeUsedAreNamed) {
  TcDatapathOptions options = WithPaths();
  options.lifs[1].default_path = "fw9";
  EXPECT_EQ(StatusOf(options),
            absl::FailedPreconditionError("p1: default path: netdev fw9 does not exist"));
  options.lifs[1].default_path = "p0";
  EXPECT_EQ(StatusOf(options).code(), StatusCode::kInvalidArgument);
  options.lifs[1].default_path = "fw0";
  EXPECT_EQ(StatusOf(options),
            absl::InvalidArgumentError("p1: default path: netdev fw0 is already that of p0"));
  options.lifs[1].default_path = "fw1";
  options.lifs[2].default_path = "fw1";
  EXPECT_EQ(StatusOf(options).code(), StatusCode::kInvalidArgument);
  options = WithPaths();
  options.default_path_priority = 7;
  EXPECT_EQ(StatusOf(options).code(), StatusCode::kInvalidArgument);
  options.default_path_priority = 17;
  EXPECT_EQ(StatusOf(options).code(), StatusCode::kInvalidArgument);
}

// table_size 2006, 2 x 3 keep-alives, 2 x 2 rules of default paths.
TEST_F(TcDefaultPathTest, CapacityLeavesRoomForWhatIsInTheTable) {
  EXPECT_EQ(TcDatapath(WithPaths(), kernel_).SessionCapacity(), 998U);
  for (const OffloadMode mode : {OffloadMode::kSoftware, OffloadMode::kAny}) {
    StartWithPaths(mode);
    EXPECT_EQ(started_->SessionCapacity(), 998U);
  }
  StartWithPaths(OffloadMode::kHardware);
  EXPECT_EQ(started_->SessionCapacity(), 998U);
}

TEST_F(TcDefaultPathTest, RulesThatTheNicRefusesTakeNoEntryAndAreNoted) {
  kernel_.RefuseInHardware(true);
  StartWithPaths(OffloadMode::kHardware);
  EXPECT_EQ(started_->SessionCapacity(), 1000U);
  EXPECT_THAT(notes_, Contains(HasSubstr("p0: the NIC does not take the default path to fw0")));
  EXPECT_EQ(Target(kP0), kFw0);
}

// A NIC may refuse the shape of one.
TEST_F(TcDefaultPathTest, OnlyKeepAlivesThatAreInstalledCountAndAreMissed) {
  const auto links = *kernel_.OpenLinks();
  for (const RuleClass there : {RuleClass::kIpv4, RuleClass::kIpv6}) {
    kernel_.Put(KeepAliveFilter(there, kP0, {.mode = OffloadMode::kSoftware}));
  }
  std::vector<TrackedNetdev> netdevs = {{.name = "p0", .link = LinkOf("p0", kP0)}};
  SweepLog log;
  const auto rules = StandingRules::Install({.rules = {.mode = OffloadMode::kSoftware}}, kernel_,
                                            *links, netdevs, {""}, log);
  ASSERT_TRUE(rules.ok()) << rules.status();
  EXPECT_EQ((*rules)->entries(), 2U);
  kernel_.Remove(kernel_.Find(kP0, 6, kKeepAliveHandle)->id);
  EXPECT_THAT((*rules)->Audit(*links), IsEmpty());
  EXPECT_EQ((*rules)->repairs(), 1U);
  EXPECT_FALSE(kernel_.Find(kP0, 7, kKeepAliveHandle));
  kernel_.DeleteQdisc(kP0);
  EXPECT_THAT((*rules)->Audit(*links), ElementsAre(0)) << "all that there were";
  EXPECT_EQ((*rules)->entries(), 2U);
}

TEST_F(TcDefaultPathTest, AnEntryStaysReservedWhileItsRuleIsMissing) {
  StartWithPaths(OffloadMode::kHardware);
  kernel_.RefuseInHardware(true);
  kernel_.Remove(kernel_.Find(kP0, 15, kDefaultPathHandle)->id);
  ASSERT_TRUE(Eventually([&] { return started_->Stats().standing_repairs == 1; }));
  EXPECT_EQ(started_->SessionCapacity(), 998U);
}

TEST_F(TcDefaultPathTest, WhatSomebodyRemovedIsPutBackAndCounted) {
  StartWithPaths();
  EXPECT_EQ(started_->Stats().standing_repairs, 0U);
  kernel_.Remove(kernel_.Find(kP0, 15, kDefaultPathHandle)->id);
  kernel_.Remove(kernel_.Find(kFw1, 15, kDefaultPathHandle)->id);
  kernel_.Remove(kernel_.Find(kP1, 6, kKeepAliveHandle)->id);
  ASSERT_TRUE(Eventually([&] { return started_->Stats().standing_repairs == 3; }));
  EXPECT_EQ(Target(kP0), kFw0);
  EXPECT_EQ(Target(kFw1), kP1);
  EXPECT_TRUE(kernel_.Find(kP1, 6, kKeepAliveHandle));
  EXPECT_THAT(listener_.Await(0), IsEmpty()) << "the netdev's rules were not all gone";
}

TEST_F(TcDefaultPathTest, WhatSomebodyRedirectedIsPutRight) {
  StartWithPaths();
  kernel_.Put(DefaultPathFilter({kP0, kP1}, 15, OffloadMode::kSoftware));
  ASSERT_TRUE(Eventually([&] { return Target(kP0) == kFw0; }));
  EXPECT_EQ(kernel_.Requests(Op::kReplace), 1U);
}

TEST_F(TcDefaultPathTest, WhatSomebodyPutInItsPlaceIsLeft) {
  StartWithPaths();
  kernel_.Put(Foreign(kP0, kAllProtocols, kDefaultPathHandle));
  ASSERT_TRUE(AfterAudits());
  EXPECT_EQ(Target(kP0), kP1);
  EXPECT_EQ(started_->Stats().standing_repairs, 0U);
}

TEST_F(TcDefaultPathTest, ARemovedQdiscIsMadeAgainAndItsSessionsAreLost) {
  StartWithPaths();
  kernel_.DeleteQdisc(kP0);
  EXPECT_THAT(listener_.Await(4), ElementsAre(Pair(1, LifState::kLost), Pair(1, LifState::kUp),
                                              Pair(3, LifState::kLost), Pair(3, LifState::kUp)));
  EXPECT_EQ(Target(kP0), kFw0);
  EXPECT_EQ(started_->Stats().standing_repairs, 4U);
  kernel_.DeleteQdisc(kFw0);
  ASSERT_TRUE(Eventually([&] { return Target(kFw0) == kP0; }));
}

// Was told as a removed qdisc, with errors for each rule.
TEST_F(TcDefaultPathTest, ANetdevWhoseEventIsStillToComeIsNoRepair) {
  StartWithPaths();
  ASSERT_TRUE(AfterAudits()) << "the first look at all links is over";
  kernel_.EraseLink("p0");
  ASSERT_TRUE(AfterAudits());
  EXPECT_THAT(listener_.Await(0), IsEmpty());
  EXPECT_EQ(started_->Stats().standing_repairs, 0U);
  kernel_.DeleteLinkUnheard("p1");
  EXPECT_THAT(listener_.Await(3), ElementsAre(Pair(1, LifState::kLost), Pair(3, LifState::kLost),
                                              Pair(2, LifState::kLost)));
}

TEST_F(TcDefaultPathTest, ARepresentorThatCameBackIsLedToAgain) {
  StartWithPaths();
  kernel_.DeleteLink("fw0");
  ASSERT_TRUE(Eventually([&] { return Target(kP0) == 0U; }))
      << "kept without a target: the kernel drops, nothing passes by the firewall";
  kernel_.ChangeLink(LinkOf("fw0", 30));
  ASSERT_TRUE(Eventually([&] { return Target(kP0) == 30U && Target(30) == kP0; }));
  EXPECT_THAT(listener_.Await(0), IsEmpty()) << "no LIF was lost";
}

TEST_F(TcDefaultPathTest, ALifThatCameBackIsLedToAgain) {
  StartWithPaths();
  kernel_.DeleteLink("p0");
  listener_.Await(2);
  kernel_.ChangeLink(LinkOf("p0", 30));
  ASSERT_TRUE(Eventually([&] { return Target(30) == kFw0 && Target(kFw0) == 30U; }));
}

TEST_F(TcDefaultPathTest, AnotherPortWithTheRepresentorsNameGetsNothing) {
  netlink::Link port = LinkOf("fw0", kFw0);
  port.switch_id = {1, 2};
  port.phys_port_name = "pf0vf0";
  kernel_.AddLink(port);
  StartWithPaths();
  kernel_.DeleteLink("fw0");
  port.ifindex = 30;
  port.phys_port_name = "pf0vf7";
  kernel_.ChangeLink(port);
  ASSERT_TRUE(AfterAudits());
  EXPECT_EQ(Target(30), std::nullopt);
  EXPECT_EQ(Target(kP0), 0U);
  kernel_.DeleteLink("fw0");
  port.ifindex = 31;
  port.phys_port_name = "pf0vf0";
  kernel_.ChangeLink(port);
  ASSERT_TRUE(Eventually([&] { return Target(kP0) == 31U; }));
}

TEST_F(TcDefaultPathTest, ARenamedRepresentorStaysInUse) {
  StartWithPaths();
  const size_t before = Writes();
  kernel_.RenameLink("fw0", "other");
  ASSERT_TRUE(AfterAudits());
  EXPECT_EQ(Writes(), before);
  EXPECT_EQ(Target(kP0), kFw0);
}

}  // namespace
}  // namespace offload::datapath
