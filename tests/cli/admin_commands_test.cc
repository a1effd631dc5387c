// offloadctl doctor and status: the real program against the real server over the fake datapath.
#include <unistd.h>

#include <fstream>
#include <future>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "nlohmann/json.hpp"
#include "tests/cli/ctl_process.h"
#include "tests/server/service_fixture.h"

namespace offload::cli {
namespace {

using datapath::Finding;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const Finding kLegacy = {.level = Finding::Level::kProblem,
                         .check = "switchdev",
                         .subject = "p0",
                         .text = "the eswitch is in mode legacy",
                         .advice = "devlink dev eswitch set pci/0000:03:00.0 mode switchdev"};
const Finding kListener = {.level = Finding::Level::kWarning,
                           .check = "tc-listeners",
                           .subject = "host",
                           .text = "somebody listens",
                           .advice = ""};
const Finding kTaken = {
    .level = Finding::Level::kOk, .check = "probe", .subject = "p0 > p1", .text = "taken"};

class AdminCommandsTest : public server::ServiceTest {
 protected:
  void StartDaemon(bool admin = true) {
    server::ServerOptions options;
    options.listeners = {{.address = "127.0.0.1:0", .owner_name = "default", .admin = admin}};
    options.workers = 2;
    options.version = "1.2.3";
    options.mode = "hardware";
    options.lifs = {{.id = 1, .netdev = "p0"}, {.id = 20, .netdev = "pf0vf0"}};
    server_ = MakeServer(options);
    ASSERT_EQ(server_->Start(), absl::OkStatus());
    address_ = absl::StrCat("127.0.0.1:", server_->ports()[0]);
  }
  CtlResult Run(std::vector<std::string> words, const std::vector<std::string>& environment = {},
                Stdout stdout_kind = Stdout::kPipe) {
    words.insert(words.begin(), {"--server", address_});
    return RunCtl(words, environment, stdout_kind);
  }

