// Short ways to a Config or to its errors, for the tests of this folder.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "config/load.h"
#include "gtest/gtest.h"

namespace offload::config {

inline constexpr char kLif[] = R"("lifs": [{"id": 1, "netdev": "p0"}])";

// A configuration that is complete but for `keys`.
inline std::string With(const std::string& keys) { return absl::StrCat("{", keys, ",", kLif, "}"); }

inline std::vector<std::string> Errors(const std::string& text, const Overrides& overrides = {}) {
  const absl::StatusOr<Config> config = Parse(text, "", overrides);
  if (config.ok()) return {};
  EXPECT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument);
  return absl::StrSplit(std::string(config.status().message()), '\n');
}

inline Config Parsed(const std::string& text, const Overrides& overrides = {}) {
  absl::StatusOr<Config> config = Parse(text, "test", overrides);
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? *config : Config();
}

inline constexpr char kAddressExpected[] =
    R"(expected an address ("host:port", "[ipv6]:port" or "unix:/path"), found )";
inline constexpr char kNetdevExpected[] =
    "expected a non-empty string (netdev name, at most 15 characters), found ";

}  // namespace offload::config
