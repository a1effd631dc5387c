#include "closed/memory_log.h"

#include <algorithm>
#include <map>
#include <thread>
#include <utility>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "base/mutex.h"

namespace offload::closed {
namespace {

using session::ClosedRecord;
using session::OwnerId;
using session::SessionKey;

// Position of a record: rising in the order of Append, over all owners.
using Sequence = uint64_t;

}  // namespace

// The records of all owners. A leased record stays where it is and only leaves `waiting`, so giving
// it back is putting its number back: the order cannot be lost.
class MemoryLog::Records {
 public:
  explicit Records(size_t max_records) : max_records_(max_records) {}

  void Append(const ClosedRecord& record) {
    base::MutexLock lock(mutex_);
    Owner& owner = owners_[record.key.owner];
    const bool read_now = owner.waiting.size() < owner.records.size();
    const size_t bound = read_now ? 2 * max_records_ : max_records_;
    if (owner.records.size() >= bound && !owner.waiting.empty()) {
      Erase(owner, *owner.waiting.begin());
      ++stats_.dropped;
    }
    const Sequence sequence = next_++;
    owner.records.emplace(sequence, record);
    owner.waiting.insert(owner.waiting.end(), sequence);
    by_key_[record.key].push_back(sequence);
    ++stats_.appended;
    ++stats_.pending;
  }

  std::vector<Sequence> Lease(OwnerId id, size_t max) {
    base::MutexLock lock(mutex_);
    auto& waiting = owners_[id].waiting;
    auto end = waiting.begin();
    std::vector<Sequence> taken;
    for (; end != waiting.end() && taken.size() < max; ++end) taken.push_back(*end);
    waiting.erase(waiting.begin(), end);
    return taken;
  }

  // REQUIRES: `sequence` is leased by the caller. The record stays until the caller commits it.
  const ClosedRecord* Leased(OwnerId id, Sequence sequence) const {
    base::MutexLock lock(mutex_);
    return &owners_.find(id)->second.records.find(sequence)->second;
  }

  // REQUIRES: `sequence` is leased by the caller.
  void Commit(OwnerId id, Sequence sequence) {
    base::MutexLock lock(mutex_);
    Erase(owners_[id], sequence);
    ++stats_.delivered;
  }

  void Return(OwnerId id, const std::vector<Sequence>& sequences) {
    base::MutexLock lock(mutex_);
    owners_[id].waiting.insert(sequences.begin(), sequences.end());
  }

  std::optional<ClosedRecord> Find(const SessionKey& key) const {
    base::MutexLock lock(mutex_);
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) return std::nullopt;
    return owners_.find(key.owner)->second.records.find(found->second.front())->second;
  }

  std::optional<ClosedRecord> Take(const SessionKey& key) {
    base::MutexLock lock(mutex_);
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) return std::nullopt;
    Owner& owner = owners_[key.owner];
    const Sequence sequence = found->second.front();
    if (!owner.waiting.contains(sequence)) return std::nullopt;
    const ClosedRecord record = owner.records.find(sequence)->second;
    Erase(owner, sequence);
    ++stats_.delivered;
    return record;
  }

  ClosedLogStats Stats() const {
    base::MutexLock lock(mutex_);
    return stats_;
  }

 private:
  struct Owner {
    std::map<Sequence, ClosedRecord> records;  // leased ones included; addresses are stable
    absl::btree_set<Sequence> waiting;         // those nobody has leased
  };

  void Erase(Owner& owner, Sequence sequence) REQUIRES(mutex_) {
    const auto record = owner.records.find(sequence);
    const auto of_key = by_key_.find(record->second.key);
    auto& sequences = of_key->second;
    sequences.erase(std::find(sequences.begin(), sequences.end(), sequence));
    if (sequences.empty()) by_key_.erase(of_key);
    owner.waiting.erase(sequence);
    owner.records.erase(record);
    --stats_.pending;
  }

  const size_t max_records_;
  mutable base::Mutex mutex_;
  Sequence next_ GUARDED_BY(mutex_) = 0;
  std::map<OwnerId, Owner> owners_ GUARDED_BY(mutex_);
  absl::flat_hash_map<SessionKey, absl::InlinedVector<Sequence, 1>> by_key_ GUARDED_BY(mutex_);
  ClosedLogStats stats_ GUARDED_BY(mutex_);
};

// Who wants to hear of new records.
class MemoryLog::Subscribers {
 public:
  class Subscriber {
   public:
    Subscriber(OwnerId owner, std::function<void()> notify)
        : owner_(owner), notify_(std::move(notify)) {}

