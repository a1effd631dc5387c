// The verdicts for people: findings with advice, and what Start says of them. Pure.
#pragma once

#include <map>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "datapath/datapath.h"
#include "datapath/tc_rule.h"
#include "datapath/tc_verdicts.h"

namespace offload::datapath {

// More pairs than these are not probed but learnt from the first rule: 2048 probe rules take a NIC
// about half a second.
inline constexpr size_t kMaxProbedPairs = 256;

struct ProbeState {
  OffloadMode mode = OffloadMode::kHardware;
  std::vector<ProbedNetdev> netdevs;  // empty = not probed yet
  std::map<NetdevPair, PairAnswers> answers;
};

// One finding for each pair (subject "p0 > p1") and, for drops, each netdev (subject "p0"), check
// "probe". A refusal is a problem when it leaves a netdev without any other to forward to, else a
// warning.
std::vector<Finding> DescribeProbe(const ProbeState& state);

// FAILED_PRECONDITION with the reasons when no shape of any pair can be offloaded. OK as soon as
// one can, or is not known.
absl::Status CheckUsable(const ProbeState& state);

}  // namespace offload::datapath
