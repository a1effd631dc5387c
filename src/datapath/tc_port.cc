#include "datapath/tc_port.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "datapath/tc_errno.h"
#include "datapath/tc_identity.h"
#include "netlink/kernel_error.h"
#include "spdlog/spdlog.h"

namespace offload::datapath {
namespace {

using netlink::FilterReply;
using netlink::FilterRequest;
using netlink::FlowerFilter;
using Kind = FlowOp::Kind;

// The kernel's answers to DEL and GET when the filter, its priority, chain (ENOENT, or EINVAL from
// GET), qdisc (EINVAL) or netdev (ENODEV) is not there. Our requests have no other way to be
// invalid.
bool SaysGone(const absl::Status& status) {
  const int error = netlink::ErrnoOf(status);
  return absl::IsNotFound(status) || error == EINVAL;
}

bool IsOf(const FlowRule& rule, const FlowerFilter& filter) {
  const netlink::FilterAction* action = LastAction(filter);
  if (action == nullptr) return false;
  const absl::StatusOr<RuleCookie> wanted = CookieOf(rule);
  const absl::StatusOr<RuleCookie> found = DecodeCookie(action->cookie);
  return wanted.ok() && found.ok() && *wanted == *found;
}

// REQUIRES: IsOf.
void Report(const FlowerFilter& filter, FlowResult& result) {
  const netlink::FilterAction& action = *LastAction(filter);
  result.existed = true;
  if (action.stats) result.counters = {action.stats->packets, action.stats->bytes};
  if (action.times) result.idle = action.times->last_use;
}

std::string Name(const FlowRule& rule) {
  return absl::StrCat("handle 0x", absl::Hex(HandleOf(rule.slot, rule.direction)));
}

}  // namespace

TcPort::TcPort(SweepTarget target, std::unique_ptr<netlink::FilterSocket> socket, TcKernel& kernel,
               TcCounters& counters)
    : target_(std::move(target)),
      kernel_(kernel),
      counters_(counters),
      socket_(std::move(socket)) {}

absl::Status TcPort::Attach(uint32_t ifindex, SweepLog& log) {
  base::MutexLock lock(mutex_);
  SweepTarget target = target_;
  target.ifindex = ifindex;
  absl::Status status = SweepPort(*socket_, target, log);
  if (status.ok()) ifindex_.store(ifindex, std::memory_order_release);
  return status;
}

absl::Status TcPort::Probe(absl::Span<const ProbeRule> rules, absl::Span<ProbeAnswer> answers) {
  base::MutexLock lock(mutex_);
  if (ifindex() == 0) return absl::OkStatus();
  return netlink::WithPrefix(ProbeNetdev(*socket_, ifindex(), target_.options, rules, answers),
                             absl::StrCat(target_.netdev, ": "));
}

void TcPort::Apply(absl::Span<const PortJob> jobs) {
  while (!jobs.empty()) {
    const size_t length = SliceLength(jobs);
    ApplySlice(jobs.first(length));
    jobs.remove_prefix(length);
  }
}

// Up to kSlice jobs, and no second one of a rule: it needs the settled outcome of the first.
size_t TcPort::SliceLength(absl::Span<const PortJob> jobs) const {
  absl::flat_hash_set<uint32_t> handles;
  const size_t most = std::min(kSlice, jobs.size());
  for (size_t i = 0; i < most; ++i) {
    const FlowRule& rule = jobs[i].op->rule;
    if (!handles.insert(HandleOf(rule.slot, rule.direction)).second) return i;
  }
  return most;
}

void TcPort::ApplySlice(absl::Span<const PortJob> jobs) {
  std::vector<Attempt> busy;
  {
    base::MutexLock lock(mutex_);
    busy = Perform(Prepare(jobs, ifindex()));
  }
  absl::Duration pause = kFirstPause;
  for (int round = 0; round < kBusyRounds && !busy.empty(); ++round, pause *= 2) {
    kernel_.Pause(pause);
    counters_.BusyRetries(busy.size());
    base::MutexLock lock(mutex_);
    busy = Perform(std::move(busy));
  }
  for (const Attempt& attempt : busy) Fail(attempt.job, attempt.reply.status);
}

std::vector<TcPort::Attempt> TcPort::Perform(std::vector<Attempt> attempts) {
  std::vector<Attempt> busy;
  for (int round = 0; round < 2 && !attempts.empty(); ++round) {
    Execute(attempts);
    const auto first_busy =
        std::stable_partition(attempts.begin(), attempts.end(),
                              [](const Attempt& attempt) { return !IsBusy(attempt.reply.status); });
    std::move(first_busy, attempts.end(), std::back_inserter(busy));
    attempts.erase(first_busy, attempts.end());
    std::vector<Attempt> doubtful = Settle(std::move(attempts));
    attempts = ReadBack(std::move(doubtful));
  }
  for (const Attempt& attempt : attempts) {
    Fail(attempt.job,
         absl::UnknownError(absl::StrCat("no certain answer: ", attempt.reply.status.message())));
  }
  return busy;
}

// Requests of the jobs; those that need none get their result.
std::vector<TcPort::Attempt> TcPort::Prepare(absl::Span<const PortJob> jobs,
                                             uint32_t ifindex) const {
  std::vector<Attempt> attempts;
  attempts.reserve(jobs.size());
  for (const PortJob& job : jobs) {
    *job.result = {};
    const FlowRule& rule = job.op->rule;
    if (ifindex == 0 && job.op->kind == Kind::kAdd) {
      Fail(job, absl::FailedPreconditionError("the netdev is gone"));
    } else if (ifindex == 0 && job.op->kind == Kind::kQuery) {
      Fail(job, absl::NotFoundError("the netdev is gone"));
    } else if (ifindex == 0) {
      continue;  // a delete: the rule went with the netdev
    } else if (job.op->kind == Kind::kAdd) {
      absl::StatusOr<FlowerFilter> filter =
          ToFilter(rule, {.ingress_ifindex = ifindex, .egress_ifindex = job.egress_ifindex},
                   target_.options);
      if (!filter.ok()) {
        Fail(job, filter.status());
        continue;
      }
      attempts.push_back({job, {.op = FilterRequest::Op::kAdd, .filter = *std::move(filter)}, {}});
    } else {
      const bool deletes = job.op->kind == Kind::kDelete;
      attempts.push_back({job,
                          {.op = deletes ? FilterRequest::Op::kDelete : FilterRequest::Op::kGet,
                           .filter = {.id = FilterIdOf(rule, ifindex, target_.options)},
                           .echo = deletes},
                          {}});
    }
  }
  return attempts;
}

void TcPort::Execute(std::vector<Attempt>& attempts) {
  std::vector<FilterRequest> requests;
  requests.reserve(attempts.size());
  for (const Attempt& attempt : attempts) requests.push_back(attempt.request);
  std::vector<FilterReply> replies(attempts.size());
  socket_->Execute(requests, absl::MakeSpan(replies));
  for (size_t i = 0; i < attempts.size(); ++i) attempts[i].reply = std::move(replies[i]);
}

std::vector<TcPort::Attempt> TcPort::Settle(std::vector<Attempt> attempts) const {
  std::vector<Attempt> doubtful;
  for (Attempt& attempt : attempts) {
    bool settled = false;
    switch (attempt.job.op->kind) {
      case Kind::kAdd:
        settled = SettleAdd(attempt);
        break;
      case Kind::kDelete:
        settled = SettleDelete(attempt);
        break;
      case Kind::kQuery:
        settled = SettleQuery(attempt);
        break;
    }
    if (!settled) doubtful.push_back(std::move(attempt));
  }
  return doubtful;
}

bool TcPort::SettleAdd(const Attempt& attempt) const {
  const absl::Status& status = attempt.reply.status;
  if (status.ok()) return true;
  if (absl::IsAlreadyExists(status) || absl::IsUnknown(status)) return false;
  Fail(attempt.job, MeaningOfAdd(status, target_.options.mode, attempt.job.worked_before));
  return true;
}

bool TcPort::SettleDelete(const Attempt& attempt) const {
  const absl::Status& status = attempt.reply.status;
  if (absl::IsUnknown(status)) return false;
  if (SaysGone(status)) return true;
  if (!status.ok()) {
    Fail(attempt.job, status);
    return true;
  }
  const FlowRule& rule = attempt.job.op->rule;
  if (attempt.reply.filter && IsOf(rule, *attempt.reply.filter)) {
    Report(*attempt.reply.filter, *attempt.job.result);
  } else if (attempt.reply.filter) {
    spdlog::warn("{}: deleted a rule that was not of session {} (owner {}): {}, cookie of another",
                 target_.netdev, rule.key.id, rule.key.owner, Name(rule));
  }
  return true;
}

bool TcPort::SettleQuery(const Attempt& attempt) const {
  const absl::Status& status = attempt.reply.status;
  if (absl::IsUnknown(status)) return false;
  const FlowRule& rule = attempt.job.op->rule;
  if (SaysGone(status)) {
    Fail(attempt.job, absl::NotFoundError(status.message()));
  } else if (!status.ok()) {
    Fail(attempt.job, status);
  } else if (attempt.reply.filter && IsOf(rule, *attempt.reply.filter)) {
    Report(*attempt.reply.filter, *attempt.job.result);
  } else {
    Fail(attempt.job, absl::NotFoundError(absl::StrCat(Name(rule), " has another cookie")));
  }
  return true;
}

std::vector<TcPort::Attempt> TcPort::ReadBack(std::vector<Attempt> doubtful) {
  std::vector<Attempt> readings;
  readings.reserve(doubtful.size());
  for (const Attempt& attempt : doubtful) {
    readings.push_back(
        {attempt.job,
         {.op = FilterRequest::Op::kGet, .filter = {.id = attempt.request.filter.id}},
         {}});
  }
  if (!readings.empty()) Execute(readings);
  counters_.ReadBack(readings.size());
  std::vector<Attempt> again;
  for (size_t i = 0; i < doubtful.size(); ++i) {
    if (!SettleReading(doubtful[i], readings[i])) again.push_back(std::move(doubtful[i]));
  }
  return again;
}

bool TcPort::SettleReading(const Attempt& doubtful, const Attempt& reading) const {
  const FlowOp& op = *doubtful.job.op;
  const FilterReply& there = reading.reply;
  if (op.kind == Kind::kQuery) return SettleQuery(reading);
  // Absent after a delete: it was done, only its counters are lost.
  if (op.kind == Kind::kDelete) return SaysGone(there.status);
  const std::string said = std::string(doubtful.reply.status.message());
  if (there.status.ok() && there.filter) {
    if (KeyEquals(doubtful.request.filter, *there.filter)) return true;
    Fail(doubtful.job, absl::AlreadyExistsError(
                           absl::StrCat(Name(op.rule), " is taken by another rule; ", said)));
    return true;
  }
  if (absl::IsAlreadyExists(doubtful.reply.status) && SaysGone(there.status)) {
    Fail(doubtful.job, absl::AlreadyExistsError(absl::StrCat(
                           "another rule matches ", op.rule.tuple.ToString(), "; ", said)));
    return true;
  }
  return false;
}

void TcPort::Fail(const PortJob& job, const absl::Status& status) const {
  job.result->status = netlink::WithPrefix(status, absl::StrCat(target_.netdev, ": "));
}

}  // namespace offload::datapath
