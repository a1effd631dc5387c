// What the probe finds out, what is made of it, and that it leaves nothing behind.
#include "datapath/tc_probe.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <functional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "datapath/tc_probe_report.h"
#include "datapath/tc_shape.h"
#include "tc_datapath_fixture.h"

namespace offload::datapath {
namespace {

using absl::StatusCode;
using netlink::ErrnoToStatus;
using netlink::FlowerFilter;
using session::Direction;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::SizeIs;
using Level = Finding::Level;

constexpr char kNotSameUplink[] = "devices are not the same uplink, can't offload forwarding";
// Two netdevs: forward to each of two, and drop.
constexpr size_t kProbesOfTwo = 2 * (2 * kForwardShapes + kDropShapes);

uint32_t EgressOf(const FlowerFilter& filter) {
  const auto* mirred = std::get_if<netlink::Mirred>(&filter.actions.back().what);
  return mirred != nullptr ? mirred->ifindex : 0;
}

// Refuses rules from one netdev to another, as mlx5 refuses uplink to uplink.
ScriptedKernel::Nic RefusePair(uint32_t from, uint32_t to, int error = EOPNOTSUPP) {
  return [=](FlowerFilter& filter) {
    const bool hit = filter.id.at.ifindex == from && EgressOf(filter) == to;
    return hit ? ErrnoToStatus(error, kNotSameUplink) : absl::OkStatus();
  };
}

class TcProbeTest : public TcDatapathTest {
 protected:
  Finding FindingOn(const std::string& subject) {
    for (const Finding& finding : datapath_.ProbeFindings()) {
      if (finding.subject == subject) return finding;
    }
    ADD_FAILURE() << "no finding on " << subject;
    return {};
  }
  // Nothing is known of a pair while it is probed again.
  bool IsOk(const std::string& subject) {
    const std::vector<Finding> findings = datapath_.ProbeFindings();
    return std::any_of(findings.begin(), findings.end(), [&](const Finding& finding) {
      return finding.subject == subject && finding.level == Level::kOk;
    });
  }
  std::vector<std::string> Notes() {
    const auto report = datapath_.Start();
    EXPECT_TRUE(report.ok()) << report.status();
    return report.ok() ? report->notes : std::vector<std::string>();
  }
  // Until `done` or ten seconds passed: the link watch has a thread of its own.
  static bool Await(const std::function<bool()>& done) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!done()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }
};

class TcProbeHardwareTest : public TcProbeTest {
 protected:
  TcProbeHardwareTest() {
    TcDatapathOptions options = Options();
    options.mode = OffloadMode::kHardware;
    hardware_ = std::make_unique<TcDatapath>(options, kernel_);
  }
  FlowResult DoInHardware(const FlowOp& op) {
    FlowResult result;
    hardware_->Apply({&op, 1}, {&result, 1});
    return result;
  }
  std::unique_ptr<TcDatapath> hardware_;
};

TEST_F(TcProbeTest, EveryPairAndShapeIsAskedAndNothingIsLeft) {
  EXPECT_THAT(Notes(), IsEmpty());
  EXPECT_EQ(kernel_.ProbeRequests(Op::kAdd), kProbesOfTwo);
  EXPECT_EQ(kernel_.ProbeRequests(Op::kGet), kProbesOfTwo);
  EXPECT_EQ(kernel_.ProbeRequests(Op::kDelete), kProbesOfTwo);
  EXPECT_THAT(kernel_.Filters(), SizeIs(6)) << "the keep-alives";
  const std::vector<Finding> findings = datapath_.ProbeFindings();
  EXPECT_THAT(findings, Each(Field(&Finding::level, Level::kOk)));
  EXPECT_THAT(findings, Each(Field(&Finding::check, "probe")));
  std::vector<std::string> subjects;
  for (const Finding& finding : findings) subjects.push_back(finding.subject);
  EXPECT_THAT(subjects, ElementsAre("p0 > p0", "p0 > p1", "p0", "p1 > p0", "p1 > p1", "p1"));
  EXPECT_EQ(
      FindingOn("p0 > p1").text,
      "forward: IPv4 and IPv6, TCP and UDP, with and without VLAN, VLAN rewrite, in software");
  EXPECT_EQ(FindingOn("p1").text,
            "drop: IPv4 and IPv6, TCP and UDP, with and without VLAN, in software");
}

TEST_F(TcProbeTest, BeforeTheStartNothingIsKnown) {
  EXPECT_THAT(datapath_.ProbeFindings(),
              ElementsAre(AllOf(Field(&Finding::level, Level::kWarning),
                                Field(&Finding::text, HasSubstr("not probed yet")))));
  EXPECT_EQ(kernel_.ProbeRequests(Op::kAdd), 0U);
}

TEST_F(TcProbeTest, ARefusedPairIsNotedAndItsAddsAreRefusedWithoutAsking) {
  kernel_.SetNic(RefusePair(kP0, kP1));
  EXPECT_THAT(Notes(), ElementsAre(absl::StrCat("p0 > p1: no forward can be offloaded: ",
                                                kNotSameUplink, " (EOPNOTSUPP)")));
  const size_t asked = kernel_.Requests(Op::kAdd);
  const absl::Status status = Do(Make(Kind::kAdd, 7)).status;
  EXPECT_EQ(status.code(), StatusCode::kUnimplemented);
  EXPECT_EQ(status.message(), absl::StrCat("p0 > p1: IPv4 TCP forward cannot be offloaded: ",
                                           kNotSameUplink, " (EOPNOTSUPP)"));
  EXPECT_EQ(kernel_.Requests(Op::kAdd), asked);
  EXPECT_EQ(datapath_.Stats().refused_unsupported, 1U);
  EXPECT_TRUE(Do(Make(Kind::kAdd, 7, Direction::kOut)).status.ok()) << "p1 > p0";
  FlowOp drop = Make(Kind::kAdd, 8);
  drop.rule.action = session::Action::kDrop;
  EXPECT_TRUE(Do(drop).status.ok());
}

TEST_F(TcProbeTest, ARefusedShapeLeavesTheOthers) {
  kernel_.SetNic([](FlowerFilter& filter) {
    const bool hit = filter.id.at.ifindex == kP0 && EgressOf(filter) == kP1 && filter.key.ipv6_src;
    return hit ? ErrnoToStatus(EOPNOTSUPP, "no IPv6") : absl::OkStatus();
  });
  EXPECT_THAT(Notes(), ElementsAre("p0 > p1: IPv6 TCP forward, IPv6 UDP forward, IPv6 TCP VLAN "
                                   "forward, IPv6 UDP VLAN forward, IPv6 TCP VLAN rewrite forward, "
                                   "IPv6 UDP VLAN rewrite forward cannot be offloaded: no IPv6 "
                                   "(EOPNOTSUPP)"));
  EXPECT_EQ(FindingOn("p0 > p1").level, Level::kWarning);
  EXPECT_TRUE(Do(Make(Kind::kAdd, 7)).status.ok());
  FlowOp ipv6 = Make(Kind::kAdd, 8);
  ipv6.rule.tuple.source.version = ipv6.rule.tuple.destination.version = session::IpVersion::kIpv6;
  EXPECT_EQ(Do(ipv6).status.code(), StatusCode::kUnimplemented);
}

// Without the ethertype flower drops ports and flags silently and takes the rule.
TEST_F(TcProbeTest, WhatFlowerDroppedSilentlyIsARefusal) {
  struct Case {
    std::string name;
    std::function<void(FlowerFilter&)> drop;
  };
  for (const Case& c : std::vector<Case>{
           {"tcp_flags", [](FlowerFilter& f) { f.key.tcp_flags.reset(); }},
           {"src_port, dst_port",
            [](FlowerFilter& f) { f.key.src_port = f.key.dst_port = std::nullopt; }},
           {"ip_flags", [](FlowerFilter& f) { f.key.flags.reset(); }},
           {"ip_proto", [](FlowerFilter& f) { f.key.ip_proto.reset(); }},
           {"eth_type", [](FlowerFilter& f) { f.key.eth_type.reset(); }},
           {"src_ip",
            [](FlowerFilter& f) {
              f.key.ipv4_src->mask = {255, 255, 255, 0};
            }},
           {"action", [](FlowerFilter& f) { f.actions.back().what = netlink::GactDrop{}; }}}) {
    ScriptedKernel kernel;
    kernel.AddLink(LinkOf("p0", kP0));
    kernel.AddLink(LinkOf("p1", kP1));
    kernel.SetNic([&](FlowerFilter& filter) {
      const bool ipv4_tcp = filter.key.ipv4_src && filter.key.ip_proto == 6 && !filter.key.vlan_id;
      if (ipv4_tcp && EgressOf(filter) == kP1) c.drop(filter);
      return absl::OkStatus();
    });
    TcDatapath datapath(Options(), kernel);
    ASSERT_TRUE(datapath.Start().ok()) << c.name;
    const FlowOp op = Make(Kind::kAdd, 7);
    FlowResult result;
    datapath.Apply({&op, 1}, {&result, 1});
    EXPECT_EQ(result.status.message(),
              absl::StrCat("p0 > p1: IPv4 TCP forward cannot be offloaded: accepted, but it reads "
                           "back with another ",
                           c.name));
    EXPECT_THAT(kernel.Filters(), SizeIs(6)) << c.name;
  }
}

TEST_F(TcProbeTest, WhenNothingCanBeOffloadedStartSaysWhyAndMayBeRepeated) {
  kernel_.SetNic([](FlowerFilter&) {
    return ErrnoToStatus(EOPNOTSUPP, "TC offload is disabled on net device");
  });
  const absl::Status status = datapath_.Start().status();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("nothing can be offloaded: p0 > p0: no forward can be offloaded: TC "
                              "offload is disabled on net device (EOPNOTSUPP); p0 > p1: "),
                    HasSubstr("p1: no drop can be offloaded: ")));
  EXPECT_EQ(FindingOn("p0 > p1").level, Level::kProblem);
  EXPECT_EQ(FindingOn("p0 > p1").advice, "ethtool -K p0 hw-tc-offload on, and restart offloadd");
  EXPECT_THAT(kernel_.Filters(), IsEmpty());
  kernel_.SetNic(nullptr);
  Start();
  EXPECT_EQ(FindingOn("p0 > p1").level, Level::kOk);
  EXPECT_TRUE(Do(Make(Kind::kAdd, 7)).status.ok());
}

