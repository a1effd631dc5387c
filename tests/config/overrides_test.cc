// Values of the command line against the file's.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/config/parse.h"

namespace offload::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(OverridesTest, AFlagWinsOverTheFile) {
  const Config config = Parsed(With(R"("datapath": {"mode": "hardware"}, "on_stop": 7)"),
                               {.values = {{"--mode", "/datapath/mode", "software"},
                                           {"--table-size", "/datapath/table_size", "64"},
                                           {"--on-stop", "/on_stop", "flush"}}});
  EXPECT_EQ(config.datapath.mode, DatapathMode::kSoftware);
  EXPECT_EQ(config.datapath.table_size, 64u);
  EXPECT_EQ(config.on_stop, OnStop::kFlush);
}

TEST(OverridesTest, ErrorsNameTheFlag) {
  EXPECT_THAT(Errors(absl::StrCat("{", kLif, "}"),
                     {.values = {{"--mode", "/datapath/mode", "fast"},
                                 {"--default-timeout", "/default_timeout", "soon"},
                                 {"--table-size", "/datapath/table_size", "-5"}}}),
              ElementsAre("--mode: expected one of \"hardware\", \"software\", \"any\", found "
                          "\"fast\"",
                          "--table-size: expected an integer 16..16777216 (rules), found -5",
                          "--default-timeout: expected an integer 1..86400 (seconds), found "
                          "\"soon\""));
}

TEST(OverridesTest, AFlagBelowAWrongSectionLeavesTheFilesError) {
  EXPECT_THAT(Errors(With(R"("datapath": 5)"), {.values = {{"--mode", "/datapath/mode", "any"}}}),
              ElementsAre("/datapath: expected an object, found 5"));
}

TEST(OverridesTest, ListenReplacesAllListeners) {
  const Config config =
      Parsed(With(R"("listeners": [{"address": "a:1", "owner": "x", "profile": "p"}],
                     "profiles": {"p": {}})"),
             {.listen = {"b:2", "unix:/run/c"}});
  ASSERT_EQ(config.listeners.size(), 2u);
  EXPECT_EQ(config.listeners[0].address, "b:2");
  EXPECT_EQ(config.listeners[1].address, "unix:/run/c");
  EXPECT_THAT(config.owners, ElementsAre("default"));
}

TEST(OverridesTest, ListenErrorsNameTheAddress) {
  EXPECT_THAT(Errors(absl::StrCat("{", kLif, "}"), {.listen = {"a:1", "b"}}),
              ElementsAre(absl::StrCat("--listen b: ", kAddressExpected, "\"b\"")));
  EXPECT_THAT(Errors(absl::StrCat("{", kLif, "}"), {.listen = {"a:1", "a:1"}}),
              ElementsAre(HasSubstr("--listen a:1: expected a value that no earlier address has")));
}

TEST(OverridesTest, LifReplacesOrAdds) {
  const Config config = Parsed(absl::StrCat("{", kLif, "}"), {.lifs = {"1=new", "2=x=y", "3=7"}});
  ASSERT_EQ(config.lifs.size(), 3u);
  EXPECT_EQ(config.lifs[0].netdev, "new");
  EXPECT_EQ(config.lifs[1].id, 2);
  EXPECT_EQ(config.lifs[1].netdev, "x=y");
  EXPECT_EQ(config.lifs[2].netdev, "7");
}

TEST(OverridesTest, TheLastLifOfANumberCounts) {
  const Config config = Parsed("", {.lifs = {"1=a", "1=b"}});
  ASSERT_EQ(config.lifs.size(), 1u);
  EXPECT_EQ(config.lifs[0].netdev, "b");
}

TEST(OverridesTest, LifErrorsNameTheFlag) {
  EXPECT_THAT(Errors("", {.lifs = {"p0"}}),
              ElementsAre("--lif p0: expected an integer 0..65535 (LIF number), found \"p0\"",
                          absl::StrCat("--lif p0: ", kNetdevExpected, "nothing")));
  EXPECT_THAT(Errors("", {.lifs = {"1="}}),
              ElementsAre(absl::StrCat("--lif 1=: ", kNetdevExpected, "\"\"")));
  EXPECT_THAT(Errors(R"({"lifs": 5})", {.lifs = {"1=a"}}),
              ElementsAre("/lifs: expected an array of at least one LIF, found 5"));
}

TEST(OverridesTest, DefaultPathIsPutIntoItsLif) {
  const Config config = Parsed(R"({"lifs": [{"id": 1, "netdev": "p0", "default_path": "old"}]})",
                               {.lifs = {"2=p1"}, .default_paths = {"1=fw0", "2=fw1"}});
  ASSERT_EQ(config.lifs.size(), 2u);
  EXPECT_EQ(config.lifs[0].netdev, "p0");
  EXPECT_EQ(config.lifs[0].default_path, "fw0");
  EXPECT_EQ(config.lifs[1].default_path, "fw1");
}

TEST(OverridesTest, DefaultPathErrorsNameTheFlag) {
  EXPECT_THAT(Errors("", {.lifs = {"1=a"}, .default_paths = {"7=fw0"}}),
              ElementsAre("--default-path 7=fw0: expected the number of a LIF before \"=\", found "
                          "7"));
  EXPECT_THAT(Errors("", {.lifs = {"1=a"}, .default_paths = {"1=a"}}),
              ElementsAre("--default-path 1=a: expected another netdev than the LIF's own, found "
                          "\"a\""));
  EXPECT_THAT(Errors("", {.lifs = {"1=a"}, .default_paths = {"1"}}),
              ElementsAre(HasSubstr("--default-path 1: expected the netdev name of")));
  EXPECT_THAT(Errors(R"({"lifs": 5})", {.default_paths = {"1=a"}}),
              ElementsAre("/lifs: expected an array of at least one LIF, found 5"));
}

TEST(OverridesTest, BytesThatAreNoUtf8AreAnErrorNotAnAccident) {
  EXPECT_THAT(Errors("", {.values = {{"--mode", "/datapath/mode", "\xff"}}, .lifs = {"1=a"}}),
              ElementsAre(HasSubstr("--mode: expected one of")));
}

}  // namespace
}  // namespace offload::config
