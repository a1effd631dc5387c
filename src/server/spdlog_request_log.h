// RequestLog on spdlog: one line per refused session at level warning (ALREADY_EXISTS, which every
// retry of a client gives, at debug), with the session's id and the field's message.
//
// At most kMaxLinesPerSecond, then a line that counts what was suppressed: a burst of bad requests
// neither fills the disk nor slows down the others. Thread-safe.
#pragma once

#include <spdlog/logger.h>

#include <cstdint>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/mutex.h"
#include "server/request_log.h"

namespace offload::server {

class SpdlogRequestLog final : public RequestLog {
 public:
  static constexpr uint32_t kMaxLinesPerSecond = 200;

  // `clock` must outlive the log.
  SpdlogRequestLog(std::shared_ptr<spdlog::logger> logger, base::Clock& clock);

  void Rejected(const session::SessionKey& key, const absl::Status& status) override;
  void Clamped(const session::SessionKey& key, absl::Duration asked, absl::Duration kept) override;

 private:
  void Log(spdlog::level::level_enum level, const session::SessionKey& key,
           const std::string& text);
  // Whether one more line may be written now. The first of a new second gets the number of lines
  // that were suppressed before it.
  bool Admit(uint64_t* suppressed);

  const std::shared_ptr<spdlog::logger> logger_;
  base::Clock& clock_;
  base::Mutex mutex_;
  base::MonotonicTime second_ GUARDED_BY(mutex_);  // begin of the one that is counted
  uint32_t lines_ GUARDED_BY(mutex_) = 0;
  uint64_t suppressed_ GUARDED_BY(mutex_) = 0;
};

}  // namespace offload::server
