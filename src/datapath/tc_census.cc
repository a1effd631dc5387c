#include "datapath/tc_census.h"

#include <linux/if_ether.h>

#include <algorithm>
#include <tuple>
#include <utility>
#include <variant>

#include "datapath/tc_identity.h"

namespace offload::datapath {
namespace {

using netlink::FilterAction;
using netlink::FlowerFilter;

constexpr int kRounds = 4;  // of a dump that the kernel marks inconsistent
constexpr uint16_t kLastSought = 255;
// tcf_auto_prio (net/sched/cls_api.c) begins there and goes down.
constexpr uint16_t kFirstChosen = 49152, kChosen = 16;

bool IsSessionPriority(uint16_t priority, uint16_t base) {
  return priority >= base && priority < base + kRuleClasses.size();
}

bool HasCookie(const FlowerFilter& filter, bool (*accepts)(absl::Span<const uint8_t>)) {
  return std::any_of(filter.actions.begin(), filter.actions.end(),
                     [&](const FilterAction& action) { return accepts(action.cookie); });
}

bool IsSession(absl::Span<const uint8_t> cookie) { return DecodeCookie(cookie).ok(); }

bool CatchesAll(const FlowerFilter& filter) {
  netlink::FlowerKey key = filter.key;
  key.eth_type.reset();  // the protocol once more
  const bool moves =
      std::any_of(filter.actions.begin(), filter.actions.end(), [](const FilterAction& action) {
        return std::holds_alternative<netlink::Mirred>(action.what);
      });
  return filter.kind == "flower" && filter.has_options && moves && key == netlink::FlowerKey{};
}

// By priority and protocol, so that no filter is in two of them.
std::vector<netlink::DumpRequest> Requests(uint32_t ifindex, const CensusOptions& options) {
  const netlink::DumpRequest all{.at = {.ifindex = ifindex}, .chain = 0};
  std::vector<netlink::DumpRequest> requests;
  const auto add = [&](uint16_t priority) {
    requests.push_back(all);
    requests.back().priority = priority;
  };
  for (uint16_t priority = 1; priority <= kLastSought; ++priority) {
    const bool sessions = IsSessionPriority(priority, options.priority_base);
    if (!sessions || options.session_priorities) add(priority);
  }
  for (uint16_t i = 0; i < kChosen; ++i) add(kFirstChosen - i);
  requests.push_back(all);
  requests.back().protocol = ETH_P_ALL;
  return requests;
}

bool IsOfItsOwnRequest(uint16_t priority) {
  return priority <= kLastSought || (priority <= kFirstChosen && priority > kFirstChosen - kChosen);
}

absl::Status Dump(netlink::FilterSocket& socket, const netlink::DumpRequest& request,
                  FilterCensus& census) {
  const FilterCensus before = census;
  absl::Status status = absl::AbortedError("not read");
  for (int round = 0; round < kRounds && absl::IsAborted(status); ++round) {
    census = before;
    status = socket.Dump(request, [&](const FlowerFilter& filter) {
      const bool twice = request.protocol != 0 && IsOfItsOwnRequest(filter.id.priority);
      if (!twice) census.See(filter);
    });
  }
  return status;
}

}  // namespace

std::string ObstacleOf(const FlowerFilter& filter, uint16_t priority_base, uint32_t last_handle) {
  for (const RuleClass rule_class : kRuleClasses) {
    if (PriorityOf(rule_class, priority_base) != filter.id.priority) continue;
    if (filter.kind != "flower" || filter.id.protocol != ProtocolOf(rule_class)) {
      return "that priority is ours";
    }
    const bool our_handle =
        filter.id.handle <= last_handle || filter.id.handle >= kFirstReservedHandle;
    return our_handle && !IsHeader(filter) ? "that handle is ours" : "";
  }
  return "";
}

void FilterCensus::See(const FlowerFilter& filter) {
  if (HasCookie(filter, IsSession)) return;
  const bool ours = HasCookie(filter, IsStandingCookie);
  const bool catch_all = CatchesAll(filter);
  if (ours && !catch_all) return;
  const std::string obstacle =
      ours ? "" : ObstacleOf(filter, options_.priority_base, options_.last_handle);
  if (IsHeader(filter) && obstacle.empty()) return;
  const netlink::FilterId& id = filter.id;
  auto group = std::find_if(groups_.begin(), groups_.end(), [&](const FilterGroup& candidate) {
    return candidate.priority == id.priority && candidate.protocol == id.protocol &&
           candidate.kind == filter.kind && candidate.ours == ours;
  });
  if (group == groups_.end()) {
    group = groups_.insert(
        group,
        {.priority = id.priority, .protocol = id.protocol, .kind = filter.kind, .ours = ours});
  }
  if (!IsHeader(filter)) ++group->count;
  group->catch_all |= catch_all;
  if (group->obstacle.empty()) group->obstacle = obstacle;
}

std::vector<FilterGroup> FilterCensus::Take() {
  std::sort(groups_.begin(), groups_.end(), [](const FilterGroup& a, const FilterGroup& b) {
    return std::tie(a.priority, a.protocol, a.kind, a.ours) <
           std::tie(b.priority, b.protocol, b.kind, b.ours);
  });
  return std::move(groups_);
}

absl::StatusOr<std::vector<FilterGroup>> TakeCensus(netlink::FilterSocket& socket, uint32_t ifindex,
                                                    const CensusOptions& options) {
  FilterCensus census(options);
  for (const netlink::DumpRequest& request : Requests(ifindex, options)) {
    if (absl::Status status = Dump(socket, request, census); !status.ok()) return status;
  }
  return census.Take();
}

}  // namespace offload::datapath
