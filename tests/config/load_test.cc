#include "config/load.h"

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

TEST(LoadTest, Defaults) {
  const Config config = Parsed(absl::StrCat("{", kLif, "}"));
  ASSERT_EQ(config.listeners.size(), 1u);
  EXPECT_EQ(config.listeners[0].address, "127.0.0.1:3443");
  EXPECT_EQ(config.listeners[0].owner, "default");
  EXPECT_EQ(config.listeners[0].owner_id, 0);
  EXPECT_EQ(config.listeners[0].profile, Profile());
  EXPECT_THAT(config.owners, ElementsAre("default"));
  ASSERT_EQ(config.lifs.size(), 1u);
  EXPECT_EQ(config.lifs[0].id, 1);
  EXPECT_EQ(config.lifs[0].netdev, "p0");
  EXPECT_EQ(config.datapath.mode, DatapathMode::kHardware);
  EXPECT_EQ(config.datapath.priority_base, 5);
  EXPECT_EQ(config.datapath.default_path_priority, 15);
  EXPECT_EQ(config.lifs[0].default_path, "");
  EXPECT_EQ(config.datapath.table_size, 100000u);
  EXPECT_EQ(config.datapath.sample_grace, absl::Seconds(1));
  EXPECT_FALSE(config.datapath.allow_untrusted_driver);
  EXPECT_EQ(config.default_timeout, absl::Seconds(10));
  EXPECT_EQ(config.duplicate_tuple, DuplicateTuple::kReject);
  EXPECT_EQ(config.on_link_down, OnLinkDown::kClose);
  EXPECT_EQ(config.link_down_hold, absl::Seconds(3));
  EXPECT_EQ(config.on_stop, OnStop::kLeave);
  EXPECT_EQ(config.stop_deadline, absl::Seconds(5));
  EXPECT_EQ(config.closed_log.max_records, 1000000u);
  EXPECT_EQ(config.log.level, LogLevel::kInfo);
}

TEST(LoadTest, EveryValueIsRead) {
  const Config config = Parsed(R"({
    // a comment
    "listeners": [{"address": "[::1]:1", "owner": "fw"}], /* another */
    "lifs": [{"id": 0, "netdev": "a", "default_path": "r"},
             {"id": 65535, "netdev": "a", "default_path": "r"}],
    "datapath": {"mode": "any", "priority_base": 12, "default_path_priority": 16,
                 "table_size": 16, "sample_grace": 0.25, "allow_untrusted_driver": true},
    "default_timeout": 86400,
    "profiles": {"v1": {"ipv4_order": "number", "empty_closed": "not_found",
                        "error_codes": "add_session_status", "delete_counters": "closed_record",
                        "unknown_id": "ok_nonexistent", "follow": true}},
    "duplicate_tuple": "takeover", "on_link_down": "keep", "link_down_hold": 0.5,
    "on_stop": "flush", "stop_deadline": 0, "closed_log": {"max_records": 1},
    "log": {"level": "trace"}})");
  EXPECT_EQ(config.listeners[0].address, "[::1]:1");
  EXPECT_THAT(config.owners, ElementsAre("fw"));
  EXPECT_EQ(config.lifs[1].id, 65535);
  EXPECT_EQ(config.lifs[0].default_path, "r");
  EXPECT_EQ(config.lifs[1].default_path, "r");
  EXPECT_EQ(config.datapath.mode, DatapathMode::kAny);
  EXPECT_EQ(config.datapath.priority_base, 12);
  EXPECT_EQ(config.datapath.default_path_priority, 16);
  EXPECT_EQ(config.datapath.table_size, 16u);
  EXPECT_EQ(config.datapath.sample_grace, absl::Milliseconds(250));
  EXPECT_TRUE(config.datapath.allow_untrusted_driver);
  EXPECT_EQ(config.default_timeout, absl::Hours(24));
  const Profile expected = {.ipv4_order = Ipv4Order::kNumber,
                            .empty_closed = EmptyClosed::kNotFound,
                            .error_codes = ErrorCodes::kAddSessionStatus,
                            .delete_counters = DeleteCounters::kClosedRecord,
                            .unknown_id = UnknownId::kOkNonexistent,
                            .follow = true};
  EXPECT_EQ(config.profiles.at("v1"), expected);
  EXPECT_EQ(config.listeners[0].profile, expected);
  EXPECT_EQ(config.duplicate_tuple, DuplicateTuple::kTakeover);
  EXPECT_EQ(config.on_link_down, OnLinkDown::kKeep);
  EXPECT_EQ(config.link_down_hold, absl::Milliseconds(500));
  EXPECT_EQ(config.on_stop, OnStop::kFlush);
  EXPECT_EQ(config.stop_deadline, absl::ZeroDuration());
  EXPECT_EQ(config.closed_log.max_records, 1u);
  EXPECT_EQ(config.log.level, LogLevel::kTrace);
}

TEST(LoadTest, AdminIsServedWhereOnlyThisHostConnectsUnlessGiven) {
  EXPECT_TRUE(Parsed(absl::StrCat("{", kLif, "}")).listeners[0].admin);
  const Config config = Parsed(With(R"("listeners": [
      {"address": "unix:/run/a"}, {"address": "127.0.0.1:1"}, {"address": "0.0.0.0:1"},
      {"address": "unix:/run/b", "admin": false}, {"admin": true, "address": "10.0.0.1:1"}])"));
  std::vector<bool> admin;
  for (const Listener& listener : config.listeners) admin.push_back(listener.admin);
  EXPECT_THAT(admin, ElementsAre(true, true, false, false, true));
}

