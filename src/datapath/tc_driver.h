// What is known of the drivers that offload TC rules. Pure.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace offload::datapath {

enum class DriverTrust : uint8_t {
  kGood,         // refuses what it cannot match
  kIgnoresKeys,  // takes rules and ignores parts of their match: a rule takes more than it should
  kUnknown,
};

struct DriverKnowledge {
  DriverTrust trust = DriverTrust::kUnknown;
  std::string what;  // of kIgnoresKeys: what it does
};

// `driver` is the name that ethtool -i shows.
DriverKnowledge KnowledgeOf(absl::string_view driver);

// The key that lets a driver be used which ignores keys.
inline constexpr char kAllowUntrustedDriver[] = "/datapath/allow_untrusted_driver";

// FAILED_PRECONDITION, saying why and naming the key, for a driver that ignores keys.
absl::Status RefuseUntrusted(absl::string_view driver);

}  // namespace offload::datapath
