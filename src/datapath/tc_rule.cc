#include "datapath/tc_rule.h"

#include <linux/if_ether.h>
#include <linux/pkt_cls.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace offload::datapath {
namespace {

using netlink::FilterAction;
using netlink::FilterId;
using netlink::FlowerFilter;
using netlink::FlowerKey;
using netlink::Masked;
using session::FiveTuple;
using session::IpAddress;
using session::IpVersion;

constexpr uint16_t kMaxVlan = 4094;
constexpr uint16_t kReservedVlan = 4095;
// The TCP header's flags FIN, SYN and RST, all off.
constexpr Masked<uint16_t> kNoControlFlags = {0, 0x7};
constexpr Masked<uint32_t> kNoFragment = {0, TCA_FLOWER_KEY_FLAGS_IS_FRAGMENT};
constexpr uint32_t kModeFlags = netlink::kSkipHw | netlink::kSkipSw;

uint32_t FlagsOf(OffloadMode mode) {
  switch (mode) {
    case OffloadMode::kHardware:
      return netlink::kSkipSw;
    case OffloadMode::kSoftware:
      return netlink::kSkipHw;
    case OffloadMode::kAny:
      return 0;
  }
  return 0;
}

OffloadMode ModeOf(uint32_t flags) {
  if (flags & netlink::kSkipSw) return OffloadMode::kHardware;
  if (flags & netlink::kSkipHw) return OffloadMode::kSoftware;
  return OffloadMode::kAny;
}

RuleClass ClassOf(IpVersion version, const std::optional<uint16_t>& vlan) {
  if (vlan) return RuleClass::kVlan;
  return version == IpVersion::kIpv4 ? RuleClass::kIpv4 : RuleClass::kIpv6;
}

FilterId IdOf(RuleClass rule_class, uint32_t ifindex, uint32_t handle, uint16_t priority_base) {
  return {.at = {.ifindex = ifindex},
          .priority = PriorityOf(rule_class, priority_base),
          .protocol = ProtocolOf(rule_class),
          .handle = handle};
}

template <size_t N>
Masked<std::array<uint8_t, N>> Exactly(const IpAddress& address) {
  Masked<std::array<uint8_t, N>> key;
  std::copy_n(address.bytes.begin(), N, key.value.begin());
  key.mask.fill(0xFF);
  return key;
}

FlowerKey KeyOf(const FiveTuple& tuple, const std::optional<uint16_t>& vlan) {
  FlowerKey key;
  key.vlan_id = vlan;
  key.ip_proto = static_cast<uint8_t>(tuple.protocol);
  key.src_port = {tuple.source_port, 0xFFFF};
  key.dst_port = {tuple.destination_port, 0xFFFF};
  key.flags = kNoFragment;
  if (tuple.protocol == session::Protocol::kTcp) key.tcp_flags = kNoControlFlags;
  if (tuple.version() == IpVersion::kIpv4) {
    key.eth_type = ETH_P_IP;
    key.ipv4_src = Exactly<4>(tuple.source);
    key.ipv4_dst = Exactly<4>(tuple.destination);
  } else {
    key.eth_type = ETH_P_IPV6;
    key.ipv6_src = Exactly<16>(tuple.source);
    key.ipv6_dst = Exactly<16>(tuple.destination);
  }
  return key;
}

template <size_t N>
IpAddress AddressOf(const std::optional<Masked<std::array<uint8_t, N>>>& key, IpVersion version) {
  IpAddress address{.version = version};
  if (key) std::copy(key->value.begin(), key->value.end(), address.bytes.begin());
  return address;
}

// What the key says, absent parts as zero: FromFilter compares what ToFilter makes of it.
FiveTuple TupleOf(const FlowerKey& key) {
  FiveTuple tuple;
  if (key.eth_type == ETH_P_IPV6) {
    tuple.source = AddressOf(key.ipv6_src, IpVersion::kIpv6);
    tuple.destination = AddressOf(key.ipv6_dst, IpVersion::kIpv6);
  } else {
    tuple.source = AddressOf(key.ipv4_src, IpVersion::kIpv4);
    tuple.destination = AddressOf(key.ipv4_dst, IpVersion::kIpv4);
  }
  if (key.src_port) tuple.source_port = key.src_port->value;
  if (key.dst_port) tuple.destination_port = key.dst_port->value;
  tuple.protocol = key.ip_proto == static_cast<uint8_t>(session::Protocol::kUdp)
                       ? session::Protocol::kUdp
                       : session::Protocol::kTcp;
  return tuple;
}

FilterAction LastActionOf(session::Action action, uint32_t egress_ifindex,
                          const CookieBytes& cookie) {
  FilterAction result;
  if (action == session::Action::kDrop) {
    result.what = netlink::GactDrop{};
  } else {
    result.what =
        netlink::Mirred{.mode = netlink::Mirred::Mode::kRedirect, .ifindex = egress_ifindex};
  }
  result.cookie.assign(cookie.begin(), cookie.end());
  return result;
}

std::vector<FilterAction> ActionsOf(const FlowRule& rule, uint32_t egress_ifindex,
                                    const CookieBytes& cookie) {
  std::vector<FilterAction> actions;
  if (rule.egress_vlan && rule.action != session::Action::kDrop) {
    actions.push_back({.what = netlink::VlanModify{.id = *rule.egress_vlan}});
  }
  actions.push_back(LastActionOf(rule.action, egress_ifindex, cookie));
  return actions;
}

FlowerFilter MakeFilter(FilterId id, FlowerKey key, std::vector<FilterAction> actions,
                        OffloadMode mode) {
  return {.id = id,
          .key = std::move(key),
          .flags = FlagsOf(mode) | netlink::kVerbose,
          .actions = std::move(actions)};
}

absl::Status CheckVlan(absl::string_view what, const std::optional<uint16_t>& vlan) {
  if (!vlan || (*vlan != 0 && *vlan <= kMaxVlan)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(what, " ", *vlan, ": not 1..", kMaxVlan));
}

absl::Status CheckRule(const FlowRule& rule) {
  if (rule.slot > kMaxSlot) {
    return absl::InvalidArgumentError(absl::StrCat("slot ", rule.slot, ": above ", kMaxSlot));
  }
  if (rule.tuple.source.version != rule.tuple.destination.version) {
    return absl::InvalidArgumentError("source and destination of different IP versions");
  }
  if (rule.egress_vlan && !rule.vlan) {
    return absl::InvalidArgumentError(
        absl::StrCat("egress VLAN id ", *rule.egress_vlan, ": the packets arrive untagged"));
  }
  absl::Status status = CheckVlan("VLAN id", rule.vlan);
  status.Update(CheckVlan("egress VLAN id", rule.egress_vlan));
  return status;
}

std::optional<uint16_t> EgressVlanOf(const FlowerFilter& filter) {
  const auto* vlan = std::get_if<netlink::VlanModify>(&filter.actions.front().what);
  return vlan != nullptr ? std::optional<uint16_t>(vlan->id) : std::nullopt;
}

// The rule that `filter` seems to be; wrong guesses show when it is turned into a filter again.
FlowRule GuessRule(const FlowerFilter& filter, const HandleContent& handle,
                   const RuleCookie& cookie) {
  return {.slot = handle.slot,
          .generation = cookie.generation,
          .direction = cookie.direction,
          .key = cookie.key,
          .tuple = TupleOf(filter.key),
          .vlan = filter.key.vlan_id,
          .egress_vlan = EgressVlanOf(filter),
          .action = std::holds_alternative<netlink::GactDrop>(LastAction(filter)->what)
                        ? session::Action::kDrop
                        : session::Action::kForward,
          .timeout = absl::Seconds(cookie.timeout_seconds)};
}

AdoptableRule Adopt(const FlowRule& rule, const RuleCookie& cookie, const RulePlace& place,
                    const FlowerFilter& filter) {
  AdoptableRule found{.slot = rule.slot,
                      .cookie = cookie,
                      .place = place,
                      .tuple = rule.tuple,
                      .vlan = rule.vlan,
                      .egress_vlan = rule.egress_vlan,
                      .action = rule.action,
                      .mode = ModeOf(filter.flags)};
  const FilterAction& action = *LastAction(filter);
  if (action.stats) found.counters = {action.stats->packets, action.stats->bytes};
  if (action.times) {
    found.age = action.times->install;
    found.idle = action.times->last_use;
  }
  return found;
}

}  // namespace

