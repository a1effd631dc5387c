// Asks the datapath for counters and last use of many sessions in one call.
#pragma once

#include <array>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "datapath/datapath.h"
#include "engine/store.h"
#include "session/types.h"

namespace offload::engine {

// The two rules of a session, by Direction.
using RulePair = std::array<datapath::FlowRule, 2>;
RulePair RulesOf(const Entry& entry);

// What one session's two queries said.
struct Reading {
  absl::Status status;                // not OK: at least one query failed
  bool lost = false;                  // a rule is gone
  session::SessionCounters counters;  // zero for a direction that did not answer
  // Time since the last packet of either direction; infinite when neither answered.
  absl::Duration idle = absl::InfiniteDuration();
};

// One reading per session, in order. REQUIRES: the caller has the sessions pinned, no lock held.
std::vector<Reading> Read(datapath::Datapath& datapath, absl::Span<const RulePair> sessions);

}  // namespace offload::engine
