// Standing rules: filters of ours that belong to no session and stay when the daemon goes.
//
//  * the keep-alive of each session priority on a LIF's netdev (KeepAliveFilter, tc_rule.h);
//  * the default path: what no session rule takes goes from a LIF's netdev to the firewall's
//    representor, and what the firewall sends goes from there to the LIF's netdev.
//
// All carry StandingCookie and a reserved handle (tc_identity.h). The functions here write one such
// filter and say what the kernel has; tc_standing_rules.h decides which there are.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "datapath/tc_rule.h"
#include "netlink/filter_socket.h"
#include "netlink/flower.h"

namespace offload::datapath {

// Of sessions at most base + 2 = 14 (mlx5 takes priorities up to 16).
inline constexpr uint16_t kDefaultPathPriority = 15;
inline constexpr uint16_t kMaxPriority = 16;

// The rule of one direction of a default path: protocol all, no key, redirect. Modes hardware and
// any write neither skip_sw nor skip_hw: misses and control packets then go their way in the NIC
// and, where it refuses the rule, in the kernel. Mode software: skip_hw.
netlink::FlowerFilter DefaultPathFilter(const RulePlace& place, uint16_t priority,
                                        OffloadMode mode);

// The cookie of a flower filter's last action (tc_rule.h); empty when it is another filter.
absl::Span<const uint8_t> CookieIn(const netlink::FlowerFilter& filter);

// "filter of kind flower, protocol 0x0800, handle 0x1 at priority 5"
std::string Describe(const netlink::FlowerFilter& filter);

// What the kernel has under the id of a standing filter.
struct StandingFound {
  enum class State : uint8_t {
    kRight,    // what was asked for
    kMissing,  // nothing; the priority, the qdisc or the netdev may be missing as well
    kWrong,    // a standing filter of ours with another target or mode
    kForeign,  // a filter without our cookie
  };
  State state = State::kMissing;
  bool in_hw = false;  // of kRight and kWrong
};

// An error says nothing about the filter.
absl::StatusOr<StandingFound> ReadStanding(netlink::FilterSocket& socket,
                                           const netlink::FlowerFilter& wanted);

struct StandingOutcome {
  enum class Change : uint8_t { kNone, kAdded, kReplaced };
  Change change = Change::kNone;
  bool in_hw = false;
};

// Makes `wanted` be there. A different one of ours is replaced in place, so that no packet meets
// neither (unless the kernel refuses that: then it is deleted first). ALREADY_EXISTS: a foreign
// filter has its handle or its match. Otherwise the kernel's error; what was there before is still
// there.
absl::StatusOr<StandingOutcome> EnsureStanding(netlink::FilterSocket& socket,
                                               const netlink::FlowerFilter& wanted);

}  // namespace offload::datapath
