#include "config/flags.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "config/schema.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace offload::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

absl::StatusOr<CommandLine> ParseArguments(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "offloadd");
  return ParseCommandLine(static_cast<int>(arguments.size()), arguments.data(), "1.2.3");
}

TEST(FlagsTest, NothingGiven) {
  const absl::StatusOr<CommandLine> line = ParseArguments({});
  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_EQ(line->config_file, "");
  EXPECT_FALSE(line->check_config);
  EXPECT_FALSE(line->answer.has_value());
  EXPECT_TRUE(line->overrides.values.empty());
  EXPECT_TRUE(line->overrides.listen.empty());
  EXPECT_TRUE(line->overrides.lifs.empty());
}

TEST(FlagsTest, RepeatableFlags) {
  const absl::StatusOr<CommandLine> line = ParseArguments(
      {"--config", "f.json", "--check-config", "--listen", "a:1", "--lif", "1=p0", "--listen=b:2",
       "--lif=2=p1", "--default-path", "1=fw0", "--default-path=2=fw1"});
  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_EQ(line->config_file, "f.json");
  EXPECT_TRUE(line->check_config);
  EXPECT_THAT(line->overrides.listen, ElementsAre("a:1", "b:2"));
  EXPECT_THAT(line->overrides.lifs, ElementsAre("1=p0", "2=p1"));
  EXPECT_THAT(line->overrides.default_paths, ElementsAre("1=fw0", "2=fw1"));
}

TEST(FlagsTest, ValuesReachTheConfiguration) {
  const absl::StatusOr<CommandLine> line = ParseArguments(
      {"--lif", "1=p0", "--mode", "any", "--table-size", "20", "--default-timeout", "30",
       "--on-link-down", "keep", "--on-stop", "flush", "--log-level", "error"});
  ASSERT_TRUE(line.ok()) << line.status();
  const absl::StatusOr<Config> config = Parse("", "", line->overrides);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->datapath.mode, DatapathMode::kAny);
  EXPECT_EQ(config->datapath.table_size, 20u);
  EXPECT_EQ(config->default_timeout, absl::Seconds(30));
  EXPECT_EQ(config->on_link_down, OnLinkDown::kKeep);
  EXPECT_EQ(config->on_stop, OnStop::kFlush);
  EXPECT_EQ(config->log.level, LogLevel::kError);
}

// A value flag whose pointer is no key would be an "unknown key" for its user.
TEST(FlagsTest, EveryValueFlagSetsAKnownKey) {
  const absl::StatusOr<CommandLine> line =
      ParseArguments({"--mode", "x", "--table-size", "x", "--default-timeout", "x",
                      "--on-link-down", "x", "--on-stop", "x", "--log-level", "x"});
  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_EQ(line->overrides.values.size(), 6u);
  for (const Overrides::Value& value : line->overrides.values) {
    EXPECT_THAT(KnownKeys(), ::testing::Contains(value.pointer));
  }
}

TEST(FlagsTest, HelpNamesEveryFlag) {
  const absl::StatusOr<CommandLine> line = ParseArguments({"--help"});
  ASSERT_TRUE(line.ok()) << line.status();
  ASSERT_TRUE(line->answer.has_value());
  for (const char* flag : {"--config", "--check-config", "--listen", "--lif", "--default-path",
                           "--mode", "--table-size", "--default-timeout", "--on-link-down",
                           "--on-stop", "--log-level", "--version", "--help"}) {
    EXPECT_THAT(*line->answer, HasSubstr(flag));
  }
}

TEST(FlagsTest, Version) {
  const absl::StatusOr<CommandLine> line = ParseArguments({"--version"});
  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_EQ(line->answer, "offloadd 1.2.3\n");
}

TEST(FlagsTest, WhatIsNotUnderstoodIsNamed) {
  struct Case {
    std::vector<const char*> arguments;
    const char* text;
  };
  for (const auto& [arguments, text] : {
           Case{{"--frobnicate"}, "--frobnicate"},
           Case{{"extra"}, "extra"},
           Case{{"--lif", "1=a", "2=b"}, "2=b"},
           Case{{"--mode"}, "--mode"},
           Case{{"--mode", "any", "--mode", "software"}, "--mode"},
       }) {
    const absl::Status status = ParseArguments(arguments).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr(text));
  }
}

}  // namespace
}  // namespace offload::config
