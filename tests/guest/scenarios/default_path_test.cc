// The default path and links on a real kernel: what no session takes goes to the firewall and back.
#include <net/if.h>
#include <signal.h>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "tests/guest/scenarios/frames.h"
#include "tests/guest/scenarios/world.h"

namespace offload::guest {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr absl::Duration kRepairTime = absl::Seconds(8);  // audits come every 5 s
constexpr char kPaths[] = R"(
  "lifs": [{"id": 1, "netdev": "lif1", "default_path": "fw0"},
           {"id": 2, "netdev": "lif2", "default_path": "fwb0"},
           {"id": 3, "netdev": "lif1"}])";

// The firewall has a port for each LIF: fw0 (its side: fw1) for lif1 and fwb0 (fwb1) for lif2.
class DefaultPath : public Scenario {
 protected:
  DefaultPath() {
    // In place of the operator's rule.
    Shell("for dev in lif1 lif2; do tc filter del dev $dev ingress pref 100; done");
    AddPair("fwb0", "fwb1");
  }
  static void AddPair(const std::string& rep, const std::string& far) {
    Shell(absl::StrCat("ip link add ", rep, " type veth peer name ", far, "; for dev in ", rep, " ",
                       far, "; do ethtool -K $dev gso off gro off tso off rxvlan off txvlan off ",
                       ">/dev/null 2>&1; sysctl -q -w net.ipv6.conf.$dev.disable_ipv6=1; ",
                       "ip link set $dev arp off up; done"));
  }
  static std::string Rules(const std::string& netdev) {
    return Shell(absl::StrCat("tc filter show dev ", netdev, " ingress pref 15"));
  }
  // `frame` goes into `from` ten times; how many come out of `to`.
  static uint64_t Passed(const std::string& from, const std::string& to, const FrameSpec& frame) {
    const uint64_t before = ReceivedPackets(to);
    FrameSender(from).Send(BuildFrame(frame), 10);
    return ReceivedPackets(to) - before;
  }
  static bool Works() {
    const FrameSpec miss = {.tuple = Tuple4(500)};
    return Passed("wire1", "fw1", miss) == 10 && Passed("fw1", "wire1", miss) == 10 &&
           Passed("wire2", "fwb1", miss) == 10 && Passed("fwb1", "wire2", miss) == 10;
  }
};

TEST_F(DefaultPath, MissesAndControlPacketsGoToTheFirewallAndBackAlsoWithoutTheDaemon) {
  Daemon daemon(absl::StrCat(kPaths, R"(, "on_stop": "flush")"));
  const auto check = [](const std::string& when, bool session) {
    EXPECT_TRUE(Works()) << when;
    const FrameSpec hit = {.tuple = Tuple4(1)};
    EXPECT_EQ(Passed("wire1", "wire2", hit), session ? 10U : 0U) << when;
    EXPECT_EQ(Passed("wire1", "fw1", hit), session ? 0U : 10U) << when;
    for (const uint8_t flag : {kSyn, kFin, kRst}) {
      EXPECT_EQ(Passed("wire1", "fw1", {.tuple = Tuple4(1), .tcp_flags = flag}), 10U) << when;
    }
    EXPECT_EQ(Passed("wire1", "fw1", {.tuple = Tuple4(1), .first_fragment = true}), 10U) << when;
    EXPECT_EQ(Passed("wire1", "fw1", {.tuple = Tuple6(9)}), 10U) << when;
    EXPECT_EQ(Passed("wire2", "fwb1", {.tuple = Tuple4(9), .vlan = 7}), 10U) << when;
  };
  daemon.Start();
  check("started", false);
  ASSERT_EQ(Firewall(daemon).Add({Request(1, Tuple4(1), 60)}).responseerror_size(), 0);
  check("with a session", true);
  EXPECT_EQ(daemon.Stop(SIGKILL), -SIGKILL);
  check("killed", true);
  daemon.Start();
  check("started again", false);
  ASSERT_EQ(Firewall(daemon).Add({Request(1, Tuple4(1), 60)}).responseerror_size(), 0);
  EXPECT_EQ(daemon.Stop(SIGTERM), 0);
  check("stopped, sessions flushed", false);
}

// Counters of a rule that was replaced or made anew would be smaller than what it has passed.
TEST_F(DefaultPath, ARestartKeepsTheRules) {
  Daemon daemon(kPaths);
  daemon.Start();
  ASSERT_EQ(Passed("wire1", "fw1", {.tuple = Tuple4(500)}), 10U);
  daemon.Stop(SIGTERM);
  daemon.Start();
  EXPECT_THAT(Shell("tc -s filter show dev lif1 ingress pref 15"), HasSubstr(" 10 pkt"));
  daemon.Stop(SIGKILL);
  daemon.Start();
  EXPECT_THAT(Shell("tc -s filter show dev lif1 ingress pref 15"), HasSubstr(" 10 pkt"));
}