    OwnerId owner() const { return owner_; }

    void Notify() {
      {
        base::MutexLock lock(mutex_);
        if (ended_) return;
        running_.push_back(std::this_thread::get_id());
      }
      notify_();
      base::MutexLock lock(mutex_);
      running_.erase(std::find(running_.begin(), running_.end(), std::this_thread::get_id()));
      idle_.NotifyAll();
    }

    // No call begins after this; none runs any more on another thread.
    void End() {
      base::MutexLock lock(mutex_);
      ended_ = true;
      while (RunsElsewhere()) idle_.Wait(mutex_);
    }

   private:
    bool RunsElsewhere() const REQUIRES(mutex_) {
      return std::any_of(running_.begin(), running_.end(),
                         [](std::thread::id id) { return id != std::this_thread::get_id(); });
    }

    const OwnerId owner_;
    const std::function<void()> notify_;
    base::Mutex mutex_;
    base::CondVar idle_;
    bool ended_ GUARDED_BY(mutex_) = false;
    std::vector<std::thread::id> running_ GUARDED_BY(mutex_);
  };

  void Add(std::shared_ptr<Subscriber> subscriber) {
    base::MutexLock lock(mutex_);
    all_.push_back(std::move(subscriber));
  }

  void Remove(const std::shared_ptr<Subscriber>& subscriber) {
    {
      base::MutexLock lock(mutex_);
      all_.erase(std::find(all_.begin(), all_.end(), subscriber));
    }
    subscriber->End();
  }

  void Notify(OwnerId owner) {
    std::vector<std::shared_ptr<Subscriber>> wanted;
    {
      base::MutexLock lock(mutex_);
      std::copy_if(all_.begin(), all_.end(), std::back_inserter(wanted),
                   [owner](const auto& subscriber) { return subscriber->owner() == owner; });
    }
    for (const auto& subscriber : wanted) subscriber->Notify();
  }

 private:
  base::Mutex mutex_;
  std::vector<std::shared_ptr<Subscriber>> all_ GUARDED_BY(mutex_);
};

class MemoryLog::MemoryLease final : public ClosedLease {
 public:
  MemoryLease(std::shared_ptr<Records> records, std::shared_ptr<Subscribers> subscribers,
              OwnerId owner, std::vector<Sequence> sequences)
      : records_(std::move(records)),
        subscribers_(std::move(subscribers)),
        owner_(owner),
        sequences_(std::move(sequences)) {}

  ~MemoryLease() override {
    if (next_ == sequences_.size()) return;
    sequences_.erase(sequences_.begin(), sequences_.begin() + static_cast<ptrdiff_t>(next_));
    records_->Return(owner_, sequences_);
    subscribers_->Notify(owner_);
  }

  const ClosedRecord* Peek() override {
    if (next_ == sequences_.size()) return nullptr;
    return records_->Leased(owner_, sequences_[next_]);
  }

  void Commit() override {
    if (next_ < sequences_.size()) records_->Commit(owner_, sequences_[next_++]);
  }

 private:
  const std::shared_ptr<Records> records_;
  const std::shared_ptr<Subscribers> subscribers_;
  const OwnerId owner_;
  std::vector<Sequence> sequences_;
  size_t next_ = 0;  // of sequences_; those before are committed
};

MemoryLog::MemoryLog(size_t max_records)
    : records_(std::make_shared<Records>(max_records)),
      subscribers_(std::make_shared<Subscribers>()) {}

MemoryLog::~MemoryLog() = default;

absl::Status MemoryLog::Append(const ClosedRecord& record) {
  records_->Append(record);
  subscribers_->Notify(record.key.owner);
  return absl::OkStatus();
}

std::unique_ptr<ClosedLease> MemoryLog::Lease(OwnerId owner, size_t max) {
  return std::make_unique<MemoryLease>(records_, subscribers_, owner, records_->Lease(owner, max));
}

std::optional<ClosedRecord> MemoryLog::Find(const SessionKey& key) const {
  return records_->Find(key);
}

std::optional<ClosedRecord> MemoryLog::Take(const SessionKey& key) { return records_->Take(key); }

std::shared_ptr<void> MemoryLog::Subscribe(OwnerId owner, std::function<void()> notify) {
  auto subscriber = std::make_shared<Subscribers::Subscriber>(owner, std::move(notify));
  subscribers_->Add(subscriber);
  return std::shared_ptr<void>(
      subscriber.get(), [subscriber, all = subscribers_](void*) { all->Remove(subscriber); });
}

ClosedLogStats MemoryLog::Stats() const { return records_->Stats(); }

}  // namespace offload::closed
