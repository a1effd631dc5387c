// RequestLog on spdlog: one warning per refused session, limited, so that a burst of bad requests
// neither fills the disk nor slows the others down.
#pragma once

#include <cstdint>

#include "base/clock.h"
#include "base/mutex.h"
#include "server/request_log.h"

namespace offload::server {

inline constexpr uint32_t kMaxLinesPerSecond = 200;

class SpdlogRequestLog final : public RequestLog {
 public:
  explicit SpdlogRequestLog(base::Clock& clock) : clock_(clock) {}
  void Rejected(const session::SessionKey& key, const absl::Status& why) override;
  void Changed(const session::SessionKey& key, absl::string_view what) override;

 private:
  // True when a line may be written now; tells once per second how many were not.
  bool Admit();

  base::Clock& clock_;
  base::Mutex mutex_;
  base::MonotonicTime window_start_ GUARDED_BY(mutex_);
  uint32_t lines_ GUARDED_BY(mutex_) = 0;
  uint64_t suppressed_ GUARDED_BY(mutex_) = 0;
};

}  // namespace offload::server
