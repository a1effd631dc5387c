#include "server/spdlog_request_log.h"

#include <string>

#include "spdlog/spdlog.h"

namespace offload::server {

bool SpdlogRequestLog::Admit() {
  uint64_t suppressed = 0;
  bool admitted = false;
  {
    base::MutexLock lock(mutex_);
    const base::MonotonicTime now = clock_.Now();
    if (now - window_start_ >= absl::Seconds(1)) {
      window_start_ = now;
      lines_ = 0;
      std::swap(suppressed, suppressed_);
    }
    admitted = lines_ < kMaxLinesPerSecond;
    if (admitted) {
      ++lines_;
    } else {
      ++suppressed_;
    }
  }
  if (suppressed > 0) spdlog::warn("{} more refused sessions were not logged", suppressed);
  return admitted;
}

void SpdlogRequestLog::Rejected(const session::SessionKey& key, const absl::Status& why) {
  if (!Admit()) return;
  spdlog::warn("session {} (owner {}) rejected: {}: {}", key.id, key.owner,
               absl::StatusCodeToString(why.code()), std::string(why.message()));
}

void SpdlogRequestLog::Changed(const session::SessionKey& key, absl::string_view what) {
  if (!Admit()) return;
  spdlog::warn("session {} (owner {}): {}", key.id, key.owner, std::string(what));
}

}  // namespace offload::server
