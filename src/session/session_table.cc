#include "session/session_table.h"

namespace offload::session {

std::optional<Slot> SessionTable::Find(const SessionKey& key) const {
  const auto found = by_id_.find(key);
  return found == by_id_.end() ? std::nullopt : std::optional<Slot>(found->second);
}

std::optional<Slot> SessionTable::Find(const RuleKey& key) const {
  const auto found = by_rule_.find(key);
  return found == by_rule_.end() ? std::nullopt : std::optional<Slot>(found->second);
}

std::optional<Slot> SessionTable::Insert(const SessionKey& key, const RuleKeys& rules) {
  if (size() >= capacity_) return std::nullopt;
  Slot slot = static_cast<Slot>(uses_.size());
  if (freed_.empty()) {
    uses_.emplace_back();
  } else {
    slot = freed_.front();
    freed_.pop_front();
  }
  Use& use = uses_[slot];
  use.key = key;
  use.rules = rules;
  use.generation = (use.generation + 1) & kGenerationMask;
  by_id_.emplace(key, slot);
  for (const RuleKey& rule : rules) by_rule_.emplace(rule, slot);
  return slot;
}

void SessionTable::Erase(Slot slot) {
  const Use& use = uses_[slot];
  by_id_.erase(use.key);
  for (const RuleKey& rule : use.rules) by_rule_.erase(rule);
  freed_.push_back(slot);
}

void SessionTable::Visit(OwnerId owner, std::optional<uint64_t> after,
                         absl::FunctionRef<bool(Slot)> visit) const {
  auto session = after ? by_id_.upper_bound(SessionKey{.owner = owner, .id = *after})
                       : by_id_.lower_bound(SessionKey{.owner = owner, .id = 0});
  for (; session != by_id_.end() && session->first.owner == owner; ++session) {
    if (!visit(session->second)) return;
  }
}

}  // namespace offload::session
