// What ethtool shows of a netdev: its driver's name and its features. By ioctl (SIOCETHTOOL), which
// every driver answers; decoding is pure.
//
// Source: include/uapi/linux/ethtool.h, net/ethtool/ioctl.c of Linux 6.1.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace offload::netlink {

inline constexpr char kHwTcOffload[] = "hw-tc-offload";

// A feature has three states in the kernel: a change that a driver refuses stays wanted, and is not
// tried again until something else is wanted.
struct Feature {
  bool changeable = false;  // by ethtool -K, on this netdev
  bool wanted = false;
  bool active = false;
  friend bool operator==(const Feature&, const Feature&) = default;
};

// struct ethtool_drvinfo. INVALID_ARGUMENT: cut, or a name without its end.
absl::StatusOr<std::string> DecodeDriver(absl::Span<const uint8_t> drvinfo);

// `strings` is struct ethtool_gstrings of ETH_SS_FEATURES, `features` is struct ethtool_gfeatures.
// NOT_FOUND: no feature of that name. INVALID_ARGUMENT: cut, or without the name's block.
absl::StatusOr<Feature> DecodeFeature(absl::Span<const uint8_t> strings,
                                      absl::Span<const uint8_t> features, absl::string_view name);

// Of a netdev of the calling thread's network namespace. NOT_FOUND: no such netdev; UNIMPLEMENTED:
// nobody says what drives it.
absl::StatusOr<std::string> ReadDriver(const std::string& netdev);
absl::StatusOr<Feature> ReadFeature(const std::string& netdev, absl::string_view name);

}  // namespace offload::netlink
