// Threads for calls that block, so that gRPC's own threads never do.
//
// Jobs start in the order they were submitted. Thread-safe.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace offload::server {

class WorkerPool {
 public:
  // REQUIRES: threads > 0.
  explicit WorkerPool(size_t threads);
  // Stops.
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // REQUIRES: Stop was not called, except by a job. `job` must not throw.
  void Submit(std::function<void()> job);

  // Returns when all jobs are done, those submitted by jobs too, and the threads are joined. May be
  // called again. Not for several threads at once.
  void Stop();

 private:
  void Run();

  base::Mutex mutex_;
  base::CondVar changed_;
  std::deque<std::function<void()>> jobs_ GUARDED_BY(mutex_);
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace offload::server
