// How sessions come to be: reserve, program both rules, commit; or undo the half that is there.
#pragma once

#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "engine/add_gate.h"
#include "engine/close.h"
#include "engine/core.h"

namespace offload::engine {

class Adder {
 public:
  Adder(Core& core, Closer& closer) : core_(core), closer_(closer) {}

  // See Engine::Add. Waits only while it has nothing reserved, so two calls that need each other's
  // outcome cannot lock up.
  void Add(absl::Span<const session::SessionSpec> specs, absl::Span<absl::Status> results)
      EXCLUDES(core_.mutex);

 private:
  struct Candidate {
    session::SessionSpec spec;
    session::RuleKeys rules;
    absl::Status* result = nullptr;
  };
  struct Install {
    Candidate candidate;
    Entry* entry = nullptr;
  };
  // One pass over the candidates under the lock.
  struct Round {
    std::vector<Install> installs;
    std::vector<Closer::Job> takeovers;
    std::vector<Candidate> waiting;  // for the outcome of somebody else's work
  };

  absl::Status Check(Candidate& candidate) const;
  void Process(std::vector<Candidate> candidates) EXCLUDES(core_.mutex);
  Round Reserve(std::vector<Candidate> candidates) REQUIRES(core_.mutex);
  Entry* FindClash(const Candidate& candidate) REQUIRES(core_.mutex);
  void OnClash(Candidate candidate, Entry& clash, Round& round) REQUIRES(core_.mutex);
  // Gives every install its outcome. What is full when all are programmed together is tried again
  // one by one while nobody else programs; meanwhile its id, tuple and slot stay reserved.
  void Program(std::vector<Install> installs) EXCLUDES(core_.mutex);
  // Returns those that were full: still reserved, with none of their rules in the table.
  std::vector<Install> TryAll(std::vector<Install> installs) EXCLUDES(core_.mutex);
  // Enters the outcome of one; returns the job that removes what is there of it, if it failed.
  std::optional<Closer::Job> Settle(Install& install,
                                    absl::Span<const datapath::FlowResult> results)
      REQUIRES(core_.mutex);
  // Gives up what TryAll returned.
  void Discard(absl::Span<const Install> installs) EXCLUDES(core_.mutex);

  Core& core_;
  Closer& closer_;
  AddGate gate_;
};

}  // namespace offload::engine
