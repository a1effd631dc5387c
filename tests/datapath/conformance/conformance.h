// What every Datapath must do, as one suite: the contract of src/datapath/datapath.h as tests.
//
// To add an adapter (or another kind of kernel below one): write a Subject for it, name it in an
// INSTANTIATE_TEST_SUITE_P(Name, ConformanceTest, ...) in a source file of its own, and link that
// with the conformance_*_test.cc files.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "datapath/datapath.h"

namespace offload::datapath::conformance {

// A datapath under test and the world around it. LIFs 1 and 3 are one netdev, LIF 2 another; other
// LIFs are not configured.
class Subject {
 public:
  virtual ~Subject() = default;

  virtual Datapath& datapath() = 0;
  // Another life of the datapath over the same rules, before its Start.
  virtual void Restart() = 0;

  // Makes `packets` packets arrive that `rule` matches; returns what the rule counts for them.
  virtual session::Counters Send(const FlowRule& rule, uint64_t packets) = 0;
  // Lets at least `time` pass.
  virtual void Wait(absl::Duration time) = 0;
  // Removes the rule behind the datapath's back.
  virtual void Lose(const FlowRule& rule) = 0;
  // Session rules that are there, not asked by way of the datapath.
  virtual size_t RuleCount() = 0;
  // Whether a rule beyond SessionCapacity is refused. A kernel without a NIC takes it.
  virtual bool refuses_beyond_capacity() const = 0;
};

// Makes a subject whose table takes exactly `sessions` sessions.
struct Adapter {
  std::string name;
  std::unique_ptr<Subject> (*make)(uint32_t sessions) = nullptr;

  friend std::ostream& operator<<(std::ostream& out, const Adapter& adapter) {
    return out << adapter.name;
  }
};

// Session `id` in slot `id`, from LIF 1 to LIF 2.
session::SessionSpec Spec(uint64_t id);

class ConformanceTest : public ::testing::TestWithParam<Adapter> {
 protected:
  using Kind = FlowOp::Kind;

  // With room for `sessions`, started.
  void Begin(uint32_t sessions = 1000);
  void SetUp() override { Begin(); }

  static FlowRule Rule(uint64_t id, session::Direction direction = session::Direction::kIn,
                       Generation generation = 1) {
    return MakeRule(Spec(id), static_cast<Slot>(id), generation, direction);
  }

  std::vector<FlowResult> Apply(const std::vector<FlowOp>& ops);
  absl::Status Add(const FlowRule& rule) { return Do(Kind::kAdd, rule).status; }
  FlowResult Delete(const FlowRule& rule) { return Do(Kind::kDelete, rule); }
  FlowResult Query(const FlowRule& rule) { return Do(Kind::kQuery, rule); }
  FlowResult Do(Kind kind, const FlowRule& rule) { return Apply({{kind, rule}})[0]; }

  // Expects the rule to be there with these counters.
  void ExpectThere(const FlowRule& rule, const session::Counters& counters = {});
  // Expects that the datapath knows nothing of it.
  void ExpectAbsent(const FlowRule& rule);
  void ExpectGone(const FlowResult& result);

  Datapath& datapath() { return subject_->datapath(); }

  std::unique_ptr<Subject> subject_;
};

}  // namespace offload::datapath::conformance
