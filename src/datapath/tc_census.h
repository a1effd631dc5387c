// What other filters there are on a netdev beside the session rules: in front of them, at their
// priorities, and behind them, where a default path would be.
//
// Our own session rules are not read for it: they may be millions, and a dump makes the driver read
// each one's counters, which must have one reader only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "datapath/tc_rule.h"
#include "netlink/filter_socket.h"

namespace offload::datapath {

// The filters at one priority, of one protocol and kind.
struct FilterGroup {
  uint16_t priority = 0;
  uint16_t protocol = 0;  // ETH_P_*
  std::string kind;
  size_t count = 0;        // 0: the priority is there, without a filter
  bool ours = false;       // a default path of ours
  bool catch_all = false;  // one takes every packet of the protocol and redirects or mirrors it
  std::string obstacle;    // why our rules cannot be there too; empty = they can
  friend bool operator==(const FilterGroup&, const FilterGroup&) = default;
};

// Why a filter that is not ours keeps our rules from its priority: another kind or protocol, or a
// handle that they need (1..last_handle and the reserved ones). Empty: it does not, or is at none
// of our priorities.
std::string ObstacleOf(const netlink::FlowerFilter& filter, uint16_t priority_base,
                       uint32_t last_handle);

// Whether it is the message of a dump that only says that there is this priority.
inline bool IsHeader(const netlink::FlowerFilter& filter) {
  return !filter.has_options && filter.id.handle == 0;
}

struct CensusOptions {
  uint16_t priority_base = 5;
  uint32_t last_handle = 0;
  // Also at the priorities of the session rules. While there are sessions, don't: see above.
  bool session_priorities = false;
};

// Groups what a dump shows, in the order of priorities. Pure.
class FilterCensus {
 public:
  explicit FilterCensus(const CensusOptions& options) : options_(options) {}
  void See(const netlink::FlowerFilter& filter);
  std::vector<FilterGroup> Take();

 private:
  CensusOptions options_;
  std::vector<FilterGroup> groups_;
};

// Looks at: every priority below the base; those of the session rules when asked to; above them
// each one up to 255 and those that the kernel picks when none is given (49152 and the 15 below
// it); and filters of protocol all wherever they are. Errors name nothing but what the kernel said.
absl::StatusOr<std::vector<FilterGroup>> TakeCensus(netlink::FilterSocket& socket, uint32_t ifindex,
                                                    const CensusOptions& options);

}  // namespace offload::datapath