TEST_F(TcProbeTest, ATableWithRoomForOneRuleIsEnough) {
  kernel_.SetTableSize(6 + 1);
  EXPECT_THAT(Notes(), IsEmpty());
  EXPECT_THAT(datapath_.ProbeFindings(), Each(Field(&Finding::level, Level::kOk)));
}

TEST_F(TcProbeTest, AFullTableIsNoRefusal) {
  kernel_.SetTableSize(6);
  Start();
  EXPECT_THAT(FindingOn("p0 > p1").text,
              "forward of any shape: not known until the first session: table full (ENOSPC)");
  EXPECT_EQ(FindingOn("p0 > p1").level, Level::kWarning);
  EXPECT_EQ(Do(Make(Kind::kAdd, 7)).status.code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(datapath_.Stats().refused_full, 1U);
  kernel_.SetTableSize(7);
  EXPECT_TRUE(Do(Make(Kind::kAdd, 7)).status.ok());
}

TEST_F(TcProbeTest, LostAnswersLeaveNoProbeRuleBehind) {
  const absl::Status lost = absl::UnknownError("no answer from the kernel");
  for (const bool takes_effect : {true, false}) {
    for (const Op op : {Op::kAdd, Op::kGet, Op::kDelete}) {
      kernel_.Expect({.op = op,
                      .handle = kFirstProbeHandle + 3,
                      .status = lost,
                      .takes_effect = takes_effect});
    }
  }
  EXPECT_THAT(Notes(), IsEmpty());
  EXPECT_THAT(kernel_.Filters(), SizeIs(6));
}

TEST_F(TcProbeTest, AProbeRuleThatCannotBeRemovedEndsTheStartAndGoesWithTheNext) {
  for (int i = 0; i < 4; ++i) {
    kernel_.Expect(
        {.op = Op::kDelete, .handle = kFirstProbeHandle, .status = ErrnoToStatus(EIO, "firmware")});
  }
  const absl::Status status = datapath_.Start().status();
  EXPECT_EQ(status.message(), "p0: a probe rule at priority 5 cannot be removed: firmware");
  EXPECT_THAT(kernel_.Filters(), SizeIs(7));
  EXPECT_THAT(Notes(), ElementsAre("p0: removed a probe rule of ours at priority 5, which an "
                                   "earlier instance left behind"));
  EXPECT_THAT(kernel_.Filters(), SizeIs(6));
}

TEST_F(TcProbeTest, AProbeRuleOfAProcessThatDiedIsRemoved) {
  for (const uint16_t base : {5, 9}) {
    kernel_.Put(ProbeFilter({.shape = {.vlan = TcVlan::kMatch}, .egress_ifindex = kP1}, 100, kP0,
                            {.priority_base = base}));
  }
  EXPECT_THAT(Notes(), SizeIs(2));
  EXPECT_THAT(kernel_.Filters(), SizeIs(6));
}

TEST_F(TcProbeTest, ManyNetdevsAreProbedUpToABound) {
  TcDatapathOptions options = Options();
  for (uint32_t i = 2; i < 20; ++i) {
    kernel_.AddLink(LinkOf(absl::StrCat("p", i), 100 + i));
    options.lifs.push_back(
        {.lif = static_cast<session::LifId>(10 + i), .netdev = absl::StrCat("p", i)});
  }
  TcDatapath datapath(options, kernel_);
  const auto report = datapath.Start();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(kernel_.ProbeRequests(Op::kAdd), kMaxProbedPairs * kForwardShapes + 20 * kDropShapes);
  EXPECT_THAT(report->notes, ElementsAre("host: of 400 pairs of netdevs 256 were probed; what the "
                                         "others take is learnt from their first sessions"));
  // p19 > p0 was not asked: the first add asks, and its refusal is remembered.
  kernel_.SetNic(RefusePair(119, kP0));
  FlowOp op = Make(Kind::kAdd, 7);
  op.rule.ingress = 29;
  op.rule.egress = 1;
  const size_t asked = kernel_.Requests(Op::kAdd);
  for (int i = 0; i < 2; ++i) {
    FlowResult result;
    datapath.Apply({&op, 1}, {&result, 1});
    EXPECT_EQ(result.status.message(),
              absl::StrCat("p19 > p0: IPv4 TCP forward cannot be offloaded: ", kNotSameUplink,
                           " (EOPNOTSUPP)"));
  }
  EXPECT_EQ(kernel_.Requests(Op::kAdd), asked + 1);
  EXPECT_EQ(datapath.Stats().refused_unsupported, 2U);
}

TEST_F(TcProbeTest, ARefusalOfAnAddIsRememberedUntilTheNetdevComesUpAgain) {
  Start();
  Answer(Op::kAdd, ErrnoToStatus(EOPNOTSUPP, "TC offload is disabled on net device"));
  EXPECT_EQ(Do(Make(Kind::kAdd, 7)).status.message(),
            "p0 > p1: IPv4 TCP forward cannot be offloaded: TC offload is disabled on net device "
            "(EOPNOTSUPP)");
  EXPECT_EQ(Do(Make(Kind::kAdd, 7)).status.code(), StatusCode::kUnimplemented);
  EXPECT_EQ(FindingOn("p0 > p1").level, Level::kWarning);
  kernel_.ChangeLink(LinkOf("p1", kP1, false));
  kernel_.ChangeLink(LinkOf("p1", kP1, true));
  EXPECT_TRUE(Await([this] { return IsOk("p0 > p1"); }));
  EXPECT_TRUE(Do(Make(Kind::kAdd, 7)).status.ok());
}

TEST_F(TcProbeTest, ANetdevThatComesBackIsProbedAgain) {
  kernel_.SetNic(RefusePair(kP0, kP1));
  Start();
  EXPECT_EQ(Do(Make(Kind::kAdd, 7)).status.code(), StatusCode::kUnimplemented);
  kernel_.DeleteLink("p1");
  kernel_.ChangeLink(LinkOf("p1", 30));
  ASSERT_TRUE(Await([this] { return IsOk("p0 > p1"); }));
  EXPECT_TRUE(Do(Make(Kind::kAdd, 7)).status.ok());
  EXPECT_THAT(kernel_.Filters(), SizeIs(7));
}

TEST_F(TcProbeTest, InModeAnyTheFindingTellsWhatIsInSoftwareOnly) {
  kernel_.SetNic([](FlowerFilter& filter) {
    if (filter.id.at.ifindex == kP1) filter.flags &= ~netlink::kInHw;
    return absl::OkStatus();
  });
  TcDatapathOptions options = Options();
  options.mode = OffloadMode::kAny;
  TcDatapath datapath(options, kernel_);
  const auto report = datapath.Start();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->notes, Contains("p1 > p0: forward: IPv4 and IPv6, TCP and UDP, with and "
                                      "without VLAN, VLAN rewrite, in software only"));
  EXPECT_THAT(
      datapath.ProbeFindings(),
      Contains(AllOf(Field(&Finding::subject, "p0 > p1"), Field(&Finding::level, Level::kOk),
                     Field(&Finding::text, HasSubstr("in the NIC")))));
}

