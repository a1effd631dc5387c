// The contract between the engine and what moves packets (TC, OVS, a fake).
//
// The batch is the primitive: many rule operations go down in one call, each gets its own result.
// A session is two rules; pairing them, undoing halves and ageing is the engine's work.
//
// Adapters settle what is uncertain, the engine never guesses:
//  * kAdd: OK means the rule is there with this identity and key. ALREADY_EXISTS: another rule has
//  the
//    key or the handle. RESOURCE_EXHAUSTED: table or hardware full. UNIMPLEMENTED: this shape
//    cannot be offloaded. FAILED_PRECONDITION: LIF without a usable netdev. Any other code: the
//    rule is NOT there unless the code is UNKNOWN or UNAVAILABLE; then it may be, and a kDelete
//    must follow.
//  * kDelete: OK when the rule is gone, also when it was absent before (then `existed` is false and
//    the counters are zero). A rule under the same name that is of another session or generation is
//    not this one: OK, `existed` false, zero counters. TC can tell that only from the answer to its
//    delete, so there such a rule goes too; its handles are this daemon's alone. Any error: the
//    rule may still be there, repeat the delete.
//  * kQuery: OK with counters and last use; NOT_FOUND when the rule is gone (lost); any other error
//  says
//    nothing about the rule.
//
// Threads: Apply may be called from several threads at once as long as no two calls carry
// operations of the same slot. Operations of different slots are independent and may be reordered;
// those of one slot are done in the order given. Apply blocks until every operation has an outcome.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "session/slot.h"
#include "session/types.h"

namespace offload::datapath {

using session::Generation;
using session::kGenerationMask;
using session::Slot;

// One directed rule, everything an adapter needs to program, find or remove it.
struct FlowRule {
  Slot slot = 0;
  Generation generation = 0;
  session::Direction direction = session::Direction::kIn;
  session::SessionKey key;
  session::LifId ingress = 0;    // LIF the packets arrive on
  session::LifId egress = 0;     // LIF they leave from (ignored for kDrop)
  session::FiveTuple tuple;      // directed: as it arrives on `ingress`
  std::optional<uint16_t> vlan;  // 802.1Q id they arrive with; none = untagged
  // Another 802.1Q id, which they get before they leave; none = as they arrived. Needs `vlan`.
  // Ignored for kDrop.
  std::optional<uint16_t> egress_vlan;
  session::Action action = session::Action::kForward;
  absl::Duration timeout;  // kept in the cookie, so that a restarted daemon can adopt the rule
};

// The rule of `spec` in one direction.
inline FlowRule MakeRule(const session::SessionSpec& spec, Slot slot, Generation generation,
                         session::Direction direction) {
  const bool same_vlan = spec.in_vlan == spec.out_vlan;
  return FlowRule{.slot = slot,
                  .generation = generation,
                  .direction = direction,
                  .key = spec.key,
                  .ingress = spec.IngressLif(direction),
                  .egress = spec.EgressLif(direction),
                  .tuple = spec.DirectedTuple(direction),
                  .vlan = spec.IngressVlan(direction),
                  .egress_vlan = same_vlan ? std::nullopt : spec.EgressVlan(direction),
                  .action = spec.action,
                  .timeout = spec.timeout};
}

struct FlowOp {
  enum class Kind : uint8_t { kAdd, kDelete, kQuery };
  Kind kind = Kind::kAdd;
  FlowRule rule;
};

struct FlowResult {
  absl::Status status;
  // Of kQuery and kDelete:
  bool existed = false;        // the rule was there (kDelete) / is there (kQuery)
  session::Counters counters;  // since the rule was added
  // Time since the rule's last packet, or since its installation when it never had one. Resolution
  // is the kernel's USER_HZ (10 ms), rounded down. Zero for kDelete results that do not carry it.
  absl::Duration idle;
};

// What Start found and did.
struct StartReport {
  uint64_t removed_rules = 0;      // rules of ours from an earlier life
  uint64_t removed_sessions = 0;   // distinct sessions among them
  std::vector<std::string> notes;  // one line each, for the log
};

// What an examination of the host and the netdevs found: a line for people (`offloadctl doctor`).
struct Finding {
  enum class Level : uint8_t { kOk, kWarning, kProblem };
  Level level = Level::kOk;
  std::string check;    // which check, a stable word: "switchdev", "foreign-filters", "probe"
  std::string subject;  // what was looked at: "p0", "p0 > p1", "host"
  std::string text;     // what was found
  std::string advice;   // what to do about it; empty when there is nothing to do
  friend bool operator==(const Finding&, const Finding&) = default;
};

// What happened to operations since the start. Only grow.
struct DatapathStats {
  uint64_t added = 0;                // rules that are there after a kAdd
  uint64_t deleted = 0;              // rules confirmed gone after a kDelete
  uint64_t queried = 0;              // readings of a rule that was there
  uint64_t refused_unsupported = 0;  // adds of a shape that cannot be offloaded
  uint64_t refused_full = 0;         // adds that met a full table or hardware
  uint64_t refused_other = 0;        // adds refused for any other reason
  uint64_t busy_retries = 0;         // operations repeated because something was busy
  uint64_t read_back = 0;            // operations without a certain answer, settled by reading
  uint64_t standing_repairs = 0;     // standing rules that were missing and put back
};

// State of a LIF's netdev. kLost: the netdev is gone or is another one, its rules with it; also
// when only the rules are gone (the qdisc was removed), followed at once by what it is.
enum class LifState : uint8_t { kUp, kDown, kLost };

// Receives changes of LIFs; called from a thread of the adapter, never while Apply holds a lock.
class LifObserver {
 public:
  virtual ~LifObserver() = default;
  virtual void OnLifState(session::LifId lif, LifState state) = 0;
};

class Datapath {
 public:
  virtual ~Datapath() = default;

  // Makes the datapath ready: attaches to the LIFs, removes rules that an earlier instance left
  // behind. Called once, before the first Apply. An error names what is missing and may be retried.
  virtual absl::StatusOr<StartReport> Start() = 0;

  // REQUIRES: results.size() == ops.size().
  virtual void Apply(absl::Span<const FlowOp> ops, absl::Span<FlowResult> results) = 0;

  // An opaque number that is equal for LIFs on one attachment point (netdev): two LIF numbers may
  // name one netdev, and rule keys must be unique per netdev. INVALID_ARGUMENT: LIF not configured.
  virtual absl::StatusOr<uint32_t> AttachmentPoint(session::LifId lif) const = 0;

  // Sessions the table can take beside standing rules, given the configured number of rules. Before
  // Start the most it may be; afterwards exact, and lower or higher when standing rules change.
  // Does not block.
  virtual uint32_t SessionCapacity() const = 0;

  // How stale a counter or last use may be: 0 for software, the sampling period for a NIC that
  // samples.
  virtual absl::Duration SampleGrace() const { return absl::ZeroDuration(); }

  // Looks at everything that decides whether rules can be offloaded and packets find their way, and
  // says what it found, good or bad. May be called at any time, before Start and after a failed one
  // too, from any thread; blocks while it asks the kernel.
  virtual std::vector<Finding> Examine() { return {}; }

  virtual DatapathStats Stats() const { return {}; }
};

}  // namespace offload::datapath
