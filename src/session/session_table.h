// Which sessions exist: gives out slots and finds sessions by id and by rule.
//
// Slots are dense from 0: a freed one is reused before a new one is opened, the one freed first
// first. Each use of a slot has a new generation.
//
// Not thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "session/slot.h"
#include "session/types.h"

namespace offload::session {

// What one directed rule matches and where: two rules with equal keys cannot both exist.
struct RuleKey {
  uint32_t point = 0;            // attachment point of the LIF the packets arrive on
  std::optional<uint16_t> vlan;  // 802.1Q id they carry; none = untagged
  FiveTuple tuple;               // as it arrives there
  friend bool operator==(const RuleKey&, const RuleKey&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const RuleKey& k) {
    return H::combine(std::move(h), k.point, k.vlan, k.tuple);
  }
};

// The two rules of a session, indexed by Direction.
using RuleKeys = std::array<RuleKey, 2>;

class SessionTable {
 public:
  explicit SessionTable(uint32_t capacity) : capacity_(capacity) {}

  std::optional<Slot> Find(const SessionKey& key) const;
  std::optional<Slot> Find(const RuleKey& key) const;

  // Takes a slot. None when all are taken. REQUIRES: neither `key` nor `rules` is in the table, and
  // the two rules differ.
  std::optional<Slot> Insert(const SessionKey& key, const RuleKeys& rules);
  // REQUIRES: the slot is taken.
  void Erase(Slot slot);

  // Of the slot's present use. REQUIRES: it was taken once.
  Generation generation(Slot slot) const { return uses_[slot].generation; }
  uint32_t size() const { return static_cast<uint32_t>(by_id_.size()); }
  uint32_t capacity() const { return capacity_; }

  // Visits the sessions of `owner` with ids greater than `after` (none: all) in ascending order
  // until `visit` returns false.
  void Visit(OwnerId owner, std::optional<uint64_t> after,
             absl::FunctionRef<bool(Slot)> visit) const;

 private:
  struct Use {
    SessionKey key;
    RuleKeys rules;
    Generation generation = kGenerationMask;  // the first use is number 0
  };

  const uint32_t capacity_;
  std::vector<Use> uses_;   // by slot
  std::deque<Slot> freed_;  // oldest first
  absl::btree_map<SessionKey, Slot> by_id_;
  absl::flat_hash_map<RuleKey, Slot> by_rule_;
};

}  // namespace offload::session
