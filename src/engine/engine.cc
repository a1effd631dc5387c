#include "engine/engine.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/add.h"
#include "engine/close.h"
#include "engine/core.h"
#include "engine/link_states.h"
#include "engine/live.h"

namespace offload::engine {

using session::CloseReason;
using session::SessionState;

class Engine::Impl {
 public:
  Impl(const EngineOptions& options, base::Clock& clock, datapath::Datapath& datapath,
       closed::ClosedLog& log)
      : core(options, clock, datapath, log),
        closer(core),
        adder(core, closer),
        live(core, closer) {}

  absl::StatusOr<session::ClosedRecord> Delete(const session::SessionKey& key, DeleteMode mode,
                                               bool& taken);
  size_t Tick(base::MonotonicTime now);

  Core core;
  Closer closer;
  Adder adder;
  LiveReader live;
  LinkStates links;

 private:
  void DoomLost(base::MonotonicTime now);
  size_t FinishCloses();
};

absl::StatusOr<session::ClosedRecord> Engine::Impl::Delete(const session::SessionKey& key,
                                                           DeleteMode mode, bool& taken) {
  std::vector<Closer::Job> jobs;
  {
    base::MutexLock lock(core.mutex);
    Entry* entry = AwaitUnpinned(core, key);
    if (entry != nullptr && entry->state == SessionState::kClosing) {
      return absl::UnavailableError("session is closing, its record will follow");
    }
    if (entry != nullptr) {
      const Disposal disposal = mode == DeleteMode::kReply ? Disposal::kReply : Disposal::kLog;
      jobs.push_back(closer.Begin(*entry, CloseReason::kDeleted, disposal));
    }
  }
  if (jobs.empty()) {
    auto record = core.log.Take(key);
    taken = record.has_value();
    if (taken) return *std::move(record);
    return absl::NotFoundError(absl::StrCat("no session ", key.id));
  }
  auto outcomes = closer.Run(jobs);
  if (!outcomes[0].status.ok()) return outcomes[0].status;
  return std::move(outcomes[0].record);
}

// Marks the sessions of LIFs that are lost, or have been down for too long.
void Engine::Impl::DoomLost(base::MonotonicTime now) {
  std::vector<session::LifId> lifs = links.TakeLost();
  if (core.options.on_link_down == OnLinkDown::kClose) {
    const auto down = links.TakeDown(now, core.options.link_down_hold);
    lifs.insert(lifs.end(), down.begin(), down.end());
  }
  if (lifs.empty()) return;
  const auto hit = [&](session::LifId lif) {
    return std::find(lifs.begin(), lifs.end(), lif) != lifs.end();
  };
  base::MutexLock lock(core.mutex);
  core.store.VisitAll([&](Entry& entry) REQUIRES(core.mutex) {
    if (entry.doomed || !(hit(entry.spec.in_lif) || hit(entry.spec.out_lif))) return;
    entry.doomed = true;
    if (entry.state == SessionState::kEstablished) core.store.AddUnfinished(entry);
  });
}

// Begins the close of doomed sessions and repeats closes that could not be finished.
size_t Engine::Impl::FinishCloses() {
  std::vector<Closer::Job> jobs;
  {
    base::MutexLock lock(core.mutex);
    for (Entry* entry : core.store.TakeUnfinished(core.options.tick_batch)) {
      if (entry->pinned) continue;  // taken twice: it is in `jobs`
      if (entry->state == SessionState::kClosing) ++core.stats.delete_retries;
      jobs.push_back(closer.Begin(*entry, CloseReason::kRulesLost, Disposal::kLog));
    }
  }
  const auto outcomes = closer.Run(jobs);
  return static_cast<size_t>(std::count_if(
      outcomes.begin(), outcomes.end(), [](const auto& outcome) { return outcome.status.ok(); }));
}

size_t Engine::Impl::Tick(base::MonotonicTime now) {
  DoomLost(now);
  const size_t finished = FinishCloses();
  return finished + live.Age(now);
}

Engine::Engine(const EngineOptions& options, base::Clock& clock, datapath::Datapath& datapath,
               closed::ClosedLog& log)
    : impl_(std::make_unique<Impl>(options, clock, datapath, log)) {}

Engine::~Engine() = default;

void Engine::Add(absl::Span<const session::SessionSpec> specs, absl::Span<absl::Status> results) {
  impl_->adder.Add(specs, results);
}

absl::StatusOr<session::SessionView> Engine::Get(const session::SessionKey& key) {
  return impl_->live.Get(key);
}

absl::StatusOr<session::ClosedRecord> Engine::Delete(const session::SessionKey& key,
                                                     DeleteMode mode, bool* taken) {
  bool from_log = false;
  auto record = impl_->Delete(key, mode, from_log);
  if (taken != nullptr) *taken = from_log;
  return record;
}

std::vector<session::SessionView> Engine::List(const ListRequest& request) {
  return impl_->live.List(request);
}

size_t Engine::Tick(base::MonotonicTime now) { return impl_->Tick(now); }

void Engine::CloseAll(CloseReason reason) { impl_->closer.CloseAll(reason); }

void Engine::OnLifState(session::LifId lif, datapath::LifState state) {
  impl_->links.Set(lif, state, impl_->core.clock.Now());
}

EngineStats Engine::Stats() const {
  base::MutexLock lock(impl_->core.mutex);
  EngineStats stats = impl_->core.stats;
  stats.sessions = impl_->core.store.active();
  stats.capacity = impl_->core.store.capacity();
  return stats;
}

datapath::LifState Engine::LinkState(session::LifId lif) const { return impl_->links.Last(lif); }

std::vector<datapath::Finding> Engine::Examine() { return impl_->core.datapath.Examine(); }

datapath::DatapathStats Engine::DatapathStats() const { return impl_->core.datapath.Stats(); }

}  // namespace offload::engine
