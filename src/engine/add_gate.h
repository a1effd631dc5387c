// Any number of batches program their rules together, or one retry alone.
//
// A half of a session that is about to be undone takes room in the table that it does not keep.
// Only while nobody else programs does "full" mean full, so that is when a refusal becomes final.
//
// Threads: all methods from any thread. Not recursive: who is in it must not enter again. Who is in
// it must not wait for another add.
#pragma once

#include <cstddef>

#include "base/mutex.h"

namespace offload::engine {

class AddGate {
 public:
  // In the gate for a scope, with others. Those who wait to be alone go first, so that a stream of
  // batches cannot keep them out.
  class Together {
   public:
    explicit Together(AddGate& gate) : gate_(gate) {
      base::MutexLock lock(gate_.mutex_);
      while (gate_.alone_ || gate_.want_alone_ > 0) gate_.changed_.Wait(gate_.mutex_);
      ++gate_.together_;
    }
    ~Together() {
      base::MutexLock lock(gate_.mutex_);
      if (--gate_.together_ == 0) gate_.changed_.NotifyAll();
    }
    Together(const Together&) = delete;
    Together& operator=(const Together&) = delete;

   private:
    AddGate& gate_;
  };

  // In the gate for a scope, with nobody else.
  class Alone {
   public:
    explicit Alone(AddGate& gate) : gate_(gate) {
      base::MutexLock lock(gate_.mutex_);
      ++gate_.want_alone_;
      while (gate_.alone_ || gate_.together_ > 0) gate_.changed_.Wait(gate_.mutex_);
      --gate_.want_alone_;
      gate_.alone_ = true;
    }
    ~Alone() {
      base::MutexLock lock(gate_.mutex_);
      gate_.alone_ = false;
      gate_.changed_.NotifyAll();
    }
    Alone(const Alone&) = delete;
    Alone& operator=(const Alone&) = delete;

   private:
    AddGate& gate_;
  };

 private:
  base::Mutex mutex_;
  base::CondVar changed_;
  size_t together_ GUARDED_BY(mutex_) = 0;
  size_t want_alone_ GUARDED_BY(mutex_) = 0;
  bool alone_ GUARDED_BY(mutex_) = false;
};

}  // namespace offload::engine
