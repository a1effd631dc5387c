// The streams that stay open until somebody ends them: followers of the closed log. A stop ends
// them all, so that it need not wait for its deadline.
//
// Thread-safe.
#pragma once

#include "absl/container/flat_hash_set.h"
#include "base/mutex.h"

namespace offload::server {

class Follower {
 public:
  // Called once at most, by any thread; must not call the set.
  virtual void EndFollowing() = 0;

 protected:
  ~Follower() = default;
};

class FollowerSet {
 public:
  // False: all were ended, this one must not begin.
  bool Add(Follower* follower) {
    base::MutexLock lock(mutex_);
    if (!ended_) followers_.insert(follower);
    return !ended_;
  }
  // After it `follower` is not called any more.
  void Remove(Follower* follower) {
    base::MutexLock lock(mutex_);
    followers_.erase(follower);
  }
  void EndAll() {
    base::MutexLock lock(mutex_);
    ended_ = true;
    for (Follower* follower : followers_) follower->EndFollowing();
    followers_.clear();
  }

 private:
  base::Mutex mutex_;
  absl::flat_hash_set<Follower*> followers_ GUARDED_BY(mutex_);
  bool ended_ GUARDED_BY(mutex_) = false;
};

}  // namespace offload::server
