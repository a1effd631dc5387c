#include "engine/probe.h"

#include <algorithm>

namespace offload::engine {
namespace {

using datapath::FlowOp;
using datapath::FlowResult;
using session::Direction;

void Note(Direction direction, const FlowResult& result, Reading& reading) {
  if (result.status.ok()) {
    reading.counters.of(direction) = result.counters;
    reading.idle = std::min(reading.idle, result.idle);
    return;
  }
  reading.lost |= absl::IsNotFound(result.status);
  reading.status.Update(result.status);
}

}  // namespace

RulePair RulesOf(const Entry& entry) {
  RulePair rules;
  for (const Direction d : session::kDirections) {
    rules[static_cast<size_t>(d)] = datapath::MakeRule(entry.spec, entry.slot, entry.generation, d);
  }
  return rules;
}

std::vector<Reading> Read(datapath::Datapath& datapath, absl::Span<const RulePair> sessions) {
  std::vector<FlowOp> ops;
  ops.reserve(2 * sessions.size());
  for (const RulePair& rules : sessions) {
    for (const datapath::FlowRule& rule : rules) {
      ops.push_back({.kind = FlowOp::Kind::kQuery, .rule = rule});
    }
  }
  std::vector<FlowResult> results(ops.size());
  if (!ops.empty()) datapath.Apply(ops, absl::MakeSpan(results));
  std::vector<Reading> readings(sessions.size());
  for (size_t i = 0; i < ops.size(); ++i) {
    Note(ops[i].rule.direction, results[i], readings[i / 2]);
  }
  return readings;
}

}  // namespace offload::engine
