// A TcHost of plain values: by default one on which everything is as it should be. Set the values
// before the host is used.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "datapath/tc_host.h"

namespace offload::datapath {

class ScriptedHost final : public TcHost {
 public:
  absl::StatusOr<std::vector<netlink::Qdisc>> qdiscs = std::vector<netlink::Qdisc>();
  absl::StatusOr<std::vector<netlink::DevlinkPort>> devlink_ports =
      std::vector<netlink::DevlinkPort>();
  std::map<std::string, std::string> drivers;  // of the others nobody says what drives them
  std::map<std::string, netlink::Feature> hw_tc_offload;  // off where it is not given
  absl::StatusOr<std::vector<netlink::TcListener>> listeners = std::vector<netlink::TcListener>();
  absl::StatusOr<uint64_t> mem_available = uint64_t{8} << 30;
  absl::StatusOr<netlink::KernelRelease> kernel =
      netlink::KernelRelease{.major = 6, .minor = 1, .text = "6.1.0-56-amd64"};
  std::map<std::string, netlink::ModuleState> modules;  // loaded where it is not given
  absl::StatusOr<ovs::OvsConfig> ovs = absl::NotFoundError("no socket");

  absl::StatusOr<std::vector<netlink::Qdisc>> Qdiscs() override { return qdiscs; }
  absl::StatusOr<std::vector<netlink::DevlinkPort>> DevlinkPorts() override {
    return devlink_ports;
  }
  absl::StatusOr<std::string> Driver(const std::string& netdev) override {
    const auto driver = drivers.find(netdev);
    if (driver == drivers.end()) return absl::UnimplementedError("Operation not supported");
    return driver->second;
  }
  absl::StatusOr<netlink::Feature> HwTcOffload(const std::string& netdev) override {
    return hw_tc_offload[netdev];
  }
  absl::StatusOr<std::vector<netlink::TcListener>> TcListeners() override { return listeners; }
  absl::StatusOr<uint64_t> MemAvailable() override { return mem_available; }
  absl::StatusOr<netlink::KernelRelease> Kernel() override { return kernel; }
  netlink::ModuleState Module(absl::string_view name) override {
    const auto state = modules.find(std::string(name));
    return state == modules.end() ? netlink::ModuleState::kLoaded : state->second;
  }
  absl::StatusOr<ovs::OvsConfig> Ovs() override { return ovs; }
};

}  // namespace offload::datapath
