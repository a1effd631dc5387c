// The doctor: each check's ok, warning and problem, from facts.
#include "datapath/tc_doctor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <string>

#include "datapath/tc_driver.h"

namespace offload::datapath {
namespace {

using Level = Finding::Level;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Field;
using ::testing::HasSubstr;

constexpr char kDevice[] = "0000:03:00.0";

// An uplink of a ConnectX on which nothing is wrong.
NetdevFacts GoodNetdev(const std::string& name, uint32_t ifindex, session::LifId lif) {
  NetdevFacts netdev;
  netdev.netdev = name;
  netdev.lifs = {lif};
  netdev.link = netlink::Link{.ifindex = ifindex,
                              .name = name,
                              .admin_up = true,
                              .running = true,
                              .switch_id = {0xAB, 0x01},
                              .phys_port_name = name};
  netdev.driver = "mlx5_core";
  netdev.hw_tc_offload = netlink::Feature{.changeable = true, .wanted = true, .active = true};
  netdev.devlink = netlink::DevlinkPort{
      .device = {"pci", kDevice}, .ifindex = ifindex, .eswitch = netlink::EswitchMode::kSwitchdev};
  netdev.qdisc = netlink::Qdisc{.ifindex = ifindex, .kind = "clsact"};
  netdev.filters = std::vector<FilterGroup>{
      {.priority = 20, .protocol = 3, .kind = "flower", .count = 1, .catch_all = true}};
  return netdev;
}

DoctorFacts GoodFacts() {
  DoctorFacts facts;
  facts.table_size = 100000;
  facts.started = true;
  facts.netdevs = {GoodNetdev("p0", 4, 1), GoodNetdev("pf0vf0", 9, 2)};
  facts.ovs = absl::NotFoundError("no socket");
  facts.listeners = std::vector<netlink::TcListener>();
  facts.mem_available = uint64_t{8} << 30;
  facts.kernel = netlink::KernelRelease{.major = 6, .minor = 1, .text = "6.1.0-56-amd64"};
  facts.modules = {{"cls_flower", netlink::ModuleState::kLoaded}};
  return facts;
}

class DoctorTest : public ::testing::Test {
 protected:
  NetdevFacts& p0() { return facts_.netdevs[0]; }
  netlink::Link& link() { return *p0().link; }

  // What a check says about p0 or the host. A check that is left out has the text "(nothing)".
  Finding Says(const std::string& check) const {
    for (const Finding& finding : Diagnose(facts_)) {
      const bool meant = finding.subject == "p0" || finding.subject == "host";
      if (finding.check == check && meant) return finding;
    }
    return {.text = "(nothing)"};
  }
  // The check's level is `level`, and its text and advice have these in them.
  void Expect(const std::string& check, Level level, const std::string& text,
              const std::string& advice = "") const {
    const Finding finding = Says(check);
    EXPECT_EQ(finding.level, level) << check << ": " << finding.text;
    EXPECT_THAT(finding.text, HasSubstr(text)) << check;
    EXPECT_THAT(finding.advice, HasSubstr(advice)) << check;
    EXPECT_TRUE(level != Level::kOk || finding.advice.empty()) << check << finding.advice;
  }
  bool LeftOut(const std::string& check) const { return Says(check).text == "(nothing)"; }

  DoctorFacts facts_ = GoodFacts();
};

TEST_F(DoctorTest, AGoodHostHasOnlyGoodFindingsInOrder) {
  std::vector<std::string> checks;
  for (const Finding& finding : Diagnose(facts_)) {
    EXPECT_EQ(finding.level, Level::kOk) << finding.check << ": " << finding.text;
    EXPECT_NE(finding.text, "") << finding.check;
    EXPECT_EQ(finding.advice, "") << finding.check;
    checks.push_back(finding.subject + " " + finding.check);
  }
  const std::vector<std::string> of_netdev = {
      "netdev",       "link",   "driver", "switchdev",       "hw-tc-offload", "clsact",
      "shared-block", "master", "ovs",    "foreign-filters", "default-path"};
  std::vector<std::string> expected;
  for (const char* netdev : {"p0 ", "pf0vf0 "}) {
    for (const std::string& check : of_netdev) expected.push_back(netdev + check);
  }
  for (const char* check : {"switch-id", "kernel", "modules", "memory", "tc-listeners"}) {
    expected.push_back(std::string("host ") + check);
  }
  EXPECT_EQ(checks, expected);
}

TEST_F(DoctorTest, TheDocumentHasARowForEachCheck) {
  std::ifstream file("docs/doctor.md");
  std::set<std::string> rows, checks;
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("| `", 0) == 0) rows.insert(line.substr(3, line.find('`', 3) - 3));
  }
  for (const Finding& finding : Diagnose(facts_)) checks.insert(finding.check);
  EXPECT_EQ(rows, checks);
}

