// The real offloadctl against the real services.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/process/run_program.h"
#include "tests/server/service_fixture.h"

namespace offload::cli {
namespace {

using process::Ended;
using session::Direction;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using Words = std::vector<std::string>;
using Kind = fakes::FakeDatapath::Kind;

enum ExitCode { kOk = 0, kRefused = 1, kUsage = 2, kUnreachable = 3 };

constexpr char kHeader[] =
    "ID  STATE  REASON  IN PACKETS  IN BYTES  OUT PACKETS  OUT BYTES  START  END\n";

Ended RunCtl(const Words& words) {
  Words command = {OFFLOADCTL_BINARY};
  command.insert(command.end(), words.begin(), words.end());
  return process::RunProgram(command);
}

// `add` of a TCP session from LIF 1 to LIF 2 with its own tuple; later words win.
Words Add(uint64_t id, const Words& more = {}) {
  Words words = {"add",
                 "--id",
                 absl::StrCat(id),
                 "--in-lif",
                 "1",
                 "--out-lif",
                 "2",
                 "--src",
                 "10.0.1.1",
                 "--dst",
                 "10.0.2.2",
                 "--sport",
                 absl::StrCat(1000 + id),
                 "--dport",
                 "80",
                 "--timeout",
                 "30"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

class OffloadctlTest : public server::ServiceTest {
 protected:
  Ended Ctl(const Words& words, size_t listener = 0) {
    Words with_server = {"--server", absl::StrCat("127.0.0.1:", server_->ports()[listener])};
    with_server.insert(with_server.end(), words.begin(), words.end());
    return RunCtl(with_server);
  }
  // What must work: its output.
  std::string Output(const Words& words, size_t listener = 0) {
    const Ended ended = Ctl(words, listener);
    EXPECT_EQ(ended.status, kOk) << ended.err;
    EXPECT_EQ(ended.err, "");
    return ended.out;
  }
  // What must not: status and complaint.
  void ExpectFailure(const Words& words, ExitCode status, const std::string& complaint) {
    const Ended ended = Ctl(words);
    EXPECT_EQ(ended.status, status) << ended.out << ended.err;
    EXPECT_THAT(ended.err, HasSubstr(complaint));
  }
  std::optional<datapath::FlowRule> Rule(uint64_t id, Direction direction = Direction::kIn) {
    return datapath_.Rule({.owner = 0, .id = id}, direction);
  }
};

TEST_F(OffloadctlTest, ASessionFromAddToItsClosedRecord) {
  Start({{}});
  EXPECT_EQ(Output(Add(7)), "session 7 added\n");
  datapath_.Count({.owner = 0, .id = 7}, Direction::kIn, 3, 300);
  datapath_.Count({.owner = 0, .id = 7}, Direction::kOut, 2, 2200);
  const std::string live =
      "ID  STATE        REASON  IN PACKETS  IN BYTES  OUT PACKETS  OUT BYTES  START"
      "                     END\n"
      " 7  established  -                3       300            2       2200  "
      "2023-11-14T22:13:20.000Z  -\n";
  EXPECT_EQ(Output({"get", "7"}), live);
  EXPECT_EQ(Output({"list"}), live);
  EXPECT_EQ(Output({"closed"}), kHeader);
  Expire(absl::Seconds(31));
  EXPECT_EQ(Output({"list"}), kHeader);
  EXPECT_EQ(Output({"closed"}),
            "ID  STATE   REASON   IN PACKETS  IN BYTES  OUT PACKETS  OUT BYTES  START"
            "                     END\n"
            " 7  closed  timeout           3       300            2       2200  "
            "2023-11-14T22:13:20.000Z  2023-11-14T22:13:51.000Z\n");
  EXPECT_EQ(Output({"closed"}), kHeader);
}

TEST_F(OffloadctlTest, JsonIsOneObjectALine) {
  Start({{}});
  EXPECT_EQ(Output(Add(7, {"--json"})), "{\"id\":7,\"status\":\"accepted\"}\n");
  EXPECT_EQ(Output({"--json", "list"}),
            R"({"id":7,"state":"established","in_packets":0,"in_bytes":0,"out_packets":0,)"
            R"("out_bytes":0,"start":"2023-11-14T22:13:20.000Z"})"
            "\n");
  Output(Add(8));
  const Words lines = absl::StrSplit(Output({"--json", "get", "7", "8"}), '\n');
  EXPECT_THAT(lines, ElementsAre(StartsWith("{\"id\":7,"), StartsWith("{\"id\":8,"), ""));
  clock_.Advance(absl::Seconds(4));
  const std::string end =
      R"("start":"2023-11-14T22:13:20.000Z","end":"2023-11-14T22:13:24.000Z","close_reason":"other"})";
  EXPECT_THAT(Output({"--json", "delete", "8"}), HasSubstr(end));
  EXPECT_EQ(Output({"--json", "closed"}), "");
}

TEST_F(OffloadctlTest, DeleteShowsTheFinalCountersAndTheSecondIsRefused) {
  Start({{}});
  Output(Add(7));
  datapath_.Count({.owner = 0, .id = 7}, Direction::kOut, 5, 500);
  EXPECT_THAT(Output({"delete", "7"}),
              HasSubstr(" 7  closed  other            0         0            5        500  "));
  EXPECT_EQ(datapath_.RuleCount(), 0u);
  ExpectFailure({"delete", "7"}, kRefused, "offloadctl: session 7: no session 7 (code 5)\n");
}

TEST_F(OffloadctlTest, OfSeveralIdsTheUnknownOnesAreNamed) {
  Start({{}});
  Output(Add(7));
  const Ended ended = Ctl({"get", "6", "7"});
  EXPECT_EQ(ended.status, kRefused);
  EXPECT_EQ(ended.err, "offloadctl: session 6: no session 6 (code 5)\n");
  EXPECT_THAT(ended.out, HasSubstr("\n 7  established"));
}

TEST_F(OffloadctlTest, AddSaysWhatItWasToldToTheDatapath) {
  Start({{}});
  Output(Add(1, {"--proto", "udp", "--in-vlan", "100", "--out-vlan", "100", "--action", "drop"}));
  ASSERT_TRUE(Rule(1));
  EXPECT_EQ(Rule(1)->tuple.ToString(), "udp 10.0.1.1:1001 > 10.0.2.2:80");
  EXPECT_EQ(Rule(1)->vlan, 100);
  EXPECT_EQ(Rule(1)->action, session::Action::kDrop);
  EXPECT_EQ(Rule(1)->timeout, absl::Seconds(30));
  EXPECT_EQ(Rule(1, Direction::kOut)->ingress, 2);
  Words ipv6 = Add(18446744073709551615u);
  for (std::string& word : ipv6) {
    if (word == "10.0.1.1") word = "2001:db8::1";
    if (word == "10.0.2.2") word = "2001:db8::2";
    if (word == absl::StrCat(1000 + 18446744073709551615u)) word = "65535";
  }
  Output(ipv6);
  ASSERT_TRUE(Rule(18446744073709551615u));
  EXPECT_EQ(Rule(18446744073709551615u)->tuple.ToString(),
            "tcp [2001:db8::1]:65535 > [2001:db8::2]:80");
}

TEST_F(OffloadctlTest, Ipv4OrderIsTheListeners) {
  Start({{}, {.owner = 1, .profile = {.ipv4_order = server::Ipv4Order::kNumber}}});
  Output(Add(1, {"--ipv4-order", "in_addr"}), 0);
  Output(Add(2, {"--ipv4-order", "number"}), 1);
  EXPECT_THAT(Rule(1)->tuple.ToString(), HasSubstr("10.0.1.1:1001 > 10.0.2.2"));
  const auto number = datapath_.Rule({.owner = 1, .id = 2}, Direction::kIn);
  EXPECT_THAT(number->tuple.ToString(), HasSubstr("10.0.1.1:1002 > 10.0.2.2"));
  Output(Add(3), 1);  // in_addr, the default, is the wrong one here
  const auto wrong = datapath_.Rule({.owner = 1, .id = 3}, Direction::kIn);
  EXPECT_THAT(wrong->tuple.ToString(), HasSubstr("1.1.0.10:1003 > 2.2.0.10"));
}

TEST_F(OffloadctlTest, ListGoesThroughAllPages) {
  Start({{}});
  client().Add(server::Requests(1, 200));
  const Words lines = absl::StrSplit(Output({"list", "--json"}), '\n');
  ASSERT_EQ(lines.size(), 201u);
  for (size_t id = 1; id <= 200; ++id) {
    EXPECT_THAT(lines[id - 1], StartsWith(absl::StrCat("{\"id\":", id, ",")));
  }
}

TEST_F(OffloadctlTest, ClosedTakesAllOrSoMany) {
  Start({{}, {.owner = 1, .profile = {.empty_closed = server::EmptyClosed::kNotFound}}});
  client().Add(server::Requests(1, 200));
  Expire(absl::Seconds(31));
  const auto count = [this](const Words& words) {
    return Words(absl::StrSplit(Output(words), '\n')).size() - 1;
  };
  EXPECT_EQ(count({"--json", "closed", "--max", "70"}), 70u);
  EXPECT_EQ(count({"--json", "closed"}), 130u);
  EXPECT_EQ(count({"--json", "closed"}), 0u);
  EXPECT_EQ(Output({"--json", "closed"}, 1), "");
}

TEST_F(OffloadctlTest, WhatTheDaemonRefusesIsStatus1) {
  datapath_.SetRuleCapacity(4);
  Start({{}});
  Output(Add(1));
  ExpectFailure(Add(1), kRefused, "session 1: _SESSION_ALREADY_EXISTS (error 6)");
  ExpectFailure(Add(2, {"--out-lif", "9"}), kUsage, "--out-lif");  // given twice
  Words other = Add(2);
  other[4] = "9";
  ExpectFailure(other, kRefused, "session 2: _SESSION_REJECTED (error 3)");
  Output(Add(3));
  ExpectFailure(Add(4), kRefused, "session 4: _SESSION_TABLE_FULL (error 8)");
  EXPECT_EQ(datapath_.RuleCount(), 4u);
}

TEST_F(OffloadctlTest, AWrongCommandLineIsStatus2AndNamesTheOption) {
  Start({{}});
  const std::pair<std::string, std::string> wrong[] = {
      {"10.0.1.1", "10.0.1"}, {"10.0.2.2", "::1"}, {"1007", "70000"},
      {"80", "-1"},           {"1", "65536"},      {"30", "soon"},
  };
  const std::string complaints[] = {"--src: '10.0.1' is no IP address",
                                    "--dst: not the IP version of --src",
                                    "--sport",
                                    "--dport",
                                    "--in-lif",
                                    "--timeout"};
  for (size_t i = 0; i < std::size(wrong); ++i) {
    Words words = Add(7);
    *std::find(words.begin(), words.end(), wrong[i].first) = wrong[i].second;
    ExpectFailure(words, kUsage, complaints[i]);
  }
  ExpectFailure(Add(7, {"--in-vlan", "4095"}), kUsage, "--in-vlan");
  ExpectFailure(Add(7, {"--proto", "icmp"}), kUsage, "--proto");
  ExpectFailure(Add(7, {"--action", "mirror"}), kUsage, "--action");
  ExpectFailure(Add(7, {"--ipv4-order", "little"}), kUsage, "--ipv4-order");
  ExpectFailure({"add", "--id", "7"}, kUsage, "is required");
  ExpectFailure({"get"}, kUsage, "id");
  ExpectFailure({"get", "seven"}, kUsage, "id");
  ExpectFailure({"--deadline", "0", "list"}, kUsage, "--deadline");
  ExpectFailure({}, kUsage, "subcommand");
  ExpectFailure({"list", "--all"}, kUsage, "--all");
  EXPECT_EQ(datapath_.RuleCount(), 0u);
}

TEST_F(OffloadctlTest, WhatCannotBeReachedIsStatus3) {
  Start({{}}, /*ready=*/false);
  const Words commands[] = {{"list"}, {"get", "1"}, {"delete", "1"}, {"closed"}, Add(1)};
  for (const Words& command : commands) {
    Words nowhere = {"--server", absl::StrCat("unix:/tmp/offloadctl_test.nobody.", ::getpid())};
    nowhere.insert(nowhere.end(), command.begin(), command.end());
    const Ended ended = RunCtl(nowhere);
    EXPECT_EQ(ended.status, kUnreachable) << command[0] << ended.err;
    EXPECT_THAT(ended.err, StartsWith("offloadctl: "));
    ExpectFailure(command, kUnreachable, "offloadctl: ");  // not ready
  }
  server_->SetReady(true);
  datapath_.Block(Kind::kAdd);
  ExpectFailure(Add(1, {"--deadline", "0.3"}), kUnreachable, "session 1: Deadline Exceeded");
  datapath_.Release();
}

TEST_F(OffloadctlTest, TheServerComesFromTheEnvironmentUnlessGiven) {
  Start({{}});
  const std::string variable = absl::StrCat("OFFLOADCTL_SERVER=127.0.0.1:", server_->ports()[0]);
  EXPECT_EQ(process::RunProgram({OFFLOADCTL_BINARY, "list"}, {variable}).out, kHeader);
  const Ended given = process::RunProgram(
      {OFFLOADCTL_BINARY, "--server", "unix:/tmp/offloadctl_test.nobody", "list"}, {variable});
  EXPECT_EQ(given.status, kUnreachable);
}

TEST(OffloadctlHelpTest, HelpAndVersionAreStatus0) {
  const Ended help = RunCtl({"--help"});
  EXPECT_EQ(help.status, kOk);
  for (const char* command : {"add", "get", "list", "delete", "closed"}) {
    EXPECT_THAT(help.out, HasSubstr(absl::StrCat("\n  ", command)));
  }
  EXPECT_EQ(RunCtl({"add", "--help"}).status, kOk);
  EXPECT_EQ(RunCtl({"--version"}).status, kOk);
}

}  // namespace
}  // namespace offload::cli
