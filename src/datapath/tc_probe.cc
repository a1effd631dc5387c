#include "datapath/tc_probe.h"

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "datapath/tc_identity.h"
#include "netlink/kernel_error.h"

namespace offload::datapath {
namespace {

using netlink::FilterReply;
using netlink::FilterRequest;
using netlink::FilterSocket;
using netlink::FlowerFilter;
using Op = FilterRequest::Op;

// Delete until it is confirmed: an answer may get lost.
constexpr int kRemovalRounds = 4;
constexpr uint16_t kReservedVlan = 4095;
constexpr uint16_t kAnyVlan = 1;

std::vector<FilterReply> Execute(FilterSocket& socket, Op op,
                                 const std::vector<FlowerFilter>& filters) {
  std::vector<FilterRequest> requests;
  requests.reserve(filters.size());
  for (const FlowerFilter& filter : filters) requests.push_back({.op = op, .filter = filter});
  std::vector<FilterReply> replies(requests.size());
  if (!requests.empty()) socket.Execute(requests, absl::MakeSpan(replies));
  return replies;
}

bool MayBeThere(const absl::Status& add) { return add.ok() || absl::IsUnknown(add); }

bool IsGone(const absl::Status& removal) {
  return removal.ok() || absl::IsNotFound(removal) || netlink::ErrnoOf(removal) == EINVAL;
}

absl::Status Remove(FilterSocket& socket, std::vector<FlowerFilter> filters) {
  absl::Status status;
  for (int round = 0; round < kRemovalRounds && !filters.empty(); ++round) {
    const std::vector<FilterReply> replies = Execute(socket, Op::kDelete, filters);
    std::vector<FlowerFilter> left;
    for (size_t i = 0; i < replies.size(); ++i) {
      if (IsGone(replies[i].status)) continue;
      status = replies[i].status;
      left.push_back(std::move(filters[i]));
    }
    filters = std::move(left);
  }
  if (filters.empty()) return absl::OkStatus();
  return netlink::WithPrefix(status,
                             absl::StrCat("a probe rule at priority ", filters.front().id.priority,
                                          " cannot be removed: "));
}

ProbeAnswer RefusalOf(const absl::Status& add) {
  Verdict verdict = Verdict::kRefused;
  if (absl::IsUnimplemented(add)) verdict = Verdict::kUnsupported;
  if (absl::IsResourceExhausted(add) || absl::IsUnavailable(add) || absl::IsUnknown(add) ||
      absl::IsNotFound(add)) {
    verdict = Verdict::kUnknown;
  }
  return {.verdict = verdict, .reason = add};
}

ProbeAnswer Judge(const FlowerFilter& asked, const FilterReply& reading, OffloadMode mode) {
  if (!reading.status.ok() || !reading.filter) {
    return {.reason = netlink::WithPrefix(reading.status, "reading it back: ")};
  }
  const std::string differences = Differences(asked, *reading.filter);
  if (!differences.empty()) {
    return {.verdict = Verdict::kUnsupported,
            .reason = absl::UnimplementedError(
                absl::StrCat("accepted, but it reads back with another ", differences))};
  }
  const bool in_hw = (reading.filter->flags & netlink::kInHw) != 0;
  if (mode == OffloadMode::kHardware && !in_hw) {
    return {.verdict = Verdict::kUnsupported,
            .reason = absl::UnimplementedError("accepted, but it is not in the NIC")};
  }
  return {.verdict = Verdict::kSupported, .in_hw = in_hw};
}

// Positions of the rules to probe; at most kProbeHandles.
using Positions = absl::Span<const size_t>;

absl::Status ProbeBatch(FilterSocket& socket, uint32_t ifindex, const TcRuleOptions& options,
                        absl::Span<const ProbeRule> rules, Positions positions,
                        absl::Span<ProbeAnswer> answers) {
  std::vector<FlowerFilter> filters;
  for (size_t i = 0; i < positions.size(); ++i) {
    filters.push_back(ProbeFilter(rules[positions[i]], i, ifindex, options));
  }
  const std::vector<FilterReply> adds = Execute(socket, Op::kAdd, filters);
  std::vector<FlowerFilter> accepted, remains;
  std::vector<size_t> accepted_positions;
  for (size_t i = 0; i < adds.size(); ++i) {
    if (MayBeThere(adds[i].status)) remains.push_back(filters[i]);
    if (!adds[i].status.ok()) {
      answers[positions[i]] = RefusalOf(adds[i].status);
      continue;
    }
    accepted.push_back(std::move(filters[i]));
    accepted_positions.push_back(positions[i]);
  }
  const std::vector<FilterReply> readings = Execute(socket, Op::kGet, accepted);
  absl::Status removed = Remove(socket, std::move(remains));
  for (size_t i = 0; i < readings.size(); ++i) {
    answers[accepted_positions[i]] = Judge(accepted[i], readings[i], options.mode);
  }
  return removed;
}

}  // namespace

FlowerFilter ProbeFilter(const ProbeRule& rule, size_t position, uint32_t ifindex,
                         const TcRuleOptions& options) {
  session::IpAddress never{.version = rule.shape.version};
  const size_t length = rule.shape.version == session::IpVersion::kIpv6 ? 16 : 4;
  std::fill_n(never.bytes.begin(), length, 0xFF);
  FlowRule model{.tuple = {.source = never,
                           .destination = never,
                           .source_port = 0,
                           .destination_port = static_cast<uint16_t>(position + 1),
                           .protocol = rule.shape.protocol},
                 .action = rule.shape.action};
  const bool tagged = rule.shape.vlan != TcVlan::kNone;
  if (tagged) model.vlan = kAnyVlan;
  if (rule.shape.vlan == TcVlan::kRewrite) model.egress_vlan = kAnyVlan + 1;
  FlowerFilter filter = *ToFilter(
      model, {.ingress_ifindex = ifindex, .egress_ifindex = rule.egress_ifindex}, options);
  filter.id.handle = kFirstProbeHandle + static_cast<uint32_t>(position);
  if (tagged) filter.key.vlan_id = kReservedVlan;
  const CookieBytes cookie = StandingCookie();
  filter.actions.back().cookie.assign(cookie.begin(), cookie.end());
  return filter;
}

std::string Differences(const FlowerFilter& asked, const FlowerFilter& read) {
  const netlink::FlowerKey &a = asked.key, &b = read.key;
  const std::pair<const char*, bool> parts[] = {
      {"eth_type", a.eth_type == b.eth_type},
      {"vlan_id", a.vlan_id == b.vlan_id && a.vlan_prio == b.vlan_prio},
      {"ip_proto", a.ip_proto == b.ip_proto},
      {"src_ip", a.ipv4_src == b.ipv4_src && a.ipv6_src == b.ipv6_src},
      {"dst_ip", a.ipv4_dst == b.ipv4_dst && a.ipv6_dst == b.ipv6_dst},
      {"src_port", a.src_port == b.src_port},
      {"dst_port", a.dst_port == b.dst_port},
      {"tcp_flags", a.tcp_flags == b.tcp_flags},
      {"ip_flags", a.flags == b.flags},
  };
  std::vector<std::string> different;
  for (const auto& [name, same] : parts) {
    if (!same) different.emplace_back(name);
  }
  // What is left is no key: the action, skip_sw, or something that flower added.
  if (different.empty() && !KeyEquals(asked, read)) different.emplace_back("action");
  return absl::StrJoin(different, ", ");
}

absl::Status ProbeNetdev(FilterSocket& socket, uint32_t ifindex, const TcRuleOptions& options,
                         absl::Span<const ProbeRule> rules, absl::Span<ProbeAnswer> answers) {
  std::vector<size_t> positions(rules.size());
  for (size_t i = 0; i < positions.size(); ++i) positions[i] = i;
  for (Positions left = positions; !left.empty();) {
    const Positions batch = left.first(std::min<size_t>(kProbeHandles, left.size()));
    absl::Status status = ProbeBatch(socket, ifindex, options, rules, batch, answers);
    if (!status.ok()) return status;
    left.remove_prefix(batch.size());
  }
  for (const size_t position : positions) {
    if (answers[position].verdict != Verdict::kUnknown) continue;
    absl::Status status =
        ProbeBatch(socket, ifindex, options, rules, Positions(&position, 1), answers);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace offload::datapath