TEST_F(DoctorTest, WhatOnlyHardwareNeedsIsLeftOutInModeSoftware) {
  facts_.mode = OffloadMode::kSoftware;
  p0().driver = "bnxt_en";
  p0().hw_tc_offload = netlink::Feature();
  p0().devlink = std::optional<netlink::DevlinkPort>();
  link().switch_id.clear();
  for (const Finding& finding : Diagnose(facts_)) {
    EXPECT_EQ(finding.level, Level::kOk) << finding.check << ": " << finding.text;
  }
  for (const char* check : {"driver", "switchdev", "hw-tc-offload", "switch-id"}) {
    EXPECT_TRUE(LeftOut(check)) << check;
  }
}

TEST_F(DoctorTest, WhatCannotBeReadIsAWarningOfItsCheck) {
  const absl::Status denied = absl::PermissionDeniedError("Operation not permitted");
  p0().driver = denied;
  p0().hw_tc_offload = denied;
  p0().devlink = denied;
  p0().qdisc = denied;
  p0().filters = denied;
  facts_.ovs = denied;
  facts_.listeners = denied;
  facts_.mem_available = denied;
  facts_.kernel = denied;
  for (const char* check :
       {"driver", "switchdev", "hw-tc-offload", "clsact", "ovs", "foreign-filters", "default-path",
        "kernel", "memory", "tc-listeners"}) {
    Expect(check, Level::kWarning, "cannot be told: Operation not permitted");
  }
}

TEST_F(DoctorTest, AMissingNetdevIsAProblemThatNamesItsLifs) {
  p0().lifs = {1, 3};
  p0().link = absl::NotFoundError("no netdev p0");
  Expect("netdev", Level::kProblem, "LIFs 1, 3: netdev p0 does not exist", "/lifs");
  EXPECT_TRUE(LeftOut("link"));
  EXPECT_THAT(Diagnose(facts_), Contains(Field(&Finding::subject, "pf0vf0")));
  p0().link = absl::PermissionDeniedError("no");
  Expect("netdev", Level::kProblem, "LIFs 1, 3: no");
}

TEST_F(DoctorTest, Link) {
  link().running = false;
  Expect("link", Level::kWarning, "without a carrier", "cable");
  link().admin_up = false;
  Expect("link", Level::kWarning, "is down", "ip link set p0 up");
}

TEST_F(DoctorTest, Driver) {
  for (const char* good : {"mlx5_core", "mlx5e_rep", "nfp", "eswsim"}) {
    p0().driver = good;
    Expect("driver", Level::kOk, good);
  }
  p0().driver = "sfc";
  Expect("driver", Level::kWarning, "sfc", "crafted");
  for (const char* bad : {"bnxt_en", "ice"}) {
    p0().driver = bad;
    facts_.allow_untrusted_driver = false;
    Expect("driver", Level::kProblem, "fragments", "allow_untrusted_driver");
    facts_.allow_untrusted_driver = true;
    Expect("driver", Level::kWarning, "fragments", "own risk");
  }
}

TEST_F(DoctorTest, Switchdev) {
  using netlink::EswitchMode;
  Expect("switchdev", Level::kOk, "eswitch of pci/0000:03:00.0 is in mode switchdev");
  (*p0().devlink)->eswitch = EswitchMode::kLegacy;
  // A ConnectX can redirect between its PF netdevs then, and nothing else.
  Expect("switchdev", Level::kWarning, "legacy", "devlink dev eswitch set pci/0000:03:00.0");
  p0().driver = "nfp";
  Expect("switchdev", Level::kProblem, "legacy",
         "devlink dev eswitch set pci/0000:03:00.0 mode switchdev");
  facts_.mode = OffloadMode::kAny;
  Expect("switchdev", Level::kWarning, "legacy");
  facts_.mode = OffloadMode::kHardware;
  (*p0().devlink)->eswitch = EswitchMode::kOther;
  Expect("switchdev", Level::kProblem, "not in mode switchdev");
}

