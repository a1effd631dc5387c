#include "datapath/tc_standing_rules.h"

#include <linux/if_ether.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "datapath/tc_identity.h"
#include "netlink/kernel_error.h"
#include "spdlog/spdlog.h"

namespace offload::datapath {
namespace {

using netlink::FilterReply;
using netlink::FilterRequest;
using netlink::FlowerFilter;
using Change = StandingOutcome::Change;
using State = StandingFound::State;

// A dump that the kernel marks inconsistent is repeated.
constexpr int kRounds = 4;

}  // namespace

absl::StatusOr<std::unique_ptr<StandingRules>> StandingRules::Install(
    const StandingOptions& options, TcKernel& kernel, netlink::Links& links,
    std::vector<TrackedNetdev>& netdevs, absl::Span<const std::string> default_paths,
    SweepLog& log) {
  absl::StatusOr<std::unique_ptr<netlink::FilterSocket>> socket = kernel.OpenFilterSocket();
  if (!socket.ok()) return socket.status();
  std::unique_ptr<StandingRules> rules(new StandingRules(options, *std::move(socket)));
  const size_t lifs = netdevs.size();
  for (const TrackedNetdev& netdev : netdevs) {
    rules->netdevs_.push_back(
        {.name = netdev.name, .ifindex = netdev.link.ifindex, .is_lif = true});
  }
  for (size_t i = 0; i < lifs; ++i) {
    rules->SeeKeepAlives(rules->netdevs_[i]);
    if (default_paths[i].empty()) continue;
    absl::Status status = rules->AddRepresentor(i, default_paths[i], links, netdevs, log);
    if (!status.ok()) {
      return netlink::WithPrefix(status, absl::StrCat(netdevs[i].name, ": default path: "));
    }
  }
  for (size_t i = 0; i < rules->netdevs_.size(); ++i) {
    if (!rules->netdevs_[i].peer) continue;
    if (absl::Status status = rules->InstallDefaultPath(i, log); !status.ok()) {
      return netlink::WithPrefix(status, absl::StrCat(netdevs[i].name, ": default path: "));
    }
  }
  if (absl::Status status = rules->RemoveStale(links, log); !status.ok()) return status;
  rules->Count();
  return rules;
}

absl::Status StandingRules::AddRepresentor(size_t lif, const std::string& name,
                                           netlink::Links& links,
                                           std::vector<TrackedNetdev>& netdevs, SweepLog& log) {
  const absl::StatusOr<netlink::Link> link = links.ByName(name);
  if (absl::IsNotFound(link.status())) {
    return absl::FailedPreconditionError(absl::StrCat("netdev ", name, " does not exist"));
  }
  if (!link.ok()) return link.status();
  for (const Netdev& other : netdevs_) {
    if (other.ifindex != link->ifindex) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("netdev ", name, other.is_lif ? " is that of a LIF, " : " is already that of ",
                     other.is_lif ? other.name : netdevs_[*other.peer].name));
  }
  if (auto clsact = links.EnsureClsact(link->ifindex); !clsact.ok()) {
    return netlink::WithPrefix(clsact.status(), absl::StrCat(name, ": "));
  }
  // It may have been a LIF's netdev once.
  const SweepTarget target{
      .netdev = name, .ifindex = link->ifindex, .options = options_.rules, .takes_sessions = false};
  if (absl::Status status = SweepPort(*socket_, target, log); !status.ok()) return status;
  netdevs_[lif].peer = netdevs_.size();
  netdevs_.push_back({.name = name, .ifindex = link->ifindex, .is_lif = false, .peer = lif});
  netdevs.push_back({.name = name, .link = *link});
  return absl::OkStatus();
}

absl::Status StandingRules::InstallDefaultPath(size_t index, SweepLog& log) {
  Netdev& netdev = netdevs_[index];
  if (absl::Status status = CheckPriority(netdev, log); !status.ok()) return status;
  const Wanted wanted = DefaultPathOf(netdev);
  const absl::StatusOr<StandingOutcome> outcome = EnsureStanding(*socket_, wanted.filter);
  if (!outcome.ok()) return outcome.status();
  if (outcome->change == Change::kReplaced) {
    log.Note(absl::StrCat(netdev.name, ": replaced the default path of an earlier configuration"));
  }
  if (options_.rules.mode == OffloadMode::kHardware && !outcome->in_hw) {
    log.Note(absl::StrCat(netdev.name, ": the NIC does not take the ", wanted.what,
                          ": it is in the kernel only, where each such packet costs CPU time"));
  }
  NoteHardware(netdev, outcome->in_hw);
  return absl::OkStatus();
}

