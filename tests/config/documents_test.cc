// The documents name every key that the parser knows, and no other.
#include <algorithm>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "config/flags.h"
#include "config/schema.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace offload::config {
namespace {

using ::testing::HasSubstr;
using ::testing::UnorderedElementsAreArray;

std::string ReadFile(const char* path) {
  std::ifstream file(path);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(DocumentsTest, KnownKeysAreDistinctPointers) {
  const std::vector<std::string> keys = KnownKeys();
  const std::set<std::string> distinct(keys.begin(), keys.end());
  EXPECT_EQ(distinct.size(), keys.size());
  EXPECT_TRUE(distinct.count("/lifs/*/netdev"));
  EXPECT_TRUE(distinct.count("/listeners/*/profile/follow"));
  EXPECT_TRUE(distinct.count("/datapath/table_size"));
}

TEST(DocumentsTest, ConfigurationPageHasARowForEachKey) {
  std::vector<std::string> rows;
  for (const absl::string_view line : absl::StrSplit(ReadFile("docs/configuration.md"), '\n')) {
    constexpr char kStart[] = "| `/";
    if (line.substr(0, sizeof(kStart) - 1) != kStart) continue;
    rows.emplace_back(line.substr(3, line.find('`', 3) - 3));
  }
  EXPECT_THAT(rows, UnorderedElementsAreArray(KnownKeys()));
}

// Adds the pointers of all keys below `value`, '*' where the table has one.
void Collect(const nlohmann::json& value, const std::string& pointer, std::set<std::string>& keys) {
  for (const auto& [key, child] : value.items()) {
    const bool wild = value.is_array() || pointer == "/profiles";
    const std::string here = pointer + "/" + (wild ? "*" : key);
    if (!wild) keys.insert(here);
    if (child.is_structured()) Collect(child, here, keys);
  }
}

TEST(DocumentsTest, ExampleShowsEachKey) {
  const nlohmann::json example =
      nlohmann::json::parse(ReadFile("examples/offloadd.json"), nullptr, false, true);
  ASSERT_FALSE(example.is_discarded());
  std::set<std::string> shown;
  Collect(example, "", shown);
  for (const std::string& key : KnownKeys()) {
    // A listener's own values are a profile's, which the example shows in full.
    const std::string base = key.substr(0, key.find("/listeners/*/profile/"));
    if (base.empty()) continue;
    EXPECT_TRUE(shown.count(key)) << key;
  }
}

TEST(DocumentsTest, ManualNamesEachKey) {
  const std::string manual = ReadFile("packaging/man/offloadd.json.5");
  for (const std::string& key : KnownKeys()) {
    const std::vector<std::string> parts = absl::StrSplit(key, '/');
    EXPECT_THAT(manual, HasSubstr("\\fB" + parts.back() + "\\fR")) << key;
  }
}

TEST(DocumentsTest, ManualNamesEachFlag) {
  const char* const arguments[] = {"offloadd", "--help"};
  const absl::StatusOr<CommandLine> help = ParseCommandLine(2, arguments, "");
  ASSERT_TRUE(help.ok() && help->answer.has_value());
  const std::string manual =
      absl::StrReplaceAll(ReadFile("packaging/man/offloadd.8"), {{"\\-", "-"}});
  const std::regex flag("--[a-z][a-z-]*");
  const std::string& text = *help->answer;
  std::set<std::string> flags;
  for (std::sregex_iterator at(text.begin(), text.end(), flag), end; at != end; ++at) {
    flags.insert(at->str());
  }
  EXPECT_GE(flags.size(), 12u);
  for (const std::string& name : flags) EXPECT_THAT(manual, HasSubstr(name));
}

}  // namespace
}  // namespace offload::config
