// The table takes as many sessions as fit, on every run, whoever writes at the same time.
#include <array>
#include <atomic>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "closed/memory_log.h"
#include "engine/add_gate.h"
#include "engine/engine.h"
#include "gmock/gmock.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_datapath.h"

namespace offload::engine {
namespace {

using datapath::FlowOp;
using datapath::FlowResult;
using fakes::FakeDatapath;
using session::Direction;
using session::SessionSpec;
using Kind = FlowOp::Kind;

// Writes the rules of each ingress LIF from a thread of their own, one at a time, as TC does: the
// halves of a session go different ways, and batches get between each other's rules.
class TwoWriters final : public datapath::Datapath {
 public:
  explicit TwoWriters(FakeDatapath& table) : table_(table) {}

  void Apply(absl::Span<const FlowOp> ops, absl::Span<FlowResult> results) override {
    std::thread other([&] { Write(2, ops, results); });
    Write(1, ops, results);
    other.join();
  }
  absl::StatusOr<datapath::StartReport> Start() override { return table_.Start(); }
  absl::StatusOr<uint32_t> AttachmentPoint(session::LifId lif) const override {
    return table_.AttachmentPoint(lif);
  }
  uint32_t SessionCapacity() const override { return table_.SessionCapacity(); }

 private:
  void Write(session::LifId lif, absl::Span<const FlowOp> ops, absl::Span<FlowResult> results) {
    for (size_t i = 0; i < ops.size(); ++i) {
      if (ops[i].rule.ingress != lif) continue;
      table_.Apply(ops.subspan(i, 1), results.subspan(i, 1));
      std::this_thread::yield();
    }
  }
  FakeDatapath& table_;
};

SessionSpec Spec(uint64_t id) {
  SessionSpec spec;
  spec.key = {.owner = 0, .id = id};
  spec.in_lif = 1;
  spec.out_lif = 2;
  spec.tuple = {.source = session::IpAddress::V4(0x0A000001),
                .destination = session::IpAddress::V4(0x0A000002),
                .source_port = static_cast<uint16_t>(id),
                .destination_port = 80};
  spec.timeout = absl::Seconds(3);
  return spec;
}

struct Tally {
  size_t accepted = 0;
  size_t full = 0;
  size_t other = 0;
};

class CapacityTest : public ::testing::Test {
 protected:
  // A table of `rules` rules in the NIC, `sessions` slots configured.
  void Make(size_t rules, uint32_t sessions) {
    table_ = std::make_unique<FakeDatapath>(clock_);
    table_->SetRuleCapacity(rules);
    writers_ = std::make_unique<TwoWriters>(*table_);
    log_ = std::make_unique<closed::MemoryLog>(1000);
    engine_ =
        std::make_unique<Engine>(EngineOptions{.max_sessions = sessions}, clock_, *writers_, *log_);
  }

  std::vector<absl::Status> Add(uint64_t first, size_t count) {
    std::vector<SessionSpec> specs;
    for (size_t i = 0; i < count; ++i) specs.push_back(Spec(first + i));
    std::vector<absl::Status> results(count);
    engine_->Add(specs, absl::MakeSpan(results));
    return results;
  }

