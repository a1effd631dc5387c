// An engine over the fake datapath: LIFs 1 and 3 on one attachment point, LIF 2 on another.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "refusing_log.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_datapath.h"

namespace offload::engine {

using Kind = fakes::FakeDatapath::Kind;
using session::CloseReason;
using session::Direction;
using session::SessionState;

inline session::SessionKey Key(uint64_t id, session::OwnerId owner = 0) {
  return {.owner = owner, .id = id};
}

// A session from LIF 1 to LIF 2 with a tuple of its own and a timeout of 3 s.
inline session::SessionSpec Spec(uint64_t id, session::OwnerId owner = 0) {
  return {.key = Key(id, owner),
          .in_lif = 1,
          .out_lif = 2,
          .tuple = {.source = session::IpAddress::V4(0x0A000000 + static_cast<uint32_t>(id)),
                    .destination = session::IpAddress::V4(0x0A010001),
                    .source_port = 4000,
                    .destination_port = 80},
          .timeout = absl::Seconds(3)};
}

// The same flow, given from the other side.
inline session::SessionSpec FromTheOtherSide(session::SessionSpec spec) {
  std::swap(spec.in_lif, spec.out_lif);
  std::swap(spec.in_vlan, spec.out_vlan);
  spec.tuple = spec.tuple.Reversed();
  return spec;
}

class EngineTest : public ::testing::Test {
 protected:
  // How often the ager calls Tick.
  static constexpr absl::Duration kPeriod = absl::Milliseconds(50);
  // Idle times are read in steps of 10 ms, deadlines found in ticks of 25 ms, and a session is
  // looked at with the next Tick.
  static constexpr absl::Duration kLate = absl::Milliseconds(10 + 10 + 25 + 2 * 50);

  EngineTest() {
    datapath_.SetAttachmentPoint(1, 10);
    datapath_.SetAttachmentPoint(2, 20);
    datapath_.SetAttachmentPoint(3, 10);
    MakeEngine({.max_sessions = 8});
  }

  void MakeEngine(const EngineOptions& options) {
    engine_ = std::make_unique<Engine>(options, clock_, datapath_, log_);
  }

  std::vector<absl::Status> Add(const std::vector<session::SessionSpec>& specs) {
    std::vector<absl::Status> results(specs.size());
    engine_->Add(specs, absl::MakeSpan(results));
    return results;
  }
  absl::Status Add(const session::SessionSpec& spec) { return Add(std::vector{spec})[0]; }
  // On a thread of its own; `result` is valid when it has been joined.
  std::thread AddInBackground(const session::SessionSpec& spec, absl::Status* result) {
    return std::thread([this, spec, result] { *result = Add(spec); });
  }

  // For what must not happen, which cannot be awaited: time to do it. (Few, because on a busy host
  // each may be a time slice.)
  static void LetOthersRun() {
    for (int i = 0; i < 50; ++i) std::this_thread::yield();
  }

  // Time passes in small steps, with a Tick each, as with the ager.
  void Pass(absl::Duration time) {
    for (absl::Duration t; t < time; t += kPeriod) {
      clock_.Advance(kPeriod);
      engine_->Tick(clock_.Now());
    }
  }
  void Packets(uint64_t id, Direction direction, uint64_t packets = 1) {
    ASSERT_TRUE(datapath_.Count(Key(id), direction, packets, 60 * packets)) << id;
  }

  // Takes the records of an owner out of the log.
  std::vector<session::ClosedRecord> Records(session::OwnerId owner = 0) {
    std::vector<session::ClosedRecord> records;
    const auto lease = log_.Lease(owner, SIZE_MAX);
    for (; lease->Peek() != nullptr; lease->Commit()) records.push_back(*lease->Peek());
    return records;
  }

  std::vector<uint64_t> List(const ListRequest& request = {}) {
    std::vector<uint64_t> ids;
    for (const session::SessionView& view : engine_->List(request)) {
      ids.push_back(view.spec.key.id);
    }
    return ids;
  }

  // Adds sessions with ids from `first` until one is refused; returns how many were accepted.
  size_t FreeSlots(uint64_t first) {
    size_t accepted = 0;
    while (Add(Spec(first + accepted)).ok()) ++accepted;
    return accepted;
  }

  fakes::FakeClock clock_;
  fakes::FakeDatapath datapath_{clock_};
  RefusingLog log_{100000};
  std::unique_ptr<Engine> engine_;
};

}  // namespace offload::engine
