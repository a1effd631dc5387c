#include "datapath/tc_host.h"

namespace offload::datapath {

absl::StatusOr<std::vector<netlink::Qdisc>> SystemTcHost::Qdiscs() { return netlink::ReadQdiscs(); }

absl::StatusOr<std::vector<netlink::DevlinkPort>> SystemTcHost::DevlinkPorts() {
  return netlink::ReadDevlinkPorts();
}

absl::StatusOr<std::string> SystemTcHost::Driver(const std::string& netdev) {
  return netlink::ReadDriver(netdev);
}

absl::StatusOr<netlink::Feature> SystemTcHost::HwTcOffload(const std::string& netdev) {
  return netlink::ReadFeature(netdev, netlink::kHwTcOffload);
}

absl::StatusOr<std::vector<netlink::TcListener>> SystemTcHost::TcListeners() {
  return netlink::ReadTcListeners();
}

absl::StatusOr<uint64_t> SystemTcHost::MemAvailable() { return netlink::ReadMemAvailable(); }

absl::StatusOr<netlink::KernelRelease> SystemTcHost::Kernel() {
  return netlink::ReadKernelRelease();
}

netlink::ModuleState SystemTcHost::Module(absl::string_view name) {
  const absl::StatusOr<netlink::KernelRelease> release = netlink::ReadKernelRelease();
  return release.ok() ? netlink::ReadModuleState(name, *release) : netlink::ModuleState::kUnknown;
}

absl::StatusOr<ovs::OvsConfig> SystemTcHost::Ovs() { return ovs::ReadOvsConfig({}); }

}  // namespace offload::datapath
