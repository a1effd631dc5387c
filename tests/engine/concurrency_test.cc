// Many threads at one engine, with faults at random (fixed seeds): whatever the interleaving, what
// engine.h guarantees holds at the end. Meant for ThreadSanitizer too.
#include <atomic>
#include <map>
#include <random>

#include "engine_fixture.h"

namespace offload::engine {
namespace {

constexpr uint32_t kSlots = 24;
constexpr uint64_t kIds = 16;  // of each owner; more ids than slots, fewer flows than ids
constexpr session::OwnerId kOwners = 2;
constexpr int kSteps = 400;  // by each thread

struct Variant {
  uint32_t seed;
  DeleteMode mode;
  DuplicateTuple duplicates;
};

class ConcurrencyTest : public EngineTest, public ::testing::WithParamInterface<Variant> {
 protected:
  ConcurrencyTest() {
    MakeEngine({.max_sessions = kSlots, .duplicate_tuple = GetParam().duplicates, .tick_batch = 5});
  }

  static session::SessionKey AnyKey(std::mt19937& random) {
    return Key(random() % kIds, static_cast<session::OwnerId>(random() % kOwners));
  }
  static session::SessionSpec AnySpec(std::mt19937& random) {
    session::SessionSpec spec = Spec(random() % 20);  // decides the flow
    spec.key = AnyKey(random);
    spec.timeout = absl::Seconds(1 + random() % 3);
    if (random() % 4 == 0) spec.out_lif = 3;  // one-armed
    return random() % 2 == 0 ? spec : FromTheOtherSide(spec);
  }

  void AddAny(std::mt19937& random) {
    std::vector<session::SessionSpec> specs;
    for (size_t count = 1 + random() % 4; count > 0; --count) specs.push_back(AnySpec(random));
    const std::vector<absl::Status> results = Add(specs);
    base::MutexLock lock(mutex_);
    for (size_t i = 0; i < specs.size(); ++i) {
      if (results[i].ok()) ++accepted_[specs[i].key];
    }
  }

  void DeleteAny(std::mt19937& random) {
    const session::SessionKey key = AnyKey(random);
    if (!engine_->Delete(key, GetParam().mode).ok()) return;
    base::MutexLock lock(mutex_);
    ++deleted_[key];
  }

  void Client(uint32_t seed) {
    std::mt19937 random(seed);
    for (int step = 0; step < kSteps; ++step) {
      switch (random() % 8) {
        case 0:
        case 1:
        case 2:
          AddAny(random);
          break;
        case 3:
        case 4:
          DeleteAny(random);
          break;
        case 5:
          engine_->Get(AnyKey(random)).IgnoreError();
          break;
        case 6:
          engine_->List(
              {.owner = static_cast<session::OwnerId>(random() % kOwners), .limit = random() % 5});
          break;
        default:
          datapath_.Count(AnyKey(random), Direction::kIn, 1, 60);
          break;
      }
    }
    --clients_;
  }

  // Time, the ager, faults, links and a closed log that is full now and then.
  void World(uint32_t seed) {
    std::mt19937 random(seed);
    while (clients_ > 0) {
      clock_.Advance(absl::Milliseconds(random() % 100));
      engine_->Tick(clock_.Now());
      if (random() % 4 == 0) InjectAny(random);
      if (random() % 20 == 0) {
        const session::SessionKey key = AnyKey(random);
        datapath_.LoseRule(key, random() % 2 == 0 ? Direction::kIn : Direction::kOut);
      }
      if (random() % 50 == 0) engine_->OnLifState(2, datapath::LifState::kLost);
      log_.SetStatus(random() % 5 == 0 ? absl::UnavailableError("full") : absl::OkStatus());
    }
  }

  void InjectAny(std::mt19937& random) {
    constexpr Kind kKinds[] = {Kind::kAdd, Kind::kDelete, Kind::kQuery};
    constexpr absl::StatusCode kCodes[] = {absl::StatusCode::kInternal, absl::StatusCode::kUnknown,
                                           absl::StatusCode::kUnavailable,
                                           absl::StatusCode::kResourceExhausted};
    const absl::StatusCode code = kCodes[random() % 4];
    const bool uncertain =
        code == absl::StatusCode::kUnknown || code == absl::StatusCode::kUnavailable;
    datapath_.Inject({.kind = kKinds[random() % 3],
                      .direction = session::kDirections[random() % 2],
                      .nth = 1 + random() % 3,
                      .times = 1 + random() % 3,
                      .status = absl::Status(code, "injected"),
                      .takes_effect = uncertain && random() % 2 == 0});
  }

