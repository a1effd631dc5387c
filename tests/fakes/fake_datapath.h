// A Datapath in memory that behaves like one: it keeps the rules it was given, refuses what a real
// one refuses, and counts the packets a test says have passed.
//
// What Examine finds is what the test says; the statistics count what was done.
//
// Failures are asked for: the n-th operation of a kind fails with a status, a rule is lost, a
// counter stands still, Apply blocks until it is released.
//
// Thread-safe. It also checks its caller: two calls that carry operations of one slot at the same
// time break the contract of datapath.h and are counted (Overlaps).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "datapath/datapath.h"

namespace offload::fakes {

class FakeDatapath final : public datapath::Datapath {
 public:
  using Kind = datapath::FlowOp::Kind;

  // Makes matching operations fail. Faults are tried in the order they were injected.
  struct Fault {
    Kind kind = Kind::kAdd;
    std::optional<session::Direction> direction;  // none: either
    std::optional<session::SessionKey> key;       // none: any session
    size_t nth = 1;                               // the first to fail, counted from Inject
    size_t times = 1;                             // so many in a row
    absl::Status status = absl::InternalError("injected");
    bool takes_effect = false;  // done nevertheless (added, deleted): the outcome is unknown
  };

  struct LoggedOp {
    uint64_t call = 0;  // equal for the operations of one Apply
    datapath::FlowOp op;
    absl::Status status;
  };

  // Idle times are reported in steps of this, rounded down, as the kernel does.
  static constexpr absl::Duration kIdleResolution = absl::Milliseconds(10);

  // LIF 1 on attachment point 101, LIF 2 on 102, room for 2^20 rules. `clock` must outlive it.
  explicit FakeDatapath(base::Clock& clock);

  // Puts a LIF on an attachment point; a LIF without one is not configured.
  void SetAttachmentPoint(session::LifId lif, uint32_t point);
  void RemoveLif(session::LifId lif);
  void SetRuleCapacity(size_t rules);
  void SetSampleGrace(absl::Duration grace);
  void SetStartStatus(absl::Status status);

  // What Examine answers. The second form is called by each Examine, without a lock held.
  void SetFindings(std::vector<datapath::Finding> findings);
  void SetExamination(std::function<std::vector<datapath::Finding>()> examination);

  // Packets that hit a rule now. Returns whether there was such a rule.
  bool Count(datapath::Slot slot, session::Direction direction, uint64_t packets, uint64_t bytes);
  bool Count(const session::SessionKey& key, session::Direction direction, uint64_t packets,
             uint64_t bytes);

  void Inject(Fault fault);
  void ClearFaults();
  // The rule is gone without anybody having asked. Returns whether there was one.
  bool LoseRule(const session::SessionKey& key, session::Direction direction);
  // All rules on the LIF's attachment point. Returns how many.
  size_t LoseRules(session::LifId lif);
  // From now on packets of this rule are not counted (and do not count as use) until thawed.
  void Freeze(const session::SessionKey& key, session::Direction direction, bool frozen = true);
  // Calls of Apply that carry an operation of `kind` wait, before any of their effects, for
  // Release.
  void Block(Kind kind);
  void Release();
  // Returns when `calls` calls wait.
  void AwaitBlocked(size_t calls = 1);
  // Called at the beginning of each Apply, before its effects, without a lock held. Null: none.
  void SetHook(std::function<void(absl::Span<const datapath::FlowOp>)> hook);

  std::vector<datapath::FlowRule> Rules() const;  // by slot, then direction
  size_t RuleCount() const;
  std::optional<datapath::FlowRule> Rule(const session::SessionKey& key,
                                         session::Direction direction) const;
  std::vector<LoggedOp> Log() const;
  size_t LoggedOps(Kind kind) const;
  void ClearLog();
  size_t Overlaps() const;

  // Datapath:
  absl::StatusOr<datapath::StartReport> Start() override;
  void Apply(absl::Span<const datapath::FlowOp> ops,
             absl::Span<datapath::FlowResult> results) override;
  absl::StatusOr<uint32_t> AttachmentPoint(session::LifId lif) const override;
  uint32_t SessionCapacity() const override;
  absl::Duration SampleGrace() const override;
  std::vector<datapath::Finding> Examine() override;
  datapath::DatapathStats Stats() const override;

 private:
  using Handle = std::pair<datapath::Slot, session::Direction>;

  struct MatchKey {
    uint32_t point = 0;
    std::optional<uint16_t> vlan;
    session::FiveTuple tuple;
    friend bool operator==(const MatchKey&, const MatchKey&) = default;
    template <typename H>
    friend H AbslHashValue(H h, const MatchKey& k) {
      return H::combine(std::move(h), k.point, k.vlan, k.tuple);
    }
  };

  struct Installed {
    datapath::FlowRule rule;
    MatchKey match;
    session::Counters counters;
    base::MonotonicTime last_use;
    bool frozen = false;
  };

  using Rulebook = std::map<Handle, Installed>;

  void Enter(absl::Span<const datapath::FlowOp> ops) REQUIRES(mutex_);
  void Leave(absl::Span<const datapath::FlowOp> ops) REQUIRES(mutex_);
  datapath::FlowResult Do(const datapath::FlowOp& op) REQUIRES(mutex_);
  void Tally(Kind kind, const absl::Status& status) REQUIRES(mutex_);
  datapath::FlowResult Execute(const datapath::FlowOp& op) REQUIRES(mutex_);
  absl::Status Add(const datapath::FlowRule& rule) REQUIRES(mutex_);
  // The fault that hits this operation, if any; counts it.
  std::optional<Fault> Hit(const datapath::FlowOp& op) REQUIRES(mutex_);
  Rulebook::iterator Find(const session::SessionKey& key, session::Direction direction)
      REQUIRES(mutex_);
  void Erase(Rulebook::iterator rule) REQUIRES(mutex_);
  bool CountHit(Rulebook::iterator rule, uint64_t packets, uint64_t bytes) REQUIRES(mutex_);

  base::Clock& clock_;
  mutable base::Mutex mutex_;
  base::CondVar changed_;
  std::map<session::LifId, uint32_t> points_ GUARDED_BY(mutex_);
  size_t capacity_ GUARDED_BY(mutex_) = size_t{1} << 20;
  absl::Duration grace_ GUARDED_BY(mutex_);
  absl::Status start_status_ GUARDED_BY(mutex_);
  std::function<std::vector<datapath::Finding>()> examination_ GUARDED_BY(mutex_);
  datapath::DatapathStats stats_ GUARDED_BY(mutex_);
  Rulebook rules_ GUARDED_BY(mutex_);
  absl::flat_hash_map<MatchKey, Handle> by_match_ GUARDED_BY(mutex_);
  absl::flat_hash_map<std::pair<session::SessionKey, session::Direction>, Handle> by_key_
      GUARDED_BY(mutex_);
  std::vector<Fault> faults_ GUARDED_BY(mutex_);
  std::set<Kind> blocked_kinds_ GUARDED_BY(mutex_);
  size_t blocked_calls_ GUARDED_BY(mutex_) = 0;
  std::function<void(absl::Span<const datapath::FlowOp>)> hook_ GUARDED_BY(mutex_);
  uint64_t calls_ GUARDED_BY(mutex_) = 0;
  std::vector<LoggedOp> log_ GUARDED_BY(mutex_);
  std::multiset<datapath::Slot> active_ GUARDED_BY(mutex_);  // slots of calls that run now
  size_t overlaps_ GUARDED_BY(mutex_) = 0;
};

}  // namespace offload::fakes