// What others have at the default path's priority: a priority takes one kind and one protocol.
absl::Status StandingRules::CheckPriority(const Netdev& netdev, SweepLog& log) {
  const auto filters = Dump(
      {.at = {.ifindex = netdev.ifindex}, .chain = 0, .priority = options_.default_path_priority});
  if (!filters.ok()) return netlink::WithPrefix(filters.status(), "reading filters: ");
  const FlowerFilter* obstacle = nullptr;
  for (const FlowerFilter& filter : *filters) {
    if (IsStandingCookie(CookieIn(filter))) continue;
    const bool header = !filter.has_options && filter.id.handle == 0;
    const bool usable = filter.kind == "flower" && filter.id.protocol == ETH_P_ALL;
    if (!usable || (!header && filter.id.handle == kDefaultPathHandle)) {
      obstacle = &filter;  // rather the filter than the header of its priority, which comes first
    } else if (!header) {
      log.Note(absl::StrCat(netdev.name, ": left alone a foreign ", Describe(filter)));
    }
  }
  if (obstacle == nullptr) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(Describe(*obstacle), " is not ours and in the way; remove it or choose another ",
                   "default path priority than ", options_.default_path_priority));
}

// Any netdev may have been a LIF's or a representor once. Nothing but filters of protocol all is
// read, which others have few of.
absl::Status StandingRules::RemoveStale(netlink::Links& links, SweepLog& log) {
  const absl::StatusOr<std::vector<netlink::Link>> all = links.All();
  if (!all.ok()) return all.status();
  for (const netlink::Link& link : *all) {
    absl::Status status = RemoveStaleFrom(link, log);
    const bool ours = std::any_of(netdevs_.begin(), netdevs_.end(), [&](const Netdev& netdev) {
      return netdev.ifindex == link.ifindex;
    });
    if (status.ok()) continue;
    status = netlink::WithPrefix(
        status, absl::StrCat(link.name, ": looking for default paths of an earlier start: "));
    if (ours) return status;
    log.Note(std::string(status.message()));
  }
  return absl::OkStatus();
}

absl::Status StandingRules::RemoveStaleFrom(const netlink::Link& link, SweepLog& log) {
  const netlink::AttachmentPoint at{.ifindex = link.ifindex};
  const auto filters = Dump({.at = at, .chain = 0, .protocol = ETH_P_ALL});
  if (!filters.ok()) return filters.status();
  for (const FlowerFilter& filter : *filters) {
    const bool default_path =
        IsStandingCookie(CookieIn(filter)) && filter.id.handle == kDefaultPathHandle;
    if (!default_path || filter.id.at != at || IsDefaultPathOf(link.ifindex, filter)) continue;
    const FilterRequest request{.op = FilterRequest::Op::kDelete, .filter = {.id = filter.id}};
    FilterReply reply;
    socket_->Execute(absl::MakeConstSpan(&request, 1), absl::MakeSpan(&reply, 1));
    if (!reply.status.ok() && !absl::IsNotFound(reply.status)) return reply.status;
    log.Note(absl::StrCat(link.name, ": removed the default path of an earlier configuration at ",
                          "priority ", filter.id.priority));
  }
  return absl::OkStatus();
}

bool StandingRules::IsDefaultPathOf(uint32_t ifindex, const FlowerFilter& filter) const {
  return std::any_of(netdevs_.begin(), netdevs_.end(), [&](const Netdev& netdev) {
    return netdev.ifindex == ifindex && netdev.peer &&
           filter.id.priority == options_.default_path_priority;
  });
}

absl::StatusOr<std::vector<FlowerFilter>> StandingRules::Dump(const netlink::DumpRequest& request) {
  absl::Status status = absl::AbortedError("not read");
  for (int round = 0; round < kRounds && absl::IsAborted(status); ++round) {
    std::vector<FlowerFilter> filters;
    status = socket_->Dump(request, [&](const FlowerFilter& filter) { filters.push_back(filter); });
    if (status.ok()) return filters;
  }
  return status;
}

void StandingRules::SetIfindex(size_t index, uint32_t ifindex) {
  Netdev& netdev = netdevs_[index];
  netdev.ifindex = ifindex;
  if (ifindex != 0 && netdev.is_lif) SeeKeepAlives(netdev);
}

StandingRules::Wanted StandingRules::DefaultPathOf(const Netdev& netdev) const {
  const Netdev& peer = netdevs_[*netdev.peer];
  return {.filter =
              DefaultPathFilter({.ingress_ifindex = netdev.ifindex, .egress_ifindex = peer.ifindex},
                                options_.default_path_priority, options_.rules.mode),
          .what = absl::StrCat("default path to ", peer.name)};
}