TEST_F(DefaultPath, ANewTargetAndNoTargetAreWhatTheNextStartMakes) {
  AddPair("fwc0", "fwc1");
  Daemon daemon(kPaths);
  daemon.Start();
  daemon.Stop(SIGTERM);
  Daemon other(R"("lifs": [{"id": 1, "netdev": "lif1", "default_path": "fwc0"},
                           {"id": 2, "netdev": "lif2"}],
                  "datapath": {"mode": "any"})");
  other.Start();
  EXPECT_EQ(Passed("wire1", "fwc1", {.tuple = Tuple4(500)}), 10U);
  EXPECT_EQ(Passed("fwc1", "wire1", {.tuple = Tuple4(500)}), 10U);
  EXPECT_THAT(Rules("lif1"), Not(HasSubstr("skip_"))) << "mode any writes neither";
  for (const char* netdev : {"lif2", "fw0", "fwb0"}) EXPECT_THAT(Rules(netdev), IsEmpty());
  EXPECT_THAT(Shell("tc filter show dev lif2 ingress pref 5"), HasSubstr("flower"));
}

TEST_F(DefaultPath, WhatIsRemovedIsPutBack) {
  Daemon daemon(kPaths);
  daemon.Start();
  ASSERT_TRUE(Works());
  Shell(
      "tc filter del dev lif1 ingress pref 15; tc filter del dev fwb0 ingress pref 15;"
      "tc filter del dev lif2 ingress pref 6");
  EXPECT_FALSE(Works());
  EXPECT_TRUE(Eventually(kRepairTime, Works)) << daemon.Log();
  EXPECT_TRUE(Eventually(kRepairTime, [&] {
    return daemon.Log().find("lif2: keep-alive at priority 6 was missing, put back") !=
           std::string::npos;
  })) << daemon.Log();
  EXPECT_THAT(daemon.Log(), HasSubstr("lif1: default path to fw0 was missing, put back"));
}

TEST_F(DefaultPath, ARemovedQdiscIsMadeAgainAndItsSessionsClose) {
  Daemon daemon(kPaths);
  daemon.Start();
  Firewall firewall(daemon);
  ASSERT_EQ(firewall.Add({Request(1, Tuple4(1), 3600)}).responseerror_size(), 0);
  Shell("tc qdisc del dev lif1 clsact; tc qdisc del dev fwb0 clsact");
  EXPECT_TRUE(Eventually(kRepairTime, Works)) << daemon.Log();
  std::vector<v1::sessionResponse> records;
  EXPECT_TRUE(Eventually(absl::Seconds(2), [&] {
    records = firewall.Closed();
    return !records.empty();
  })) << daemon.Log();
  EXPECT_THAT(SessionRules("lif2"), IsEmpty()) << "the other half";
  EXPECT_EQ(firewall.Add({Request(1, Tuple4(1), 3600)}).responseerror_size(), 0);
  EXPECT_EQ(Passed("wire1", "wire2", {.tuple = Tuple4(1)}), 10U);
}

TEST_F(DefaultPath, RulesOfOthersAreUntouched) {
  Shell(
      "tc qdisc add dev fw0 clsact;"
      "tc filter add dev lif1 ingress pref 15 handle 7 protocol all flower skip_hw indev lif1 "
      "action mirred egress redirect dev fw0;"
      "tc filter add dev fw0 ingress pref 5 protocol ip flower skip_hw ip_proto tcp action pass;"
      "tc filter add dev fw0 ingress pref 20 protocol all matchall action pass");
  const auto others = [] {
    return Shell("tc filter show dev lif1 ingress pref 15 | grep -A20 'handle 0x7 '") +
           Shell("tc filter show dev fw0 ingress pref 5; tc filter show dev fw0 ingress pref 20");
  };
  const std::string before = others();
  {
    Daemon daemon(kPaths);
    daemon.Start();
    EXPECT_THAT(daemon.Log(), HasSubstr("left alone a foreign filter of kind flower"));
    EXPECT_THAT(Rules("lif1"), HasSubstr("handle 0xffffff01"));
    daemon.Stop(SIGKILL);
  }
  Daemon without(R"("datapath": {"mode": "software"})");
  without.Start();
  EXPECT_THAT(Rules("lif1"), Not(HasSubstr("handle 0xffffff01")));
  EXPECT_EQ(others(), before);
}

TEST_F(DefaultPath, AFilterOfAnotherKindAtThePriorityIsNamed) {
  Shell(
      "tc qdisc add dev fw0 clsact; tc filter add dev fw0 ingress pref 15 protocol all matchall "
      "action pass");
  const std::string before = Rules("fw0");
  Daemon daemon(kPaths);
  daemon.Spawn();
  EXPECT_TRUE(Eventually(absl::Seconds(10), [&] {
    return daemon.Log().find("fw0: default path: filter of kind matchall") != std::string::npos;
  })) << daemon.Log();
  EXPECT_EQ(Rules("fw0"), before);
  Shell("tc filter del dev fw0 ingress pref 15");
  daemon.WaitServing();
  EXPECT_TRUE(Works());
}