TEST_F(TcProbeHardwareTest, ARuleThatIsNotInTheNicIsNoOffload) {
  kernel_.SetNic([](FlowerFilter& filter) {
    if (EgressOf(filter) == kP1) filter.flags &= ~netlink::kInHw;
    return absl::OkStatus();
  });
  ASSERT_TRUE(hardware_->Start().ok());
  EXPECT_EQ(DoInHardware(Make(Kind::kAdd, 7)).status.message(),
            "p0 > p1: IPv4 TCP forward cannot be offloaded: accepted, but it is not in the NIC");
}

// mlx5 with SMFS answers EINVAL when its memory for rules is used up.
TEST_F(TcProbeHardwareTest, EinvalForAShapeThatWorkedMeansFull) {
  ASSERT_TRUE(hardware_->Start().ok());
  Answer(Op::kAdd, ErrnoToStatus(EINVAL));
  absl::Status status = DoInHardware(Make(Kind::kAdd, 7)).status;
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("Invalid argument"));
  EXPECT_EQ(hardware_->Stats().refused_full, 1U);
  Answer(Op::kAdd, ErrnoToStatus(EINVAL, "Parent Qdisc doesn't exists"));
  status = DoInHardware(Make(Kind::kAdd, 7)).status;
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition) << status;
  EXPECT_EQ(hardware_->Stats().refused_other, 1U);
}

