// Which standing rules there must be, on which netdevs; keeps them there.
//
// The netdevs are those of the LIFs, in the order of the ports, and after them the firewall's
// representors that LIFs name as their default path. Each LIF's netdev has the keep-alives that its
// sweep installed; it and its representor have one rule of the default path each, to the other.
//
// Default paths found at the start are kept when they are right, replaced when they are not, and
// removed from every netdev that should have none: an earlier configuration may have named another.
// A rule whose target is gone stays and drops (act_mirred), rather than let packets pass by the
// firewall; it is made anew when the target is back.
//
// One thread at a time; the counts are for any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "datapath/tc_kernel.h"
#include "datapath/tc_link_tracker.h"
#include "datapath/tc_rule.h"
#include "datapath/tc_standing.h"
#include "datapath/tc_sweep.h"

namespace offload::datapath {

struct StandingOptions {
  TcRuleOptions rules;
  uint16_t default_path_priority = kDefaultPathPriority;  // above those of rules.priority_base
};

class StandingRules {
 public:
  // `netdevs` are those of the LIFs, with clsact and keep-alives; the representors are added to
  // them. `default_paths` has the representor's name for each of them, or "". Installs the default
  // paths and removes those that should not be. FAILED_PRECONDITION: a representor does not exist,
  // or a filter of somebody else is in the way. INVALID_ARGUMENT: a representor that is a LIF's
  // netdev or has two. Otherwise the kernel's error.
  static absl::StatusOr<std::unique_ptr<StandingRules>> Install(
      const StandingOptions& options, TcKernel& kernel, netlink::Links& links,
      std::vector<TrackedNetdev>& netdevs, absl::Span<const std::string> default_paths,
      SweepLog& log);

  // The netdev is there under this ifindex (a LIF's with its keep-alives), or gone (0). The rules
  // of its default path are the next audit's work.
  void SetIfindex(size_t netdev, uint32_t ifindex);

  const std::string& name(size_t netdev) const { return netdevs_[netdev].name; }

  // Looks for every standing rule, puts back what is missing or wrong, and logs that. A rule that
  // cannot be put back is tried again each time, and logged once for each reason, when it fails for
  // the second time in a row: a netdev that is about to go refuses in many ways. Returns the LIF
  // netdevs none of whose keep-alives was there: all their rules went with the qdisc.
  std::vector<size_t> Audit(netlink::Links& links);

  // How many entries of the table are for standing rules. In mode hardware those of the NIC's
  // table: the keep-alives, and the rules of default paths that were in the NIC when last seen.
  // Otherwise all: the table is the kernel's.
  uint32_t entries() const { return entries_.load(std::memory_order_relaxed); }
  uint64_t repairs() const { return repairs_.load(std::memory_order_relaxed); }

 private:
  struct Netdev {
    std::string name;
    uint32_t ifindex = 0;
    bool is_lif = false;
    std::optional<size_t> peer;  // the other end of its default path
    // Once so, an entry stays reserved.
    bool default_in_hw = false;
    std::array<bool, kRuleClasses.size()> has_keep_alive = {};  // by RuleClass
  };
  struct Wanted {
    netlink::FlowerFilter filter;
    std::string what;  // "keep-alive at priority 5", "default path to fw0"
  };

  // Why a rule could not be put back, and how often in a row for this reason.
  struct Failure {
    std::string reason;
    uint64_t times = 0;
  };

  StandingRules(const StandingOptions& options, std::unique_ptr<netlink::FilterSocket> socket)
      : options_(options), socket_(std::move(socket)) {}
  absl::Status AddRepresentor(size_t lif, const std::string& name, netlink::Links& links,
                              std::vector<TrackedNetdev>& netdevs, SweepLog& log);
  absl::Status InstallDefaultPath(size_t netdev, SweepLog& log);
  absl::Status CheckPriority(const Netdev& netdev, SweepLog& log);
  absl::Status RemoveStale(netlink::Links& links, SweepLog& log);
  absl::Status RemoveStaleFrom(const netlink::Link& link, SweepLog& log);
  absl::StatusOr<std::vector<netlink::FlowerFilter>> Dump(const netlink::DumpRequest& request);

  Wanted DefaultPathOf(const Netdev& netdev) const;
  Wanted KeepAliveOf(const Netdev& netdev, RuleClass rule_class) const;
  // Which of its keep-alives are there.
  void SeeKeepAlives(Netdev& netdev);
  // Puts back those that were there before. Whether there were any and all were missing.
  bool AuditKeepAlives(Netdev& netdev, netlink::Links& links);
  bool IsDefaultPathOf(uint32_t ifindex, const netlink::FlowerFilter& filter) const;
  // Whether the rule was missing on a netdev that is there.
  bool AuditRule(Netdev& netdev, const Wanted& wanted, netlink::Links& links);
  absl::Status PutBack(Netdev& netdev, const Wanted& wanted, netlink::Links& links);
  void NoteHardware(Netdev& netdev, bool in_hw);
  void TellOnce(const Netdev& netdev, const Wanted& wanted, const absl::Status& status);
  void Count();

  const StandingOptions options_;
  const std::unique_ptr<netlink::FilterSocket> socket_;
  std::vector<Netdev> netdevs_;
  std::map<std::pair<std::string, std::string>, Failure> failures_;  // by netdev and what
  std::atomic<uint32_t> entries_ = 0;
  std::atomic<uint64_t> repairs_ = 0;
};

}  // namespace offload::datapath