uint16_t PriorityOf(RuleClass rule_class, uint16_t priority_base) {
  return static_cast<uint16_t>(priority_base + static_cast<uint16_t>(rule_class));
}

uint16_t ProtocolOf(RuleClass rule_class) {
  constexpr std::array<uint16_t, kRuleClasses.size()> kProtocols = {ETH_P_IP, ETH_P_IPV6,
                                                                    ETH_P_8021Q};
  return kProtocols[static_cast<size_t>(rule_class)];
}

FilterId FilterIdOf(const FlowRule& rule, uint32_t ingress_ifindex, const TcRuleOptions& options) {
  return IdOf(ClassOf(rule.tuple.version(), rule.vlan), ingress_ifindex,
              HandleOf(rule.slot, rule.direction), options.priority_base);
}

absl::StatusOr<FlowerFilter> ToFilter(const FlowRule& rule, const RulePlace& place,
                                      const TcRuleOptions& options) {
  if (absl::Status status = CheckRule(rule); !status.ok()) return status;
  const absl::StatusOr<RuleCookie> cookie = CookieOf(rule);
  if (!cookie.ok()) return cookie.status();
  return MakeFilter(FilterIdOf(rule, place.ingress_ifindex, options), KeyOf(rule.tuple, rule.vlan),
                    ActionsOf(rule, place.egress_ifindex, EncodeCookie(*cookie)), options.mode);
}

