// Everything that can be wrong with a file, and the line that says so.
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/config/parse.h"

namespace offload::config {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;

struct ErrorCase {
  const char* name;
  std::string text;
  std::vector<std::string> errors;
};

void PrintTo(const ErrorCase& error_case, std::ostream* out) { *out << error_case.text; }

class LoadErrorTest : public ::testing::TestWithParam<ErrorCase> {};

TEST_P(LoadErrorTest, NamesPlaceExpectationAndFinding) {
  EXPECT_THAT(Errors(GetParam().text), ElementsAreArray(GetParam().errors));
}

std::string Listeners(int owners) {
  std::string listeners;
  for (int i = 0; i < owners; ++i) {
    absl::StrAppend(&listeners, i == 0 ? "" : ",", R"({"address": "a:)", i, R"(", "owner": "o)", i,
                    "\"}");
  }
  return With(absl::StrCat(R"("listeners": [)", listeners, "]"));
}

INSTANTIATE_TEST_SUITE_P(
    All, LoadErrorTest,
    ::testing::Values(
        ErrorCase{"RootIsNoObject", "[]", {"/: expected an object, found an empty array"}},
        ErrorCase{"NoLifs", "{}", {"/lifs: expected an array of at least one LIF, found nothing"}},
        ErrorCase{"EmptyText", "", {"/lifs: expected an array of at least one LIF, found nothing"}},
        ErrorCase{"EmptyLifs",
                  R"({"lifs": []})",
                  {"/lifs: expected an array of at least one LIF, found an empty array"}},
        ErrorCase{"WrongNetdevType",
                  R"({"lifs": [{"id": 1, "netdev": "p0"}, {"id": 2, "netdev": 7}]})",
                  {absl::StrCat("/lifs/1/netdev: ", kNetdevExpected, "7")}},
        ErrorCase{"LongNetdev",
                  R"({"lifs": [{"id": 1, "netdev": "sixteen_letters_"}]})",
                  {absl::StrCat("/lifs/0/netdev: ", kNetdevExpected, "\"sixteen_letters_\"")}},
        ErrorCase{"MissingLifKeys",
                  R"({"lifs": [{}]})",
                  {"/lifs/0/id: expected an integer 0..65535 (LIF number), found nothing",
                   absl::StrCat("/lifs/0/netdev: ", kNetdevExpected, "nothing")}},
        ErrorCase{"LifIsNoObject", R"({"lifs": [3]})", {"/lifs/0: expected an object, found 3"}},
        ErrorCase{"LifIdTwice",
                  R"({"lifs": [{"id": 1, "netdev": "a"}, {"id": 2, "netdev": "b"},
                               {"id": 1, "netdev": "c"}]})",
                  {"/lifs/2/id: expected a value that no earlier id has, found 1, the same as "
                   "/lifs/0/id"}},
        ErrorCase{"LifIdTooHigh",
                  R"({"lifs": [{"id": 65536, "netdev": "a"}]})",
                  {"/lifs/0/id: expected an integer 0..65535 (LIF number), found 65536"}},
        ErrorCase{"LifIdNegative",
                  R"({"lifs": [{"id": -1, "netdev": "a"}]})",
                  {"/lifs/0/id: expected an integer 0..65535 (LIF number), found -1"}},
        ErrorCase{"LifIdAbove63Bits",
                  R"({"lifs": [{"id": 18446744073709551615, "netdev": "a"}]})",
                  {"/lifs/0/id: expected an integer 0..65535 (LIF number), found "
                   "18446744073709551615"}},
        ErrorCase{"LifIdFraction",
                  R"({"lifs": [{"id": 1.5, "netdev": "a"}]})",
                  {"/lifs/0/id: expected an integer 0..65535 (LIF number), found 1.5"}},
        ErrorCase{"NoListeners",
                  With(R"("listeners": [])"),
                  {"/listeners: expected an array of at least one listener, found an empty array"}},
        ErrorCase{"BadAddress",
                  With(R"("listeners": [{"address": "nowhere"}])"),
                  {absl::StrCat("/listeners/0/address: ", kAddressExpected, "\"nowhere\"")}},
        ErrorCase{"MissingAddress",
                  With(R"("listeners": [{"owner": "x"}])"),
                  {absl::StrCat("/listeners/0/address: ", kAddressExpected, "nothing")}},
        ErrorCase{"AddressTwice",
                  With(R"("listeners": [{"address": "a:1"}, {"address": "a:1"}])"),
                  {"/listeners/1/address: expected a value that no earlier address has, found "
                   "\"a:1\", the same as /listeners/0/address"}},
        ErrorCase{"BadOwner",
                  With(R"("listeners": [{"address": "a:1", "owner": "a b"}])"),
                  {"/listeners/0/owner: expected a name (1 to 63 of letters, digits, '.', '_', "
                   "'-'), found \"a b\""}},
        ErrorCase{"TooManyOwners",
                  Listeners(129),
                  {"/listeners/128/owner: expected at most 128 different owners, found one more"}},
        ErrorCase{"MostOwners", Listeners(128), {}},
        ErrorCase{"UnknownProfile",
                  With(R"("listeners": [{"address": "a:1", "profile": "v9"}])"),
                  {"/listeners/0/profile: expected the name of a profile (\"v1\") or an object of "
                   "its values, found \"v9\""}},
        ErrorCase{"ProfileOfAnotherType",
                  With(R"("listeners": [{"address": "a:1", "profile": 1}])"),
                  {"/listeners/0/profile: expected the name of a profile (\"v1\") or an object of "
                   "its values, found 1"}},
        ErrorCase{"UnusedProfile",
                  With(R"("profiles": {"V1": {}})"),
                  {"/profiles/V1: expected \"v1\" or a profile that a listener names, found "
                   "\"V1\""}},
        ErrorCase{"BadProfileValue",
                  With(R"("profiles": {"v1": {"ipv4_order": "big", "follow": "yes"}})"),
                  {"/profiles/v1/ipv4_order: expected one of \"number\", \"in_addr\", found "
                   "\"big\"",
                   "/profiles/v1/follow: expected true or false, found \"yes\""}},
        ErrorCase{"ProfilesOfAnotherType",
                  With(R"("profiles": ["v1"])"),
                  {"/profiles: expected an object of profiles by name, found an array of 1"}},
        ErrorCase{"BadMode",
                  With(R"("datapath": {"mode": "fast"})"),
                  {"/datapath/mode: expected one of \"hardware\", \"software\", \"any\", found "
                   "\"fast\""}},
        ErrorCase{"ModeOfAnotherType",
                  With(R"("datapath": {"mode": null})"),
                  {"/datapath/mode: expected one of \"hardware\", \"software\", \"any\", found "
                   "null"}},
        ErrorCase{"PriorityMeetsTheDefaultPath",
                  With(R"("datapath": {"priority_base": 13})"),
                  {"/datapath/priority_base: expected an integer 1..12 (first of three TC "
                   "priorities below 15), found 13"}},
        ErrorCase{"PriorityZero",
                  With(R"("datapath": {"priority_base": 0})"),
                  {"/datapath/priority_base: expected an integer 1..12 (first of three TC "
                   "priorities below 15), found 0"}},
        ErrorCase{"DefaultPathOfAnotherType",
                  R"({"lifs": [{"id": 1, "netdev": "a", "default_path": ""}]})",
                  {"/lifs/0/default_path: expected the netdev name of the firewall's representor "
                   "(at most 15 characters), found \"\""}},
        ErrorCase{"DefaultPathToTheOwnNetdev",
                  R"({"lifs": [{"id": 1, "netdev": "a", "default_path": "a"}]})",
                  {"/lifs/0/default_path: expected another netdev than the LIF's own, found "
                   "\"a\""}},
        ErrorCase{"DefaultPathToALif",
                  R"({"lifs": [{"id": 1, "netdev": "a", "default_path": "b"},
                               {"id": 2, "netdev": "b"}]})",
                  {"/lifs/0/default_path: expected a netdev that no LIF has, found \"b\", which is "
                   "/lifs/1/netdev"}},
        ErrorCase{"DefaultPathOfTwoNetdevs",
                  R"({"lifs": [{"id": 1, "netdev": "a", "default_path": "r"},
                               {"id": 2, "netdev": "b", "default_path": "r"}]})",
                  {"/lifs/1/default_path: expected a representor that no other netdev has, found "
                   "\"r\", the same as /lifs/0/default_path"}},
        ErrorCase{
            "DefaultPathTwiceAndDifferent",
            R"({"lifs": [{"id": 1, "netdev": "a", "default_path": "r"},
                               {"id": 2, "netdev": "a"},
                               {"id": 3, "netdev": "a", "default_path": "s"}]})",
            {"/lifs/2/default_path: expected \"r\", as /lifs/0/default_path says for the same "
             "netdev, found \"s\""}},
        ErrorCase{"DefaultPathPriorityBesideTheSessions",
                  With(R"("datapath": {"priority_base": 9, "default_path_priority": 11})"),
                  {"/datapath/default_path_priority: expected an integer 12..16 (TC priority above "
                   "those of sessions, 9..11), found 11"}},
        ErrorCase{"DefaultPathPriorityTooHigh",
                  With(R"("datapath": {"default_path_priority": 17})"),
                  {"/datapath/default_path_priority: expected an integer 4..16 (TC priority above "
                   "those of sessions), found 17"}},
        ErrorCase{"SmallTable",
                  With(R"("datapath": {"table_size": 15})"),
                  {"/datapath/table_size: expected an integer 16..16777216 (rules), found 15"}},
        ErrorCase{"LargeTable",
                  With(R"("datapath": {"table_size": 16777217})"),
                  {"/datapath/table_size: expected an integer 16..16777216 (rules), found "
                   "16777217"}},
        ErrorCase{"TimeoutZero",
                  With(R"("default_timeout": 0)"),
                  {"/default_timeout: expected an integer 1..86400 (seconds), found 0"}},
        ErrorCase{"TimeoutFraction",
                  With(R"("default_timeout": 1.5)"),
                  {"/default_timeout: expected an integer 1..86400 (seconds), found 1.5"}},
        ErrorCase{"TimeoutAboveADay",
                  With(R"("default_timeout": 86401)"),
                  {"/default_timeout: expected an integer 1..86400 (seconds), found 86401"}},
        ErrorCase{"NegativeHold",
                  With(R"("link_down_hold": -0.5)"),
                  {"/link_down_hold: expected a number 0..3600 (seconds), found -0.5"}},
        ErrorCase{"HoldOfAnotherType",
                  With(R"("link_down_hold": "3s")"),
                  {"/link_down_hold: expected a number 0..3600 (seconds), found \"3s\""}},
        ErrorCase{"NoRecords",
                  With(R"("closed_log": {"max_records": 0})"),
                  {"/closed_log/max_records: expected an integer 1..100000000 (records), found "
                   "0"}},
        ErrorCase{"SectionOfAnotherType",
                  With(R"("log": "debug")"),
                  {"/log: expected an object, found \"debug\""}},
        ErrorCase{"UnknownKeyWithANearOne",
                  With(R"("lfs": [])"),
                  {"/lfs: expected a known key, found \"lfs\" (did you mean \"lifs\"?)"}},
        ErrorCase{"UnknownKeyFarFromAll",
                  With(R"("log": {"verbosity": 3})"),
                  {"/log/verbosity: expected a known key, found \"verbosity\" (one of level)"}},
        ErrorCase{"UnknownKeyIsEscaped",
                  With(R"("log": {"a/b~c": 3})"),
                  {"/log/a~1b~0c: expected a known key, found \"a/b~c\" (one of level)"}},
        ErrorCase{"KeyTwice",
                  R"({"lifs": [{"id": 1, "netdev": "a"}, {"id": 2, "netdev": "b", "id": 3}]})",
                  {"/lifs/1/id: expected each key once in its object, found it a second time"}},
        ErrorCase{"AllAreTold",
                  With(R"("default_timeout": 0, "on_stop": "die", "extra": 1)"),
                  {"/default_timeout: expected an integer 1..86400 (seconds), found 0",
                   "/on_stop: expected one of \"leave\", \"flush\", found \"die\"",
                   "/extra: expected a known key, found \"extra\" (one of profiles, listeners, "
                   "lifs, datapath, default_timeout, duplicate_tuple, on_link_down, "
                   "link_down_hold, on_stop, stop_deadline, closed_log, log)"}},
        ErrorCase{"LongValuesAreCut",
                  With(absl::StrCat(R"("on_stop": ")", std::string(100, 'x'), "\"")),
                  {absl::StrCat("/on_stop: expected one of \"leave\", \"flush\", found \"",
                                std::string(59, 'x'), "...")}}),
    [](const auto& info) { return info.param.name; });

