// How sessions end: delete of both rules (their answers carry the final counters), record, slot
// free. What cannot be finished stays closing with its slot taken and is left for Tick to repeat.
#pragma once

#include <array>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "engine/core.h"
#include "engine/probe.h"
#include "engine/store.h"

namespace offload::engine {

class Closer {
 public:
  // A session pinned for closing.
  struct Job {
    session::Slot slot = 0;
    RulePair rules;
    std::array<bool, 2> gone = {};  // rules that need no delete, by Direction
  };

  struct Outcome {
    // OK: closed, the slot is free (with kRetry: installing again, still pinned). UNAVAILABLE:
    // still closing.
    absl::Status status;
    session::ClosedRecord record;
  };

  explicit Closer(Core& core) : core_(core) {}

  // Begins the close of an installing or established entry, which is unpinned or pinned by the
  // caller; or takes up again an unpinned one that is closing (then the other arguments are
  // ignored). Each job must be run. The core's mutex is held; not as REQUIRES, because the analysis
  // does not see that the callers' core is this one.
  Job Begin(Entry& entry, session::CloseReason reason, Disposal disposal);

  // One delete batch for all. Returns one outcome per job, in order.
  std::vector<Outcome> Run(absl::Span<const Job> jobs) EXCLUDES(core_.mutex);

  // Closes every session there is, waiting for those that somebody works on.
  void CloseAll(session::CloseReason reason) EXCLUDES(core_.mutex);

 private:
  // Enters what the deletes said. True: the session is to be logged and stays pinned. False: it is
  // not this job's any more, its slot may be another session's at once.
  bool Settle(const Job& job, absl::Span<const datapath::FlowResult> results, Outcome& outcome)
      REQUIRES(core_.mutex);
  // Logs and finishes the jobs `to_log` (their positions).
  void AppendRecords(absl::Span<const Job> jobs, absl::Span<const size_t> to_log,
                     absl::Span<Outcome> outcomes) EXCLUDES(core_.mutex);
  void Finish(Entry& entry) REQUIRES(core_.mutex);
  // Unpins the entry, still closing, for Tick.
  void Postpone(Entry& entry) REQUIRES(core_.mutex);
  // The next jobs of CloseAll; waits while all that remain are pinned. Empty: nothing remains.
  std::vector<Job> NextToClose(std::vector<Ref>& remaining, session::CloseReason reason)
      EXCLUDES(core_.mutex);

  Core& core_;
};

}  // namespace offload::engine