TEST_F(TcProbeHardwareTest, EinvalForAShapeThatNeverWorkedIsJustThat) {
  kernel_.SetNic(RefusePair(kP0, kP1, EINVAL));
  ASSERT_TRUE(hardware_->Start().ok());
  EXPECT_EQ(DoInHardware(Make(Kind::kAdd, 7)).status.code(), StatusCode::kInvalidArgument);
  kernel_.SetNic(nullptr);
  EXPECT_TRUE(DoInHardware(Make(Kind::kAdd, 7)).status.ok()) << "not remembered as a refusal";
  Answer(Op::kAdd, ErrnoToStatus(EINVAL));
  EXPECT_EQ(DoInHardware(Make(Kind::kAdd, 8)).status.code(), StatusCode::kResourceExhausted)
      << "it worked meanwhile";
}

TEST_F(TcProbeHardwareTest, UplinkToTheOtherUplinkIsToldWithWhatWorksInstead) {
  for (const auto& [name, ifindex] : {std::pair("p0", kP0), std::pair("p1", kP1)}) {
    netlink::Link link = LinkOf(name, ifindex);
    link.phys_port_name = name;
    link.switch_id = {1, 2, 3};
    kernel_.AddLink(link);
  }
  kernel_.SetNic([](FlowerFilter& filter) {
    const uint32_t to = EgressOf(filter), from = filter.id.at.ifindex;
    return to != 0 && to != from ? ErrnoToStatus(EOPNOTSUPP, kNotSameUplink) : absl::OkStatus();
  });
  ASSERT_TRUE(hardware_->Start().ok()) << "one-armed sessions and drops work";
  EXPECT_THAT(
      hardware_->ProbeFindings(),
      Contains(AllOf(Field(&Finding::subject, "p0 > p1"), Field(&Finding::level, Level::kProblem),
                     Field(&Finding::text, HasSubstr(kNotSameUplink)),
                     Field(&Finding::advice,
                           AllOf(HasSubstr("VF, SF or host PF representor"), HasSubstr("one-armed"),
                                 HasSubstr("esw_multiport"), HasSubstr("hairpins p0 to p1"))))));
}

