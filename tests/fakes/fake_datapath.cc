#include "tests/fakes/fake_datapath.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace offload::fakes {
namespace {

using datapath::FlowOp;
using datapath::FlowResult;
using datapath::FlowRule;
using datapath::Slot;
using session::Direction;
using session::LifId;
using session::SessionKey;

// What the cookie of a rule says.
bool SameIdentity(const FlowRule& a, const FlowRule& b) {
  return a.slot == b.slot && a.direction == b.direction && a.generation == b.generation &&
         a.key == b.key;
}

std::set<Slot> SlotsOf(absl::Span<const FlowOp> ops) {
  std::set<Slot> slots;
  for (const FlowOp& op : ops) slots.insert(op.rule.slot);
  return slots;
}

}  // namespace

FakeDatapath::FakeDatapath(base::Clock& clock) : clock_(clock), points_({{1, 101}, {2, 102}}) {}

void FakeDatapath::SetAttachmentPoint(LifId lif, uint32_t point) {
  base::MutexLock lock(mutex_);
  points_[lif] = point;
}

void FakeDatapath::RemoveLif(LifId lif) {
  base::MutexLock lock(mutex_);
  points_.erase(lif);
}

void FakeDatapath::SetRuleCapacity(size_t rules) {
  base::MutexLock lock(mutex_);
  capacity_ = rules;
}

void FakeDatapath::SetSampleGrace(absl::Duration grace) {
  base::MutexLock lock(mutex_);
  grace_ = grace;
}

void FakeDatapath::SetStartStatus(absl::Status status) {
  base::MutexLock lock(mutex_);
  start_status_ = std::move(status);
}

void FakeDatapath::SetFindings(std::vector<datapath::Finding> findings) {
  SetExamination([findings = std::move(findings)] { return findings; });
}

void FakeDatapath::SetExamination(std::function<std::vector<datapath::Finding>()> examination) {
  base::MutexLock lock(mutex_);
  examination_ = std::move(examination);
}

bool FakeDatapath::Count(Slot slot, Direction direction, uint64_t packets, uint64_t bytes) {
  base::MutexLock lock(mutex_);
  return CountHit(rules_.find({slot, direction}), packets, bytes);
}

bool FakeDatapath::Count(const SessionKey& key, Direction direction, uint64_t packets,
                         uint64_t bytes) {
  base::MutexLock lock(mutex_);
  return CountHit(Find(key, direction), packets, bytes);
}

bool FakeDatapath::CountHit(Rulebook::iterator rule, uint64_t packets, uint64_t bytes) {
  if (rule == rules_.end()) return false;
  Installed& installed = rule->second;
  if (installed.frozen) return true;
  installed.counters.packets += packets;
  installed.counters.bytes += bytes;
  installed.last_use = clock_.Now();
  return true;
}

void FakeDatapath::Inject(Fault fault) {
  base::MutexLock lock(mutex_);
  faults_.push_back(std::move(fault));
}

void FakeDatapath::ClearFaults() {
  base::MutexLock lock(mutex_);
  faults_.clear();
}

bool FakeDatapath::LoseRule(const SessionKey& key, Direction direction) {
  base::MutexLock lock(mutex_);
  const auto rule = Find(key, direction);
  if (rule == rules_.end()) return false;
  Erase(rule);
  return true;
}

size_t FakeDatapath::LoseRules(LifId lif) {
  base::MutexLock lock(mutex_);
  const auto point = points_.find(lif);
  if (point == points_.end()) return 0;
  size_t lost = 0;
  for (auto rule = rules_.begin(); rule != rules_.end();) {
    const auto current = rule++;
    if (current->second.match.point != point->second) continue;
    Erase(current);
    ++lost;
  }
  return lost;
}

void FakeDatapath::Freeze(const SessionKey& key, Direction direction, bool frozen) {
  base::MutexLock lock(mutex_);
  const auto rule = Find(key, direction);
  if (rule != rules_.end()) rule->second.frozen = frozen;
}

void FakeDatapath::Block(Kind kind) {
  base::MutexLock lock(mutex_);
  blocked_kinds_.insert(kind);
}

void FakeDatapath::Release() {
  base::MutexLock lock(mutex_);
  blocked_kinds_.clear();
  changed_.NotifyAll();
}

void FakeDatapath::AwaitBlocked(size_t calls) {
  base::MutexLock lock(mutex_);
  while (blocked_calls_ < calls) changed_.Wait(mutex_);
}

