// The thread that makes an engine age: calls Tick every kPeriod until destroyed.
#pragma once

#include <thread>

#include "base/clock.h"
#include "base/mutex.h"
#include "engine/engine.h"

namespace offload::engine {

class Ager {
 public:
  static constexpr absl::Duration kPeriod = absl::Milliseconds(50);

  // Both must outlive the ager.
  Ager(Engine& engine, base::Clock& clock)
      : engine_(engine), clock_(clock), thread_([this] { Run(); }) {}
  ~Ager() {
    {
      base::MutexLock lock(mutex_);
      stopping_ = true;
      stop_.NotifyAll();
    }
    thread_.join();
  }
  Ager(const Ager&) = delete;
  Ager& operator=(const Ager&) = delete;

 private:
  void Run() {
    for (;;) {
      engine_.Tick(clock_.Now());
      base::MutexLock lock(mutex_);
      if (!stopping_) stop_.WaitFor(mutex_, absl::ToChronoNanoseconds(kPeriod));
      if (stopping_) return;
    }
  }

  Engine& engine_;
  base::Clock& clock_;
  base::Mutex mutex_;
  base::CondVar stop_;
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::thread thread_;  // last: it uses the members above
};

}  // namespace offload::engine