  void RunAll() {
    constexpr uint32_t kClients = 4;
    clients_ = kClients;
    const uint32_t seed = GetParam().seed;
    std::vector<std::thread> threads;
    for (uint32_t i = 0; i < kClients; ++i) {
      threads.emplace_back([this, seed, i] { Client(100 * seed + i); });
    }
    threads.emplace_back([this, seed] { World(100 * seed + 99); });
    for (std::thread& thread : threads) thread.join();
    // The faults are over: whatever is unfinished is finished.
    datapath_.ClearFaults();
    log_.SetStatus(absl::OkStatus());
    for (int i = 0; i < 20; ++i) engine_->Tick(clock_.Now());
  }

  // Rules in the datapath == rules of the sessions that are listed.
  void ExpectRulesOfLiveSessions() {
    std::map<std::pair<session::SessionKey, Direction>, session::FiveTuple> wanted, found;
    for (session::OwnerId owner = 0; owner < kOwners; ++owner) {
      for (const session::SessionView& view : engine_->List({.owner = owner})) {
        for (const Direction d : session::kDirections) {
          wanted[{view.spec.key, d}] = view.spec.DirectedTuple(d);
        }
      }
    }
    for (const datapath::FlowRule& rule : datapath_.Rules()) {
      found[{rule.key, rule.direction}] = rule.tuple;
    }
    EXPECT_EQ(found.size(), datapath_.RuleCount());
    EXPECT_EQ(wanted.size(), found.size());
    EXPECT_TRUE(wanted == found);
    EXPECT_EQ(engine_->Stats().sessions, wanted.size() / 2);
  }

  // Each accepted session has ended in one record, or in one reply (a reply may be a record that
  // was taken out of the log; with kClosedRecord it may be a copy of one that is still there).
  void ExpectOneOutcomeEach() {
    std::map<session::SessionKey, int> ended;
    size_t logged = 0;
    for (session::OwnerId owner = 0; owner < kOwners; ++owner) {
      for (const session::ClosedRecord& record : Records(owner)) {
        ++ended[record.key];
        ++logged;
        EXPECT_LE(record.start, record.end);
      }
    }
    const EngineStats stats = engine_->Stats();
    base::MutexLock lock(mutex_);
    size_t accepted = 0;
    for (const auto& [key, times] : accepted_) accepted += static_cast<size_t>(times);
    EXPECT_EQ(stats.added, accepted);
    EXPECT_EQ(stats.closed_timeout + stats.closed_deleted + stats.closed_lost, accepted);
    if (GetParam().mode == DeleteMode::kReply) {
      for (const auto& [key, times] : deleted_) ended[key] += times;
      EXPECT_TRUE(ended == accepted_);
      EXPECT_EQ(log_.Stats().pending, 0U);
    } else {
      EXPECT_EQ(log_.Stats().appended, accepted);
      EXPECT_LE(logged, accepted);
    }
  }

  std::atomic<uint32_t> clients_ = 0;
  base::Mutex mutex_;
  std::map<session::SessionKey, int> accepted_ GUARDED_BY(mutex_);
  std::map<session::SessionKey, int> deleted_ GUARDED_BY(mutex_);
};

TEST_P(ConcurrencyTest, GuaranteesHoldUnderFaults) {
  RunAll();
  EXPECT_EQ(datapath_.Overlaps(), 0U);
  ExpectRulesOfLiveSessions();
  engine_->CloseAll(CloseReason::kDeleted);
  EXPECT_EQ(datapath_.RuleCount(), 0U);
  EXPECT_EQ(engine_->Stats().sessions, 0U);
  ExpectOneOutcomeEach();
  EXPECT_EQ(FreeSlots(1000), kSlots) << "a slot has leaked";
}

std::vector<Variant> Variants() {
  std::vector<Variant> variants;
  for (uint32_t seed = 1; seed <= 4; ++seed) {
    for (const DeleteMode mode : {DeleteMode::kReply, DeleteMode::kClosedRecord}) {
      for (const DuplicateTuple duplicates : {DuplicateTuple::kReject, DuplicateTuple::kTakeover}) {
        variants.push_back({.seed = seed, .mode = mode, .duplicates = duplicates});
      }
    }
  }
  return variants;
}

INSTANTIATE_TEST_SUITE_P(Seeds, ConcurrencyTest, ::testing::ValuesIn(Variants()));

}  // namespace
}  // namespace offload::engine