  // `count` sessions from id 1 on, in batches of `batch`, from `streams` threads.
  Tally Ask(size_t count, size_t batch, size_t streams) {
    std::vector<absl::Status> all(count);
    std::atomic<size_t> next = 0;
    std::vector<std::thread> threads;
    for (size_t i = 0; i < streams; ++i) {
      threads.emplace_back([&] {
        for (size_t at = next.fetch_add(batch); at < count; at = next.fetch_add(batch)) {
          const auto results = Add(1 + at, std::min(batch, count - at));
          std::copy(results.begin(), results.end(), all.begin() + static_cast<ptrdiff_t>(at));
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    Tally tally;
    for (const absl::Status& status : all) {
      ++(status.ok()                         ? tally.accepted
         : absl::IsResourceExhausted(status) ? tally.full
                                             : tally.other);
    }
    return tally;
  }

  void ExpectExact(size_t fit, size_t asked, const Tally& tally, const std::string& what) {
    EXPECT_EQ(tally.accepted, fit) << what;
    EXPECT_EQ(tally.full, asked - fit) << what;
    EXPECT_EQ(tally.other, 0U) << what;
    EXPECT_EQ(table_->RuleCount(), 2 * fit) << what;
    EXPECT_EQ(engine_->Stats().sessions, fit) << what;
  }

  fakes::FakeClock clock_;
  std::unique_ptr<FakeDatapath> table_;
  std::unique_ptr<TwoWriters> writers_;
  std::unique_ptr<closed::MemoryLog> log_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(CapacityTest, OfManyAskedExactlyThoseThatFitAreAccepted) {
  struct Load {
    size_t batch, streams;
  };
  // 200 rules less 7 standing ones in the NIC; 100 or 500 sessions configured.
  constexpr size_t kRules = 193, kFit = 96, kAsked = 120;
  for (const Load& load : {Load{kAsked, 1}, Load{64, 1}, Load{16, 4}, Load{1, 8}}) {
    for (const uint32_t configured : {100U, 500U}) {
      for (int run = 0; run < 20; ++run) {
        Make(kRules, configured);
        ExpectExact(kFit, kAsked, Ask(kAsked, load.batch, load.streams),
                    testing::PrintToString(std::array<size_t, 4>{
                        load.batch, load.streams, configured, static_cast<size_t>(run)}));
      }
    }
  }
}

TEST_F(CapacityTest, InASmallTableHalvesMeetOftenAndStillAllThatFitAreAccepted) {
  for (int run = 0; run < 300; ++run) {
    const size_t rules = 2 + static_cast<size_t>(run % 4);
    Make(rules, 100);
    ExpectExact(rules / 2, 8, Ask(8, 1, 4), testing::PrintToString(run));
  }
}

TEST_F(CapacityTest, WhenTheConfiguredTableIsTheSmallerOneItDecides) {
  for (int run = 0; run < 20; ++run) {
    Make(1000, 50);
    ExpectExact(50, 80, Ask(80, 8, 4), "configured");
  }
}

TEST_F(CapacityTest, WhatIsClosedMakesRoomForAsMany) {
  Make(193, 500);
  ASSERT_EQ(Ask(120, 16, 4).accepted, 96U);
  size_t deleted = 0;
  for (uint64_t id = 1; deleted < 10; ++id) {
    deleted += engine_->Delete({.owner = 0, .id = id}, DeleteMode::kReply).ok();
  }
  size_t accepted = 0;
  for (const absl::Status& status : Add(1000, 30)) accepted += status.ok();
  EXPECT_EQ(accepted, 10U);
}

// The half of a session that comes to nothing for another reason took the room.
TEST_F(CapacityTest, ARefusalBesideAHalfThatIsUndoneIsNotFinal) {
  Make(2, 10);
  table_->Inject({.direction = Direction::kOut, .key = Spec(1).key});
  std::atomic<bool> half_is_there = false, let_go = false;
  std::atomic<int> tries = 0;
  std::atomic<bool> tried_beside_half = false;
  table_->SetHook([&](absl::Span<const FlowOp> ops) {
    const FlowOp& op = ops.front();
    if (op.kind == Kind::kDelete && op.rule.key.id == 1) {
      half_is_there = true;
      while (!let_go) std::this_thread::yield();
    } else if (op.kind == Kind::kAdd && op.rule.key.id == 2 && ++tries > 2) {
      tried_beside_half = tried_beside_half || table_->Rule(Spec(1).key, Direction::kIn);
    }
  });
  std::thread failing([&] { EXPECT_EQ(Add(1, 1)[0].code(), absl::StatusCode::kInternal); });
  while (!half_is_there) std::this_thread::yield();
  std::thread asking([&] { EXPECT_TRUE(Add(2, 1)[0].ok()) << "there is room for one"; });
  while (table_->LoggedOps(Kind::kDelete) == 0) std::this_thread::yield();  // its own half
  // One that does not wait for the other half is given the time to show it.
  for (int i = 0; i < 1000 && tries <= 2; ++i) std::this_thread::yield();
  let_go = true;
  failing.join();
  asking.join();
  EXPECT_FALSE(tried_beside_half);
  EXPECT_EQ(table_->RuleCount(), 2U);
}

TEST_F(CapacityTest, AnIdIsKeptWhileItsSessionIsTriedAgain) {
  Make(1, 10);  // room for a half
  std::atomic<bool> undoing = false, let_go = false;
  table_->SetHook([&](absl::Span<const FlowOp> ops) {
    if (ops.front().kind != Kind::kDelete) return;
    undoing = true;
    while (!let_go) std::this_thread::yield();
  });
  std::thread first([&] { EXPECT_TRUE(absl::IsResourceExhausted(Add(1, 1)[0])); });
  while (!undoing) std::this_thread::yield();
  std::thread second([&] { EXPECT_TRUE(absl::IsResourceExhausted(Add(1, 1)[0])); });
  let_go = true;
  first.join();
  second.join();
  EXPECT_EQ(table_->RuleCount(), 0U);
  EXPECT_EQ(engine_->Stats().sessions, 0U);
}

TEST_F(CapacityTest, AFullTableOfSlotsIsNotFullWhileOneOfThemMayBeRefused) {
  Make(100, 1);
  table_->Inject({.key = Spec(1).key});
  table_->Block(Kind::kAdd);
  std::thread failing([&] { EXPECT_EQ(Add(1, 1)[0].code(), absl::StatusCode::kInternal); });
  table_->AwaitBlocked(2);
  std::thread asking([&] { EXPECT_TRUE(Add(2, 1)[0].ok()); });
  table_->Release();
  failing.join();
  asking.join();
  EXPECT_TRUE(absl::IsResourceExhausted(Add(3, 1)[0]));
}

TEST_F(CapacityTest, AHalfThatCannotBeUndoneKeepsItsSlotAndNobodyWaitsForIt) {
  Make(1, 1);
  table_->Inject({.kind = Kind::kDelete, .times = 2, .status = absl::UnavailableError("busy")});
  EXPECT_TRUE(absl::IsResourceExhausted(Add(1, 1)[0]));
  EXPECT_TRUE(absl::IsResourceExhausted(Add(2, 1)[0]));
  table_->ClearFaults();
  table_->SetRuleCapacity(2);
  engine_->Tick(clock_.Now());
  EXPECT_EQ(table_->RuleCount(), 0U);
  EXPECT_TRUE(Add(2, 1)[0].ok());
}

TEST_F(CapacityTest, InAFullTableEveryKindOfSessionIsTriedAgainOnce) {
  Make(0, 100);
  const auto results = Add(1, 50);
  for (const absl::Status& status : results) EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_EQ(table_->LoggedOps(Kind::kAdd), 2 * (50U + 1)) << "one of a kind speaks for all";
}

TEST(AddGateTest, WhoIsAloneIsAlone) {
  AddGate gate;
  std::atomic<int> together = 0, alone = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 500; ++round) {
        if (round % 5 == 0) {
          const AddGate::Alone scope(gate);
          EXPECT_EQ(++alone, 1);
          EXPECT_EQ(together, 0);
          std::this_thread::yield();
          --alone;
        } else {
          const AddGate::Together scope(gate);
          ++together;
          EXPECT_EQ(alone, 0);
          std::this_thread::yield();
          --together;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace offload::engine
