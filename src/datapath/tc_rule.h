// A directed rule as a flower filter, and the way back.
//
// Pure. The filter matches all of: ethertype, [802.1Q id], IP protocol, both addresses, both ports,
// "not a fragment", and for TCP "none of SYN, FIN, RST": the firewall owns session state. Its last
// action redirects to the egress netdev or drops, and carries the cookie of tc_identity.h; where
// the VLAN id changes, a vlan modify stands before the redirect. No action has per-CPU statistics.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "datapath/datapath.h"
#include "datapath/tc_identity.h"
#include "netlink/flower.h"
#include "session/types.h"

namespace offload::datapath {

// Where rules live: only in the NIC (skip_sw), only in the kernel (skip_hw), or wherever they fit.
enum class OffloadMode : uint8_t { kHardware, kSoftware, kAny };

struct TcRuleOptions {
  OffloadMode mode = OffloadMode::kHardware;
  uint16_t priority_base = 5;  // kPriorities priorities from here, the last at most 16 (mlx5)
};

// One priority for each protocol, because a priority takes filters of one protocol only.
enum class RuleClass : uint8_t { kIpv4, kIpv6, kVlan };
inline constexpr std::array<RuleClass, 3> kRuleClasses = {RuleClass::kIpv4, RuleClass::kIpv6,
                                                          RuleClass::kVlan};
inline constexpr uint16_t kMaxPriorityBase = 14;

uint16_t PriorityOf(RuleClass rule_class, uint16_t priority_base);
uint16_t ProtocolOf(RuleClass rule_class);  // ETH_P_IP, ETH_P_IPV6, ETH_P_8021Q

// ifindexes of a rule's LIFs; egress is not used for drop.
struct RulePlace {
  uint32_t ingress_ifindex = 0;
  uint32_t egress_ifindex = 0;
};

// Names the filter of `rule`, for GET and DEL.
netlink::FilterId FilterIdOf(const FlowRule& rule, uint32_t ingress_ifindex,
                             const TcRuleOptions& options);

// INVALID_ARGUMENT: what CookieOf refuses, slot above kMaxSlot, addresses of two versions, VLAN id
// outside 1..4094, egress VLAN of a rule for untagged packets.
absl::StatusOr<netlink::FlowerFilter> ToFilter(const FlowRule& rule, const RulePlace& place,
                                               const TcRuleOptions& options);

// The last action of a filter, which for a rule of ours says what becomes of the packet: its cookie
// is the rule's, and what it counted is what the rule did. (An action before it counts the same
// packets with the same bytes.) Null: no actions.
const netlink::FilterAction* LastAction(const netlink::FlowerFilter& filter);

// Whether a filter read back is the one that was asked for: id, key, actions with cookies, and
// skip_sw/skip_hw. What only the kernel writes (statistics, in_hw) does not count.
bool KeyEquals(const netlink::FlowerFilter& asked, const netlink::FlowerFilter& read);

// A session rule found in the kernel. It has ifindexes and no LIFs: several LIFs may share a
// netdev, so a LIF cannot be told from the rule.
struct AdoptableRule {
  Slot slot = 0;
  RuleCookie cookie;
  RulePlace place;
  session::FiveTuple tuple;
  std::optional<uint16_t> vlan;
  std::optional<uint16_t> egress_vlan;
  session::Action action = session::Action::kForward;
  OffloadMode mode = OffloadMode::kHardware;
  session::Counters counters;
  absl::Duration age;   // since installation
  absl::Duration idle;  // since the last packet
};

// INVALID_ARGUMENT, saying why, when the filter is not exactly what ToFilter makes for some rule.
absl::StatusOr<AdoptableRule> FromFilter(const netlink::FlowerFilter& filter,
                                         uint16_t priority_base);

// The standing filter that keeps a priority from running empty, which would destroy it. It drops
// UDP from port 0 to port 0 with a source address that no packet may have (and VLAN id 4095 in the
// VLAN priority). It is shaped as a session rule, so it adds no mask to the software look-up, and a
// NIC that refuses the shape refuses it at start.
netlink::FlowerFilter KeepAliveFilter(RuleClass rule_class, uint32_t ifindex,
                                      const TcRuleOptions& options);

}  // namespace offload::datapath