// The advice by what the netdevs are.
TEST(ProbeReportTest, AdviceFitsTheNetdevs) {
  const std::vector<uint8_t> one = {1}, other = {2};
  struct Case {
    ProbedNetdev ingress, egress;
    std::string advice;
  };
  for (const Case& c : std::vector<Case>{
           {{"eth0", "p0", one}, {"eth1", "p1", one}, "esw_multiport"},
           {{"eth0", "c1p0", one}, {"eth1", "c1p1", one}, "esw_multiport"},
           {{"eth0", "p0", one}, {"eth0_1", "pf0vf1", one}, "datapath mode any"},
           {{"eth0", "p0", one}, {"eth0_h", "pf0hpf", one}, "datapath mode any"},
           {{"eth0", "p0", one}, {"eth1", "p1", other}, "different switches"},
           {{"eth0", "", {}}, {"eth1", "p1", one}, "eth0 is no port of a NIC in switchdev mode"}}) {
    ProbeState state{.netdevs = {c.ingress, c.egress}};
    state.answers[{.ingress = 0, .egress = 1}].fill(
        {.verdict = Verdict::kUnsupported, .reason = ErrnoToStatus(EOPNOTSUPP)});
    const std::vector<Finding> findings = DescribeProbe(state);
    ASSERT_THAT(findings, SizeIs(1));
    EXPECT_THAT(findings[0].advice, HasSubstr(c.advice)) << c.ingress.phys_port_name;
    EXPECT_EQ(findings[0].level, Level::kProblem);
  }
}

