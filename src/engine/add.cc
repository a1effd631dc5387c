#include "engine/add.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace offload::engine {
namespace {

using datapath::FlowOp;
using datapath::FlowResult;
using session::CloseReason;
using session::Direction;
using session::SessionState;

// A failed add whose rule is certainly not there (datapath.h).
bool CertainlyAbsent(const absl::Status& status) {
  return !status.ok() && !absl::IsUnknown(status) && !absl::IsUnavailable(status);
}

absl::Status FirstError(const FlowResult* results) {
  absl::Status status = results[0].status;
  status.Update(results[1].status);
  return status;
}

}  // namespace

void Adder::Add(absl::Span<const session::SessionSpec> specs, absl::Span<absl::Status> results) {
  std::vector<Candidate> candidates;
  for (size_t i = 0; i < specs.size(); ++i) {
    Candidate candidate = {.spec = specs[i], .rules = {}, .result = &results[i]};
    results[i] = Check(candidate);
    if (results[i].ok()) candidates.push_back(std::move(candidate));
  }
  Process(std::move(candidates), /*retry_full=*/true);
  const auto failed = [](const absl::Status& status) { return !status.ok(); };
  const auto rejected = std::count_if(results.begin(), results.end(), failed);
  base::MutexLock lock(core_.mutex);
  core_.stats.rejected += static_cast<uint64_t>(rejected);
  core_.stats.added += results.size() - static_cast<uint64_t>(rejected);
}

absl::Status Adder::Check(Candidate& candidate) const {
  session::SessionSpec& spec = candidate.spec;
  for (const Direction d : session::kDirections) {
    const auto point = core_.datapath.AttachmentPoint(spec.IngressLif(d));
    if (!point.ok()) return point.status();
    candidate.rules[static_cast<size_t>(d)] = {
        .point = *point, .vlan = spec.IngressVlan(d), .tuple = spec.DirectedTuple(d)};
  }
  if (spec.in_vlan.has_value() != spec.out_vlan.has_value()) {
    return absl::InvalidArgumentError("a VLAN on one LIF only: tags are rewritten, not added");
  }
  if (candidate.rules[0] == candidate.rules[1]) {
    return absl::InvalidArgumentError("a one-armed session whose tuple is its own reverse");
  }
  if (spec.timeout <= absl::ZeroDuration()) spec.timeout = core_.options.default_timeout;
  spec.timeout = std::min(spec.timeout, core_.options.max_timeout);
  return absl::OkStatus();
}

void Adder::Process(std::vector<Candidate> candidates, bool retry_full) {
  while (!candidates.empty()) {
    Round round;
    {
      base::MutexLock lock(core_.mutex);
      round = Reserve(std::move(candidates));
      while (round.installs.empty() && round.takeovers.empty() && !round.waiting.empty()) {
        core_.unpinned.Wait(core_.mutex);
        round = Reserve(std::move(round.waiting));
      }
    }
    closer_.Run(round.takeovers);
    std::vector<Candidate> full = Program(std::move(round.installs));
    for (Candidate& candidate : full) {
      if (!retry_full) continue;
      *candidate.result = absl::OkStatus();
      Process({std::move(candidate)}, /*retry_full=*/false);
    }
    candidates = std::move(round.waiting);
  }
}

Adder::Round Adder::Reserve(std::vector<Candidate> candidates) {
  Round round;
  for (Candidate& candidate : candidates) {
    if (Entry* clash = FindClash(candidate)) {
      OnClash(std::move(candidate), *clash, round);
      continue;
    }
    Entry* entry = core_.store.Reserve(candidate.spec, candidate.rules);
    if (entry == nullptr) {
      *candidate.result = absl::ResourceExhaustedError(
          absl::StrCat("the table of ", core_.store.capacity(), " sessions is full"));
      continue;
    }
    round.installs.push_back({.candidate = std::move(candidate), .entry = entry});
  }
  return round;
}

Entry* Adder::FindClash(const Candidate& candidate) {
  if (Entry* entry = core_.store.Find(candidate.spec.key)) return entry;
  for (const session::RuleKey& rule : candidate.rules) {
    if (Entry* entry = core_.store.Find(rule)) return entry;
  }
  return nullptr;
}

void Adder::OnClash(Candidate candidate, Entry& clash, Round& round) {
  const session::SessionKey& taken = clash.spec.key;
  const bool same_id = taken == candidate.spec.key;
  const bool takeover = core_.options.duplicate_tuple == DuplicateTuple::kTakeover && !same_id &&
                        taken.owner == candidate.spec.key.owner;
  const bool established = clash.state == SessionState::kEstablished;
  if (clash.pinned && (takeover || !established)) {
    round.waiting.push_back(std::move(candidate));
  } else if (clash.state == SessionState::kClosing) {
    *candidate.result = absl::UnavailableError("an earlier session with it is still closing");
  } else if (takeover) {
    round.takeovers.push_back(closer_.Begin(clash, CloseReason::kDeleted, Disposal::kLog));
    round.waiting.push_back(std::move(candidate));
  } else if (same_id) {
    *candidate.result = absl::AlreadyExistsError("sessionId: in use");
  } else if (taken.owner != candidate.spec.key.owner) {
    *candidate.result = absl::AlreadyExistsError("the flow is in use by another owner");
  } else {
    *candidate.result =
        absl::AlreadyExistsError(absl::StrCat("the flow is in use by session ", taken.id));
  }
}

std::vector<Adder::Candidate> Adder::Program(std::vector<Install> installs) {
  std::vector<Candidate> full;
  if (installs.empty()) return full;
  std::vector<FlowOp> ops;
  for (const Install& install : installs) {
    for (const datapath::FlowRule& rule : RulesOf(*install.entry)) {
      ops.push_back({.kind = FlowOp::Kind::kAdd, .rule = rule});
    }
  }
  std::vector<FlowResult> results(ops.size());
  core_.datapath.Apply(ops, absl::MakeSpan(results));
  std::vector<Closer::Job> undo;
  {
    base::MutexLock lock(core_.mutex);
    const base::MonotonicTime now = core_.clock.Now();
    const absl::Time wall = core_.clock.WallNow();
    for (size_t i = 0; i < installs.size(); ++i) {
      Entry& entry = *installs[i].entry;
      const absl::Status status = FirstError(&results[2 * i]);
      *installs[i].candidate.result = status;
      if (status.ok()) {
        core_.store.Establish(entry, now, wall, now + IdleLimit(core_, entry.spec));
        continue;
      }
      for (size_t d = 0; d < entry.gone.size(); ++d) {
        entry.gone[d] = CertainlyAbsent(results[2 * i + d].status);
      }
      ++core_.stats.undone;
      undo.push_back(closer_.Begin(entry, CloseReason::kDeleted, Disposal::kDiscard));
      if (absl::IsResourceExhausted(status)) full.push_back(std::move(installs[i].candidate));
    }
    core_.unpinned.NotifyAll();
  }
  closer_.Run(undo);
  return full;
}

}  // namespace offload::engine
