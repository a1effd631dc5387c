// The default path and links in hardware: on the emulated NIC (tests/eswitch), mode hardware.
//
//   wire0 ── p0     LIF 1, default path pf0vf0 ── vf00   the firewall's two ports
//   vf01 ── pf0vf1  LIF 2, default path pf0vf2 ── vf02
#include <signal.h>
#include <unistd.h>

#include <fstream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "tests/guest/scenarios/frames.h"
#include "tests/guest/scenarios/world.h"

namespace offload::guest {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kNic[] = "tests/eswitch/nic";
constexpr char kDebug[] = "/sys/kernel/debug/eswsim/";
constexpr uint32_t kFull = 8;  // RESOURCE_EXHAUSTED
constexpr int kStanding = 10;  // 2 x 3 keep-alives, 2 x 2 rules of default paths

class EswitchPath : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::access(kNic, X_OK) != 0) GTEST_SKIP() << "this tree has no emulated NIC, " << kNic;
    Shell("sysctl -q -w net.ipv6.conf.default.disable_ipv6=1");
    const int status = std::system(absl::StrCat(kNic, " up uplinks=1 vfs=4").c_str());
    if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "no emulated NIC for this kernel";
    ASSERT_EQ(status, 0);
    up_ = true;
    BringUp();
  }
  ~EswitchPath() override {
    if (up_) Shell(absl::StrCat(kNic, " down"));
  }
  // What is not there is left out.
  static void BringUp() {
    Shell(
        "for dev in p0 pf0vf0 pf0vf1 pf0vf2 pf0vf3 wire0 vf00 vf01 vf02 vf03; do"
        "  echo link set $dev arp off up; done | ip -force -batch - 2>/dev/null || true");
  }
  static std::string Config(int table_size, const std::string& more = "") {
    return absl::StrCat(R"(
        "lifs": [{"id": 1, "netdev": "p0", "default_path": "pf0vf0"},
                 {"id": 2, "netdev": "pf0vf1", "default_path": "pf0vf2"}],
        "datapath": {"mode": "hardware", "table_size": )",
                        table_size, "}", more);
  }
  static void Write(const std::string& file, const std::string& text) {
    std::ofstream(absl::StrCat(kDebug, file)) << text << "\n";
  }
  static int RulesInHardware() {
    int count = -1;
    EXPECT_TRUE(
        absl::SimpleAtoi(Shell(absl::StrCat("grep -c . ", kDebug, "rules || true")), &count));
    return count;
  }
  static uint64_t Passed(const std::string& from, const std::string& to, const FrameSpec& frame) {
    const uint64_t before = ReceivedPackets(to);
    FrameSender(from).Send(BuildFrame(frame), 10);
    return ReceivedPackets(to) - before;
  }
  // Misses of both LIFs, both ways.
  static bool Works() {
    const FrameSpec miss = {.tuple = Tuple4(500)};
    return Passed("wire0", "vf00", miss) == 10 && Passed("vf00", "wire0", miss) == 10 &&
           Passed("vf01", "vf02", miss) == 10 && Passed("vf02", "vf01", miss) == 10;
  }
  static uint64_t SoftwarePackets() {
    uint64_t packets = 0;
    for (const char* netdev : {"p0", "pf0vf0", "pf0vf1", "pf0vf2"}) {
      packets += ReceivedPackets(netdev);
    }
    return packets;
  }
  static size_t CountFull(const v1::addSessionResponse& response) {
    size_t full = 0;
    for (const auto& error : response.responseerror()) full += error.errorstatus() == kFull;
    EXPECT_EQ(static_cast<int>(full), response.responseerror_size()) << response.ShortDebugString();
    return full;
  }
  static v1::addSessionResponse AddMany(Firewall& firewall, uint32_t first, uint32_t count) {
    std::vector<v1::sessionRequest> requests;
    for (uint32_t i = first; i < first + count; ++i)
      requests.push_back(Request(i, Tuple4(i), 3600));
    return firewall.Add(requests);
  }

  bool up_ = false;
};

