#include "tests/guest/scenarios/nic.h"

#include <sys/wait.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace offload::guest {
namespace {

constexpr char kDebugfs[] = "/sys/kernel/debug/eswsim/";
constexpr int kSkipped = 77;
// Magic and version of a session's cookie, and where in it the session id is: tc_identity.h.
constexpr char kSessionCookie[] = "fd01";
constexpr size_t kCookieDigits = 30;
constexpr size_t kIdDigit = 14;

NicRule ParseRule(const std::string& line) {
  std::map<std::string, std::string> words;
  for (absl::string_view word : absl::StrSplit(line, ' ', absl::SkipEmpty())) {
    words.insert(absl::StrSplit(word, absl::MaxSplits('=', 1)));
  }
  NicRule rule{.port = words["port"], .cookie = words["cookie"]};
  EXPECT_TRUE(absl::SimpleAtoi(words["prio"], &rule.priority)) << line;
  EXPECT_TRUE(absl::SimpleAtoi(words["packets"], &rule.packets)) << line;
  EXPECT_TRUE(absl::SimpleAtoi(words["bytes"], &rule.bytes)) << line;
  return rule;
}

}  // namespace

std::string OnNicConfig(uint32_t table_size) {
  return absl::StrCat(R"("lifs": [{"id": 1, "netdev": "p0", "default_path": "pf0vf0"},
                                  {"id": 2, "netdev": "p1", "default_path": "pf1vf0"}],
      "datapath": {"mode": "hardware", "sample_grace": 0, "table_size": )",
                      table_size, "}");
}

std::string UplinkToVfConfig(const std::string& netdev) {
  return absl::StrCat(R"("lifs": [{"id": 1, "netdev": "p0"}, {"id": 2, "netdev": ")", netdev,
                      R"("}], "datapath": {"mode": "hardware"})");
}

bool NicRule::is_session() const {
  return cookie.size() == kCookieDigits && absl::StartsWith(cookie, kSessionCookie);
}

uint64_t NicRule::session_id() const {
  return std::strtoull(cookie.substr(kIdDigit).c_str(), nullptr, 16);
}

void OnNic::LoadNic(const std::string& parameters) {
  const int status =
      std::system(absl::StrCat(OFFLOAD_SOURCE_DIR "/tests/eswitch/nic up ", parameters).c_str());
  if (WEXITSTATUS(status) == kSkipped) GTEST_SKIP() << "no eswsim for this kernel";
  ASSERT_EQ(status, 0);
  Shell(
      "for dev in p0 p1 wire0 wire1 pf0vf0 pf0vf1 pf1vf0 pf1vf1 vf00 vf01 vf10 vf11; do"
      "  sysctl -q -w net.ipv6.conf.$dev.disable_ipv6=1; ip link set $dev arp off up; done");
}

void OnNic::TearDown() { Shell(OFFLOAD_SOURCE_DIR "/tests/eswitch/nic down"); }

void OnNic::Write(const std::string& file, const std::string& text) {
  std::ofstream out(kDebugfs + file);
  out << text << std::flush;
  EXPECT_TRUE(out.good()) << "writing '" << text << "' to " << file << ": " << strerror(errno);
}

std::map<std::string, uint64_t> OnNic::Totals() {
  std::ifstream in(absl::StrCat(kDebugfs, "totals"));
  std::map<std::string, uint64_t> totals;
  std::string name;
  for (uint64_t value = 0; in >> name >> value;) totals[name] = value;
  EXPECT_FALSE(totals.empty());
  return totals;
}

std::vector<NicRule> OnNic::AllRules() {
  std::ifstream in(absl::StrCat(kDebugfs, "rules"));
  std::vector<NicRule> rules;
  for (std::string line; std::getline(in, line);) rules.push_back(ParseRule(line));
  return rules;
}

std::vector<NicRule> OnNic::SessionRules() {
  std::vector<NicRule> rules = AllRules();
  std::erase_if(rules, [](const NicRule& rule) { return !rule.is_session(); });
  return rules;
}

}  // namespace offload::guest
