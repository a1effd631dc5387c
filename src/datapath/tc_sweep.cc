#include "datapath/tc_sweep.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "datapath/tc_census.h"
#include "datapath/tc_identity.h"
#include "datapath/tc_standing.h"
#include "netlink/kernel_error.h"

namespace offload::datapath {
namespace {

using netlink::FilterReply;
using netlink::FilterRequest;
using netlink::FilterSocket;
using netlink::FlowerFilter;

// Dump and delete until a dump shows none of ours: an answer may get lost.
constexpr int kRounds = 4;

// None for a priority where no sessions are.
std::optional<RuleClass> ClassAt(uint16_t priority, const SweepTarget& target) {
  for (const RuleClass rule_class : kRuleClasses) {
    if (!target.takes_sessions) break;
    if (PriorityOf(rule_class, target.options.priority_base) == priority) return rule_class;
  }
  return std::nullopt;
}

// One dump: what is ours, and what is in the way.
class Inventory {
 public:
  explicit Inventory(const SweepTarget& target) : target_(target) {}

  absl::Status Read(FilterSocket& socket) {
    // Not terse: a terse dump ends with EMSGSIZE, or too early without an error, at the first
    // filter of a kind that has no terse form (u32, matchall).
    const netlink::DumpRequest request{.at = {.ifindex = target_.ifindex}, .chain = 0};
    absl::Status status = absl::AbortedError("not read");
    for (int round = 0; round < kRounds && absl::IsAborted(status); ++round) {
      ours_.clear();
      headers_.clear();
      foreign_.clear();
      obstacle_ = absl::OkStatus();
      status = socket.Dump(request, [this](const FlowerFilter& filter) { See(filter); });
    }
    if (status.ok()) return Obstacle();
    return netlink::WithPrefix(status, absl::StrCat(target_.netdev, ": reading filters: "));
  }

  const std::vector<FlowerFilter>& ours() const { return ours_; }
  const std::vector<std::string>& foreign() const { return foreign_; }

 private:
  void See(const FlowerFilter& filter) {
    const std::optional<RuleClass> rule_class = ClassAt(filter.id.priority, target_);
    if (rule_class && IsHeader(filter)) {
      headers_.push_back(filter);
    } else if (IsStandingCookie(CookieIn(filter))) {
      // Default paths are kept or removed by StandingRules, which knows what the others need.
      const bool default_path = !rule_class && filter.id.handle == kDefaultPathHandle;
      const bool keep_alive = rule_class && filter.id.handle == kKeepAliveHandle &&
                              filter.id.protocol == ProtocolOf(*rule_class);
      if (!default_path && !keep_alive) ours_.push_back(filter);
    } else if (DecodeCookie(CookieIn(filter)).ok()) {
      ours_.push_back(filter);
    } else if (rule_class) {
      SeeForeign(filter);
    }
  }

  // A priority of another protocol that has rules of ours has only those, or a stranger that was
  // seen too: its header is no obstacle, it goes with the last of them.
  absl::Status Obstacle() {
    for (const FlowerFilter& header : headers_) {
      const bool has_ours = std::any_of(ours_.begin(), ours_.end(), [&](const FlowerFilter& rule) {
        return rule.id.priority == header.id.priority;
      });
      if (!has_ours) SeeForeign(header);
    }
    return obstacle_;
  }

  void SeeForeign(const FlowerFilter& filter) {
    const std::string why = ObstacleOf(filter, target_.options.priority_base, target_.last_handle);
    if (!why.empty()) {
      Refuse(filter, why);
    } else if (!IsHeader(filter)) {
      foreign_.push_back(absl::StrCat(target_.netdev, ": left alone a foreign ", Describe(filter)));
    }
  }

  void Refuse(const FlowerFilter& filter, absl::string_view why) {
    if (!obstacle_.ok()) return;
    obstacle_ = absl::FailedPreconditionError(absl::StrCat(
        target_.netdev, ": ", Describe(filter), " is not ours and ", why,
        "; remove it or choose another priority base than ", target_.options.priority_base));
  }