TEST_F(DoctorTest, ARepresentorThatDevlinkDoesNotListHasASwitchId) {
  p0().devlink = std::optional<netlink::DevlinkPort>();
  Expect("switchdev", Level::kOk, "port of an embedded switch");
  link().switch_id.clear();
  Expect("switchdev", Level::kProblem, "no port of an embedded switch", "mode software");
}

TEST_F(DoctorTest, HwTcOffload) {
  const auto with = [this](bool changeable, bool wanted, bool active) {
    p0().hw_tc_offload =
        netlink::Feature{.changeable = changeable, .wanted = wanted, .active = active};
  };
  with(true, false, false);
  Expect("hw-tc-offload", Level::kProblem, "is off", "ethtool -K p0 hw-tc-offload on");
  with(false, false, false);
  Expect("hw-tc-offload", Level::kProblem, "no such feature", "mode software");
  with(true, true, false);
  Expect("hw-tc-offload", Level::kProblem, "refused");
  with(true, true, true);
  Expect("hw-tc-offload", Level::kOk, "is on");
}

TEST_F(DoctorTest, ARefusedOffStaysWanted) {
  p0().hw_tc_offload = netlink::Feature{.changeable = true, .wanted = false, .active = true};
  Expect("hw-tc-offload", Level::kWarning, "off was asked for and refused",
         "ethtool -K p0 hw-tc-offload on");
}

TEST_F(DoctorTest, Clsact) {
  (*p0().qdisc)->kind = "ingress";
  Expect("clsact", Level::kWarning, "Open vSwitch removes",
         "tc qdisc del dev p0 ingress && tc qdisc add dev p0 clsact");
  p0().qdisc = std::optional<netlink::Qdisc>();
  Expect("clsact", Level::kProblem, "gone, and all rules", "restart offloadd");
  EXPECT_TRUE(LeftOut("shared-block"));
  facts_.started = false;
  Expect("clsact", Level::kOk, "none yet");
}

TEST_F(DoctorTest, SharedBlock) {
  Expect("shared-block", Level::kOk, "its own");
  (*p0().qdisc)->ingress_block = 22;
  Expect("shared-block", Level::kProblem, "shared block 22", "tc qdisc del dev p0 clsact");
}

TEST_F(DoctorTest, Master) {
  Expect("master", Level::kOk, "none");
  link().master = 50;
  Expect("master", Level::kWarning, "cannot be seen");
  const auto with = [this](const char* kind) {
    p0().master = netlink::Link{.ifindex = 50, .name = "m0", .kind = kind};
  };
  for (const char* kind : {"bridge", "openvswitch"}) {
    with(kind);
    Expect("master", Level::kOk, std::string("m0 (") + kind);
  }
  for (const char* kind : {"bond", "team"}) {
    with(kind);
    Expect("master", Level::kProblem, std::string("m0 (") + kind, "ip link set p0 nomaster");
  }
  with("vrf");
  Expect("master", Level::kWarning, "m0 (vrf)", "nomaster");
}

TEST_F(DoctorTest, Ovs) {
  Expect("ovs", Level::kOk, "not running");
  ovs::OvsConfig config{.hw_offload = true, .ports = {{"p1", "br0", "p1"}}};
  facts_.ovs = config;
  Expect("ovs", Level::kOk, "no port of Open vSwitch");
  config.ports.push_back({"p0", "br0", "bond0"});
  facts_.ovs = config;
  Expect("ovs", Level::kProblem, "bridge br0 with hw-offload=true", "ovs-vsctl del-port br0 bond0");
  config.hw_offload = false;
  facts_.ovs = config;
  Expect("ovs", Level::kOk, "bridge br0, which does not offload");
}

