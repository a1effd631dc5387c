#include "engine/store.h"

#include <algorithm>
#include <utility>

namespace offload::engine {

using session::CloseReason;
using session::SessionState;
using session::Slot;

void Raise(session::Counters& known, const session::Counters& seen) {
  known.packets = std::max(known.packets, seen.packets);
  known.bytes = std::max(known.bytes, seen.bytes);
}

void Raise(session::SessionCounters& known, const session::SessionCounters& seen) {
  for (const session::Direction d : session::kDirections) Raise(known.of(d), seen.of(d));
}

Store::Store(uint32_t capacity, base::MonotonicTime now) : table_(capacity), wheel_(now) {}

Entry* Store::Find(const session::SessionKey& key) { return AtOrNull(table_.Find(key)); }
Entry* Store::Find(const session::RuleKey& key) { return AtOrNull(table_.Find(key)); }

Entry* Store::Reserve(const session::SessionSpec& spec, const session::RuleKeys& rules) {
  const std::optional<Slot> slot = table_.Insert(spec.key, rules);
  if (!slot) return nullptr;
  if (*slot == entries_.size()) entries_.emplace_back();
  Entry& entry = entries_[*slot];
  entry = Entry{.spec = spec,
                .slot = *slot,
                .generation = table_.generation(*slot),
                .state = SessionState::kInstalling,
                .pinned = true,
                .undecided = true};
  ++undecided_;
  return &entry;
}

void Store::Establish(Entry& entry, base::MonotonicTime now, absl::Time wall,
                      base::MonotonicTime deadline) {
  Decide(entry);
  entry.state = SessionState::kEstablished;
  entry.pinned = false;
  entry.installed = now;
  entry.start = wall;
  wheel_.Schedule(entry.slot, deadline);
  if (entry.doomed) AddUnfinished(entry);
}

void Store::BeginClose(Entry& entry, CloseReason reason, Disposal disposal,
                       base::MonotonicTime now) {
  entry.state = SessionState::kClosing;
  entry.pinned = true;
  entry.reason = reason;
  entry.disposal = disposal;
  entry.end = entry.start + std::max(absl::ZeroDuration(), now - entry.installed);
  wheel_.Cancel(entry.slot);
  ++closing_;
}

void Store::Free(Entry& entry) {
  Decide(entry);
  table_.Erase(entry.slot);
  entry.state = SessionState::kClosed;
  entry.pinned = false;
  --closing_;
}

void Store::Resume(Entry& entry) {
  entry.state = SessionState::kInstalling;
  entry.counters = {};
  entry.gone = {};
  --closing_;
}

void Store::Decide(Entry& entry) {
  if (std::exchange(entry.undecided, false)) --undecided_;
}

void Store::Schedule(const Entry& entry, base::MonotonicTime deadline) {
  wheel_.Schedule(entry.slot, deadline);
}

std::vector<Slot> Store::Due(base::MonotonicTime now, size_t max) {
  return wheel_.Advance(now, max);
}

void Store::AddUnfinished(Entry& entry) {
  Decide(entry);
  unfinished_.push_back({.slot = entry.slot, .generation = entry.generation});
}

std::vector<Entry*> Store::TakeUnfinished(size_t max) {
  std::vector<Entry*> taken;
  for (; max > 0 && !unfinished_.empty(); --max) {
    const Ref ref = unfinished_.front();
    unfinished_.pop_front();
    Entry& entry = entries_[ref.slot];
    if (entry.state == SessionState::kClosed || entry.generation != ref.generation) continue;
    if (entry.pinned) {
      unfinished_.push_back(ref);
    } else {
      taken.push_back(&entry);
    }
  }
  return taken;
}

void Store::Visit(session::OwnerId owner, std::optional<uint64_t> after,
                  absl::FunctionRef<bool(Entry&)> visit) {
  table_.Visit(owner, after, [&](Slot slot) { return visit(entries_[slot]); });
}

void Store::VisitAll(absl::FunctionRef<void(Entry&)> visit) {
  for (Entry& entry : entries_) {
    if (entry.state != SessionState::kClosed) visit(entry);
  }
}

}  // namespace offload::engine
