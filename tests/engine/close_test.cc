// Deletes, closes that must be repeated, and where the final counters go.
#include "engine_fixture.h"

namespace offload::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const absl::Status kBusy = absl::UnavailableError("busy");

class CloseTest : public EngineTest {
 protected:
  CloseTest() { EXPECT_TRUE(Add(Spec(1)).ok()); }

  void FailDeletes(size_t times, std::optional<Direction> direction = std::nullopt,
                   absl::Status status = kBusy, bool takes_effect = false) {
    datapath_.Inject({.kind = Kind::kDelete,
                      .direction = direction,
                      .times = times,
                      .status = std::move(status),
                      .takes_effect = takes_effect});
  }
};

TEST_F(CloseTest, ADeleteWithReplyHandsOutTheFinalCountersAndLogsNothing) {
  Packets(1, Direction::kIn, 3);
  Packets(1, Direction::kOut, 4);
  clock_.Advance(absl::Seconds(2));
  const auto record = engine_->Delete(Key(1), DeleteMode::kReply);
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_EQ(record->key, Key(1));
  EXPECT_EQ(record->counters, (session::SessionCounters{.in = {3, 180}, .out = {4, 240}}));
  EXPECT_EQ(record->reason, CloseReason::kDeleted);
  EXPECT_EQ(record->end - record->start, absl::Seconds(2));
  EXPECT_THAT(Records(), IsEmpty());
  EXPECT_EQ(datapath_.RuleCount(), 0U);
  EXPECT_EQ(engine_->Stats().closed_deleted, 1U);
  EXPECT_EQ(engine_->Stats().sessions, 0U);
  EXPECT_EQ(engine_->Delete(Key(1), DeleteMode::kReply).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(CloseTest, ADeleteWithClosedRecordLogsWhatItReturns) {
  Packets(1, Direction::kIn, 3);
  const auto record = engine_->Delete(Key(1), DeleteMode::kClosedRecord);
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_THAT(Records(), ElementsAre(*record));
}

TEST_F(CloseTest, AnUnknownIdOrAnotherOwnersIsNotFound) {
  for (const session::SessionKey key : {Key(2), Key(1, /*owner=*/1)}) {
    EXPECT_EQ(engine_->Delete(key, DeleteMode::kReply).status().code(),
              absl::StatusCode::kNotFound);
    EXPECT_EQ(engine_->Get(key).status().code(), absl::StatusCode::kNotFound);
  }
  EXPECT_EQ(datapath_.RuleCount(), 2U);
}

TEST_F(CloseTest, DeletingASessionThatTimedOutTakesItsRecord) {
  Packets(1, Direction::kIn, 3);
  Pass(absl::Seconds(4));
  EXPECT_EQ(engine_->Get(Key(1))->state, SessionState::kClosed);
  const auto record = engine_->Delete(Key(1), DeleteMode::kReply);
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_EQ(record->reason, CloseReason::kTimeout);
  EXPECT_EQ(record->counters.in.packets, 3U);
  EXPECT_THAT(Records(), IsEmpty());
}

// It is on its way to the client: it is delivered once, by the lease.
TEST_F(CloseTest, ARecordUnderLeaseIsSeenButNotDeleted) {
  Pass(absl::Seconds(4));
  auto lease = log_.Lease(0, 1);
  EXPECT_EQ(engine_->Get(Key(1))->state, SessionState::kClosed);
  EXPECT_EQ(engine_->Delete(Key(1), DeleteMode::kReply).status().code(),
            absl::StatusCode::kNotFound);
  lease.reset();
  EXPECT_TRUE(engine_->Delete(Key(1), DeleteMode::kReply).ok());
}

TEST_F(CloseTest, AnIdMayBeUsedAgainWhileItsRecordIsPending) {
  Pass(absl::Seconds(4));
  ASSERT_TRUE(Add(Spec(1)).ok());
  EXPECT_EQ(engine_->Get(Key(1))->state, SessionState::kEstablished);
  const auto record = engine_->Delete(Key(1), DeleteMode::kReply);
  ASSERT_TRUE(record.ok());
  EXPECT_EQ(record->reason, CloseReason::kDeleted) << "the live one goes first";
  EXPECT_EQ(engine_->Delete(Key(1), DeleteMode::kReply)->reason, CloseReason::kTimeout);
}

TEST_F(CloseTest, TheSlotIsFreeOnlyAfterBothDeletesAreConfirmed) {
  for (const Direction direction : session::kDirections) {
    SCOPED_TRACE(static_cast<int>(direction));
    FailDeletes(2, direction);
    ASSERT_EQ(engine_->Delete(Key(1), DeleteMode::kReply).status().code(),
              absl::StatusCode::kUnavailable);
    EXPECT_EQ(engine_->Get(Key(1))->state, SessionState::kClosing);
    EXPECT_EQ(Add(Spec(1)).code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(FreeSlots(100), 7U);
    engine_->Tick(clock_.Now());  // fails again
    EXPECT_THAT(Records(), IsEmpty());
    EXPECT_EQ(FreeSlots(200), 0U);
    engine_->Tick(clock_.Now());
    const std::vector<session::ClosedRecord> records = Records();
    ASSERT_THAT(records, SizeIs(1)) << "the reply carried nothing, so the record does";
    EXPECT_EQ(records[0].key, Key(1));
    EXPECT_EQ(records[0].reason, CloseReason::kDeleted);
    EXPECT_EQ(FreeSlots(200), 1U);
    engine_->CloseAll(CloseReason::kDeleted);
    Records();
    ASSERT_TRUE(Add(Spec(1)).ok());
  }
}

TEST_F(CloseTest, OnlyTheDeleteThatFailedIsRepeated) {
  Packets(1, Direction::kIn, 3);
  Packets(1, Direction::kOut, 4);
  FailDeletes(1, Direction::kOut);
  EXPECT_FALSE(engine_->Delete(Key(1), DeleteMode::kReply).ok());
  datapath_.ClearLog();
  Pass(kPeriod);
  const auto log = datapath_.Log();
  ASSERT_THAT(log, SizeIs(1));
  EXPECT_EQ(log[0].op.rule.direction, Direction::kOut);
  const auto records = Records();
  ASSERT_THAT(records, SizeIs(1));
  EXPECT_EQ(records[0].counters, (session::SessionCounters{.in = {3, 180}, .out = {4, 240}}));
}

TEST_F(CloseTest, ADeleteWithoutAnswerThatTookEffectKeepsTheLastKnownCounters) {
  Packets(1, Direction::kIn, 3);
  ASSERT_TRUE(engine_->Get(Key(1)).ok());
  FailDeletes(2, std::nullopt, absl::UnknownError("no answer"), /*takes_effect=*/true);
  EXPECT_EQ(engine_->Delete(Key(1), DeleteMode::kReply).status().code(),
            absl::StatusCode::kUnavailable);
  Pass(kPeriod);
  const auto records = Records();
  ASSERT_THAT(records, SizeIs(1));
  EXPECT_EQ(records[0].counters.in, (session::Counters{3, 180}));
}

TEST_F(CloseTest, EveryFailingStatusOfADeleteIsRepeated) {
  for (int code = 1; code <= 16; ++code) {
    FailDeletes(3, std::nullopt, absl::Status(static_cast<absl::StatusCode>(code), "injected"));
    EXPECT_EQ(engine_->Delete(Key(1), DeleteMode::kReply).status().code(),
              absl::StatusCode::kUnavailable);
    Pass(3 * kPeriod);
    EXPECT_THAT(Records(), SizeIs(1)) << code;
    EXPECT_EQ(datapath_.RuleCount(), 0U);
    ASSERT_TRUE(Add(Spec(1)).ok());
  }
  EXPECT_EQ(engine_->Stats().closed_deleted, 16U);
}

TEST_F(CloseTest, AClosingSessionIsNotDeletedTwice) {
  FailDeletes(2);
  EXPECT_FALSE(engine_->Delete(Key(1), DeleteMode::kReply).ok());
  EXPECT_EQ(engine_->Delete(Key(1), DeleteMode::kReply).status().code(),
            absl::StatusCode::kUnavailable);
  Pass(absl::Seconds(1));
  EXPECT_THAT(Records(), SizeIs(1));
}

TEST_F(CloseTest, OfTwoDeletesAtOnceOneGetsTheCounters) {
  datapath_.Block(Kind::kDelete);
  absl::Status first, second;
  std::thread one([&] { first = engine_->Delete(Key(1), DeleteMode::kReply).status(); });
  datapath_.AwaitBlocked();
  std::thread two([&] { second = engine_->Delete(Key(1), DeleteMode::kReply).status(); });
  LetOthersRun();
  datapath_.Release();
  one.join();
  two.join();
  EXPECT_TRUE(first.ok()) << first;
  EXPECT_EQ(second.code(), absl::StatusCode::kNotFound);
}

TEST_F(CloseTest, ADeleteWhileTheSessionTimesOutGetsThatRecord) {
  clock_.Advance(absl::Seconds(4));
  datapath_.Block(Kind::kDelete);
  std::thread ticking([&] { EXPECT_EQ(engine_->Tick(clock_.Now()), 1U); });
  datapath_.AwaitBlocked();
  absl::StatusOr<session::ClosedRecord> record = absl::UnknownError("not yet");
  std::thread deleting([&] { record = engine_->Delete(Key(1), DeleteMode::kReply); });
  LetOthersRun();
  datapath_.Release();
  ticking.join();
  deleting.join();
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_EQ(record->reason, CloseReason::kTimeout);
  EXPECT_THAT(Records(), IsEmpty());
}

class RefusedRecordTest : public CloseTest, public ::testing::WithParamInterface<CloseReason> {
 protected:
  // Ends session 1 in the way of the parameter.
  void End() {
    switch (GetParam()) {
      case CloseReason::kTimeout:
        Pass(absl::Seconds(4));
        break;
      case CloseReason::kDeleted:
        EXPECT_EQ(engine_->Delete(Key(1), DeleteMode::kClosedRecord).status().code(),
                  absl::StatusCode::kUnavailable);
        break;
      case CloseReason::kRulesLost:
        datapath_.LoseRule(Key(1), Direction::kIn);
        EXPECT_EQ(engine_->Get(Key(1))->state, SessionState::kClosing);
        break;
    }
  }
};

TEST_P(RefusedRecordTest, KeepsTheSessionClosingUntilTheLogTakesIt) {
  Packets(1, Direction::kOut, 5);
  log_.SetStatus(absl::UnavailableError("disk full"));
  End();
  EXPECT_EQ(datapath_.RuleCount(), 0U);
  EXPECT_EQ(engine_->Get(Key(1))->state, SessionState::kClosing);
  EXPECT_EQ(engine_->Get(Key(1))->counters.out.packets, 5U);
  EXPECT_EQ(FreeSlots(100), 7U) << "its slot is taken";
  datapath_.ClearLog();
  Pass(3 * kPeriod);
  EXPECT_EQ(datapath_.LoggedOps(Kind::kDelete), 0U) << "both were confirmed";
  log_.SetStatus(absl::OkStatus());
  Pass(kPeriod);
  const auto records = Records();
  ASSERT_THAT(records, SizeIs(1));
  EXPECT_EQ(records[0].counters.out.packets, 5U);
  EXPECT_EQ(records[0].reason, GetParam());
  EXPECT_EQ(FreeSlots(200), 1U);
}

INSTANTIATE_TEST_SUITE_P(Reasons, RefusedRecordTest,
                         ::testing::Values(CloseReason::kTimeout, CloseReason::kDeleted,
                                           CloseReason::kRulesLost));

TEST_F(CloseTest, CloseAllClosesAndLogsEverySessionOfEveryOwner) {
  MakeEngine({.max_sessions = 100, .tick_batch = 7});
  for (uint64_t id = 1; id <= 40; ++id) ASSERT_TRUE(Add(Spec(id, id % 2 == 0 ? 1 : 0)).ok());
  engine_->CloseAll(CloseReason::kDeleted);
  EXPECT_THAT(Records(0), SizeIs(20));
  EXPECT_THAT(Records(1), SizeIs(20));
  EXPECT_EQ(engine_->Stats().sessions, 0U);
  EXPECT_EQ(engine_->Stats().closed_deleted, 40U);
}

TEST_F(CloseTest, CloseAllRepeatsAnUnfinishedCloseAndLeavesWhatFailsToTick) {
  FailDeletes(1, Direction::kIn);
  EXPECT_FALSE(engine_->Delete(Key(1), DeleteMode::kReply).ok());
  ASSERT_TRUE(Add(Spec(2)).ok());
  datapath_.Inject({.kind = Kind::kDelete, .key = Key(2), .status = kBusy});
  engine_->CloseAll(CloseReason::kDeleted);
  EXPECT_THAT(Records(), SizeIs(1));
  Pass(kPeriod);
  EXPECT_THAT(Records(), SizeIs(1));
  EXPECT_EQ(datapath_.RuleCount(), 0U);
}

TEST_F(CloseTest, CloseAllWaitsForSessionsThatAreBeingInstalled) {
  datapath_.Block(Kind::kAdd);
  absl::Status added;
  std::thread adding = AddInBackground(Spec(2), &added);
  datapath_.AwaitBlocked();
  std::thread closing([&] { engine_->CloseAll(CloseReason::kDeleted); });
  LetOthersRun();
  datapath_.Release();
  adding.join();
  closing.join();
  EXPECT_TRUE(added.ok());
  EXPECT_EQ(datapath_.RuleCount(), 0U);
  EXPECT_THAT(Records(), SizeIs(2));
  EXPECT_EQ(datapath_.Overlaps(), 0U);
}

TEST_F(CloseTest, ASlotUsedAgainHasAnotherGeneration) {
  const datapath::FlowRule before = *datapath_.Rule(Key(1), Direction::kIn);
  ASSERT_TRUE(engine_->Delete(Key(1), DeleteMode::kReply).ok());
  ASSERT_TRUE(Add(Spec(1)).ok());
  const datapath::FlowRule after = *datapath_.Rule(Key(1), Direction::kIn);
  EXPECT_EQ(after.slot, before.slot);
  EXPECT_NE(after.generation, before.generation);
  EXPECT_EQ(engine_->Get(Key(1))->counters, session::SessionCounters{});
}

}  // namespace
}  // namespace offload::engine