void FakeDatapath::SetHook(std::function<void(absl::Span<const FlowOp>)> hook) {
  base::MutexLock lock(mutex_);
  hook_ = std::move(hook);
}

std::vector<FlowRule> FakeDatapath::Rules() const {
  base::MutexLock lock(mutex_);
  std::vector<FlowRule> rules;
  for (const auto& [handle, installed] : rules_) rules.push_back(installed.rule);
  return rules;
}

size_t FakeDatapath::RuleCount() const {
  base::MutexLock lock(mutex_);
  return rules_.size();
}

std::optional<FlowRule> FakeDatapath::Rule(const SessionKey& key, Direction direction) const {
  base::MutexLock lock(mutex_);
  const auto handle = by_key_.find({key, direction});
  if (handle == by_key_.end()) return std::nullopt;
  return rules_.find(handle->second)->second.rule;
}

std::vector<FakeDatapath::LoggedOp> FakeDatapath::Log() const {
  base::MutexLock lock(mutex_);
  return log_;
}

size_t FakeDatapath::LoggedOps(Kind kind) const {
  base::MutexLock lock(mutex_);
  return static_cast<size_t>(std::count_if(
      log_.begin(), log_.end(), [kind](const LoggedOp& entry) { return entry.op.kind == kind; }));
}

void FakeDatapath::ClearLog() {
  base::MutexLock lock(mutex_);
  log_.clear();
}

size_t FakeDatapath::Overlaps() const {
  base::MutexLock lock(mutex_);
  return overlaps_;
}

absl::StatusOr<datapath::StartReport> FakeDatapath::Start() {
  base::MutexLock lock(mutex_);
  if (!start_status_.ok()) return start_status_;
  std::set<Slot> slots;
  for (const auto& [handle, installed] : rules_) slots.insert(handle.first);
  datapath::StartReport report = {.removed_rules = rules_.size(), .removed_sessions = slots.size()};
  rules_.clear();
  by_match_.clear();
  by_key_.clear();
  return report;
}

void FakeDatapath::Apply(absl::Span<const FlowOp> ops, absl::Span<FlowResult> results) {
  std::function<void(absl::Span<const FlowOp>)> hook;
  {
    base::MutexLock lock(mutex_);
    Enter(ops);
    hook = hook_;
  }
  if (hook) hook(ops);
  base::MutexLock lock(mutex_);
  const uint64_t call = calls_++;
  for (size_t i = 0; i < ops.size(); ++i) {
    results[i] = Do(ops[i]);
    Tally(ops[i].kind, results[i].status);
    log_.push_back({.call = call, .op = ops[i], .status = results[i].status});
  }
  Leave(ops);
}

void FakeDatapath::Enter(absl::Span<const FlowOp> ops) {
  for (const Slot slot : SlotsOf(ops)) {
    if (active_.contains(slot)) ++overlaps_;
    active_.insert(slot);
  }
  ++blocked_calls_;
  changed_.NotifyAll();
  const auto blocked = [&](const FlowOp& op)
                           REQUIRES(mutex_) { return blocked_kinds_.contains(op.kind); };
  while (std::any_of(ops.begin(), ops.end(), blocked)) changed_.Wait(mutex_);
  --blocked_calls_;
}

void FakeDatapath::Leave(absl::Span<const FlowOp> ops) {
  for (const Slot slot : SlotsOf(ops)) active_.erase(active_.find(slot));
}

FlowResult FakeDatapath::Do(const FlowOp& op) {
  const std::optional<Fault> fault = Hit(op);
  if (!fault) return Execute(op);
  if (fault->takes_effect) Execute(op);
  return FlowResult{.status = fault->status};
}

// UNKNOWN and UNAVAILABLE are no refusal: the rule may be there.
void FakeDatapath::Tally(Kind kind, const absl::Status& status) {
  if (status.ok()) {
    ++(kind == Kind::kAdd ? stats_.added : kind == Kind::kDelete ? stats_.deleted : stats_.queried);
  } else if (kind == Kind::kAdd && !absl::IsUnknown(status) && !absl::IsUnavailable(status)) {
    ++(absl::IsUnimplemented(status)       ? stats_.refused_unsupported
       : absl::IsResourceExhausted(status) ? stats_.refused_full
                                           : stats_.refused_other);
  }
}

