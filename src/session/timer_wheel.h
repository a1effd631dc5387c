// Says which sessions are due. A hierarchical timer wheel: 4 levels of 64 buckets, intrusive lists,
// so that Schedule and Cancel are O(1) and each entry is moved at most 3 times on its way.
//
// It has no clock and no thread: time is what Advance is given. A slot never comes back before its
// deadline and comes back with the first Advance that is kTick or more after it. Deadlines further
// away than the wheel reaches (64^4 ticks, 116 hours) are kept and found in time all the same.
//
// Not thread-safe. Memory: 24 bytes for each slot up to the highest one ever scheduled.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "session/slot.h"

namespace offload::session {

class TimerWheel {
 public:
  static constexpr absl::Duration kTick = absl::Milliseconds(25);

  // `start`: no Advance is earlier than this.
  explicit TimerWheel(base::MonotonicTime start);

  // Replaces the slot's earlier deadline, if it has one.
  void Schedule(Slot slot, base::MonotonicTime deadline);
  // Does nothing when the slot is not scheduled.
  void Cancel(Slot slot);
  // Moves time on to `now` and takes up to `max` due slots, in the order of their deadlines' ticks
  // (those that were past when they were scheduled: in the order of Schedule). What is due beyond
  // `max` comes with the next call. An earlier `now` does not turn time back.
  std::vector<Slot> Advance(base::MonotonicTime now, size_t max);

  // Slots scheduled and not yet given back.
  size_t size() const { return size_; }

 private:
  using Tick = uint64_t;  // since start_

  static constexpr int kLevels = 4;
  static constexpr int kBits = 6;
  static constexpr size_t kBuckets = size_t{1} << kBits;
  static constexpr size_t kReady = kLevels * kBuckets;  // the list of what is due
  static constexpr uint16_t kNoList = kReady + 1;
  static constexpr Slot kNone = ~Slot{0};

  struct Node {
    Tick due = 0;
    Slot previous = kNone;
    Slot next = kNone;
    uint16_t list = kNoList;
  };
  struct List {
    Slot first = kNone;
    Slot last = kNone;
  };

  static size_t LevelOf(size_t list) { return list / kBuckets; }
  Tick TickAt(base::MonotonicTime time) const;     // rounded down
  Tick TickAfter(base::MonotonicTime time) const;  // rounded up
  size_t ListFor(Tick due) const;
  void Link(Slot slot, size_t list);
  void Unlink(Slot slot);
  // Puts every entry of a list where it belongs now.
  void Redistribute(size_t list);
  void MoveTo(Tick target);

  const base::MonotonicTime start_;
  Tick current_ = 0;
  size_t size_ = 0;
  std::array<size_t, kLevels + 1> count_ = {};  // entries by level, the last: ready
  std::array<List, kReady + 1> lists_;
  std::vector<Node> nodes_;
};

}  // namespace offload::session
