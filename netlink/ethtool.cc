#include "netlink/ethtool.h"

#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/unique_fd.h"
#include "netlink/kernel_error.h"

namespace offload::netlink {
namespace {

constexpr uint32_t kBitsPerBlock = 32;

using Bytes = std::vector<uint8_t>;

// The struct at the start of `bytes`, which may go on.
template <typename T>
absl::Status ReadHead(absl::Span<const uint8_t> bytes, absl::string_view name, T& head) {
  if (bytes.size() < sizeof(head)) return absl::InvalidArgumentError(absl::StrCat(name, " is cut"));
  std::memcpy(&head, bytes.data(), sizeof(head));
  return absl::OkStatus();
}

template <typename T>
Bytes Command(const T& head, size_t tail = 0) {
  Bytes bytes(sizeof(head) + tail);
  std::memcpy(bytes.data(), &head, sizeof(head));
  return bytes;
}

// Lets the kernel fill `command` in.
absl::Status Ask(const std::string& netdev, Bytes& command) {
  struct ifreq request = {};
  if (netdev.size() >= sizeof(request.ifr_name)) {
    return absl::NotFoundError(absl::StrCat("no netdev ", netdev));
  }
  std::copy(netdev.begin(), netdev.end(), request.ifr_name);
  request.ifr_data = reinterpret_cast<char*>(command.data());
  const base::UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return WithPrefix(ErrnoToStatus(errno), "socket for ethtool: ");
  if (::ioctl(socket.get(), SIOCETHTOOL, &request) != 0) {
    return WithPrefix(ErrnoToStatus(errno), absl::StrCat("ethtool of ", netdev, ": "));
  }
  return absl::OkStatus();
}

// How many features this kernel knows, on any netdev.
absl::StatusOr<uint32_t> CountFeatures(const std::string& netdev) {
  Bytes command = Command(
      ethtool_sset_info{
          .cmd = ETHTOOL_GSSET_INFO, .reserved = 0, .sset_mask = 1ULL << ETH_SS_FEATURES},
      sizeof(uint32_t));
  if (absl::Status status = Ask(netdev, command); !status.ok()) return status;
  uint32_t count = 0;
  std::memcpy(&count, command.data() + sizeof(ethtool_sset_info), sizeof(count));
  return count;
}

// The position of `name` among the strings. NOT_FOUND: it is not among them.
absl::StatusOr<uint32_t> PositionOf(absl::string_view name, absl::Span<const uint8_t> strings) {
  ethtool_gstrings head;
  if (absl::Status cut = ReadHead(strings, "ethtool_gstrings", head); !cut.ok()) return cut;
  const auto names = strings.subspan(sizeof(head));
  if (names.size() / ETH_GSTRING_LEN < head.len) {
    return absl::InvalidArgumentError("ethtool_gstrings is cut");
  }
  for (uint32_t i = 0; i < head.len; ++i) {
    const auto* text = reinterpret_cast<const char*>(&names[size_t{i} * ETH_GSTRING_LEN]);
    if (absl::string_view(text, ::strnlen(text, ETH_GSTRING_LEN)) == name) return i;
  }
  return absl::NotFoundError(absl::StrCat("no feature ", name));
}

}  // namespace

absl::StatusOr<std::string> DecodeDriver(absl::Span<const uint8_t> drvinfo) {
  ethtool_drvinfo head;
  if (absl::Status cut = ReadHead(drvinfo, "ethtool_drvinfo", head); !cut.ok()) return cut;
  const absl::string_view name(head.driver, sizeof(head.driver));
  const size_t end = name.find('\0');
  if (end == name.npos) {
    return absl::InvalidArgumentError("ethtool_drvinfo: a name without its end");
  }
  return std::string(name.substr(0, end));
}

absl::StatusOr<Feature> DecodeFeature(absl::Span<const uint8_t> strings,
                                      absl::Span<const uint8_t> features, absl::string_view name) {
  const auto position = PositionOf(name, strings);
  if (!position.ok()) return position.status();
  ethtool_gfeatures head;
  if (absl::Status cut = ReadHead(features, "ethtool_gfeatures", head); !cut.ok()) return cut;
  const auto blocks = features.subspan(sizeof(head));
  const uint32_t index = *position / kBitsPerBlock;
  if (blocks.size() / sizeof(ethtool_get_features_block) < head.size || index >= head.size) {
    return absl::InvalidArgumentError("ethtool_gfeatures is cut");
  }
  ethtool_get_features_block block;
  const auto there = blocks.subspan(index * sizeof(block));
  if (absl::Status cut = ReadHead(there, "ethtool_gfeatures", block); !cut.ok()) return cut;
  const uint32_t bit = 1U << (*position % kBitsPerBlock);
  return Feature{.changeable = (block.available & bit) != 0,
                 .wanted = (block.requested & bit) != 0,
                 .active = (block.active & bit) != 0};
}

absl::StatusOr<std::string> ReadDriver(const std::string& netdev) {
  ethtool_drvinfo head = {};
  head.cmd = ETHTOOL_GDRVINFO;
  Bytes command = Command(head);
  if (absl::Status status = Ask(netdev, command); !status.ok()) return status;
  return DecodeDriver(command);
}

absl::StatusOr<Feature> ReadFeature(const std::string& netdev, absl::string_view name) {
  const auto count = CountFeatures(netdev);
  if (!count.ok()) return count.status();
  const uint32_t blocks = (*count + kBitsPerBlock - 1) / kBitsPerBlock;
  Bytes strings = Command(
      ethtool_gstrings{.cmd = ETHTOOL_GSTRINGS, .string_set = ETH_SS_FEATURES, .len = *count},
      size_t{*count} * ETH_GSTRING_LEN);
  if (absl::Status status = Ask(netdev, strings); !status.ok()) return status;
  Bytes features = Command(ethtool_gfeatures{.cmd = ETHTOOL_GFEATURES, .size = blocks},
                           blocks * sizeof(ethtool_get_features_block));
  if (absl::Status status = Ask(netdev, features); !status.ok()) return status;
  return DecodeFeature(strings, features, name);
}

}  // namespace offload::netlink
