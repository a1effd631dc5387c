#include "server/spdlog_request_log.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace offload::server {

SpdlogRequestLog::SpdlogRequestLog(std::shared_ptr<spdlog::logger> logger, base::Clock& clock)
    : logger_(std::move(logger)), clock_(clock) {
  base::MutexLock lock(mutex_);
  second_ = clock_.Now();
}

void SpdlogRequestLog::Rejected(const session::SessionKey& key, const absl::Status& status) {
  Log(absl::IsAlreadyExists(status) ? spdlog::level::debug : spdlog::level::warn, key,
      absl::StrCat("refused: ", status.message(), " (", absl::StatusCodeToString(status.code()),
                   ")"));
}

void SpdlogRequestLog::Clamped(const session::SessionKey& key, absl::Duration asked,
                               absl::Duration kept) {
  Log(spdlog::level::warn, key,
      absl::StrCat("cacheTimeout: ", absl::ToInt64Seconds(asked), " is above ",
                   absl::ToInt64Seconds(kept), ", which is used instead"));
}

void SpdlogRequestLog::Log(spdlog::level::level_enum level, const session::SessionKey& key,
                           const std::string& text) {
  if (!logger_->should_log(level)) return;
  uint64_t suppressed = 0;
  const bool admitted = Admit(&suppressed);
  if (suppressed != 0) logger_->warn("{} lines about requests were suppressed", suppressed);
  if (admitted) logger_->log(level, "session {} of owner {}: {}", key.id, key.owner, text);
}

bool SpdlogRequestLog::Admit(uint64_t* suppressed) {
  base::MutexLock lock(mutex_);
  const base::MonotonicTime now = clock_.Now();
  if (now - second_ >= absl::Seconds(1)) {
    second_ = now;
    lines_ = 0;
    *suppressed = std::exchange(suppressed_, 0);
  }
  if (lines_ < kMaxLinesPerSecond) {
    ++lines_;
    return true;
  }
  ++suppressed_;
  return false;
}

}  // namespace offload::server
