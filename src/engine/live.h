// Reading established sessions: counters and last use from the datapath, with the session pinned.
#pragma once

#include <vector>

#include "absl/types/span.h"
#include "engine/close.h"
#include "engine/core.h"

namespace offload::engine {

class LiveReader {
 public:
  LiveReader(Core& core, Closer& closer) : core_(core), closer_(closer) {}

  absl::StatusOr<session::SessionView> Get(const session::SessionKey& key) EXCLUDES(core_.mutex);
  std::vector<session::SessionView> List(const ListRequest& request) EXCLUDES(core_.mutex);

  // Looks at up to options.tick_batch due sessions; closes those that are idle or lost. Returns how
  // many were closed.
  size_t Age(base::MonotonicTime now) EXCLUDES(core_.mutex);

 private:
  // Established entries, pinned by us.
  using Pinned = std::vector<Entry*>;
  std::vector<Reading> ReadPinned(const Pinned& entries) EXCLUDES(core_.mutex);
  Pinned PinDue(base::MonotonicTime now) EXCLUDES(core_.mutex);
  // Enters a reading; unpins the entry, or begins its close.
  void Enter(Entry& entry, const Reading& reading, base::MonotonicTime asked, bool aging,
             std::vector<Closer::Job>& closes) REQUIRES(core_.mutex);

  Core& core_;
  Closer& closer_;
};

}  // namespace offload::engine
