// Where the server says what it did to single requests.
#pragma once

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "session/types.h"

namespace offload::server {

// Called from several threads at once; must not block for long.
class RequestLog {
 public:
  virtual ~RequestLog() = default;
  // The session was not accepted; the message names the field where one is wrong.
  virtual void Rejected(const session::SessionKey& key, const absl::Status& status) = 0;
  // cacheTimeout is above what is kept; the session gets `kept`.
  virtual void Clamped(const session::SessionKey& key, absl::Duration asked,
                       absl::Duration kept) = 0;
};

}  // namespace offload::server
