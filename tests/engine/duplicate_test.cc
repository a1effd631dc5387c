// Two sessions that want the same id or flow at the same time.
#include "engine_fixture.h"

namespace offload::engine {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

class DuplicateTest : public EngineTest {
 protected:
  // The same flow under another id.
  static session::SessionSpec SameFlow(uint64_t id) {
    session::SessionSpec spec = FromTheOtherSide(Spec(1));
    spec.key = Key(id);
    return spec;
  }
  // Adds session 1, which stays in the datapath, then `second`, which must wait for its outcome;
  // both then get theirs.
  std::pair<absl::Status, absl::Status> AddBoth(const session::SessionSpec& second) {
    absl::Status first_result, second_result;
    datapath_.Block(Kind::kAdd);
    std::thread first = AddInBackground(Spec(1), &first_result);
    datapath_.AwaitBlocked();
    std::thread waiting = AddInBackground(second, &second_result);
    LetOthersRun();
    EXPECT_EQ(engine_->Stats().sessions, 1U) << "the second has reserved nothing";
    datapath_.Release();
    first.join();
    waiting.join();
    return {first_result, second_result};
  }
};

TEST_F(DuplicateTest, AnIdThatIsInstallingIsTakenWhenThatSucceeds) {
  session::SessionSpec second = Spec(2);
  second.key = Key(1);
  const auto [first, result] = AddBoth(second);
  EXPECT_TRUE(first.ok()) << first;
  EXPECT_EQ(result.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(datapath_.RuleCount(), 2U);
}

TEST_F(DuplicateTest, AnIdThatIsInstallingIsFreeWhenThatFails) {
  session::SessionSpec second = Spec(2);
  second.key = Key(1);
  datapath_.Inject({.direction = Direction::kOut});
  const auto [first, result] = AddBoth(second);
  EXPECT_EQ(first.code(), absl::StatusCode::kInternal);
  EXPECT_TRUE(result.ok()) << result;
  EXPECT_EQ(engine_->Get(Key(1))->spec.tuple, Spec(2).tuple);
  EXPECT_EQ(datapath_.RuleCount(), 2U);
}

TEST_F(DuplicateTest, AFlowThatIsInstallingIsTakenWhenThatSucceeds) {
  const auto [first, result] = AddBoth(SameFlow(2));
  EXPECT_TRUE(first.ok()) << first;
  EXPECT_EQ(result.code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(DuplicateTest, AFlowThatIsInstallingIsFreeWhenThatFails) {
  datapath_.Inject({.direction = Direction::kIn});
  const auto [first, result] = AddBoth(SameFlow(2));
  EXPECT_EQ(first.code(), absl::StatusCode::kInternal);
  EXPECT_TRUE(result.ok()) << result;
  EXPECT_EQ(datapath_.Rule(Key(2), Direction::kIn)->ingress, 2);
}

TEST_F(DuplicateTest, AnInstallThatFailsAndIsNotConfirmedGoneKeepsIdAndFlow) {
  datapath_.Inject({.direction = Direction::kOut});
  datapath_.Inject({.kind = Kind::kDelete, .times = 2});
  const auto [first, result] = AddBoth(SameFlow(2));
  EXPECT_EQ(first.code(), absl::StatusCode::kInternal);
  EXPECT_EQ(result.code(), absl::StatusCode::kUnavailable);
}

TEST_F(DuplicateTest, WithinOneBatchTheFirstWins) {
  session::SessionSpec same_id = Spec(3);
  same_id.key = Key(1);
  const std::vector<absl::Status> results = Add({Spec(1), same_id, SameFlow(2), Spec(4)});
  EXPECT_TRUE(results[0].ok()) << results[0];
  EXPECT_EQ(results[1].code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(results[2].code(), absl::StatusCode::kAlreadyExists);
  EXPECT_TRUE(results[3].ok()) << results[3];
}

TEST_F(DuplicateTest, WithinOneBatchTheSecondHasItsTurnWhenTheFirstFails) {
  datapath_.Inject({.direction = Direction::kOut, .key = Key(1)});
  const std::vector<absl::Status> results = Add({Spec(1), SameFlow(2), SameFlow(3)});
  EXPECT_EQ(results[0].code(), absl::StatusCode::kInternal);
  EXPECT_TRUE(results[1].ok()) << results[1];
  EXPECT_EQ(results[2].code(), absl::StatusCode::kAlreadyExists);
}

// Each batch holds what the other waits for.
TEST_F(DuplicateTest, CrossedBatchesDoNotLockUp) {
  datapath_.Block(Kind::kAdd);
  std::vector<absl::Status> first, second;
  std::thread one([&] { first = Add({Spec(1), Spec(2)}); });
  datapath_.AwaitBlocked(1);
  std::thread two([&] { second = Add({Spec(3), Spec(2), Spec(1)}); });
  datapath_.AwaitBlocked(2);
  std::vector<absl::Status> third;
  std::thread three([&] { third = Add({Spec(1), Spec(3)}); });
  datapath_.Release();
  one.join();
  two.join();
  three.join();
  EXPECT_TRUE(first[0].ok() && first[1].ok());
  EXPECT_TRUE(second[0].ok());
  EXPECT_FALSE(second[1].ok() || second[2].ok() || third[0].ok() || third[1].ok());
  EXPECT_EQ(datapath_.RuleCount(), 6U);
}

// The close that had just freed the slot took the session that got it for its own: it logged a
// record that had been handed out already, and freed the new session's slot.
TEST_F(DuplicateTest, WhatWaitedForACloseKeepsTheSlotThatItGets) {
  MakeEngine({.max_sessions = 1});
  for (uint64_t id = 1; id <= 100; ++id) {
    ASSERT_TRUE(Add(SameFlow(id)).ok());
    datapath_.Block(Kind::kDelete);
    std::thread closing([&] { EXPECT_TRUE(engine_->Delete(Key(id), DeleteMode::kReply).ok()); });
    datapath_.AwaitBlocked();
    absl::Status result;
    std::thread adding = AddInBackground(SameFlow(id + 1), &result);
    LetOthersRun();
    datapath_.Release();
    closing.join();
    adding.join();
    ASSERT_TRUE(result.ok()) << result;
    ASSERT_EQ(List(), std::vector<uint64_t>{id + 1});
    ASSERT_THAT(Records(), IsEmpty());
    ASSERT_TRUE(engine_->Delete(Key(id + 1), DeleteMode::kReply).ok());
  }
  EXPECT_EQ(datapath_.RuleCount(), 0U);
}

class TakeoverTest : public DuplicateTest {
 protected:
  TakeoverTest() {
    MakeEngine({.max_sessions = 8, .duplicate_tuple = DuplicateTuple::kTakeover});
    EXPECT_TRUE(Add(Spec(1)).ok());
  }
};

TEST_F(TakeoverTest, AnotherIdClosesTheSessionThatHasTheFlow) {
  Packets(1, Direction::kIn, 5);
  EXPECT_TRUE(Add(SameFlow(2)).ok());
  EXPECT_EQ(List(), std::vector<uint64_t>{2});
  EXPECT_EQ(datapath_.RuleCount(), 2U);
  const std::vector<session::ClosedRecord> records = Records();
  ASSERT_THAT(records, SizeIs(1));
  EXPECT_EQ(records[0].key, Key(1));
  EXPECT_EQ(records[0].reason, CloseReason::kDeleted);
  EXPECT_EQ(records[0].counters.in.packets, 5U);
}

TEST_F(TakeoverTest, TheSameIdIsADuplicateAllTheSame) {
  EXPECT_EQ(Add(Spec(1)).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(Records(), IsEmpty());
}

TEST_F(TakeoverTest, NotFromAnotherOwner) {
  session::SessionSpec spec = SameFlow(2);
  spec.key.owner = 1;
  EXPECT_EQ(Add(spec).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(List(), std::vector<uint64_t>{1});
}

TEST_F(TakeoverTest, OneSessionMayTakeTheFlowsOfTwo) {
  const auto tagged = [](uint64_t id, uint16_t in, uint16_t out) {
    session::SessionSpec spec = Spec(1);
    spec.key = Key(id);
    spec.in_vlan = in;
    spec.out_vlan = out;
    return spec;
  };
  ASSERT_TRUE(Add(tagged(2, 5, 5)).ok());
  ASSERT_TRUE(Add(tagged(3, 7, 7)).ok());
  EXPECT_TRUE(Add(tagged(4, 5, 7)).ok()) << "2 had its forward rule, 3 its reverse one";
  EXPECT_EQ(List(), (std::vector<uint64_t>{1, 4}));
  EXPECT_THAT(Records(), SizeIs(2));
}

TEST_F(TakeoverTest, WithinOneBatchTheLastWins) {
  for (const absl::Status& status : Add({SameFlow(2), SameFlow(3), SameFlow(4)})) {
    EXPECT_TRUE(status.ok()) << status;
  }
  EXPECT_EQ(List(), std::vector<uint64_t>{4});
  EXPECT_THAT(Records(), SizeIs(3));
}

TEST_F(TakeoverTest, WaitsUntilAReaderIsDone) {
  datapath_.Block(Kind::kQuery);
  std::thread reading([&] { EXPECT_TRUE(engine_->Get(Key(1)).ok()); });
  datapath_.AwaitBlocked();
  absl::Status result;
  std::thread adding = AddInBackground(SameFlow(2), &result);
  LetOthersRun();
  datapath_.Release();
  reading.join();
  adding.join();
  EXPECT_TRUE(result.ok()) << result;
  EXPECT_EQ(datapath_.Overlaps(), 0U);
}

TEST_F(TakeoverTest, WhenTheOldOneCannotBeClosedTheNewOneIsRefused) {
  datapath_.Inject({.kind = Kind::kDelete, .status = absl::UnavailableError("busy")});
  EXPECT_EQ(Add(SameFlow(2)).code(), absl::StatusCode::kUnavailable);
  Pass(absl::Seconds(0.2));
  EXPECT_THAT(Records(), SizeIs(1));
  EXPECT_TRUE(Add(SameFlow(2)).ok());
}

}  // namespace
}  // namespace offload::engine
