#include "engine/add.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/container/flat_hash_set.h"
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

absl::Status FirstError(absl::Span<const FlowResult> results) {
  absl::Status status = results[0].status;
  status.Update(results[1].status);
  return status;
}

// What a session asks of the table: where one of a kind finds no room, the next one does not
// either, as long as nothing is removed. A NIC has a table for each netdev or for all, and parts of
// it for each mask.
using Demand = std::tuple<uint32_t, uint32_t, session::IpVersion, session::Protocol, bool, bool,
                          session::Action>;

Demand DemandOf(const session::SessionSpec& spec, const session::RuleKeys& rules) {
  return {rules[0].point,      rules[1].point,           spec.tuple.version(),
          spec.tuple.protocol, spec.in_vlan.has_value(), spec.out_vlan.has_value(),
          spec.action};
}

}  // namespace

void Adder::Add(absl::Span<const session::SessionSpec> specs, absl::Span<absl::Status> results) {
  std::vector<Candidate> candidates;
  for (size_t i = 0; i < specs.size(); ++i) {
    Candidate candidate = {.spec = specs[i], .rules = {}, .result = &results[i]};
    results[i] = Check(candidate);
    if (results[i].ok()) candidates.push_back(std::move(candidate));
  }
  Process(std::move(candidates));
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

void Adder::Process(std::vector<Candidate> candidates) {
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
    Program(std::move(round.installs));
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
    const uint32_t capacity = core_.Capacity();
    Entry* entry = nullptr;
    if (core_.store.taken() < capacity) {
      entry = core_.store.Reserve(candidate.spec, candidate.rules);
    }
    if (entry == nullptr && core_.store.undecided() > 0) {
      round.waiting.push_back(std::move(candidate));  // for a slot that may yet come free
      continue;
    }
    if (entry == nullptr) {
      *candidate.result = absl::ResourceExhaustedError(
          absl::StrCat("the table of ", capacity, " sessions is full"));
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

void Adder::Program(std::vector<Install> installs) {
  if (installs.empty()) return;
  std::vector<Install> full;
  {
    const AddGate::Together together(gate_);
    full = TryAll(std::move(installs));
  }
  if (full.empty()) return;
  std::vector<Install> refused;
  {
    const AddGate::Alone alone(gate_);
    absl::flat_hash_set<Demand> without_room;
    for (Install& install : full) {
      const Demand demand = DemandOf(install.candidate.spec, install.candidate.rules);
      std::vector<Install> once_more;
      once_more.push_back(std::move(install));
      if (!without_room.contains(demand)) once_more = TryAll(std::move(once_more));
      if (once_more.empty()) continue;
      without_room.insert(demand);
      refused.push_back(std::move(once_more.front()));
    }
  }
  Discard(refused);
}

std::vector<Adder::Install> Adder::TryAll(std::vector<Install> installs) {
  std::vector<FlowOp> ops;
  for (const Install& install : installs) {
    for (const datapath::FlowRule& rule : RulesOf(*install.entry)) {
      ops.push_back({.kind = FlowOp::Kind::kAdd, .rule = rule});
    }
  }
  std::vector<FlowResult> results(ops.size());
  core_.datapath.Apply(ops, absl::MakeSpan(results));
  std::vector<Closer::Job> undo;
  std::vector<Install> undone;
  {
    base::MutexLock lock(core_.mutex);
    for (size_t i = 0; i < installs.size(); ++i) {
      std::optional<Closer::Job> job =
          Settle(installs[i], absl::MakeConstSpan(results).subspan(2 * i, 2));
      if (!job) continue;
      undo.push_back(*std::move(job));
      undone.push_back(std::move(installs[i]));
    }
    core_.unpinned.NotifyAll();
  }
  const std::vector<Closer::Outcome> outcomes = closer_.Run(undo);
  std::vector<Install> full;
  for (size_t i = 0; i < undone.size(); ++i) {
    const bool is_full = absl::IsResourceExhausted(*undone[i].candidate.result);
    if (is_full && outcomes[i].status.ok()) full.push_back(std::move(undone[i]));
  }
  return full;
}

std::optional<Closer::Job> Adder::Settle(Install& install, absl::Span<const FlowResult> results) {
  Entry& entry = *install.entry;
  const absl::Status status = FirstError(results);
  *install.candidate.result = status;
  if (status.ok()) {
    const base::MonotonicTime now = core_.clock.Now();
    core_.store.Establish(entry, now, core_.clock.WallNow(), now + IdleLimit(core_, entry.spec));
    return std::nullopt;
  }
  for (size_t d = 0; d < entry.gone.size(); ++d) {
    entry.gone[d] = CertainlyAbsent(results[d].status);
  }
  ++core_.stats.undone;
  return closer_.Begin(entry, CloseReason::kDeleted,
                       absl::IsResourceExhausted(status) ? Disposal::kRetry : Disposal::kDiscard);
}

void Adder::Discard(absl::Span<const Install> installs) {
  std::vector<Closer::Job> jobs;
  {
    base::MutexLock lock(core_.mutex);
    for (const Install& install : installs) {
      install.entry->gone = {true, true};
      jobs.push_back(closer_.Begin(*install.entry, CloseReason::kDeleted, Disposal::kDiscard));
    }
  }
  closer_.Run(jobs);
}

}  // namespace offload::engine
