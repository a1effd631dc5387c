// What the parts of the engine share: where sessions are kept, under which lock, and the outside.
//
// The lock is never held across a call of the datapath or of the closed log.
#pragma once

#include <algorithm>

#include "base/clock.h"
#include "base/mutex.h"
#include "closed/closed_log.h"
#include "datapath/datapath.h"
#include "engine/engine.h"
#include "engine/store.h"

namespace offload::engine {

struct Core {
  Core(const EngineOptions& engine_options, base::Clock& system_clock,
       datapath::Datapath& flow_datapath, closed::ClosedLog& closed_log)
      : options(engine_options),
        clock(system_clock),
        datapath(flow_datapath),
        log(closed_log),
        store(options.max_sessions != 0 ? options.max_sessions : datapath.SessionCapacity(),
              clock.Now()) {}

  // Sessions that may exist now. The datapath says less than the store has room for where standing
  // rules take more of the table than was known at the start.
  uint32_t Capacity() const REQUIRES(mutex) {
    if (options.max_sessions != 0) return store.capacity();
    return std::min(store.capacity(), datapath.SessionCapacity());
  }

  const EngineOptions options;
  base::Clock& clock;
  datapath::Datapath& datapath;
  closed::ClosedLog& log;

  base::Mutex mutex;
  base::CondVar unpinned;  // signalled after entries were unpinned
  Store store GUARDED_BY(mutex);
  EngineStats stats GUARDED_BY(mutex);  // sessions, capacity: filled in when read
};

// A last use is a kernel tick, up to 4 ms (HZ=250) to 10 ms (HZ=100) before the packet: without
// this a session could close that much too early.
inline constexpr absl::Duration kTickSlack = absl::Milliseconds(10);

// How long both directions must have been idle for the session to be closed.
inline absl::Duration IdleLimit(const Core& core, const session::SessionSpec& spec) {
  return spec.timeout + core.datapath.SampleGrace() + kTickSlack;
}

// The session of `key` once nobody works on it, or null when there is none (any more). What could
// not be installed and is not confirmed gone yet is none: it was never accepted.
inline Entry* AwaitUnpinned(Core& core, const session::SessionKey& key) REQUIRES(core.mutex) {
  Entry* entry = core.store.Find(key);
  while (entry != nullptr && entry->pinned) {
    core.unpinned.Wait(core.mutex);
    entry = core.store.Find(key);
  }
  const bool undone = entry != nullptr && entry->state == session::SessionState::kClosing &&
                      entry->disposal == Disposal::kDiscard;
  return undone ? nullptr : entry;
}

}  // namespace offload::engine