TEST_F(EswitchPath, MissesAndControlPacketsTakeNoCpuAlsoWithoutTheDaemon) {
  Daemon daemon(Config(1000));
  daemon.Start();
  ASSERT_EQ(Firewall(daemon).Add({Request(1, Tuple4(1), 60)}).responseerror_size(), 0);
  for (const char* netdev : {"p0", "pf0vf0", "pf0vf1", "pf0vf2"}) {
    EXPECT_THAT(Shell(absl::StrCat("tc filter show dev ", netdev, " ingress pref 15")),
                HasSubstr("\n  in_hw"));
  }
  EXPECT_EQ(RulesInHardware(), kStanding + 2);
  const uint64_t before = SoftwarePackets();
  for (const bool running : {true, false}) {
    if (!running) daemon.Stop(SIGKILL);
    EXPECT_TRUE(Works());
    EXPECT_EQ(Passed("wire0", "vf01", {.tuple = Tuple4(1)}), 10U);
    EXPECT_EQ(Passed("wire0", "vf00", {.tuple = Tuple4(1), .tcp_flags = kSyn}), 10U);
    EXPECT_EQ(Passed("wire0", "vf00", {.tuple = Tuple4(1), .first_fragment = true}), 10U);
    EXPECT_EQ(Passed("vf01", "vf02", {.tuple = Tuple4(3), .vlan = 9}), 10U);
  }
  EXPECT_EQ(SoftwarePackets(), before);
}

TEST_F(EswitchPath, TheTableTakesExactlyWhatStandingRulesLeave) {
  constexpr int kTable = 65;
  constexpr uint32_t kSessions = (kTable - kStanding) / 2;
  Write("table_size", absl::StrCat(kTable));
  Daemon daemon(Config(kTable));
  daemon.Start();
  Firewall firewall(daemon);
  EXPECT_EQ(CountFull(AddMany(firewall, 1, 40)), 40 - kSessions) << daemon.Log();
  EXPECT_EQ(RulesInHardware(), kStanding + 2 * static_cast<int>(kSessions));
  v1::sessionResponse response;
  std::vector<v1::sessionResponse> all = firewall.All();
  ASSERT_EQ(all.size(), kSessions);
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(firewall.Delete(all[i].sessionid(), &response).ok());
  }
  EXPECT_EQ(CountFull(AddMany(firewall, 100, 10)), 5U);
  EXPECT_THAT(daemon.Log(), HasSubstr(absl::StrCat("ready for ", kSessions, " sessions")));
}

// A representor without offload: the rule on it stays in software, takes no entry, and works.
TEST_F(EswitchPath, ARuleThatTheNicRefusesIsInSoftwareAndTakesNoEntry) {
  constexpr int kTable = 63;
  constexpr uint32_t kSessions = (kTable - (kStanding - 1)) / 2;
  Write("table_size", absl::StrCat(kTable));
  Shell("ethtool -K pf0vf0 hw-tc-offload off");
  Daemon daemon(Config(kTable));
  daemon.Start();
  EXPECT_THAT(daemon.Log(), HasSubstr("pf0vf0: the NIC does not take the default path to p0"));
  EXPECT_TRUE(Works());
  Firewall firewall(daemon);
  EXPECT_EQ(CountFull(AddMany(firewall, 1, 40)), 40 - kSessions) << daemon.Log();
  EXPECT_EQ(RulesInHardware(), kTable);
}