TEST_F(DoctorTest, ForeignFilters) {
  const auto with = [this](std::vector<FilterGroup> groups) { p0().filters = std::move(groups); };
  with({{.priority = 8, .protocol = 0x0800, .kind = "flower", .count = 9}});
  Expect("foreign-filters", Level::kOk, "none in front");
  with({{.priority = 4, .protocol = 3, .kind = "flower", .count = 2, .ours = true}});
  Expect("foreign-filters", Level::kOk, "none in front");
  with({{.priority = 6, .protocol = 0x86DD, .kind = "flower", .count = 1}});
  Expect("foreign-filters", Level::kWarning, "flower at priority 6 (protocol ipv6)");
  with({{.priority = 4, .protocol = 0x88CC, .kind = "u32", .count = 3}});
  Expect("foreign-filters", Level::kWarning,
         "in front of the session rules, which do not see what they take: u32 at priority 4 "
         "(protocol 0x88cc) x 3",
         "tc filter del dev p0 ingress prio 4");
  with({{.priority = 4, .protocol = 3, .kind = "u32", .count = 1},
        {.priority = 5, .protocol = 3, .kind = "bpf", .obstacle = "that priority is ours"}});
  Expect("foreign-filters", Level::kProblem, "in the way of the session rules: bpf at priority 5",
         "/datapath/priority_base");
}

TEST_F(DoctorTest, ALongListOfFiltersIsCut) {
  std::vector<FilterGroup> groups;
  for (uint16_t priority = 1; priority <= 4; ++priority) {
    groups.push_back({.priority = priority, .protocol = 0x0800, .kind = "flower", .count = 1});
    groups.push_back({.priority = priority, .protocol = 0x0800, .kind = "x", .count = 1});
  }
  p0().filters = groups;
  Expect("foreign-filters", Level::kWarning, ", and 5 more");
}

TEST_F(DoctorTest, DefaultPath) {
  Expect("default-path", Level::kOk, "flower at priority 20 (protocol all)");
  p0().filters = std::vector<FilterGroup>();
  Expect("default-path", Level::kWarning, "nothing would carry a miss to the firewall",
         "default_path");
  p0().default_path = "pf0vf7";
  Expect("default-path", Level::kOk, "default_path pf0vf7");
  p0().default_path_missing = true;
  Expect("default-path", Level::kProblem, "netdev pf0vf7 does not exist");
  p0().default_path_missing = false;
  p0().default_path.clear();
  p0().filters =
      std::vector<FilterGroup>{{.priority = 20, .protocol = 0x0800, .kind = "flower", .count = 5}};
  Expect("default-path", Level::kWarning, "nothing would carry");
  p0().filters =
      std::vector<FilterGroup>{{.priority = 20, .protocol = 3, .kind = "u32", .count = 1}};
  Expect("default-path", Level::kOk, "may be taken by u32 at priority 20");
  p0().filters =
      std::vector<FilterGroup>{{.priority = 2, .protocol = 3, .kind = "matchall", .count = 1}};
  Expect("default-path", Level::kWarning, "nothing would carry");
}

TEST_F(DoctorTest, ABridgeOrOpenVswitchIsADefaultPath) {
  p0().filters = std::vector<FilterGroup>();
  link().master = 50;
  p0().master = netlink::Link{.ifindex = 50, .name = "br0", .kind = "bridge"};
  Expect("default-path", Level::kOk, "bridge br0");
  p0().master->kind = "bond";
  Expect("default-path", Level::kWarning, "nothing would carry");
  facts_.ovs = ovs::OvsConfig{.ports = {{"p0", "br-int", "p0"}}};
  Expect("default-path", Level::kOk, "Open vSwitch bridge br-int");
}

TEST_F(DoctorTest, SwitchId) {
  Expect("switch-id", Level::kOk, "all are on switch ab01");
  facts_.netdevs[1].link->switch_id = {0xCD};
  Expect("switch-id", Level::kProblem, "p0 on ab01; pf0vf0 on cd");
  facts_.netdevs[1].link->switch_id.clear();
  Expect("switch-id", Level::kProblem, "pf0vf0 on none; p0 on ab01");
  facts_.mode = OffloadMode::kAny;
  Expect("switch-id", Level::kWarning, "pf0vf0 on none");
  facts_.mode = OffloadMode::kHardware;
  link().switch_id.clear();
  Expect("switch-id", Level::kProblem, "none is on an embedded switch");
  facts_.netdevs.resize(1);
  Expect("switch-id", Level::kOk, "only one netdev");
  p0().link = absl::NotFoundError("gone");
  EXPECT_TRUE(LeftOut("switch-id"));
}