StandingRules::Wanted StandingRules::KeepAliveOf(const Netdev& netdev, RuleClass rule_class) const {
  return {.filter = KeepAliveFilter(rule_class, netdev.ifindex, options_.rules),
          .what = absl::StrCat("keep-alive at priority ",
                               PriorityOf(rule_class, options_.rules.priority_base))};
}

void StandingRules::SeeKeepAlives(Netdev& netdev) {
  for (const RuleClass rule_class : kRuleClasses) {
    const auto found = ReadStanding(*socket_, KeepAliveOf(netdev, rule_class).filter);
    const bool there = found.ok() && found->state == State::kRight;
    netdev.has_keep_alive[static_cast<size_t>(rule_class)] |= there;
  }
}

std::vector<size_t> StandingRules::Audit(netlink::Links& links) {
  std::vector<size_t> emptied;
  for (size_t i = 0; i < netdevs_.size(); ++i) {
    Netdev& netdev = netdevs_[i];
    if (netdev.ifindex == 0) continue;
    // First: until it is there, packets go where they should not.
    if (netdev.peer && netdevs_[*netdev.peer].ifindex != 0) {
      AuditRule(netdev, DefaultPathOf(netdev), links);
    }
    if (netdev.is_lif && AuditKeepAlives(netdev, links)) emptied.push_back(i);
  }
  Count();
  return emptied;
}

bool StandingRules::AuditKeepAlives(Netdev& netdev, netlink::Links& links) {
  size_t expected = 0, missing = 0;
  for (const RuleClass rule_class : kRuleClasses) {
    if (!netdev.has_keep_alive[static_cast<size_t>(rule_class)]) continue;
    ++expected;
    missing += AuditRule(netdev, KeepAliveOf(netdev, rule_class), links);
  }
  return expected > 0 && missing == expected;
}

bool StandingRules::AuditRule(Netdev& netdev, const Wanted& wanted, netlink::Links& links) {
  const absl::StatusOr<StandingFound> found = ReadStanding(*socket_, wanted.filter);
  if (found.ok() && found->state == State::kRight) {
    failures_.erase({netdev.name, wanted.what});
    if (wanted.filter.id.handle == kDefaultPathHandle) NoteHardware(netdev, found->in_hw);
    return false;
  }
  const absl::Status status = found.ok() ? PutBack(netdev, wanted, links) : found.status();
  // ENODEV: the netdev, or that of the target, went and its event is still to come.
  if (absl::IsNotFound(status)) return false;
  if (!status.ok()) TellOnce(netdev, wanted, status);
  return found.ok() && found->state == State::kMissing;
}

absl::Status StandingRules::PutBack(Netdev& netdev, const Wanted& wanted, netlink::Links& links) {
  if (auto clsact = links.EnsureClsact(netdev.ifindex); !clsact.ok()) return clsact.status();
  const absl::StatusOr<StandingOutcome> outcome = EnsureStanding(*socket_, wanted.filter);
  if (!outcome.ok()) return outcome.status();
  if (outcome->change == Change::kNone) return absl::OkStatus();
  const bool replaced = outcome->change == Change::kReplaced;
  spdlog::warn("{}: {} was {}", netdev.name, wanted.what,
               replaced ? "not as it should be, replaced" : "missing, put back");
  if (wanted.filter.id.handle == kDefaultPathHandle) NoteHardware(netdev, outcome->in_hw);
  repairs_.fetch_add(1, std::memory_order_relaxed);
  return absl::OkStatus();
}

void StandingRules::NoteHardware(Netdev& netdev, bool in_hw) { netdev.default_in_hw |= in_hw; }

void StandingRules::TellOnce(const Netdev& netdev, const Wanted& wanted,
                             const absl::Status& status) {
  Failure& last = failures_[{netdev.name, wanted.what}];
  if (last.reason != status.message()) last = {.reason = std::string(status.message())};
  if (++last.times != 2) return;
  spdlog::error("{}: {} cannot be put back: {}", netdev.name, wanted.what, last.reason);
}

void StandingRules::Count() {
  uint32_t entries = 0;
  for (const Netdev& netdev : netdevs_) {
    entries += static_cast<uint32_t>(
        std::count(netdev.has_keep_alive.begin(), netdev.has_keep_alive.end(), true));
    const bool in_table = options_.rules.mode != OffloadMode::kHardware || netdev.default_in_hw;
    if (netdev.peer && in_table) ++entries;
  }
  entries_.store(entries, std::memory_order_relaxed);
}

}  // namespace offload::datapath
