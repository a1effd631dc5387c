// The engine: every rule about sessions. Adds, gets, deletes, ages and closes them over a Datapath,
// and writes one closed record per closed session.
//
// Guarantees:
//  * A session is both rules or none. When one half fails the other is removed before the error is
//    answered; a delete that cannot be confirmed is repeated by Tick and keeps its slot taken.
//  * What failed RESOURCE_EXHAUSTED in a batch is retried once, after the undo of its half, while
//    no other add has rules on their way: whoever is answered "full" did not fit beside whole
//    sessions. When the table of sessions is full, an add waits for those still installing.
//  * Sessions are keyed by (owner, id). The directed rule keys (attachment point, VLAN, tuple) of
//    both directions are unique over all owners.
//  * Adding an id or tuple that is still being installed waits for that outcome.
//  * No lock is held across a datapath call; what a reader sees is a whole session.
//  * An idle session is closed no earlier than its timeout after the last packet of either
//    direction, and is found by the first Tick 50 ms after that and the datapath's SampleGrace.
//  * Close: intent with the last counters, delete of both rules, record, slot free. When the closed
//    log refuses the record the session stays closing and Tick repeats.
//
// Threads: all methods may be called from any thread. Tick is meant for one thread (engine/ager.h).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/clock.h"
#include "closed/closed_log.h"
#include "datapath/datapath.h"
#include "session/types.h"

namespace offload::engine {

// What a link that stays down means for its sessions.
enum class OnLinkDown : uint8_t { kKeep, kClose };

// Another id asks for a tuple in use.
enum class DuplicateTuple : uint8_t { kReject, kTakeover };

struct EngineOptions {
  uint32_t max_sessions = 0;  // slots; 0 = what the datapath says (Datapath::SessionCapacity)
  absl::Duration default_timeout = absl::Seconds(10);  // for a spec with timeout zero
  absl::Duration max_timeout = absl::Seconds(86400);   // longer ones are clamped
  OnLinkDown on_link_down = OnLinkDown::kClose;
  absl::Duration link_down_hold = absl::Seconds(3);  // down for this long before sessions close
  DuplicateTuple duplicate_tuple = DuplicateTuple::kReject;
  size_t tick_batch = 4096;  // sessions looked at per Tick at most
};

struct EngineStats {
  uint64_t sessions = 0;  // established or installing now
  uint64_t capacity = 0;  // sessions that fit at once
  uint64_t added = 0;     // accepted since start
  uint64_t rejected = 0;  // refused since start, for any reason
  uint64_t closed_timeout = 0;
  uint64_t closed_deleted = 0;
  uint64_t closed_lost = 0;
  uint64_t undone = 0;          // half-installed sessions removed again
  uint64_t delete_retries = 0;  // deletes that had to be repeated
  uint64_t query_failures = 0;  // last-use reads that failed
};

// Where the final counters of an explicit delete go: never to both.
enum class DeleteMode : uint8_t { kReply, kClosedRecord };

// How getAllSessions walks: see the API's paging rules in docs/protocol.md.
struct ListRequest {
  session::OwnerId owner = 0;
  std::optional<uint64_t> after_id;  // only ids strictly greater; none = from the lowest
  size_t skip = 0;                   // of those, skip so many (1-based pages)
  size_t limit = 0;                  // at most so many; 0 = all
};

class Engine final : public datapath::LifObserver {
 public:
  // `clock`, `datapath` and `log` must outlive the engine.
  Engine(const EngineOptions& options, base::Clock& clock, datapath::Datapath& datapath,
         closed::ClosedLog& log);
  ~Engine() override;
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // One status per spec, in order: OK, ALREADY_EXISTS, RESOURCE_EXHAUSTED, INVALID_ARGUMENT (LIF
  // not configured, a VLAN on one LIF only, one-armed tuple equal to its own reverse),
  // UNIMPLEMENTED, or the datapath's error with the kernel's text. Blocks until each outcome is
  // known. REQUIRES: results.size() == specs.size().
  void Add(absl::Span<const session::SessionSpec> specs, absl::Span<absl::Status> results);

  // Live counters are read from the datapath. A closed session whose record was not fetched is
  // answered with state kClosed. NOT_FOUND otherwise.
  absl::StatusOr<session::SessionView> Get(const session::SessionKey& key);

  // kReply: the final record is returned and not logged. kClosedRecord: it is logged, and returned
  // too for the caller's information. Deleting a closed session whose record is pending takes that
  // record out of the log. NOT_FOUND for an unknown id. UNAVAILABLE when the datapath could not
  // confirm: the session is closing, its record will be logged by Tick.
  //
  // `taken`, when given, says whether the record came out of the log: then the caller is the only
  // one who still has it.
  absl::StatusOr<session::ClosedRecord> Delete(const session::SessionKey& key, DeleteMode mode,
                                               bool* taken = nullptr);

  // Whole sessions of one owner in ascending id, with live counters.
  std::vector<session::SessionView> List(const ListRequest& request);

  // Looks at the sessions that are due, closes idle ones, repeats unfinished closes, acts on links.
  // Returns how many sessions it closed.
  size_t Tick(base::MonotonicTime now);

  // Closes every session there is at the call and logs its record; waits for those that somebody
  // works on. What cannot be closed is left for Tick. Used by "flush" at stop.
  void CloseAll(session::CloseReason reason);

  void OnLifState(session::LifId lif, datapath::LifState state) override;

  EngineStats Stats() const;

  // What was last told of the LIF; kUp for one that nothing was told of.
  datapath::LifState LinkState(session::LifId lif) const;

  // The datapath's own findings and statistics (datapath/datapath.h). Examine blocks while the
  // kernel is asked; sessions go on meanwhile.
  std::vector<datapath::Finding> Examine();
  datapath::DatapathStats DatapathStats() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace offload::engine