  std::string address_;
};

TEST_F(AdminCommandsTest, DoctorWithAProblemShowsItFirstAndFails) {
  StartDaemon();
  datapath_.SetFindings({kTaken, kListener, kLegacy});
  const CtlResult result = Run({"doctor"});
  EXPECT_EQ(result.status, 1);
  EXPECT_EQ(result.out,
            "problem  switchdev     p0       the eswitch is in mode legacy\n"
            "         advice: devlink dev eswitch set pci/0000:03:00.0 mode switchdev\n"
            "warning  tc-listeners  host     somebody listens\n"
            "ok       probe         p0 > p1  taken\n"
            "\n"
            "1 problem, 1 warning, 1 ok\n");
  EXPECT_EQ(result.err, "");
}

TEST_F(AdminCommandsTest, AWarningIsNoFailureOfDoctor) {
  StartDaemon();
  datapath_.SetFindings({kTaken, kListener});
  EXPECT_EQ(Run({"doctor"}).status, 0);
}

TEST_F(AdminCommandsTest, DoctorAsJsonIsOneObjectALine) {
  StartDaemon();
  datapath_.SetFindings({kTaken, kLegacy});
  const CtlResult result = Run({"--json", "doctor"});
  EXPECT_EQ(result.status, 1);
  const std::vector<std::string> lines = absl::StrSplit(result.out, '\n', absl::SkipEmpty());
  ASSERT_EQ(lines.size(), 2u) << result.out;
  const auto taken = nlohmann::json::parse(lines[0]);
  EXPECT_EQ(taken, nlohmann::json({{"level", "ok"},
                                   {"check", "probe"},
                                   {"subject", "p0 > p1"},
                                   {"text", "taken"},
                                   {"advice", ""}}));
  EXPECT_EQ(nlohmann::json::parse(lines[1])["level"], "problem");
}

TEST_F(AdminCommandsTest, ColorsOnlyATerminalAndNotWithNoColor) {
  StartDaemon();
  datapath_.SetFindings({kLegacy});
  EXPECT_THAT(Run({"doctor"}, {}, Stdout::kTerminal).out, HasSubstr("\033[1;31mproblem\033[0m"));
  EXPECT_THAT(Run({"doctor"}, {}, Stdout::kPipe).out, Not(HasSubstr("\033")));
  const CtlResult refused = Run({"doctor"}, {"NO_COLOR=1"}, Stdout::kTerminal);
  EXPECT_THAT(refused.out, HasSubstr("problem  switchdev"));
  EXPECT_THAT(refused.out, Not(HasSubstr("\033")));
  EXPECT_THAT(Run({"--json", "doctor"}, {}, Stdout::kTerminal).out, Not(HasSubstr("\033")));
}

TEST_F(AdminCommandsTest, DoctorWithoutADaemonPointsToTheOneThatNeedsNone) {
  address_ = absl::StrCat("unix:", ::testing::TempDir(), "nobody_", ::getpid());
  const CtlResult result = Run({"doctor"});
  EXPECT_EQ(result.status, 3);
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, HasSubstr("`offloadd --doctor`"));
}

TEST_F(AdminCommandsTest, StatusWithoutADaemon) {
  address_ = absl::StrCat("unix:", ::testing::TempDir(), "nobody_", ::getpid());
  const CtlResult result = Run({"status"});
  EXPECT_EQ(result.status, 3);
  EXPECT_EQ(result.out, "");
}

// 1 would say that there is a problem.
TEST_F(AdminCommandsTest, AListenerWithoutAdminIsNoAnswerAndNoProblem) {
  StartDaemon(/*admin=*/false);
  for (const char* command : {"doctor", "status"}) {
    const CtlResult result = Run({command});
    EXPECT_EQ(result.status, 3);
    EXPECT_EQ(result.out, "");
    EXPECT_THAT(result.err, HasSubstr("\"admin\""));
    EXPECT_THAT(result.err, HasSubstr(address_));
  }
}

TEST_F(AdminCommandsTest, AnExaminationThatTakesTooLongIsNoAnswer) {
  StartDaemon();
  std::promise<void> may_end;
  datapath_.SetExamination([&] {
    may_end.get_future().wait();
    return std::vector<Finding>();
  });
  const CtlResult result = Run({"--deadline", "0.2", "doctor"});
  may_end.set_value();
  EXPECT_EQ(result.status, 3);
  EXPECT_EQ(result.out, "");
}

TEST_F(AdminCommandsTest, StatusIsABlock) {
  clock_.Advance(absl::Milliseconds(250));
  StartDaemon();
  server_->SetReady(true);
  engine_.OnLifState(20, datapath::LifState::kDown);
  server::Client firewall(address_);
  firewall.Add({server::Request(1), server::Request(2)});
  const CtlResult result = Run({"status"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(absl::StrReplaceAll(result.out, {{address_.substr(address_.find(':') + 1), "PORT"}}),
            "offloadd   1.2.3\n"
            "state      ready\n"
            "since      2023-11-14T22:13:20.250Z\n"
            "mode       hardware\n"
            "sessions   2 of 524288; added 2, rejected 0\n"
            "           closed: timeout 0, deleted 0, lost 0\n"
            "           undone 0, delete retries 0, query failures 0\n"
            "rules      added 4, deleted 0, queried 0\n"
            "           refused: unsupported 0, full 0, other 0\n"
            "           busy retries 0, read back 0, standing repairs 0\n"
            "closed log pending 0; appended 0, delivered 0, dropped 0\n"
            "listeners  127.0.0.1:0, port PORT, owner default, admin\n"
            "LIFs       1 p0 up\n"
            "           20 pf0vf0 down\n");
}

TEST_F(AdminCommandsTest, StatusBeforeReadySaysWhyNot) {
  StartDaemon();
  EXPECT_THAT(Run({"status"}).out, HasSubstr("state      not ready: starting\n"));
  server_->SetStartError(absl::FailedPreconditionError("LIF 1: netdev p0 does not exist"));
  const CtlResult result = Run({"status"});
  EXPECT_EQ(result.status, 0);
  EXPECT_THAT(result.out, HasSubstr("not ready: LIF 1: netdev p0 does not exist\n"));
  EXPECT_THAT(result.out, HasSubstr("1 p0 unknown\n"));
}

TEST_F(AdminCommandsTest, StatusAsJson) {
  StartDaemon();
  server_->SetReady(true);
  server::Client(address_).Add({server::Request(1)});
  const CtlResult result = Run({"status", "--json"});
  EXPECT_EQ(result.status, 0);
  const auto json = nlohmann::json::parse(result.out, nullptr, false);
  ASSERT_TRUE(json.is_object()) << result.out;
  EXPECT_EQ(json["version"], "1.2.3");
  EXPECT_EQ(json["ready"], true);
  EXPECT_EQ(json["sessions"], 1);
  EXPECT_EQ(json["capacity"], 524288);
  EXPECT_EQ(json["session_counters"]["added"], 1);
  EXPECT_EQ(json["datapath_counters"]["added"], 2);
  EXPECT_EQ(json["closed_log_counters"]["pending"], 0);
  EXPECT_EQ(json["listeners"][0]["owner"], "default");
  EXPECT_EQ(json["lifs"][1]["netdev"], "pf0vf0");
  EXPECT_EQ(json["lifs"][1]["link_state"], "up");
}

TEST(ManualTest, NamesEachCommand) {
  std::ifstream file("packaging/man/offloadctl.1");
  const std::string manual{std::istreambuf_iterator<char>(file), {}};
  const std::string help = RunCtl({"--help"}).out;
  std::vector<std::string> commands;
  for (const absl::string_view line :
       absl::StrSplit(help.substr(help.find("Subcommands:")), '\n', absl::SkipEmpty())) {
    if (line[0] == ' ')
      commands.push_back(std::string(*absl::StrSplit(line.substr(2), ' ').begin()));
  }
  EXPECT_THAT(commands, ::testing::IsSupersetOf({"add", "closed", "doctor", "status"}));
  for (const std::string& command : commands) {
    EXPECT_NE(manual.find(absl::StrCat(".TP\n.B ", command, "\n")), manual.npos) << command;
  }
}

}  // namespace
}  // namespace offload::cli
