// Examine on a kernel with cls_flower, over veth pairs; each test in a network namespace of its
// own.
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>

#include "examine_aloud.h"

namespace offload::datapath {
namespace {

using Level = Finding::Level;
using ::testing::HasSubstr;

TcDatapathOptions Options(OffloadMode mode = OffloadMode::kSoftware) {
  return {.mode = mode,
          .table_size = 1000,
          .lifs = {{.lif = 1, .netdev = "lif1"}, {.lif = 2, .netdev = "lif2"}}};
}

class TcExamineGuest : public ::testing::Test {
 protected:
  static bool HasFlower() {
    static const bool has =
        std::system(
            "(ip link add d0 type dummy && tc qdisc add dev d0 clsact && "
            "tc filter add dev d0 ingress protocol ip flower ip_proto tcp action drop; "
            "s=$?; ip link del d0; exit $s) 2>/dev/null") == 0;
    return has;
  }

  void SetUp() override {
    if (::unshare(CLONE_NEWNET) != 0) GTEST_SKIP() << "needs root: unshare(CLONE_NEWNET)";
    if (!HasFlower()) GTEST_SKIP() << "this kernel has no cls_flower";
    Shell(
        "printf '%s\\n' "
        "'link add lif1 type veth peer name wire1' 'link add lif2 type veth peer name wire2' "
        "'link set lif1 up' 'link set lif2 up' 'link set wire1 up' 'link set wire2 up' | "
        "ip -batch -");
  }

  static void Expect(TcDatapath& datapath, const std::string& check, Level level,
                     const std::string& text) {
    const Finding finding = Says(datapath, "lif1", check);
    EXPECT_EQ(finding.level, level) << check;
    EXPECT_THAT(finding.text, HasSubstr(text));
  }

