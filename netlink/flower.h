// A TC filter of kind flower as a value, and its way to bytes and back.
//
// Sources: include/uapi/linux/{rtnetlink,pkt_cls,pkt_sched}.h, net/sched/cls_flower.c and cls_api.c
// of Linux 6.1. Pure: no socket, no clock, no log. Ports, VLAN ids, ethertypes and flags here are
// host order; the codec turns them. Addresses are bytes in network order.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

namespace offload::netlink {

// TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS): right for qdisc kinds clsact and ingress.
inline constexpr uint32_t kClsactIngress = 0xFFFFFFF2;

// Where filters hang: {ifindex, parent} of a netdev, or a shared block.
struct AttachmentPoint {
  uint32_t ifindex = 0;
  uint32_t parent = kClsactIngress;
  std::optional<uint32_t> block;  // set: ifindex and parent are not used
  friend bool operator==(const AttachmentPoint&, const AttachmentPoint&) = default;
};

// Names one filter; GET and DEL need all of it (tc_get_tfilter, tc_del_tfilter).
struct FilterId {
  AttachmentPoint at;
  uint32_t chain = 0;
  uint16_t priority = 0;  // the field says "prio" or "pref"
  uint16_t protocol = 0;  // ETH_P_*: 0x0800, 0x86DD, 0x8100 for VLAN filters, 0x0003 for all
  uint32_t handle = 0;    // 0 = all of the priority (DEL), kernel picks (NEW)
  friend bool operator==(const FilterId&, const FilterId&) = default;
};

// A value and which of its bits count. Written together so that no key goes without its mask.
template <typename T>
struct Masked {
  T value{};
  T mask{};
  friend bool operator==(const Masked&, const Masked&) = default;
};

using Ipv4Bytes = std::array<uint8_t, 4>;
using Ipv6Bytes = std::array<uint8_t, 16>;

// What the filter matches; absent members are wildcards. The encoder refuses (INVALID_ARGUMENT)
// what flower would silently ignore: ports without ip_proto, IP keys without eth_type, no eth_type
// unless the filter's protocol is ETH_P_ALL (an empty key then matches every packet), both IP
// versions, an empty mask, bits outside a mask or that flower does not know.
struct FlowerKey {
  // Ethertype of the IP header: 0x0800 or 0x86DD, also for VLAN filters (where it goes to
  // TCA_FLOWER_KEY_VLAN_ETH_TYPE and 0x8100 to TCA_FLOWER_KEY_ETH_TYPE). A decoded VLAN filter has
  // it from the same place: the kernel dumps the inner type as KEY_ETH_TYPE.
  std::optional<uint16_t> eth_type;
  std::optional<uint16_t> vlan_id;  // 0..4095; present = 802.1Q filter
  std::optional<uint8_t> vlan_prio;
  std::optional<uint8_t> ip_proto;
  std::optional<Masked<Ipv4Bytes>> ipv4_src, ipv4_dst;
  std::optional<Masked<Ipv6Bytes>> ipv6_src, ipv6_dst;
  std::optional<Masked<uint16_t>> src_port, dst_port;  // of TCP or UDP, as ip_proto says
  std::optional<Masked<uint16_t>> tcp_flags;           // 12 bits; "no SYN, FIN, RST" = {0, 0x7}
  // TCA_FLOWER_KEY_FLAGS; bit 0 TCA_FLOWER_KEY_FLAGS_IS_FRAGMENT; "nofrag" = {0, 1}
  std::optional<Masked<uint32_t>> flags;
  // Decoded only: the filter matches on something that has no member here, so it is narrower than
  // this key says.
  bool other_keys = false;
  friend bool operator==(const FlowerKey&, const FlowerKey&) = default;
};

// Statistics of one action: basic counts software and hardware, hw only what hardware counted.
struct ActionStats {
  uint64_t packets = 0;
  uint64_t bytes = 0;
  uint64_t hw_packets = 0;
  uint64_t hw_bytes = 0;
  uint64_t drops = 0;
  friend bool operator==(const ActionStats&, const ActionStats&) = default;
};

// struct tcf_t: ages, resolution USER_HZ (10 ms). last_use starts at installation.
struct ActionTimes {
  absl::Duration install;
  absl::Duration last_use;
  friend bool operator==(const ActionTimes&, const ActionTimes&) = default;
};

struct Mirred {
  enum class Mode : uint8_t { kRedirect, kMirror };  // to the egress of `ifindex`
  Mode mode = Mode::kRedirect;
  uint32_t ifindex = 0;
  friend bool operator==(const Mirred&, const Mirred&) = default;
};
struct GactDrop {
  friend bool operator==(const GactDrop&, const GactDrop&) = default;
};
// Gives 802.1Q packets another VLAN id and goes on with the next action; what has no tag passes as
// it is (net/sched/act_vlan.c).
struct VlanModify {
  uint16_t id = 0;              // 0..4094
  std::optional<uint8_t> prio;  // 0..7; none: the packet's own stays, which is what mlx5 can do
  friend bool operator==(const VlanModify&, const VlanModify&) = default;
};
// An action of somebody else that we do not decode further (or a terse dump, which has no options).
struct OtherAction {
  std::string kind;
  friend bool operator==(const OtherAction&, const OtherAction&) = default;
};

inline constexpr size_t kMaxCookie = 16;  // TC_COOKIE_MAX_SIZE

struct FilterAction {
  std::variant<Mirred, GactDrop, VlanModify, OtherAction> what;
  std::vector<uint8_t> cookie;  // at most kMaxCookie bytes; empty = none
  bool no_percpu_stats = true;  // TCA_ACT_FLAGS_NO_PERCPU_STATS
  // Decoded only:
  std::optional<ActionStats> stats;
  std::optional<ActionTimes> times;  // not in terse dumps
};

// TCA_CLS_FLAGS_*
inline constexpr uint32_t kSkipHw = 1;
inline constexpr uint32_t kSkipSw = 2;
inline constexpr uint32_t kInHw = 4;      // decoded only
inline constexpr uint32_t kNotInHw = 8;   // decoded only
inline constexpr uint32_t kVerbose = 16;  // extended ack also without skip_sw

struct FlowerFilter {
  FilterId id;
  FlowerKey key;
  uint32_t flags = 0;
  std::vector<FilterAction> actions;
  // Decoded only:
  std::string kind = "flower";  // other kinds are decoded with id and kind alone
  bool has_options = true;      // false: the handle-0 header of a priority in a dump
  std::optional<uint32_t> in_hw_count;
};

}  // namespace offload::netlink
