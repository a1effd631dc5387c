#include "engine/close.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace offload::engine {
namespace {

using datapath::FlowOp;
using datapath::FlowResult;
using session::CloseReason;
using session::Direction;
using session::SessionState;

struct ClosedCount {
  CloseReason reason;
  uint64_t EngineStats::*count;
};
constexpr ClosedCount kClosedCounts[] = {
    {CloseReason::kTimeout, &EngineStats::closed_timeout},
    {CloseReason::kDeleted, &EngineStats::closed_deleted},
    {CloseReason::kRulesLost, &EngineStats::closed_lost},
};

std::vector<FlowOp> Deletes(absl::Span<const Closer::Job> jobs) {
  std::vector<FlowOp> ops;
  ops.reserve(2 * jobs.size());
  for (const Closer::Job& job : jobs) {
    for (size_t d = 0; d < job.rules.size(); ++d) {
      if (!job.gone[d]) ops.push_back({.kind = FlowOp::Kind::kDelete, .rule = job.rules[d]});
    }
  }
  return ops;
}

size_t DeleteCount(const Closer::Job& job) {
  return static_cast<size_t>(std::count(job.gone.begin(), job.gone.end(), false));
}

session::ClosedRecord RecordOf(const Entry& entry) {
  return {.key = entry.spec.key,
          .counters = entry.counters,
          .reason = entry.reason,
          .start = entry.start,
          .end = entry.end};
}

absl::Status StillClosing(const absl::Status& cause) {
  return absl::UnavailableError(absl::StrCat("session is closing: ", cause.message()));
}

}  // namespace

Closer::Job Closer::Begin(Entry& entry, CloseReason reason, Disposal disposal) {
  core_.mutex.AssertHeld();
  if (entry.state == SessionState::kClosing) {
    entry.pinned = true;
  } else {
    core_.store.BeginClose(entry, reason, disposal, core_.clock.Now());
  }
  return {.slot = entry.slot, .rules = RulesOf(entry), .gone = entry.gone};
}

std::vector<Closer::Outcome> Closer::Run(absl::Span<const Job> jobs) {
  std::vector<Outcome> outcomes(jobs.size());
  if (jobs.empty()) return outcomes;
  const std::vector<FlowOp> ops = Deletes(jobs);
  std::vector<FlowResult> results(ops.size());
  if (!ops.empty()) core_.datapath.Apply(ops, absl::MakeSpan(results));
  std::vector<size_t> to_log;
  {
    base::MutexLock lock(core_.mutex);
    absl::Span<const FlowResult> rest = results;
    for (size_t i = 0; i < jobs.size(); ++i) {
      const size_t count = DeleteCount(jobs[i]);
      if (Settle(jobs[i], rest.subspan(0, count), outcomes[i])) to_log.push_back(i);
      rest.remove_prefix(count);
    }
    core_.unpinned.NotifyAll();
  }
  if (!to_log.empty()) AppendRecords(jobs, to_log, absl::MakeSpan(outcomes));
  return outcomes;
}

bool Closer::Settle(const Job& job, absl::Span<const FlowResult> results, Outcome& outcome) {
  Entry& entry = core_.store.At(job.slot);
  for (const Direction d : session::kDirections) {
    const auto index = static_cast<size_t>(d);
    if (job.gone[index]) continue;
    const FlowResult& result = results.front();
    results.remove_prefix(1);
    entry.gone[index] = result.status.ok();
    if (result.status.ok()) Raise(entry.counters.of(d), result.counters);
    if (!result.status.ok()) outcome.status.Update(StillClosing(result.status));
  }
  outcome.record = RecordOf(entry);
  if (!outcome.status.ok()) {
    Postpone(entry);
    return false;
  }
  if (entry.disposal == Disposal::kLog) return true;
  if (entry.disposal == Disposal::kRetry) {
    core_.store.Resume(entry);
  } else {
    Finish(entry);
  }
  return false;
}

void Closer::AppendRecords(absl::Span<const Job> jobs, absl::Span<const size_t> to_log,
                           absl::Span<Outcome> outcomes) {
  for (const size_t i : to_log) {
    const absl::Status appended = core_.log.Append(outcomes[i].record);
    if (!appended.ok()) outcomes[i].status = StillClosing(appended);
  }
  base::MutexLock lock(core_.mutex);
  for (const size_t i : to_log) {
    Entry& entry = core_.store.At(jobs[i].slot);
    if (outcomes[i].status.ok()) {
      Finish(entry);
    } else {
      Postpone(entry);
    }
  }
  core_.unpinned.NotifyAll();
}

void Closer::Finish(Entry& entry) {
  if (entry.disposal != Disposal::kDiscard) {
    for (const ClosedCount& counted : kClosedCounts) {
      if (counted.reason == entry.reason) ++(core_.stats.*counted.count);
    }
  }
  core_.store.Free(entry);
}

void Closer::Postpone(Entry& entry) {
  if (entry.disposal == Disposal::kReply) entry.disposal = Disposal::kLog;
  if (entry.disposal == Disposal::kRetry) entry.disposal = Disposal::kDiscard;
  entry.pinned = false;
  core_.store.AddUnfinished(entry);
}

void Closer::CloseAll(CloseReason reason) {
  std::vector<Ref> remaining;
  {
    base::MutexLock lock(core_.mutex);
    core_.store.VisitAll([&](Entry& entry) {
      remaining.push_back({.slot = entry.slot, .generation = entry.generation});
    });
  }
  while (true) {
    const std::vector<Job> jobs = NextToClose(remaining, reason);
    if (jobs.empty()) return;
    Run(jobs);
  }
}

std::vector<Closer::Job> Closer::NextToClose(std::vector<Ref>& remaining, CloseReason reason) {
  base::MutexLock lock(core_.mutex);
  std::vector<Job> jobs;
  while (true) {
    std::vector<Ref> later;
    for (const Ref& ref : remaining) {
      Entry& entry = core_.store.At(ref.slot);
      if (entry.state == SessionState::kClosed || entry.generation != ref.generation) continue;
      if (entry.pinned || jobs.size() == core_.options.tick_batch) {
        later.push_back(ref);
      } else {
        jobs.push_back(Begin(entry, reason, Disposal::kLog));
      }
    }
    remaining = std::move(later);
    if (!jobs.empty() || remaining.empty()) return jobs;
    core_.unpinned.Wait(core_.mutex);
  }
}

}  // namespace offload::engine
