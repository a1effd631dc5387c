#include "netlink/devlink.h"

#include <linux/devlink.h>
#include <linux/genetlink.h>
#include <netlink/genl/ctrl.h>

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "netlink/kernel_error.h"
#include "netlink/libnl.h"

namespace offload::netlink {
namespace {

constexpr uint8_t kVersion = DEVLINK_GENL_VERSION;

EswitchMode ModeOf(uint16_t mode) {
  if (mode == DEVLINK_ESWITCH_MODE_LEGACY) return EswitchMode::kLegacy;
  return mode == DEVLINK_ESWITCH_MODE_SWITCHDEV ? EswitchMode::kSwitchdev : EswitchMode::kOther;
}

// What of devlink's attributes is used here.
struct Attributes {
  DevlinkDevice device;
  std::optional<uint32_t> port;
  uint32_t ifindex = 0;
  std::optional<uint16_t> eswitch_mode;
};

absl::StatusOr<Attributes> Decode(const MessageView& message) {
  if (message.payload.size() < GENL_HDRLEN) {
    return absl::InvalidArgumentError("devlink message cut inside genlmsghdr");
  }
  Attributes out;
  absl::Status status;
  AttributeReader reader(message.payload.subspan(GENL_HDRLEN), status);
  while (reader.Next()) {
    if (reader.type() == DEVLINK_ATTR_BUS_NAME) out.device.bus = reader.String();
    if (reader.type() == DEVLINK_ATTR_DEV_NAME) out.device.name = reader.String();
    if (reader.type() == DEVLINK_ATTR_PORT_INDEX) out.port = reader.U32();
    if (reader.type() == DEVLINK_ATTR_PORT_NETDEV_IFINDEX) out.ifindex = reader.U32();
    if (reader.type() == DEVLINK_ATTR_ESWITCH_MODE) out.eswitch_mode = reader.U16();
  }
  if (!status.ok()) return status;
  if (out.device.bus.empty() || out.device.name.empty()) {
    return absl::InvalidArgumentError("devlink message without its device");
  }
  return out;
}

// One socket and the family's number, which the kernel gives out at boot.
class DevlinkSocket {
 public:
  // NOT_FOUND: a kernel without devlink.
  static absl::StatusOr<DevlinkSocket> Open() {
    auto socket = LibnlSocket::Open(NETLINK_GENERIC);
    if (!socket.ok()) return socket.status();
    const int family = genl_ctrl_resolve((*socket)->get(), DEVLINK_GENL_NAME);
    if (absl::Status status = (*socket)->Check(family, "devlink"); !status.ok()) return status;
    return DevlinkSocket(*std::move(socket), family);
  }

  absl::StatusOr<std::vector<DevlinkPort>> Ports() {
    std::vector<DevlinkPort> ports;
    absl::Status malformed;
    struct genlmsghdr header = {.cmd = DEVLINK_CMD_PORT_GET, .version = kVersion, .reserved = 0};
    const absl::Status status =
        socket_->Dump(family_, &header, sizeof(header), [&](const MessageView& message) {
          absl::StatusOr<DevlinkPort> port = DecodeDevlinkPort(message);
          malformed.Update(port.status());
          if (port.ok()) ports.push_back(*std::move(port));
        });
    if (!status.ok()) return WithPrefix(status, "devlink ports: ");
    if (!malformed.ok()) return malformed;
    return ports;
  }

  // None when the device has no embedded switch, or went away.
  absl::StatusOr<std::optional<EswitchMode>> EswitchOf(const DevlinkDevice& device) {
    alignas(struct nlmsghdr) uint8_t buffer[kMaxMessage] = {};
    const auto request = EncodeEswitchRequest(device, absl::MakeSpan(buffer));
    if (!request.ok()) return request.status();
    std::optional<absl::StatusOr<EswitchMode>> mode;
    const absl::Status status = socket_->Ask(
        family_, *request, [&](const MessageView& message) { mode = DecodeEswitchMode(message); });
    if (absl::IsUnimplemented(status) || absl::IsNotFound(status)) return std::nullopt;
    if (!status.ok())
      return WithPrefix(status, absl::StrCat("eswitch of ", device.ToString(), ": "));
    if (!mode.has_value()) return std::nullopt;
    if (!mode->ok()) return mode->status();
    return **mode;
  }

 private:
  DevlinkSocket(std::unique_ptr<LibnlSocket> socket, int family)
      : socket_(std::move(socket)), family_(family) {}
  std::unique_ptr<LibnlSocket> socket_;
  int family_;
};

}  // namespace

absl::StatusOr<absl::Span<const uint8_t>> EncodeEswitchRequest(const DevlinkDevice& device,
                                                               absl::Span<uint8_t> buffer) {
  MessageBuilder builder(buffer, 0, 0, 0);
  const struct genlmsghdr header = {
      .cmd = DEVLINK_CMD_ESWITCH_GET, .version = kVersion, .reserved = 0};
  builder.PutHeader(&header, sizeof(header));
  builder.PutString(DEVLINK_ATTR_BUS_NAME, device.bus);
  builder.PutString(DEVLINK_ATTR_DEV_NAME, device.name);
  auto message = builder.Finish();
  if (!message.ok()) return message.status();
  return message->subspan(NLMSG_HDRLEN);
}

absl::StatusOr<DevlinkPort> DecodeDevlinkPort(const MessageView& message) {
  const absl::StatusOr<Attributes> read = Decode(message);
  if (!read.ok()) return read.status();
  if (!read->port) return absl::InvalidArgumentError("devlink port without its index");
  return DevlinkPort{.device = read->device, .index = *read->port, .ifindex = read->ifindex};
}

absl::StatusOr<EswitchMode> DecodeEswitchMode(const MessageView& message) {
  const absl::StatusOr<Attributes> read = Decode(message);
  if (!read.ok()) return read.status();
  if (!read->eswitch_mode) return absl::InvalidArgumentError("devlink eswitch without its mode");
  return ModeOf(*read->eswitch_mode);
}

absl::StatusOr<std::vector<DevlinkPort>> ReadDevlinkPorts() {
  auto socket = DevlinkSocket::Open();
  if (absl::IsNotFound(socket.status())) return std::vector<DevlinkPort>();
  if (!socket.ok()) return socket.status();
  auto ports = socket->Ports();
  if (!ports.ok()) return ports;
  std::map<std::string, std::optional<EswitchMode>> modes;
  for (DevlinkPort& port : *ports) {
    const auto [mode, fresh] = modes.try_emplace(port.device.ToString());
    if (fresh) {
      const auto read = socket->EswitchOf(port.device);
      if (!read.ok()) return read.status();
      mode->second = *read;
    }
    port.eswitch = mode->second;
  }
  return ports;
}

}  // namespace offload::netlink
