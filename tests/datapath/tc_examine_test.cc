// Examine over a kernel in memory: which facts are gathered, and that it works whenever it is
// called. What facts mean is tc_doctor_test's.
#include "datapath/tc_examine.h"

#include "tc_datapath_fixture.h"

namespace offload::datapath {
namespace {

using absl::StatusCode;
using Level = Finding::Level;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class TcExamineTest : public TcDatapathTest {
 protected:
  ScriptedHost& host() { return kernel_.Host(); }

  static Finding Says(TcDatapath& datapath, const std::string& subject, const std::string& check) {
    for (const Finding& finding : datapath.Examine()) {
      if (finding.subject == subject && finding.check == check) return finding;
    }
    return {.text = "(nothing)"};
  }
  Finding Says(const std::string& subject, const std::string& check) {
    return Says(datapath_, subject, check);
  }
  static TcDatapathOptions Hardware() {
    TcDatapathOptions options = Options();
    options.mode = OffloadMode::kHardware;
    return options;
  }
  DoctorFacts Gather(const TcDatapathOptions& options) {
    return GatherFacts(options, 100, /*started=*/false, kernel_);
  }
  netlink::FlowerFilter Foreign(uint16_t priority) {
    netlink::FlowerFilter filter;
    filter.id = {
        .at = {.ifindex = kP0}, .priority = priority, .protocol = 0x0800, .handle = 0x5000};
    filter.actions = {{.what = netlink::GactDrop{}}};
    return filter;
  }
};

TEST_F(TcExamineTest, EachNetdevOnceWithItsLifs) {
  const DoctorFacts facts = Gather(Options());
  ASSERT_EQ(facts.netdevs.size(), 2U);
  EXPECT_EQ(facts.netdevs[0].netdev, "p0");
  EXPECT_THAT(facts.netdevs[0].lifs, ElementsAre(1, 3));
  EXPECT_THAT(facts.netdevs[1].lifs, ElementsAre(2));
}

TEST_F(TcExamineTest, EachNetdevGetsItsOwnFacts) {
  netlink::Link enslaved = LinkOf("p0", kP0);
  enslaved.master = 50;
  kernel_.AddLink(enslaved);
  kernel_.AddLink({.ifindex = 50, .name = "bond0", .kind = "bond"});
  const netlink::DevlinkPort port{.device = {"pci", "1"}, .ifindex = kP1};
  host().devlink_ports = std::vector<netlink::DevlinkPort>{{.device = {"pci", "0"}}, port};
  const netlink::Qdisc root{.ifindex = kP1, .parent = 0xFFFFFFFF, .kind = "mq"};
  const netlink::Qdisc ingress{.ifindex = kP1, .parent = 0xFFFFFFF1, .kind = "clsact"};
  host().qdiscs = std::vector<netlink::Qdisc>{root, ingress};
  host().drivers = {{"p0", "nfp"}};
  host().hw_tc_offload = {{"p1", {.active = true}}};
  kernel_.Put(Foreign(1));
  const DoctorFacts facts = Gather(Options());
  const NetdevFacts &p0 = facts.netdevs[0], &p1 = facts.netdevs[1];
  ASSERT_TRUE(p0.master.has_value());
  EXPECT_EQ(p0.master->name, "bond0");
  EXPECT_EQ(p1.master, std::nullopt);
  EXPECT_EQ(*p0.devlink, std::nullopt);
  EXPECT_EQ(*p1.devlink, port);
  EXPECT_EQ(*p0.qdisc, std::nullopt);
  EXPECT_EQ(*p1.qdisc, ingress);
  EXPECT_EQ(*p0.driver, "nfp");
  EXPECT_EQ(p1.driver.status().code(), StatusCode::kUnimplemented);
  EXPECT_FALSE(p0.hw_tc_offload->active);
  EXPECT_TRUE(p1.hw_tc_offload->active);
  EXPECT_EQ(p0.filters->size(), 1U);
  EXPECT_EQ(p1.filters->size(), 0U);
}

TEST_F(TcExamineTest, AFactThatCannotBeReadLeavesTheOthers) {
  host().qdiscs = absl::PermissionDeniedError("no");
  host().devlink_ports = absl::PermissionDeniedError("no");
  const DoctorFacts facts = Gather(Options());
  EXPECT_EQ(facts.netdevs[0].qdisc.status().code(), StatusCode::kPermissionDenied);
  EXPECT_EQ(facts.netdevs[0].devlink.status().code(), StatusCode::kPermissionDenied);
  EXPECT_TRUE(facts.netdevs[0].filters.ok());
  EXPECT_EQ(Says("p0", "clsact").level, Level::kWarning);
}

// A dump would read the counters of up to 200,000 filters while Open vSwitch reads them too.
TEST_F(TcExamineTest, FiltersThatOpenVswitchOffloadsAreNotRead) {
  kernel_.Put(Foreign(1));
  ovs::OvsConfig config{.hw_offload = true, .ports = {{"p0", "br0", "p0"}}};
  host().ovs = config;
  const DoctorFacts facts = Gather(Options());
  EXPECT_EQ(facts.netdevs[0].filters.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_TRUE(facts.netdevs[1].filters.ok());
  EXPECT_EQ(Says("p0", "ovs").level, Level::kProblem);
  config.hw_offload = false;
  host().ovs = config;
  EXPECT_EQ(Gather(Options()).netdevs[0].filters->size(), 1U);
}

TEST_F(TcExamineTest, BeforeStartAndAfterOne) {
  EXPECT_EQ(Says("p0", "clsact").text, "none yet: offloadd creates it at its start");
  EXPECT_EQ(kernel_.clsact_created(), 0U) << "to look changes nothing";
  EXPECT_EQ(kernel_.modules_loaded(), 0U);
  Start();
  host().qdiscs = std::vector<netlink::Qdisc>();
  EXPECT_EQ(Says("p0", "clsact").level, Level::kProblem);
}

TEST_F(TcExamineTest, AfterAStartThatFailedForAMissingNetdev) {
  kernel_.DeleteLinkUnheard("p1");
  EXPECT_EQ(datapath_.Start().status().code(), StatusCode::kFailedPrecondition);
  const Finding finding = Says("p1", "netdev");
  EXPECT_EQ(finding.level, Level::kProblem);
  EXPECT_EQ(finding.text, "LIF 2: netdev p1 does not exist");
  EXPECT_EQ(Says("p0", "netdev").level, Level::kOk);
}

TEST_F(TcExamineTest, OptionsThatCannotWorkAreNoReasonNotToLook) {
  TcDatapathOptions options = Options();
  options.table_size = 0;
  TcDatapath datapath(options, kernel_);
  EXPECT_EQ(Says(datapath, "p0", "netdev").level, Level::kOk);
}

// Start refuses what is in the way, Examine says so before it.
TEST_F(TcExamineTest, AFilterInTheWayIsSeenBeforeStart) {
  netlink::FlowerFilter obstacle = Foreign(5);
  obstacle.id.handle = 1;
  kernel_.Put(obstacle);
  EXPECT_EQ(Says("p0", "foreign-filters").level, Level::kProblem);
  EXPECT_EQ(Says("p1", "foreign-filters").level, Level::kOk);
  EXPECT_EQ(datapath_.Start().status().code(), StatusCode::kFailedPrecondition);
}

TEST_F(TcExamineTest, SessionsOfOursAreNoForeignFilters) {
  Start();
  ASSERT_TRUE(Do(Make(Kind::kAdd, 7)).status.ok());
  EXPECT_EQ(Says("p0", "foreign-filters").level, Level::kOk);
  TcDatapath another(Options(), kernel_);  // as after a crash: not started, the rules are there
  EXPECT_EQ(Says(another, "p0", "foreign-filters").level, Level::kOk);
}

TEST_F(TcExamineTest, StartRefusesADriverThatIgnoresKeys) {
  host().drivers = {{"p0", "mlx5_core"}, {"p1", "bnxt_en"}};
  TcDatapath datapath(Hardware(), kernel_);
  const absl::Status status = datapath.Start().status();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  for (const char* part : {"LIF 2: netdev p1: ", "bnxt_en", "/datapath/allow_untrusted_driver"}) {
    EXPECT_THAT(std::string(status.message()), HasSubstr(part));
  }
  EXPECT_EQ(Says(datapath, "p1", "driver").level, Level::kProblem);
  EXPECT_THAT(kernel_.Filters(), ::testing::IsEmpty());
}

TEST_F(TcExamineTest, TheKernelMayOffloadInModeAnyToo) {
  host().drivers = {{"p1", "ice"}};
  TcDatapathOptions options = Options();
  options.mode = OffloadMode::kAny;
  EXPECT_EQ(TcDatapath(options, kernel_).Start().status().code(), StatusCode::kFailedPrecondition);
}

TEST_F(TcExamineTest, AnUntrustedDriverMayBeAllowedAndIsNoMatterInModeSoftware) {
  host().drivers = {{"p0", "bnxt_en"}, {"p1", "ice"}};
  EXPECT_TRUE(TcDatapath(Options(), kernel_).Start().ok()) << "mode software";
  TcDatapathOptions options = Hardware();
  options.allow_untrusted_driver = true;
  TcDatapath datapath(options, kernel_);
  EXPECT_TRUE(datapath.Start().ok());
  EXPECT_EQ(Says(datapath, "p1", "driver").level, Level::kWarning);
}

}  // namespace
}  // namespace offload::datapath
