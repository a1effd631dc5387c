// Devlink: which device a netdev is a port of, and the mode of that device's embedded switch. Read
// through libnl-genl-3: the cold path. Encoding and decoding are pure.
//
// Source: include/uapi/linux/devlink.h, net/core/devlink.c of Linux 6.1.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "netlink/message.h"

namespace offload::netlink {

enum class EswitchMode : uint8_t { kLegacy, kSwitchdev, kOther };

// "pci/0000:03:00.0", as the devlink tool writes it.
struct DevlinkDevice {
  std::string bus;
  std::string name;
  std::string ToString() const { return bus + "/" + name; }
  friend bool operator==(const DevlinkDevice&, const DevlinkDevice&) = default;
};

struct DevlinkPort {
  DevlinkDevice device;
  uint32_t index = 0;
  uint32_t ifindex = 0;  // of its netdev; 0 = none in this network namespace
  // Of the device; absent where it has no embedded switch. Not decoded: ReadDevlinkPorts adds it.
  std::optional<EswitchMode> eswitch;
  friend bool operator==(const DevlinkPort&, const DevlinkPort&) = default;
};

// The attributes of DEVLINK_CMD_ESWITCH_GET with their genlmsghdr, a part of `buffer`.
absl::StatusOr<absl::Span<const uint8_t>> EncodeEswitchRequest(const DevlinkDevice& device,
                                                               absl::Span<uint8_t> buffer);

// A message of DEVLINK_CMD_PORT_NEW. INVALID_ARGUMENT: malformed, or without its device.
absl::StatusOr<DevlinkPort> DecodeDevlinkPort(const MessageView& message);

// The answer to DEVLINK_CMD_ESWITCH_GET; the same errors.
absl::StatusOr<EswitchMode> DecodeEswitchMode(const MessageView& message);

// All ports of all devices of the calling thread's network namespace. A kernel without devlink, and
// one without devices, have none. Needs CAP_NET_ADMIN; errors are the kernel's.
absl::StatusOr<std::vector<DevlinkPort>> ReadDevlinkPorts();

}  // namespace offload::netlink