TEST(LoadTest, AdminOfAListenFlagIsByItsAddress) {
  const Config config = Parsed(absl::StrCat("{", kLif, "}"), {.listen = {"0.0.0.0:1", "[::1]:1"}});
  EXPECT_FALSE(config.listeners[0].admin);
  EXPECT_TRUE(config.listeners[1].admin);
}

TEST(LoadTest, AdminIsABoolean) {
  EXPECT_THAT(Errors(With(R"("listeners": [{"address": "[::1]:1", "admin": "yes"}])")),
              ElementsAre("/listeners/0/admin: expected true or false, found \"yes\""));
}

TEST(LoadTest, OnlyHardwareModeHasAGraceUnlessGiven) {
  for (const char* mode : {"software", "any"}) {
    const std::string text = With(absl::StrCat(R"("datapath": {"mode": ")", mode, "\"}"));
    EXPECT_EQ(Parsed(text).datapath.sample_grace, absl::ZeroDuration()) << mode;
  }
  EXPECT_EQ(
      Parsed(With(R"("datapath": {"mode": "software", "sample_grace": 2})")).datapath.sample_grace,
      absl::Seconds(2));
}

TEST(LoadTest, OwnersAreNumberedInOrderOfFirstAppearance) {
  const Config config = Parsed(With(R"("listeners": [
    {"address": "a:1", "owner": "x"}, {"address": "a:2"}, {"address": "a:3", "owner": "x"}])"));
  EXPECT_THAT(config.owners, ElementsAre("x", "default"));
  EXPECT_EQ(config.listeners[0].owner_id, 0);
  EXPECT_EQ(config.listeners[1].owner_id, 1);
  EXPECT_EQ(config.listeners[2].owner_id, 0);
}

TEST(LoadTest, ListenersChooseTheirProfile) {
  const Config config = Parsed(With(R"(
    "listeners": [{"address": "a:1", "profile": "old"}, {"address": "a:2"},
                  {"address": "a:3", "profile": {"ipv4_order": "number"}}],
    "profiles": {"v1": {"follow": true}, "old": {"empty_closed": "not_found"}})"));
  EXPECT_EQ(config.listeners[0].profile, (Profile{.empty_closed = EmptyClosed::kNotFound}));
  EXPECT_EQ(config.listeners[1].profile, (Profile{.follow = true}));
  EXPECT_EQ(config.listeners[2].profile,
            (Profile{.ipv4_order = Ipv4Order::kNumber, .follow = true}));
}

TEST(LoadFileTest, ReadsTheExample) {
  const absl::StatusOr<Config> config = Load("examples/offloadd.json", {});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(Summary(*config),
            "3 listeners (127.0.0.1:3443, unix:/run/offloadd.sock, [::1]:3444), 3 owners, "
            "2 LIFs, mode hardware, table of 100000 rules");
}

// The example's keys have their defaults where the file says so.
TEST(LoadFileTest, TheExampleShowsTheDefaults) {
  const absl::StatusOr<Config> config = Load("examples/offloadd.json", {});
  ASSERT_TRUE(config.ok()) << config.status();
  const Config defaults = Parsed(absl::StrCat("{", kLif, "}"));
  EXPECT_EQ(config->profiles.at("v1"), defaults.profiles.at("v1"));
  EXPECT_EQ(config->listeners[0].address, defaults.listeners[0].address);
  EXPECT_EQ(config->datapath.mode, defaults.datapath.mode);
  EXPECT_EQ(config->datapath.priority_base, defaults.datapath.priority_base);
  EXPECT_EQ(config->datapath.default_path_priority, defaults.datapath.default_path_priority);
  EXPECT_EQ(config->datapath.table_size, defaults.datapath.table_size);
  EXPECT_EQ(config->datapath.sample_grace, defaults.datapath.sample_grace);
  EXPECT_EQ(config->datapath.allow_untrusted_driver, defaults.datapath.allow_untrusted_driver);
  EXPECT_EQ(config->default_timeout, defaults.default_timeout);
  EXPECT_EQ(config->duplicate_tuple, defaults.duplicate_tuple);
  EXPECT_EQ(config->on_link_down, defaults.on_link_down);
  EXPECT_EQ(config->link_down_hold, defaults.link_down_hold);
  EXPECT_EQ(config->on_stop, defaults.on_stop);
  EXPECT_EQ(config->stop_deadline, defaults.stop_deadline);
  EXPECT_EQ(config->closed_log.max_records, defaults.closed_log.max_records);
  EXPECT_EQ(config->log.level, defaults.log.level);
}

TEST(LoadFileTest, AFileThatCannotBeReadIsNamed) {
  const absl::Status missing = Load("no/such/file.json", {}).status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(missing.message()), HasSubstr("no/such/file.json: cannot read"));
  EXPECT_THAT(std::string(Load("examples", {}).status().message()),
              HasSubstr("examples: cannot read the configuration: Is a directory"));
}

}  // namespace
}  // namespace offload::config