TEST_F(DefaultPath, AReplacedRepresentorIsLedToAgain) {
  Daemon daemon(kPaths);
  daemon.Start();
  Firewall firewall(daemon);
  ASSERT_EQ(firewall.Add({Request(1, Tuple4(1), 3600)}).responseerror_size(), 0);
  Shell("ip link del fw1");
  ASSERT_TRUE(Eventually(absl::Seconds(5), [&] {
    return daemon.Log().find("fw0: the representor is gone") != std::string::npos;
  }));
  const uint64_t wire2 = ReceivedPackets("wire2");
  FrameSender("wire1").Send(BuildFrame({.tuple = Tuple4(500)}), 10);
  EXPECT_EQ(ReceivedPackets("wire2"), wire2) << "a miss passed by the firewall";
  EXPECT_EQ(Passed("wire1", "wire2", {.tuple = Tuple4(1)}), 10U) << "sessions go on";
  AddPair("fw0", "fw1");
  EXPECT_TRUE(Eventually(absl::Seconds(2), Works)) << daemon.Log();
  EXPECT_THAT(SessionRules("lif1"), SizeIs(1));
}

TEST_F(DefaultPath, AReplacedLifClosesItsSessionsOnBothSides) {
  Daemon daemon(kPaths);
  daemon.Start();
  Firewall firewall(daemon);
  ASSERT_EQ(firewall.Add({Request(1, Tuple4(1), 3600)}).responseerror_size(), 0);
  ASSERT_EQ(Passed("wire1", "wire2", {.tuple = Tuple4(1)}), 10U);
  Shell("ip link del wire2");
  std::vector<v1::sessionResponse> records;
  ASSERT_TRUE(Eventually(absl::Seconds(5), [&] {
    records = firewall.Closed();
    return !records.empty();
  })) << daemon.Log();
  EXPECT_EQ(records[0].inpackets(), 10U);
  EXPECT_THAT(SessionRules("lif1"), IsEmpty()) << "it redirected to the netdev that is gone";
  AddPair("lif2", "wire2");
  EXPECT_TRUE(Eventually(absl::Seconds(2), Works)) << daemon.Log();
  EXPECT_EQ(firewall.Add({Request(2, Tuple4(1), 60)}).responseerror_size(), 0);
  EXPECT_EQ(Passed("wire1", "wire2", {.tuple = Tuple4(1)}), 10U);
}

TEST_F(DefaultPath, RenamedNetdevsKeepTheirSessionsAndRules) {
  Daemon daemon(absl::StrCat(kPaths, R"(, "on_link_down": "keep")"));
  daemon.Start();
  Firewall firewall(daemon);
  ASSERT_EQ(firewall.Add({Request(1, Tuple4(1), 3600)}).responseerror_size(), 0);
  Shell(
      "for dev in lif2 fw0; do ip link set $dev down; ip link set $dev name new$dev;"
      "ip link set new$dev up; done");
  ASSERT_TRUE(Eventually(absl::Seconds(5), [&] {
    return daemon.Log().find("the netdev is called newlif2 now") != std::string::npos &&
           daemon.Log().find("the representor is called newfw0 now") != std::string::npos;
  })) << daemon.Log();
  EXPECT_TRUE(Works());
  EXPECT_EQ(Passed("wire1", "wire2", {.tuple = Tuple4(1)}), 10U);
  EXPECT_EQ(firewall.Add({Request(2, Tuple4(2), 60)}).responseerror_size(), 0);
  EXPECT_EQ(Passed("wire2", "wire1", {.tuple = Tuple4(2).Reversed()}), 10U);
  EXPECT_THAT(firewall.Closed(), IsEmpty());
}

TEST_F(DefaultPath, ALinkThatIsDownKeepsItsSessionsWhereConfigured) {
  Daemon daemon(absl::StrCat(kPaths, R"(, "on_link_down": "keep", "link_down_hold": 0.1)"));
  daemon.Start();
  Firewall firewall(daemon);
  ASSERT_EQ(firewall.Add({Request(1, Tuple4(1), 3600)}).responseerror_size(), 0);
  Shell("ip link set wire2 down");
  ASSERT_TRUE(Eventually(absl::Seconds(5), [&] {
    return daemon.Log().find("lif2: link is down") != std::string::npos;
  }));
  EXPECT_FALSE(Eventually(absl::Seconds(1), [&] { return !firewall.Closed().empty(); }));
  Shell("ip link set wire2 up");
  EXPECT_TRUE(Eventually(absl::Seconds(5),
                         [&] { return Passed("wire1", "wire2", {.tuple = Tuple4(1)}) == 10U; }));
}

}  // namespace
}  // namespace offload::guest