  const SweepTarget& target_;
  std::vector<FlowerFilter> ours_;
  std::vector<FlowerFilter> headers_;
  std::vector<std::string> foreign_;
  absl::Status obstacle_;
};

void LogRemoved(const SweepTarget& target, const FlowerFilter& filter, SweepLog& log) {
  const absl::StatusOr<RuleCookie> cookie = DecodeCookie(CookieIn(filter));
  if (cookie.ok()) {
    log.Removed(target.netdev, cookie->key);
  } else if (filter.id.handle >= kFirstProbeHandle) {
    log.Note(absl::StrCat(target.netdev, ": removed a probe rule of ours at priority ",
                          filter.id.priority, ", which an earlier instance left behind"));
  } else {
    log.Note(absl::StrCat(target.netdev, ": removed a keep-alive of ours at priority ",
                          filter.id.priority, ", which is not used any more"));
  }
}

// Deletes; what has no certain outcome shows in the next dump. Other errors end the sweep.
absl::Status DeleteAll(FilterSocket& socket, const SweepTarget& target,
                       const std::vector<FlowerFilter>& filters, SweepLog& log) {
  std::vector<FilterRequest> requests;
  requests.reserve(filters.size());
  for (const FlowerFilter& filter : filters) {
    requests.push_back({.op = FilterRequest::Op::kDelete, .filter = {.id = filter.id}});
  }
  std::vector<FilterReply> replies(requests.size());
  socket.Execute(requests, absl::MakeSpan(replies));
  absl::Status first_error;
  for (size_t i = 0; i < replies.size(); ++i) {
    const absl::Status& status = replies[i].status;
    if (status.ok() || absl::IsNotFound(status)) {
      LogRemoved(target, filters[i], log);
    } else if (!absl::IsUnknown(status)) {
      first_error.Update(
          netlink::WithPrefix(status, absl::StrCat(target.netdev, ": removing an old rule: ")));
    }
  }
  return first_error;
}

absl::Status RemoveOurs(FilterSocket& socket, const SweepTarget& target, SweepLog& log) {
  for (int round = 0; round < kRounds; ++round) {
    Inventory inventory(target);
    if (absl::Status status = inventory.Read(socket); !status.ok()) {
      return status;
    }
    if (inventory.ours().empty()) {
      for (const std::string& note : inventory.foreign()) log.Note(note);
      return absl::OkStatus();
    }
    if (absl::Status status = DeleteAll(socket, target, inventory.ours(), log); !status.ok()) {
      return status;
    }
  }
  return absl::UnavailableError(absl::StrCat(target.netdev, ": old rules do not go away"));
}

// The NIC does not take such a rule: then it is the probe that says what it takes.
bool IsRefusedShape(const absl::Status& status, OffloadMode mode) {
  return absl::IsUnimplemented(status) ||
         (mode == OffloadMode::kHardware && absl::IsInvalidArgument(status));
}

std::string Rules(uint64_t count) { return absl::StrCat(count, count == 1 ? " rule" : " rules"); }

}  // namespace

void SweepLog::Removed(const std::string& netdev, const session::SessionKey& session) {
  ++rules_;
  auto [it, fresh] = sessions_.try_emplace(session);
  if (fresh) order_.push_back(session);
  Removal& removal = it->second;
  ++removal.rules;
  if (removal.netdevs.empty() || removal.netdevs.back() != netdev) {
    removal.netdevs.push_back(netdev);
  }
}

void SweepLog::Note(std::string note) { notes_.push_back(std::move(note)); }

StartReport SweepLog::Report() const {
  StartReport report{.removed_rules = rules_, .removed_sessions = order_.size()};
  for (size_t i = 0; i < order_.size() && i < kMaxNotes; ++i) {
    const Removal& removal = sessions_.at(order_[i]);
    report.notes.push_back(absl::StrCat("removed ", Rules(removal.rules), " of session ",
                                        order_[i].id, " (owner ", order_[i].owner, ") from ",
                                        absl::StrJoin(removal.netdevs, ", ")));
  }
  if (order_.size() > kMaxNotes) {
    report.notes.push_back(absl::StrCat("removed the rules of ", order_.size() - kMaxNotes,
                                        " more sessions, ", Rules(rules_), " in all"));
  }
  for (size_t i = 0; i < notes_.size() && i < kMaxNotes; ++i) report.notes.push_back(notes_[i]);
  if (notes_.size() > kMaxNotes) {
    report.notes.push_back(
        absl::StrCat("and ", notes_.size() - kMaxNotes, " more notes of the kind"));
  }
  return report;
}

absl::Status SweepPort(FilterSocket& socket, const SweepTarget& target, SweepLog& log) {
  absl::Status status = RemoveOurs(socket, target, log);
  if (!status.ok() || !target.takes_sessions) return status;
  for (const RuleClass rule_class : kRuleClasses) {
    const FlowerFilter filter = KeepAliveFilter(rule_class, target.ifindex, target.options);
    const absl::Status status = EnsureStanding(socket, filter).status();
    if (IsRefusedShape(status, target.options.mode)) {
      log.Note(absl::StrCat(target.netdev, ": no keep-alive at priority ", filter.id.priority, ": ",
                            status.message()));
    } else if (!status.ok()) {
      return netlink::WithPrefix(status, absl::StrCat(target.netdev, ": keep-alive at priority ",
                                                      filter.id.priority, ": "));
    }
  }
  return absl::OkStatus();
}

}  // namespace offload::datapath
