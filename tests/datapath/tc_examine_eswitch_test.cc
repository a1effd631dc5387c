// Examine on the emulated NIC (tests/eswitch), in mode hardware; each test with a NIC of its own.
#include <sched.h>
#include <sys/wait.h>

#include "examine_aloud.h"

namespace offload::datapath {
namespace {

using Level = Finding::Level;
using ::testing::HasSubstr;

TcDatapathOptions Options() {
  return {.mode = OffloadMode::kHardware,
          .table_size = 1000,
          .lifs = {{.lif = 1, .netdev = "p0"}, {.lif = 2, .netdev = "pf0vf0"}}};
}

class TcExamineEswitch : public ::testing::Test {
 protected:
  void SetUp() override { NicUp(""); }
  void TearDown() override { (void)std::system("tests/eswitch/nic down 2>/dev/null"); }

  // A NIC whose module has these parameters, p0 and pf0vf0 with a carrier.
  void NicUp(const std::string& parameters) {
    if (::unshare(CLONE_NEWNET) != 0) GTEST_SKIP() << "needs root: unshare(CLONE_NEWNET)";
    const int status = std::system(("tests/eswitch/nic up " + parameters).c_str());
    if (WEXITSTATUS(status) == 77 || WEXITSTATUS(status) == 127) {
      GTEST_SKIP() << "there is no emulated NIC for this kernel";
    }
    ASSERT_EQ(status, 0);
    Shell("for n in p0 wire0 pf0vf0 vf00; do ip link set $n up; done");
  }
  static void Expect(TcDatapath& datapath, const std::string& check, Level level,
                     const std::string& text) {
    const Finding finding = Says(datapath, "p0", check);
    EXPECT_EQ(finding.level, level) << check;
    EXPECT_THAT(finding.text, HasSubstr(text));
  }

  SystemTcKernel kernel_;
  TcDatapath datapath_{Options(), kernel_};
};

TEST_F(TcExamineEswitch, OnlyTheDefaultPathIsMissingOnAGoodNic) {
  for (const bool started : {false, true}) {
    ASSERT_TRUE(!started || datapath_.Start().ok());
    for (const Finding& finding : Examine(datapath_)) {
      const bool missing =
          finding.check == "default-path" || (finding.check == "probe" && !started);
      const Level expected = missing ? Level::kWarning : Level::kOk;
      EXPECT_EQ(finding.level, expected) << finding.check;
    }
  }
  Expect(datapath_, "driver", Level::kOk, "eswsim");
  Expect(datapath_, "switchdev", Level::kOk, "platform/eswsim is in mode switchdev");
  EXPECT_THAT(Says(datapath_, "host", "switch-id").text, HasSubstr("02e57773696d0001"));
}

TEST_F(TcExamineEswitch, LegacyModeIsAProblem) {
  Shell("devlink dev eswitch set platform/eswsim mode legacy");
  const Finding finding = Says(datapath_, "p0", "switchdev");
  EXPECT_EQ(finding.level, Level::kProblem);
  ASSERT_THAT(finding.advice, HasSubstr("mode switchdev"));
  Shell(finding.advice);
  Expect(datapath_, "switchdev", Level::kOk, "switchdev");
}

TEST_F(TcExamineEswitch, HwTcOffloadIsOffAndTheAdviceTurnsItOn) {
  Shell("ethtool -K p0 hw-tc-offload off");
  const Finding finding = Says(datapath_, "p0", "hw-tc-offload");
  EXPECT_EQ(finding.level, Level::kProblem);
  Shell(finding.advice);
  Expect(datapath_, "hw-tc-offload", Level::kOk, "is on");
}

TEST_F(TcExamineEswitch, ARefusedOffStaysWanted) {
  ASSERT_TRUE(datapath_.Start().ok());
  EXPECT_NE(std::system("ethtool -K p0 hw-tc-offload off"), 0) << "rules stand";
  const Finding finding = Says(datapath_, "p0", "hw-tc-offload");
  EXPECT_EQ(finding.level, Level::kWarning);
  Shell(finding.advice);
  Expect(datapath_, "hw-tc-offload", Level::kOk, "is on");
}

TEST_F(TcExamineEswitch, ANetdevOfAnotherSwitch) {
  Shell("ip link add other type veth peer name far && ip link set other up && ip link set far up");
  TcDatapathOptions options = Options();
  options.lifs.push_back({.lif = 3, .netdev = "other"});
  TcDatapath datapath(options, kernel_);
  const Finding finding = Says(datapath, "host", "switch-id");
  EXPECT_EQ(finding.level, Level::kProblem);
  EXPECT_THAT(finding.text, HasSubstr("other on none; p0, pf0vf0 on 02e57773696d0001"));
}

TEST_F(TcExamineEswitch, ADriverThatIgnoresKeysIsRefused) {
  NicUp("driver=bnxt_en");
  Expect(datapath_, "driver", Level::kProblem, "bnxt_en ignores tcp_flags");
  const absl::Status status = datapath_.Start().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("LIF 1: netdev p0: driver bnxt_en"));
  TcDatapathOptions options = Options();
  options.allow_untrusted_driver = true;
  TcDatapath allowed(options, kernel_);
  EXPECT_TRUE(allowed.Start().ok());
  Expect(allowed, "driver", Level::kWarning, "bnxt_en ignores tcp_flags");
}

TEST_F(TcExamineEswitch, ARepresentorThatIsGone) {
  ASSERT_TRUE(datapath_.Start().ok());
  Shell("echo 0 >/sys/kernel/debug/eswsim/ports/p0/present");
  Expect(datapath_, "netdev", Level::kProblem, "LIF 1: netdev p0 does not exist");
}

}  // namespace
}  // namespace offload::datapath
