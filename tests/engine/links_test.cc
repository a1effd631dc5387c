// What a LIF that is down or lost means for its sessions.
#include "engine_fixture.h"

namespace offload::engine {
namespace {

using datapath::LifState;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// LIF 4 has a netdev of its own; session 2 does not touch LIF 2. All sessions are busy.
class LinksTest : public EngineTest {
 protected:
  LinksTest() { datapath_.SetAttachmentPoint(4, 40); }

  void Begin(const EngineOptions& options = {.max_sessions = 8}) {
    MakeEngine(options);
    session::SessionSpec other = Spec(2);
    other.out_lif = 4;
    for (const absl::Status& status : Add({Spec(1), other})) ASSERT_TRUE(status.ok()) << status;
  }
  // As Pass, with traffic on every session that there is.
  void PassBusy(absl::Duration time) {
    for (absl::Duration t; t < time; t += kPeriod) {
      for (const uint64_t id : {1, 2}) datapath_.Count(Key(id), Direction::kIn, 1, 60);
      Pass(kPeriod);
    }
  }
  void ExpectOnlyFirstClosed() {
    const auto records = Records();
    ASSERT_THAT(records, SizeIs(1));
    EXPECT_EQ(records[0].key, Key(1));
    EXPECT_EQ(records[0].reason, CloseReason::kRulesLost);
    EXPECT_EQ(List(), std::vector<uint64_t>{2});
    EXPECT_EQ(datapath_.RuleCount(), 2U);
  }
};

TEST_F(LinksTest, ALinkDownForItsHoldClosesItsSessionsOnly) {
  Begin();
  engine_->OnLifState(2, LifState::kDown);
  PassBusy(absl::Seconds(2.9));
  EXPECT_THAT(Records(), IsEmpty());
  PassBusy(absl::Seconds(0.2));
  ExpectOnlyFirstClosed();
}

TEST_F(LinksTest, EitherLifOfASessionCounts) {
  Begin();
  engine_->OnLifState(1, LifState::kDown);
  PassBusy(absl::Seconds(3.1));
  EXPECT_THAT(Records(), SizeIs(2));
}

TEST_F(LinksTest, ALinkThatIsUpAgainWithinItsHoldClosesNothing) {
  Begin();
  for (int i = 0; i < 3; ++i) {
    engine_->OnLifState(2, LifState::kDown);
    PassBusy(absl::Seconds(2));
    engine_->OnLifState(2, LifState::kUp);
    PassBusy(absl::Seconds(2));
  }
  EXPECT_THAT(Records(), IsEmpty());
}

TEST_F(LinksTest, TheHoldCountsFromTheFirstWordOfIt) {
  Begin();
  engine_->OnLifState(2, LifState::kDown);
  PassBusy(absl::Seconds(2));
  engine_->OnLifState(2, LifState::kDown);
  PassBusy(absl::Seconds(1.1));
  ExpectOnlyFirstClosed();
}

TEST_F(LinksTest, KeepKeepsThem) {
  Begin({.max_sessions = 8, .on_link_down = OnLinkDown::kKeep});
  engine_->OnLifState(2, LifState::kDown);
  PassBusy(absl::Seconds(20));
  EXPECT_THAT(Records(), IsEmpty());
}

TEST_F(LinksTest, AHoldOfZeroClosesWithTheNextTick) {
  Begin({.max_sessions = 8, .link_down_hold = absl::ZeroDuration()});
  engine_->OnLifState(2, LifState::kDown);
  engine_->Tick(clock_.Now());
  ExpectOnlyFirstClosed();
}

TEST_F(LinksTest, ALostLifClosesAtOnceWhateverTheOption) {
  for (const OnLinkDown option : {OnLinkDown::kKeep, OnLinkDown::kClose}) {
    Begin({.max_sessions = 8, .on_link_down = option});
    datapath_.LoseRules(2);
    engine_->OnLifState(2, LifState::kLost);
    engine_->OnLifState(2, LifState::kUp);  // it is back before anybody looked: another netdev
    engine_->Tick(clock_.Now());
    ExpectOnlyFirstClosed();
    ASSERT_TRUE(engine_->Delete(Key(2), DeleteMode::kReply).ok());
  }
}

TEST_F(LinksTest, ALifLostWhileASessionIsBeingInstalledClosesIt) {
  Begin();
  datapath_.Block(Kind::kAdd);
  absl::Status added;
  std::thread adding = AddInBackground(Spec(3), &added);
  datapath_.AwaitBlocked();
  engine_->OnLifState(2, LifState::kLost);
  std::thread ticking([&] { engine_->Tick(clock_.Now()); });
  ticking.join();
  EXPECT_THAT(Records(), SizeIs(1));
  datapath_.Release();
  adding.join();
  EXPECT_TRUE(added.ok()) << added;
  engine_->Tick(clock_.Now());
  EXPECT_EQ(List(), std::vector<uint64_t>{2});
  EXPECT_THAT(Records(), SizeIs(1));
}

TEST_F(LinksTest, ALifLostWhileAReaderHasTheSessionClosesItAfterwards) {
  Begin();
  datapath_.Block(Kind::kQuery);
  std::thread reading([&] { EXPECT_TRUE(engine_->Get(Key(1)).ok()); });
  datapath_.AwaitBlocked();
  engine_->OnLifState(2, LifState::kLost);
  engine_->Tick(clock_.Now());
  EXPECT_THAT(Records(), IsEmpty());
  datapath_.Release();
  reading.join();
  engine_->Tick(clock_.Now());
  ExpectOnlyFirstClosed();
}

TEST_F(LinksTest, ALostSessionWhoseDeleteFailsIsRepeated) {
  Begin();
  datapath_.Inject({.kind = Kind::kDelete, .key = Key(1), .times = 3});
  engine_->OnLifState(2, LifState::kLost);
  PassBusy(4 * kPeriod);
  ExpectOnlyFirstClosed();
}

TEST_F(LinksTest, ManyLostSessionsAreClosedTickByTick) {
  MakeEngine({.max_sessions = 100, .tick_batch = 10});
  for (uint64_t id = 1; id <= 25; ++id) ASSERT_TRUE(Add(Spec(id)).ok());
  engine_->OnLifState(2, LifState::kLost);
  for (const size_t closed : {10, 10, 5, 0}) EXPECT_EQ(engine_->Tick(clock_.Now()), closed);
  EXPECT_THAT(Records(), SizeIs(25));
}

}  // namespace
}  // namespace offload::engine
