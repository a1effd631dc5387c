// What main leaves to compose.cc: the daemon's log and its retries, over the fake datapath.
#include "compose.h"

#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "config/load.h"
#include "gmock/gmock.h"
#include "spdlog/sinks/ostream_sink.h"
#include "spdlog/spdlog.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_datapath.h"

namespace offload {
namespace {

using datapath::Finding;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const Finding kProblem = {.level = Finding::Level::kProblem,
                          .check = "switchdev",
                          .subject = "p0",
                          .text = "legacy",
                          .advice = "devlink"};
const Finding kWarning = {
    .level = Finding::Level::kWarning, .check = "memory", .subject = "host", .text = "little"};
const Finding kOk = {.level = Finding::Level::kOk, .check = "driver", .subject = "p0"};

class ComposeTest : public ::testing::Test {
 protected:
  ComposeTest() : former_(spdlog::default_logger()) {
    auto logger = std::make_shared<spdlog::logger>(
        "test", std::make_shared<spdlog::sinks::ostream_sink_mt>(log_));
    logger->set_pattern("%l %v");
    spdlog::set_default_logger(std::move(logger));
  }
  ~ComposeTest() override { spdlog::set_default_logger(former_); }

  std::ostringstream log_;
  std::shared_ptr<spdlog::logger> former_;
};

TEST_F(ComposeTest, ProblemsAndWarningsAreOneLineEachInTheLog) {
  LogFindings({kOk, kWarning, kProblem});
  EXPECT_EQ(log_.str(),
            "warning doctor: memory: host: little\n"
            "error doctor: switchdev: p0: legacy (advice: devlink)\n");
}

TEST_F(ComposeTest, PrintedFindingsDecideTheExitStatus) {
  ::testing::internal::CaptureStdout();
  EXPECT_EQ(PrintFindings({kOk, kProblem}), 1);
  EXPECT_EQ(::testing::internal::GetCapturedStdout(),
            "problem  switchdev  p0  legacy\n"
            "         advice: devlink\n"
            "ok       driver     p0\n"
            "\n"
            "1 problem, 0 warnings, 1 ok\n");
  ::testing::internal::CaptureStdout();
  EXPECT_EQ(PrintFindings({kWarning}), 0);
  ::testing::internal::GetCapturedStdout();
}

TEST_F(ComposeTest, EachFailedStartIsToldAndThenItIsTriedAgain) {
  fakes::FakeClock clock;
  fakes::FakeDatapath datapath(clock);
  datapath.SetStartStatus(absl::FailedPreconditionError("netdev p0 does not exist"));
  std::vector<std::string> reasons;
  EXPECT_TRUE(StartDatapath(datapath, [&](const absl::Status& why) {
    reasons.emplace_back(why.message());
    datapath.SetStartStatus(absl::OkStatus());
  }));
  EXPECT_THAT(reasons, ElementsAre("netdev p0 does not exist"));
  EXPECT_THAT(log_.str(), HasSubstr("not ready, trying again every second: netdev p0 does not"));
}

TEST_F(ComposeTest, TheServerIsToldWhatStatusShows) {
  const auto config = config::Parse(
      R"({"listeners": [{"address": "unix:/a", "owner": "x"}, {"address": "0.0.0.0:1"}],
          "lifs": [{"id": 7, "netdev": "p0"}], "datapath": {"mode": "any"}})",
      "test");
  ASSERT_TRUE(config.ok()) << config.status();
  const server::ServerOptions options = ServerOptionsOf(*config, "1.2.3");
  EXPECT_EQ(options.version, "1.2.3");
  EXPECT_EQ(options.mode, "any");
  ASSERT_EQ(options.lifs.size(), 1u);
  EXPECT_EQ(options.lifs[0].id, 7);
  EXPECT_EQ(options.lifs[0].netdev, "p0");
  EXPECT_EQ(options.listeners[0].owner_name, "x");
  EXPECT_TRUE(options.listeners[0].admin);
  EXPECT_FALSE(options.listeners[1].admin);
}

}  // namespace
}  // namespace offload
