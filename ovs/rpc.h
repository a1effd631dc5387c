// JSON-RPC of RFC 7047 as a client sees it; internal to ovs/. Pure.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace offload::ovs {

// What a message from the server is: the reply to our request, or something that wants `answer`
// sent (an echo) or nothing (a notification; `answer` is empty).
struct Incoming {
  bool is_reply = false;
  std::string answer;
};

// INTERNAL: not a JSON object.
absl::StatusOr<Incoming> Classify(absl::string_view message);

}  // namespace offload::ovs
