// What the engine knows of each session, and the bookkeeping around it: slots, deadlines, closes
// that are to be begun or repeated. No I/O and no waiting: it is used under the engine's lock.
//
// Who may change a session: an entry that is `pinned` belongs to one thread, which works on it in
// the datapath without the lock; everybody else waits or goes on without it. So no two datapath
// calls ever carry operations of one slot.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "session/session_table.h"
#include "session/slot.h"
#include "session/timer_wheel.h"
#include "session/types.h"

namespace offload::engine {

// What becomes of the counters of a session that is closing.
enum class Disposal : uint8_t {
  kLog,      // a record in the closed log
  kReply,    // handed to the caller of Delete
  kDiscard,  // none: the session was never accepted
  kRetry,    // none: the session is installing again when its rules are gone
};

struct Entry {
  session::SessionSpec spec;
  session::Slot slot = 0;
  session::Generation generation = 0;
  // kClosed: the slot is free.
  session::SessionState state = session::SessionState::kClosed;
  bool pinned = false;
  bool undecided = false;             // reserved; whether it comes to be is not known yet
  bool doomed = false;                // its rules are lost: to be closed with kRulesLost
  session::SessionCounters counters;  // the last known; they never go backwards
  base::MonotonicTime installed;
  absl::Time start;
  // While closing:
  session::CloseReason reason = session::CloseReason::kTimeout;
  absl::Time end;
  Disposal disposal = Disposal::kLog;
  std::array<bool, 2> gone = {};  // which rules are confirmed to be absent, by Direction
};

// Both only grow.
void Raise(session::Counters& known, const session::Counters& seen);
void Raise(session::SessionCounters& known, const session::SessionCounters& seen);

// One use of a slot.
struct Ref {
  session::Slot slot = 0;
  session::Generation generation = 0;
};

class Store {
 public:
  Store(uint32_t capacity, base::MonotonicTime now);

  // Null: not in the table. Entries do not move.
  Entry* Find(const session::SessionKey& key);
  Entry* Find(const session::RuleKey& key);
  Entry& At(session::Slot slot) { return entries_[slot]; }

  // A new entry, installing and pinned. Null: the table is full. REQUIRES: no clash.
  Entry* Reserve(const session::SessionSpec& spec, const session::RuleKeys& rules);
  // installing -> established, not pinned.
  void Establish(Entry& entry, base::MonotonicTime now, absl::Time wall,
                 base::MonotonicTime deadline);
  // installing or established -> closing, pinned.
  void BeginClose(Entry& entry, session::CloseReason reason, Disposal disposal,
                  base::MonotonicTime now);
  // closing -> closed: the slot is free.
  void Free(Entry& entry);
  // closing -> installing, still pinned: none of its rules is there, nothing was counted.
  void Resume(Entry& entry);

  // When to look at an established entry again.
  void Schedule(const Entry& entry, base::MonotonicTime deadline);
  std::vector<session::Slot> Due(base::MonotonicTime now, size_t max);

  // An entry whose close is to be begun (established, doomed) or repeated (closing).
  void AddUnfinished(Entry& entry);
  // Up to `max` of them, oldest first, each still what it was; those pinned at the moment are left
  // for later.
  std::vector<Entry*> TakeUnfinished(size_t max);
  size_t unfinished() const { return unfinished_.size(); }

  void Visit(session::OwnerId owner, std::optional<uint64_t> after,
             absl::FunctionRef<bool(Entry&)> visit);
  // All taken slots, in the order of slots.
  void VisitAll(absl::FunctionRef<void(Entry&)> visit);

  // Installing or established.
  size_t active() const { return table_.size() - closing_; }
  // Installing, established or closing: the rules may be there.
  uint32_t taken() const { return table_.size(); }
  uint32_t capacity() const { return table_.capacity(); }
  // Slots taken by sessions that may still be refused and then free their slot at once. (One that
  // is left unfinished keeps its slot for longer and does not count.)
  size_t undecided() const { return undecided_; }

 private:
  void Decide(Entry& entry);
  Entry* AtOrNull(std::optional<session::Slot> slot) { return slot ? &entries_[*slot] : nullptr; }

  session::SessionTable table_;
  session::TimerWheel wheel_;
  std::deque<Entry> entries_;  // by slot
  std::deque<Ref> unfinished_;
  size_t closing_ = 0;
  size_t undecided_ = 0;
};

}  // namespace offload::engine