const FilterAction* LastAction(const FlowerFilter& filter) {
  return filter.actions.empty() ? nullptr : &filter.actions.back();
}

bool KeyEquals(const FlowerFilter& asked, const FlowerFilter& read) {
  const auto same_action = [](const FilterAction& a, const FilterAction& b) {
    return a.what.index() == b.what.index() && a.what == b.what && a.cookie == b.cookie;
  };
  return asked.id == read.id && asked.key == read.key && asked.kind == read.kind &&
         (asked.flags & kModeFlags) == (read.flags & kModeFlags) &&
         std::equal(asked.actions.begin(), asked.actions.end(), read.actions.begin(),
                    read.actions.end(), same_action);
}

absl::StatusOr<AdoptableRule> FromFilter(const FlowerFilter& filter, uint16_t priority_base) {
  const std::optional<HandleContent> handle = ParseHandle(filter.id.handle);
  const FilterAction* action = LastAction(filter);
  if (!handle || action == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(
        "handle ", filter.id.handle, " with ", filter.actions.size(), " actions: no session rule"));
  }
  const absl::StatusOr<RuleCookie> cookie = DecodeCookie(action->cookie);
  if (!cookie.ok()) return cookie.status();
  if (cookie->direction != handle->direction) {
    return absl::InvalidArgumentError("handle and cookie name different directions");
  }
  RulePlace place{.ingress_ifindex = filter.id.at.ifindex};
  if (const auto* mirred = std::get_if<netlink::Mirred>(&action->what)) {
    place.egress_ifindex = mirred->ifindex;
  }
  const FlowRule rule = GuessRule(filter, *handle, *cookie);
  const absl::StatusOr<FlowerFilter> expected =
      ToFilter(rule, place, {.mode = ModeOf(filter.flags), .priority_base = priority_base});
  if (!expected.ok()) return expected.status();
  if (!KeyEquals(*expected, filter)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "handle ", filter.id.handle, ": not the filter of a session rule ", rule.tuple.ToString()));
  }
  return Adopt(rule, *cookie, place, filter);
}

FlowerFilter KeepAliveFilter(RuleClass rule_class, uint32_t ifindex, const TcRuleOptions& options) {
  FiveTuple never{.protocol = session::Protocol::kUdp};
  if (rule_class == RuleClass::kIpv6) {
    never.source.version = IpVersion::kIpv6;
    never.source.bytes.fill(0xFF);
  } else {
    std::fill_n(never.source.bytes.begin(), 4, 0xFF);
  }
  never.destination = never.source;
  std::optional<uint16_t> vlan;
  if (rule_class == RuleClass::kVlan) vlan = kReservedVlan;
  return MakeFilter(IdOf(rule_class, ifindex, kKeepAliveHandle, options.priority_base),
                    KeyOf(never, vlan), {LastActionOf(session::Action::kDrop, 0, StandingCookie())},
                    options.mode);
}

}  // namespace offload::datapath
