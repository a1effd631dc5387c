// A thread that runs what it is given, in order; and a count to wait on.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <thread>
#include <utility>

#include "base/mutex.h"

namespace offload::datapath {

// Thread-safe. The destructor runs what was posted before it, then joins.
class TcWorker {
 public:
  TcWorker() : thread_([this] { Run(); }) {}
  ~TcWorker() {
    {
      base::MutexLock lock(mutex_);
      stopping_ = true;
      changed_.NotifyOne();
    }
    thread_.join();
  }
  TcWorker(const TcWorker&) = delete;
  TcWorker& operator=(const TcWorker&) = delete;

  void Post(std::function<void()> work) {
    base::MutexLock lock(mutex_);
    queue_.push_back(std::move(work));
    changed_.NotifyOne();
  }

 private:
  void Run() {
    for (;;) {
      std::function<void()> work;
      {
        base::MutexLock lock(mutex_);
        while (queue_.empty() && !stopping_) changed_.Wait(mutex_);
        if (queue_.empty()) return;
        work = std::move(queue_.front());
        queue_.pop_front();
      }
      work();
    }
  }

  base::Mutex mutex_;
  base::CondVar changed_;
  std::deque<std::function<void()>> queue_ GUARDED_BY(mutex_);
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::thread thread_;  // last: it uses the members above
};

// Wait returns when Done was called `count` times. Thread-safe.
class TcCountdown {
 public:
  explicit TcCountdown(size_t count) : left_(count) {}
  void Done() {
    base::MutexLock lock(mutex_);
    if (--left_ == 0) changed_.NotifyAll();
  }
  void Wait() {
    base::MutexLock lock(mutex_);
    while (left_ > 0) changed_.Wait(mutex_);
  }

 private:
  base::Mutex mutex_;
  base::CondVar changed_;
  size_t left_ GUARDED_BY(mutex_);
};

}  // namespace offload::datapath