TEST(ProbeReportTest, ARefusalBesideAPairThatWorksIsAWarning) {
  ProbeState state{.netdevs = {{.name = "p0"}, {.name = "p1"}, {.name = "vf"}}};
  state.answers[{.ingress = 0, .egress = 1}].fill(
      {.verdict = Verdict::kUnsupported, .reason = ErrnoToStatus(EOPNOTSUPP)});
  state.answers[{.ingress = 2, .egress = 2}] = state.answers[{.ingress = 0, .egress = 1}];
  state.answers[{.ingress = 0, .egress = 2}].fill({.verdict = Verdict::kSupported});
  for (const Finding& finding : DescribeProbe(state)) {
    EXPECT_EQ(finding.level, finding.subject == "p0 > vf" ? Level::kOk : Level::kWarning);
  }
  EXPECT_TRUE(CheckUsable(state).ok());
}

TEST(TcShapeTest, EachShapeHasAnIndexAndAName) {
  std::set<std::string> names;
  for (size_t i = 0; i < kShapes; ++i) {
    EXPECT_EQ(IndexOf(ShapeAt(i)), i);
    names.insert(Name(ShapeAt(i)));
  }
  EXPECT_THAT(names, SizeIs(kShapes));
  EXPECT_THAT(names, IsSupersetOf({"IPv4 TCP forward", "IPv6 UDP VLAN drop",
                                   "IPv4 UDP VLAN rewrite forward"}));
  for (const session::Action action : {session::Action::kForward, session::Action::kDrop}) {
    for (const TcShape& shape : ShapesOf(action)) EXPECT_EQ(shape.action, action);
  }
}

TEST(TcShapeTest, TheProbeRuleIsOfTheShapeOfASessionRule) {
  FlowRule rule = Make(FlowOp::Kind::kAdd, 7).rule;
  rule.vlan = 100;
  const FlowerFilter session = *ToFilter(rule, {.ingress_ifindex = kP0, .egress_ifindex = kP1}, {});
  const FlowerFilter probe =
      ProbeFilter({.shape = ShapeOf(rule), .egress_ifindex = kP1}, 0, kP0, {});
  EXPECT_EQ(probe.id.priority, session.id.priority);
  EXPECT_EQ(probe.id.protocol, session.id.protocol);
  EXPECT_EQ(probe.flags, session.flags);
  EXPECT_EQ(probe.actions.back().what, session.actions.back().what);
  EXPECT_TRUE(IsStandingCookie(probe.actions.back().cookie));
  EXPECT_EQ(probe.key.tcp_flags, session.key.tcp_flags);
  EXPECT_EQ(probe.key.flags, session.key.flags);
  EXPECT_EQ(probe.key.vlan_id, 4095) << "no packet has it";
  EXPECT_EQ(probe.key.ipv4_src->value, (netlink::Ipv4Bytes{255, 255, 255, 255}));
}

TEST(TcShapeTest, ARewriteIsAShapeOfItsOwn) {
  FlowRule rule = Make(FlowOp::Kind::kAdd, 7).rule;
  rule.vlan = 100;
  const TcShape plain = ShapeOf(rule);
  rule.egress_vlan = 200;
  EXPECT_NE(IndexOf(ShapeOf(rule)), IndexOf(plain));
  const FlowerFilter probe =
      ProbeFilter({.shape = ShapeOf(rule), .egress_ifindex = kP1}, 0, kP0, {});
  ASSERT_THAT(probe.actions, SizeIs(2));
  EXPECT_TRUE(std::holds_alternative<netlink::VlanModify>(probe.actions[0].what));
  rule.action = session::Action::kDrop;
  EXPECT_EQ(ShapeOf(rule).vlan, TcVlan::kMatch) << "what is dropped is not rewritten";
}

}  // namespace
}  // namespace offload::datapath