TEST_F(DoctorTest, Kernel) {
  const auto with = [this](int major, int minor) {
    facts_.kernel = netlink::KernelRelease{.major = major, .minor = minor, .text = "X.Y"};
  };
  with(5, 15);
  Expect("kernel", Level::kOk, "Linux X.Y");
  with(5, 14);
  Expect("kernel", Level::kProblem, "Linux X.Y is older than 5.15", "newer");
  with(4, 19);
  Expect("kernel", Level::kProblem, "older");
  with(7, 0);
  Expect("kernel", Level::kOk, "Linux");
}

TEST_F(DoctorTest, Modules) {
  using netlink::ModuleState;
  const auto with = [this](ModuleState state, bool started) {
    facts_.started = started;
    facts_.modules = {{"cls_flower", ModuleState::kLoaded}, {"act_gact", state}};
  };
  with(ModuleState::kBuiltIn, true);
  Expect("modules", Level::kOk, "are there");
  with(ModuleState::kLoadable, false);
  Expect("modules", Level::kOk, "at its start: act_gact");
  with(ModuleState::kLoadable, true);
  Expect("modules", Level::kWarning, "not loaded: act_gact", "modprobe -a act_gact");
  with(ModuleState::kUnknown, false);
  Expect("modules", Level::kWarning, "cannot tell");
  with(ModuleState::kUnknown, true);
  Expect("modules", Level::kOk, "are there");
  with(ModuleState::kMissing, false);
  Expect("modules", Level::kProblem, "the kernel has no act_gact", "kernel");
}

// 26 KB for the two rules of a session: 100,000 rules are 1.24 GB.
TEST_F(DoctorTest, Memory) {
  const uint64_t need = 50000 * kHardwareSessionBytes;
  facts_.mem_available = 2 * need;
  Expect("memory", Level::kOk,
         "100000 rules takes up to 1.2 GB of kernel memory (26 KB a session)");
  facts_.mem_available = 2 * need - 1;
  Expect("memory", Level::kWarning, "2.5 GB are available", "table_size");
  facts_.mem_available = need - 1;
  Expect("memory", Level::kProblem, "1.2 GB are available", "table_size");
  facts_.mode = OffloadMode::kSoftware;
  Expect("memory", Level::kOk, "6 KB a session");
}

TEST_F(DoctorTest, RulesThatAreThereHaveTheirMemoryAlready) {
  facts_.mem_available = 20000 * kHardwareSessionBytes;
  facts_.rules = 90000;
  Expect("memory", Level::kOk, "0.1 GB more");
  facts_.rules = 100001;  // never below nothing
  Expect("memory", Level::kOk, "0.0 GB more");
}

TEST_F(DoctorTest, TcListeners) {
  Expect("tc-listeners", Level::kOk, "nobody");
  facts_.listeners = std::vector<netlink::TcListener>{{0, ""}, {7, "tc"}};
  Expect("tc-listeners", Level::kWarning, "a process that cannot be seen, tc (pid 7)", "end it");
  facts_.listeners = std::vector<netlink::TcListener>{{7, "tc"}, {41, "systemd-network"}};
  Expect("tc-listeners", Level::kWarning, "systemd-network (pid 41)",
         "systemctl disable --now systemd-networkd");
}

TEST(DriverTest, OnlyDriversThatIgnoreKeysAreRefused) {
  for (const char* driver : {"mlx5_core", "mlx5e_rep", "nfp", "eswsim", "veth", ""}) {
    EXPECT_TRUE(RefuseUntrusted(driver).ok()) << driver;
  }
  for (const char* driver : {"bnxt_en", "ice"}) {
    const absl::Status status = RefuseUntrusted(driver);
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(status.message()),
                AllOf(HasSubstr(driver), HasSubstr("/datapath/allow_untrusted_driver")));
  }
}

}  // namespace
}  // namespace offload::datapath