TEST_F(EswitchPath, ARepresentorThatReturnsIsLedToInHardwareAgain) {
  Daemon daemon(Config(1000));
  daemon.Start();
  ASSERT_EQ(Firewall(daemon).Add({Request(1, Tuple4(1), 3600)}).responseerror_size(), 0);
  Write("ports/pf0vf0/present", "0");
  ASSERT_TRUE(Eventually(absl::Seconds(5), [&] {
    return daemon.Log().find("pf0vf0: the representor is gone") != std::string::npos;
  })) << daemon.Log();
  Write("ports/pf0vf0/present", "1");
  BringUp();
  EXPECT_TRUE(Eventually(absl::Seconds(5), Works)) << daemon.Log();
  EXPECT_TRUE(Eventually(absl::Seconds(5), [&] { return RulesInHardware() == kStanding + 2; }))
      << Shell(absl::StrCat("cat ", kDebug, "rules"));
  EXPECT_EQ(Passed("wire0", "vf01", {.tuple = Tuple4(1)}), 10U);
}

TEST_F(EswitchPath, ALostLifTakesItsRulesOnOtherPortsOutOfTheHardware) {
  Daemon daemon(Config(1000));
  daemon.Start();
  Firewall firewall(daemon);
  ASSERT_EQ(CountFull(AddMany(firewall, 1, 20)), 0U);
  Write("ports/pf0vf1/present", "0");
  size_t closed = 0;
  ASSERT_TRUE(Eventually(absl::Seconds(10), [&] {
    closed += firewall.Closed().size();
    return closed == 20;
  })) << daemon.Log();
  EXPECT_THAT(SessionRules("p0"), IsEmpty());
  EXPECT_THAT(
      Shell(absl::StrCat("grep prio=5 ", kDebug, "rules | grep port=p0 | grep -v drop || true")),
      IsEmpty());
  Write("ports/pf0vf1/present", "1");
  BringUp();
  EXPECT_TRUE(Eventually(absl::Seconds(5), Works)) << daemon.Log();
  EXPECT_EQ(CountFull(AddMany(firewall, 1, 20)), 0U);
  EXPECT_EQ(Passed("wire0", "vf01", {.tuple = Tuple4(1)}), 10U);
}

TEST_F(EswitchPath, AnotherPortWithTheNameOfALostLifIsNotUsed) {
  Daemon daemon(Config(1000));
  daemon.Start();
  Write("ports/pf0vf1/present", "0");
  ASSERT_TRUE(Eventually(absl::Seconds(5), [&] {
    return daemon.Log().find("pf0vf1: link is gone") != std::string::npos;
  })) << daemon.Log();
  Shell("ip link set pf0vf3 down; ip link set pf0vf3 name pf0vf1; ip link set pf0vf1 up");
  EXPECT_TRUE(Eventually(absl::Seconds(5), [&] {
    return daemon.Log().find("pf0vf1: another netdev has this name now") != std::string::npos;
  })) << daemon.Log();
  EXPECT_THAT(daemon.Log(), HasSubstr("port pf0vf3; it was"));
  EXPECT_THAT(Shell("tc filter show dev pf0vf1 ingress"), IsEmpty());
  EXPECT_EQ(Firewall(daemon).Add({Request(1, Tuple4(1), 60)}).responseerror_size(), 1);
}

// devlink dev reload: every representor goes and comes back as another netdev.
TEST_F(EswitchPath, ADriverReloadIsSurvived) {
  Daemon daemon(Config(1000));
  daemon.Start();
  Firewall firewall(daemon);
  ASSERT_EQ(CountFull(AddMany(firewall, 1, 20)), 0U);
  Shell("devlink dev reload platform/eswsim");
  BringUp();
  size_t closed = 0;
  EXPECT_TRUE(Eventually(absl::Seconds(10), [&] {
    closed += firewall.Closed().size();
    return closed == 20;
  })) << daemon.Log();
  EXPECT_TRUE(Eventually(absl::Seconds(10), Works)) << daemon.Log();
  EXPECT_EQ(CountFull(AddMany(firewall, 1, 20)), 0U);
  EXPECT_EQ(RulesInHardware(), kStanding + 40);
  EXPECT_THAT(daemon.Log(), Not(HasSubstr("cannot be")));
}

}  // namespace
}  // namespace offload::guest