  SystemTcKernel kernel_;
  TcDatapath software_{Options(), kernel_};
};

TEST_F(TcExamineGuest, OnlyTheDefaultPathIsMissingOnFreshVeths) {
  for (const bool started : {false, true}) {
    ASSERT_TRUE(!started || software_.Start().ok());
    for (const Finding& finding : Examine(software_)) {
      const bool missing =
          finding.check == "default-path" || (finding.check == "probe" && !started);
      const Level expected = missing ? Level::kWarning : Level::kOk;
      EXPECT_EQ(finding.level, expected) << finding.check;
    }
    EXPECT_EQ(Says(software_, "lif1", "clsact").text,
              started ? "is there" : "none yet: offloadd creates it at its start");
  }
}

TEST_F(TcExamineGuest, ModeHardwareOnVeths) {
  TcDatapath datapath(Options(OffloadMode::kHardware), kernel_);
  Expect(datapath, "driver", Level::kWarning, "veth");
  Expect(datapath, "switchdev", Level::kProblem, "no port of an embedded switch");
  Expect(datapath, "hw-tc-offload", Level::kProblem, "is off");
  EXPECT_EQ(Says(datapath, "host", "switch-id").level, Level::kProblem);
  EXPECT_FALSE(datapath.Start().ok());
  Expect(datapath, "hw-tc-offload", Level::kProblem, "is off");
  TcDatapath any(Options(OffloadMode::kAny), kernel_);
  Expect(any, "hw-tc-offload", Level::kWarning, "is off");
}

TEST_F(TcExamineGuest, AU32FilterInFront) {
  Shell(
      "tc qdisc add dev lif1 clsact && tc filter add dev lif1 ingress prio 1 protocol ip u32 match "
      "u32 0 0 action drop");
  Expect(software_, "foreign-filters", Level::kWarning, "u32 at priority 1 (protocol ip)");
  ASSERT_TRUE(software_.Start().ok());
  Expect(software_, "foreign-filters", Level::kWarning, "u32 at priority 1 (protocol ip)");
  EXPECT_EQ(Says(software_, "lif2", "foreign-filters").level, Level::kOk);
}

TEST_F(TcExamineGuest, AFilterAtOurPriority) {
  Shell(
      "tc qdisc add dev lif1 clsact && tc filter add dev lif1 ingress prio 6 protocol all matchall "
      "action drop");
  Expect(software_, "foreign-filters", Level::kProblem, "matchall at priority 6 (protocol all)");
  EXPECT_EQ(software_.Start().status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(TcExamineGuest, TcMonitorListens) {
  const pid_t monitor = ::fork();
  ASSERT_GE(monitor, 0);
  if (monitor == 0) {
    ::execlp("tc", "tc", "monitor", nullptr);
    ::_exit(127);
  }
  Finding finding;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (finding.level == Level::kOk && std::chrono::steady_clock::now() < deadline) {
    finding = Says(software_, "host", "tc-listeners");
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  EXPECT_EQ(finding.level, Level::kWarning);
  EXPECT_THAT(finding.text, HasSubstr("tc (pid " + std::to_string(monitor) + ")"));
  ::kill(monitor, SIGTERM);
  ::waitpid(monitor, nullptr, 0);
  EXPECT_EQ(Says(software_, "host", "tc-listeners").level, Level::kOk);
}

TEST_F(TcExamineGuest, OurOwnSocketsAreNoListeners) {
  ASSERT_TRUE(software_.Start().ok());
  EXPECT_EQ(Says(software_, "host", "tc-listeners").level, Level::kOk);
}

TEST_F(TcExamineGuest, AMemberOfABond) {
  if (std::system("ip link add bond7 type bond") != 0) GTEST_SKIP() << "no bonds here";
  Shell("ip link set lif1 down && ip link set lif1 master bond7");
  Expect(software_, "master", Level::kProblem, "bond7 (bond)");
}

TEST_F(TcExamineGuest, APortOfABridge) {
  Shell("ip link add br0 type bridge && ip link set lif1 master br0");
  Expect(software_, "master", Level::kOk, "br0 (bridge)");
  Expect(software_, "default-path", Level::kOk, "bridge br0");
}

TEST_F(TcExamineGuest, ASharedBlock) {
  Shell("tc qdisc add dev lif1 ingress_block 22 clsact");
  Expect(software_, "shared-block", Level::kProblem, "shared block 22");
  EXPECT_EQ(software_.Start().status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(TcExamineGuest, AnIngressQdisc) {
  Shell("tc qdisc add dev lif1 ingress");
  Expect(software_, "clsact", Level::kWarning, "kind ingress");
  EXPECT_TRUE(software_.Start().ok()) << "it serves as well";
}

TEST_F(TcExamineGuest, AQdiscThatIsGone) {
  ASSERT_TRUE(software_.Start().ok());
  Shell("tc qdisc del dev lif1 clsact");
  Expect(software_, "clsact", Level::kProblem, "all rules with it");
}

TEST_F(TcExamineGuest, DefaultPathsOfOthers) {
  Shell("tc qdisc add dev lif1 clsact");
  const std::string add = "tc filter add dev lif1 ingress ", del = "tc filter del dev lif1 ingress";
  for (const std::string where :
       {"prio 100 protocol all", "protocol all", "protocol ip", "prio 2000 protocol all"}) {
    Shell(add + where + " flower action mirred egress redirect dev wire2");
    Expect(software_, "default-path", Level::kOk, "flower at priority");
    Shell(del);
    Expect(software_, "default-path", Level::kWarning, "nothing would carry a miss");
  }
  Shell(add + "prio 100 protocol all flower action drop");
  Expect(software_, "default-path", Level::kWarning, "nothing would carry a miss");
  Shell(add + "prio 101 protocol all matchall action mirred egress redirect dev wire2");
  Expect(software_, "default-path", Level::kOk, "may be taken by matchall at priority 101");
}

TEST_F(TcExamineGuest, LinksThatAreDownOrMissing) {
  Shell("ip link set wire1 down && ip link del lif2");
  Expect(software_, "link", Level::kWarning, "without a carrier");
  EXPECT_EQ(Says(software_, "lif2", "netdev").text, "LIF 2: netdev lif2 does not exist");
  EXPECT_FALSE(software_.Start().ok());
  EXPECT_EQ(Says(software_, "lif2", "netdev").level, Level::kProblem);
}

}  // namespace
}  // namespace offload::datapath