FlowResult FakeDatapath::Execute(const FlowOp& op) {
  if (op.kind == Kind::kAdd) return FlowResult{.status = Add(op.rule)};
  const auto rule = rules_.find({op.rule.slot, op.rule.direction});
  if (rule == rules_.end() || !SameIdentity(rule->second.rule, op.rule)) {
    return FlowResult{.status = op.kind == Kind::kDelete ? absl::OkStatus()
                                                         : absl::NotFoundError("no such rule")};
  }
  const Installed& installed = rule->second;
  const FlowResult result = {
      .status = absl::OkStatus(),
      .existed = true,
      .counters = installed.counters,
      .idle = absl::Floor(clock_.Now() - installed.last_use, kIdleResolution)};
  if (op.kind == Kind::kDelete) Erase(rule);
  return result;
}

absl::Status FakeDatapath::Add(const FlowRule& rule) {
  const auto point = points_.find(rule.ingress);
  if (point == points_.end()) {
    return absl::FailedPreconditionError(absl::StrCat("LIF ", rule.ingress, " has no netdev"));
  }
  if (rule.action == session::Action::kForward && !points_.contains(rule.egress)) {
    return absl::FailedPreconditionError(absl::StrCat("LIF ", rule.egress, " has no netdev"));
  }
  const Handle handle = {rule.slot, rule.direction};
  const MatchKey match = {.point = point->second, .vlan = rule.vlan, .tuple = rule.tuple};
  const auto same_handle = rules_.find(handle);
  if (same_handle != rules_.end()) {
    const Installed& there = same_handle->second;
    if (SameIdentity(there.rule, rule) && there.match == match) return absl::OkStatus();
    return absl::AlreadyExistsError(absl::StrCat("handle of slot ", rule.slot, " is taken"));
  }
  if (by_match_.contains(match)) {
    return absl::AlreadyExistsError(absl::StrCat("key is taken: ", rule.tuple.ToString()));
  }
  if (rules_.size() >= capacity_) return absl::ResourceExhaustedError("rule table full");
  rules_[handle] = {.rule = rule, .match = match, .counters = {}, .last_use = clock_.Now()};
  by_match_[match] = handle;
  by_key_[{rule.key, rule.direction}] = handle;
  return absl::OkStatus();
}

std::optional<FakeDatapath::Fault> FakeDatapath::Hit(const FlowOp& op) {
  for (auto fault = faults_.begin(); fault != faults_.end(); ++fault) {
    if (fault->kind != op.kind) continue;
    if (fault->direction && *fault->direction != op.rule.direction) continue;
    if (fault->key && *fault->key != op.rule.key) continue;
    if (fault->nth > 1) {
      --fault->nth;
      continue;
    }
    const Fault hit = *fault;
    if (--fault->times == 0) faults_.erase(fault);
    return hit;
  }
  return std::nullopt;
}

FakeDatapath::Rulebook::iterator FakeDatapath::Find(const SessionKey& key, Direction direction) {
  const auto handle = by_key_.find({key, direction});
  return handle == by_key_.end() ? rules_.end() : rules_.find(handle->second);
}

void FakeDatapath::Erase(Rulebook::iterator rule) {
  by_match_.erase(rule->second.match);
  by_key_.erase({rule->second.rule.key, rule->second.rule.direction});
  rules_.erase(rule);
}

absl::StatusOr<uint32_t> FakeDatapath::AttachmentPoint(LifId lif) const {
  base::MutexLock lock(mutex_);
  const auto point = points_.find(lif);
  if (point == points_.end()) {
    return absl::InvalidArgumentError(absl::StrCat("LIF ", lif, " is not configured"));
  }
  return point->second;
}

uint32_t FakeDatapath::SessionCapacity() const {
  base::MutexLock lock(mutex_);
  return static_cast<uint32_t>(capacity_ / 2);
}

absl::Duration FakeDatapath::SampleGrace() const {
  base::MutexLock lock(mutex_);
  return grace_;
}

std::vector<datapath::Finding> FakeDatapath::Examine() {
  std::function<std::vector<datapath::Finding>()> examination;
  {
    base::MutexLock lock(mutex_);
    examination = examination_;
  }
  return examination ? examination() : std::vector<datapath::Finding>();
}

datapath::DatapathStats FakeDatapath::Stats() const {
  base::MutexLock lock(mutex_);
  return stats_;
}

}  // namespace offload::fakes
