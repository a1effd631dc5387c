#include "server/spdlog_request_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>

#include <algorithm>
#include <sstream>

#include "tests/fakes/fake_clock.h"

namespace offload::server {
namespace {

class SpdlogRequestLogTest : public ::testing::Test {
 protected:
  SpdlogRequestLogTest() { logger_->set_pattern("%l %v"); }

  std::ptrdiff_t Lines() const {
    const std::string text = out_.str();
    return std::count(text.begin(), text.end(), '\n');
  }

  std::ostringstream out_;
  std::shared_ptr<spdlog::logger> logger_ = std::make_shared<spdlog::logger>(
      "test", std::make_shared<spdlog::sinks::ostream_sink_mt>(out_));
  fakes::FakeClock clock_;
  SpdlogRequestLog log_{logger_, clock_};
};

TEST_F(SpdlogRequestLogTest, NamesSessionAndField) {
  log_.Rejected({.owner = 2, .id = 77}, absl::InvalidArgumentError("sourcePort: 70000 is above"));
  log_.Clamped({.owner = 2, .id = 78}, absl::Seconds(90000), absl::Seconds(86400));
  EXPECT_EQ(out_.str(),
            "warning session 77 of owner 2: refused: sourcePort: 70000 is above "
            "(INVALID_ARGUMENT)\n"
            "warning session 78 of owner 2: cacheTimeout: 90000 is above 86400, which is used "
            "instead\n");
}

TEST_F(SpdlogRequestLogTest, RetriesAreForDebugging) {
  log_.Rejected({.owner = 0, .id = 1}, absl::AlreadyExistsError("id in use"));
  EXPECT_EQ(out_.str(), "");
  logger_->set_level(spdlog::level::debug);
  log_.Rejected({.owner = 0, .id = 1}, absl::AlreadyExistsError("id in use"));
  EXPECT_EQ(Lines(), 1);
}

TEST_F(SpdlogRequestLogTest, CountsWhatItSuppresses) {
  for (int i = 0; i < 350; ++i) log_.Rejected({.owner = 0, .id = 1}, absl::InternalError("x"));
  EXPECT_EQ(Lines(), 200);
  clock_.Advance(absl::Seconds(1));
  log_.Rejected({.owner = 0, .id = 1}, absl::InternalError("x"));
  EXPECT_EQ(Lines(), 202);
  EXPECT_THAT(out_.str(), ::testing::HasSubstr("150 lines about requests were suppressed"));
}

}  // namespace
}  // namespace offload::server
