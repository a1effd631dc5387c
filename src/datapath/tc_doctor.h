// What the facts about a host and its netdevs mean for offloading. Pure: facts in, findings out.
//
// Each check is a word that stays the same (Finding::check), so that a script can look for it:
//
//   of each netdev  netdev, link, driver, switchdev, hw-tc-offload, clsact, shared-block, master,
//                   ovs, foreign-filters, default-path
//   of all          switch-id
//   of the host     kernel, modules, memory, tc-listeners
//
// A problem keeps sessions from being offloaded, or loses them; a warning may, or costs something.
// What only matters to hardware (driver, switchdev, hw-tc-offload, switch-id) is left out in mode
// software; in mode any it is a warning at most, since the kernel's path is left.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "datapath/datapath.h"
#include "datapath/tc_census.h"
#include "datapath/tc_rule.h"
#include "netlink/devlink.h"
#include "netlink/ethtool.h"
#include "netlink/links.h"
#include "netlink/proc.h"
#include "netlink/qdisc.h"
#include "ovs/ovsdb.h"
#include "session/types.h"

namespace offload::datapath {

// An error in a fact: it could not be read; the check that needs it says so.
struct NetdevFacts {
  std::string netdev;
  std::vector<session::LifId> lifs;
  std::string default_path;            // the configured representor; empty = none
  bool default_path_missing = false;   // there is no such netdev
  absl::StatusOr<netlink::Link> link;  // NOT_FOUND: there is none; then the rest is not looked at
  std::optional<netlink::Link> master;
  absl::StatusOr<std::string> driver;
  absl::StatusOr<netlink::Feature> hw_tc_offload;
  absl::StatusOr<std::optional<netlink::DevlinkPort>> devlink;  // the port that it is
  absl::StatusOr<std::optional<netlink::Qdisc>> qdisc;          // at its ingress hook
  absl::StatusOr<std::vector<FilterGroup>> filters;
};

struct DoctorFacts {
  OffloadMode mode = OffloadMode::kHardware;
  uint16_t priority_base = 5;
  uint32_t table_size = 0;  // rules
  uint64_t rules = 0;       // that are there already
  bool allow_untrusted_driver = false;
  bool started = false;
  std::vector<NetdevFacts> netdevs;
  absl::StatusOr<ovs::OvsConfig> ovs;  // NOT_FOUND: it is not running
  absl::StatusOr<std::vector<netlink::TcListener>> listeners;
  absl::StatusOr<uint64_t> mem_available;  // bytes
  absl::StatusOr<netlink::KernelRelease> kernel;
  std::vector<std::pair<std::string, netlink::ModuleState>> modules;  // that filters need
};

// In the order above, netdev by netdev.
std::vector<Finding> Diagnose(const DoctorFacts& facts);

// Kernel memory of a session's two rules: mlx5 on Linux 6.1 (structures of cls_flower, act_mirred
// and the driver, as the slab rounds them), and in the kernel's software path alone.
inline constexpr uint64_t kHardwareSessionBytes = uint64_t{26} * 1024;
inline constexpr uint64_t kSoftwareSessionBytes = uint64_t{6} * 1024;

}  // namespace offload::datapath
