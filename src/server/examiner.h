// Runs the engine's examinations for all who ask, one at a time: it takes seconds, and however many
// ask, one worker is busy with it and the others go on reading sessions.
//
// Thread-safe.
#pragma once

#include <functional>
#include <vector>

#include "base/mutex.h"
#include "engine/engine.h"
#include "server/worker_pool.h"

namespace offload::server {

class Examiner {
 public:
  using Done = std::function<void(const std::vector<datapath::Finding>&)>;

  // Both must outlive it. REQUIRES: the pool is stopped before it goes.
  Examiner(engine::Engine& engine, WorkerPool& workers) : engine_(engine), workers_(workers) {}

  // Calls `done` on a worker with the findings of an examination that begins after this call. All
  // who ask while one runs share the next. REQUIRES: the pool takes jobs.
  void Ask(Done done);

 private:
  void Run();
  // Those who wait; when there are none the run is over.
  std::vector<Done> Next();

  engine::Engine& engine_;
  WorkerPool& workers_;
  base::Mutex mutex_;
  bool running_ GUARDED_BY(mutex_) = false;
  std::vector<Done> waiting_ GUARDED_BY(mutex_);
};

}  // namespace offload::server