TEST(LoadTest, SyntaxErrorsNameLineAndColumn) {
  struct Case {
    const char* text;
    const char* start;
  };
  for (const auto& [text, start] : {
           Case{"{\n  \"lifs\": nope\n}", "line 2, column 12: syntax error while parsing value"},
           Case{"{\n\n  \"a\" 1}", "line 3, column 7: syntax error while parsing object"},
           Case{"{", "line 1, column 1: syntax error while parsing object key"},
           Case{"{} x", "line 1, column 4: syntax error while parsing value"},
           Case{"{\"a\":\n1e999}", "line 2, column 5: number overflow parsing '1e999'"},
           Case{"/* no end", "line 1, column "},
           Case{"{\"a\": \"\xff\"}", "line 1, column 8: syntax error while parsing value"},
       }) {
    const std::vector<std::string> errors = Errors(text);
    ASSERT_EQ(errors.size(), 1u) << text;
    EXPECT_THAT(errors[0], ::testing::StartsWith(start)) << text;
  }
}

TEST(LoadTest, TheSourceIsNamed) {
  EXPECT_THAT(std::string(Parse("{", "etc/x.json").status().message()),
              ::testing::StartsWith("etc/x.json: line 1, column 1: "));
  EXPECT_EQ(Parse("[]", "etc/x.json").status().message(),
            "etc/x.json: /: expected an object, found an empty array");
}

TEST(LoadTest, EveryPrefixOfAGoodFileIsRefusedOrRead) {
  std::ifstream file("examples/offloadd.json");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const size_t end = text.rfind('}');
  ASSERT_NE(end, text.npos);
  for (size_t length = 0; length < end; ++length) {
    EXPECT_FALSE(Parse(text.substr(0, length), "").ok()) << length;
  }
  EXPECT_TRUE(Parse(text.substr(0, end + 1), "").ok());
}

TEST(LoadTest, DeepNestingIsNoProblem) {
  const std::string deep = absl::StrCat(std::string(100000, '['), std::string(100000, ']'));
  EXPECT_THAT(Errors(deep), ElementsAre("/: expected an object, found an array of 1"));
}

}  // namespace
}  // namespace offload::config
