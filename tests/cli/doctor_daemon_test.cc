// The real daemon and the real offloadctl where the datapath cannot become ready, which is when a
// doctor is needed most. In a network namespace of its own.
#include <signal.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "tests/cli/ctl_process.h"
#include "tests/config/daemon_process.h"

namespace offload::cli {
namespace {

using config::DaemonProcess;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;

class DoctorDaemonTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    std::string why;
    if (!config::EnterOwnNetworkNamespace(why)) *skip_reason_ = why;
  }
  void SetUp() override {
    if (!skip_reason_->empty()) {
      GTEST_SKIP() << "needs a network namespace of its own: " << *skip_reason_;
    }
  }
  std::string Socket() const {
    return absl::StrCat("unix:", ::testing::TempDir(), "doctor_", getpid(), ".sock");
  }

 private:
  static inline std::string* const skip_reason_ = new std::string;
};

TEST_F(DoctorDaemonTest, StatusTellsWhyTheDaemonIsNotReady) {
  DaemonProcess offloadd({"--lif", "7=absent0", "--mode", "software", "--listen", Socket()});
  ASSERT_TRUE(offloadd.WaitForOutput("not ready, trying again")) << offloadd.output();
  const CtlResult status = RunCtl({"--server", Socket(), "status"});
  EXPECT_EQ(status.status, 0) << status.err;
  EXPECT_THAT(status.out, ContainsRegex("state      not ready: .*absent0"));
  EXPECT_THAT(status.out, HasSubstr("mode       software\n"));
  EXPECT_THAT(status.out, HasSubstr("7 absent0 unknown\n"));
  EXPECT_THAT(status.out,
              HasSubstr(absl::StrCat("listeners  ", Socket(), ", owner default, admin")));
}

TEST_F(DoctorDaemonTest, AListenerForRemoteClientsDoesNotServeAdmin) {
  DaemonProcess offloadd({"--lif", "7=absent0", "--listen", "0.0.0.0:0"});
  ASSERT_TRUE(offloadd.WaitForOutput("not ready, trying again")) << offloadd.output();
  const std::string start = "listening on 0.0.0.0:0, port ";
  const size_t at = offloadd.output().find(start);
  ASSERT_NE(at, std::string::npos) << offloadd.output();
  const int port = std::stoi(offloadd.output().substr(at + start.size()));
  const CtlResult status = RunCtl({"--server", absl::StrCat("127.0.0.1:", port), "status"});
  EXPECT_EQ(status.status, 3);
  EXPECT_THAT(status.err, HasSubstr("\"admin\""));
}

// Level and check of each finding. Not the text: it may have figures that change from moment to
// moment.
std::vector<std::string> Checks(const std::string& report) {
  std::vector<std::string> checks;
  for (const absl::string_view line : absl::StrSplit(report, '\n', absl::SkipEmpty())) {
    if (line[0] == ' ') continue;
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    checks.push_back(absl::StrCat(words.at(0), " ", words.at(1)));
  }
  return checks;
}

TEST_F(DoctorDaemonTest, WithAndWithoutADaemonTheSameIsReported) {
  const std::vector<std::string> configuration = {"--lif", "7=absent0", "--mode", "software"};
  std::vector<std::string> alone = configuration;
  alone.push_back("--doctor");
  DaemonProcess doctor(alone);
  const std::optional<int> status = doctor.WaitForExit();
  EXPECT_THAT(doctor.output(), ContainsRegex("[0-9]+ problems?, [0-9]+ warnings?, [0-9]+ ok"));
  const bool well = Checks(doctor.output()).back() == "0 problems,";
  EXPECT_EQ(status, well ? 0 : 1) << doctor.output();

  std::vector<std::string> daemon = configuration;
  daemon.insert(daemon.end(), {"--listen", Socket()});
  DaemonProcess offloadd(daemon);
  ASSERT_TRUE(offloadd.WaitForOutput("not ready, trying again")) << offloadd.output();
  // The daemon has one thing to say that the other cannot know: why it is not ready.
  const CtlResult asked = RunCtl({"--server", Socket(), "doctor"});
  EXPECT_THAT(asked.out, HasSubstr("not ready: LIF 7: netdev absent0 does not exist"));
  std::vector<std::string> checks = Checks(asked.out);
  std::erase(checks, "problem start");
  std::vector<std::string> expected = Checks(doctor.output());
  checks.pop_back();  // the totals
  expected.pop_back();
  EXPECT_EQ(checks, expected);
  EXPECT_EQ(asked.status, 1);
}

TEST_F(DoctorDaemonTest, DoctorAndCheckConfigExcludeEachOther) {
  DaemonProcess offloadd({"--lif", "7=absent0", "--doctor", "--check-config"});
  EXPECT_EQ(offloadd.WaitForExit(), 2);
}

TEST_F(DoctorDaemonTest, AWrongConfigurationIsToldBeforeAnythingIsExamined) {
  DaemonProcess offloadd({"--lif", "x=absent0", "--doctor"});
  EXPECT_EQ(offloadd.WaitForExit(), 2);
  EXPECT_THAT(offloadd.output(), HasSubstr("--lif x=absent0"));
}

}  // namespace
}  // namespace offload::cli
