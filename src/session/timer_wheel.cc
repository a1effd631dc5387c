#include "session/timer_wheel.h"

#include <algorithm>

namespace offload::session {

TimerWheel::TimerWheel(base::MonotonicTime start) : start_(start) {}

void TimerWheel::Schedule(Slot slot, base::MonotonicTime deadline) {
  Cancel(slot);
  if (slot >= nodes_.size()) nodes_.resize(size_t{slot} + 1);
  nodes_[slot].due = TickAfter(deadline);
  Link(slot, ListFor(nodes_[slot].due));
  ++size_;
}

void TimerWheel::Cancel(Slot slot) {
  if (slot >= nodes_.size() || nodes_[slot].list == kNoList) return;
  Unlink(slot);
  --size_;
}

std::vector<Slot> TimerWheel::Advance(base::MonotonicTime now, size_t max) {
  MoveTo(TickAt(now));
  std::vector<Slot> due;
  due.reserve(std::min(max, count_[kLevels]));
  while (due.size() < max && lists_[kReady].first != kNone) {
    due.push_back(lists_[kReady].first);
    Cancel(due.back());
  }
  return due;
}

TimerWheel::Tick TimerWheel::TickAt(base::MonotonicTime time) const {
  absl::Duration remainder;
  return static_cast<Tick>(
      std::max<int64_t>(0, absl::IDivDuration(time - start_, kTick, &remainder)));
}

TimerWheel::Tick TimerWheel::TickAfter(base::MonotonicTime time) const {
  const Tick tick = TickAt(time);
  return start_ + kTick * static_cast<int64_t>(tick) < time ? tick + 1 : tick;
}

size_t TimerWheel::ListFor(Tick due) const {
  if (due <= current_) return kReady;
  for (int level = 0; level < kLevels; ++level) {
    const int shift = kBits * level;
    const Tick bucket = due >> shift;
    if (bucket - (current_ >> shift) < kBuckets) return level * kBuckets + bucket % kBuckets;
  }
  // Out of reach: as far as it goes; looked at again when that bucket's time comes.
  const Tick furthest = (current_ >> (kBits * (kLevels - 1))) + kBuckets - 1;
  return (kLevels - 1) * kBuckets + furthest % kBuckets;
}

void TimerWheel::Link(Slot slot, size_t list) {
  Node& node = nodes_[slot];
  List& into = lists_[list];
  node.list = static_cast<uint16_t>(list);
  node.previous = into.last;
  node.next = kNone;
  (into.last == kNone ? into.first : nodes_[into.last].next) = slot;
  into.last = slot;
  ++count_[LevelOf(list)];
}

void TimerWheel::Unlink(Slot slot) {
  Node& node = nodes_[slot];
  List& from = lists_[node.list];
  (node.previous == kNone ? from.first : nodes_[node.previous].next) = node.next;
  (node.next == kNone ? from.last : nodes_[node.next].previous) = node.previous;
  --count_[LevelOf(node.list)];
  node.list = kNoList;
}

void TimerWheel::Redistribute(size_t list) {
  Slot slot = lists_[list].first;
  while (slot != kNone) {
    const Slot next = nodes_[slot].next;
    Unlink(slot);
    Link(slot, ListFor(nodes_[slot].due));
    slot = next;
  }
}

void TimerWheel::MoveTo(Tick target) {
  while (current_ < target) {
    int level = 0;  // the lowest with an entry: nothing can happen before its next bucket
    while (level < kLevels && count_[level] == 0) ++level;
    if (level == kLevels) break;
    const int shift = kBits * level;
    const Tick next = ((current_ >> shift) + 1) << shift;
    if (next > target) break;
    current_ = next;
    for (int above = kLevels - 1; above >= 0; --above) {
      const Tick bucket = current_ >> (kBits * above);
      if (bucket << (kBits * above) == current_) {
        Redistribute(above * kBuckets + bucket % kBuckets);
      }
    }
  }
  current_ = std::max(current_, target);
}

}  // namespace offload::session
