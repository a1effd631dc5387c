// What an examination asks the host beside filters and links, as one seam: the real one, or one in
// a test.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "netlink/devlink.h"
#include "netlink/ethtool.h"
#include "netlink/proc.h"
#include "netlink/qdisc.h"
#include "ovs/ovsdb.h"

namespace offload::datapath {

// Thread-safe. Each call reads anew and may block for a moment; Ovs for as long as its time-out.
class TcHost {
 public:
  virtual ~TcHost() = default;
  virtual absl::StatusOr<std::vector<netlink::Qdisc>> Qdiscs() = 0;
  virtual absl::StatusOr<std::vector<netlink::DevlinkPort>> DevlinkPorts() = 0;
  virtual absl::StatusOr<std::string> Driver(const std::string& netdev) = 0;
  virtual absl::StatusOr<netlink::Feature> HwTcOffload(const std::string& netdev) = 0;
  virtual absl::StatusOr<std::vector<netlink::TcListener>> TcListeners() = 0;
  virtual absl::StatusOr<uint64_t> MemAvailable() = 0;  // bytes
  virtual absl::StatusOr<netlink::KernelRelease> Kernel() = 0;
  virtual netlink::ModuleState Module(absl::string_view name) = 0;
  virtual absl::StatusOr<ovs::OvsConfig> Ovs() = 0;  // NOT_FOUND: it is not running
};

class SystemTcHost final : public TcHost {
 public:
  absl::StatusOr<std::vector<netlink::Qdisc>> Qdiscs() override;
  absl::StatusOr<std::vector<netlink::DevlinkPort>> DevlinkPorts() override;
  absl::StatusOr<std::string> Driver(const std::string& netdev) override;
  absl::StatusOr<netlink::Feature> HwTcOffload(const std::string& netdev) override;
  absl::StatusOr<std::vector<netlink::TcListener>> TcListeners() override;
  absl::StatusOr<uint64_t> MemAvailable() override;
  absl::StatusOr<netlink::KernelRelease> Kernel() override;
  netlink::ModuleState Module(absl::string_view name) override;
  absl::StatusOr<ovs::OvsConfig> Ovs() override;
};

}  // namespace offload::datapath
