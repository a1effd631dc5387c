// Which LIFs are down or lost, and since when. Thread-safe.
#pragma once

#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "datapath/datapath.h"

namespace offload::engine {

class LinkStates {
 public:
  void Set(session::LifId lif, datapath::LifState state, base::MonotonicTime now) {
    base::MutexLock lock(mutex_);
    last_[lif] = state;
    if (state == datapath::LifState::kUp) {
      down_.erase(lif);
    } else if (state == datapath::LifState::kLost) {
      lost_.push_back(lif);
      down_.erase(lif);
    } else {
      down_.try_emplace(lif, now);
    }
  }

  // What was last set; kUp for a LIF that was never set.
  datapath::LifState Last(session::LifId lif) const {
    base::MutexLock lock(mutex_);
    const auto found = last_.find(lif);
    return found == last_.end() ? datapath::LifState::kUp : found->second;
  }

  // LIFs that were lost since the last call.
  std::vector<session::LifId> TakeLost() {
    base::MutexLock lock(mutex_);
    return std::exchange(lost_, {});
  }

  // LIFs that have been down for `hold`, each once.
  std::vector<session::LifId> TakeDown(base::MonotonicTime now, absl::Duration hold) {
    base::MutexLock lock(mutex_);
    std::vector<session::LifId> expired;
    for (auto it = down_.begin(); it != down_.end();) {
      if (now - it->second >= hold) {
        expired.push_back(it->first);
        down_.erase(it++);
      } else {
        ++it;
      }
    }
    return expired;
  }

 private:
  mutable base::Mutex mutex_;
  absl::flat_hash_map<session::LifId, datapath::LifState> last_ GUARDED_BY(mutex_);
  absl::flat_hash_map<session::LifId, base::MonotonicTime> down_ GUARDED_BY(mutex_);
  std::vector<session::LifId> lost_ GUARDED_BY(mutex_);
};

}  // namespace offload::engine
