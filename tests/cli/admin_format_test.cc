// Answers of offloadd.admin.v1 as text: what a daemon of another version or a hostile one may send.
#include "cli/admin_format.h"

#include "gmock/gmock.h"

namespace offload::cli {
namespace {

namespace admin = offloadd::admin::v1;
using ::testing::HasSubstr;

TEST(AdminFormatTest, ALevelOfALaterVersionIsAWarning) {
  admin::DoctorResponse response;
  response.add_findings()->set_level(static_cast<admin::Finding::Level>(77));
  response.add_findings()->set_level(admin::Finding::PROBLEM);
  response.add_findings()->set_level(admin::Finding::OK);
  const auto entries = ToEntries(response);
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[0].level, doctor::Level::kWarning);
  EXPECT_EQ(entries[1].level, doctor::Level::kProblem);
  EXPECT_EQ(entries[2].level, doctor::Level::kOk);
}

TEST(AdminFormatTest, ALinkStateOfALaterVersionIsUnknown) {
  admin::StatusResponse status;
  admin::Lif& lif = *status.add_lifs();
  lif.set_netdev("p0");
  lif.set_link_state(static_cast<admin::Lif::LinkState>(77));
  EXPECT_THAT(Text(status), HasSubstr("0 p0 unknown\n"));
  EXPECT_THAT(Json(status), HasSubstr(R"("link_state":"unknown")"));
}

TEST(AdminFormatTest, ControlCharactersOfAStatusDoNotReachTheTerminal) {
  admin::StatusResponse status;
  status.set_version("\033[2J");
  status.set_not_ready_reason("a\nstate ready\033");
  status.set_mode("\007");
  status.add_listeners()->set_address("\r");
  status.add_lifs()->set_netdev("\033c");
  const std::string text = Text(status);
  EXPECT_EQ(text.find_first_of("\033\007\r"), std::string::npos) << text;
  EXPECT_THAT(text, HasSubstr("not ready: a state ready?\n"));
}

TEST(AdminFormatTest, JsonNamesAreThoseOfTheContract) {
  admin::StatusResponse status;
  status.mutable_datapath_counters()->set_read_back(3);
  status.mutable_start_time()->set_seconds(1700000000);
  const std::string json = Json(status);
  EXPECT_THAT(json, HasSubstr(R"("start_time":"2023-11-14T22:13:20.000Z")"));
  EXPECT_THAT(json, HasSubstr(R"("datapath_counters":{"added":0,"deleted":0,"queried":0,)"
                              R"("refused_unsupported":0,"refused_full":0,"refused_other":0,)"
                              R"("busy_retries":0,"read_back":3,"standing_repairs":0})"));
}

}  // namespace
}  // namespace offload::cli
