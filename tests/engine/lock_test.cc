// No lock is held across a call of the datapath or of the closed log: while one call is there,
// everything that does not need its sessions gets through.
#include "engine_fixture.h"

namespace offload::engine {
namespace {

using ::testing::ElementsAre;

class LockTest : public EngineTest {
 protected:
  LockTest() {
    for (const absl::Status& status : Add({Spec(1), Spec(2)})) EXPECT_TRUE(status.ok());
  }

  // Everything one can ask of the engine. A lock held by the caller's caller would stop here.
  void UseEverything() {
    EXPECT_TRUE(engine_->Get(Key(2)).ok());
    EXPECT_GE(engine_->List({}).size(), 1U);
    EXPECT_TRUE(Add(Spec(7)).ok());
    EXPECT_TRUE(engine_->Delete(Key(7), DeleteMode::kReply).ok());
    engine_->OnLifState(1, datapath::LifState::kUp);
    engine_->Tick(clock_.Now());
    EXPECT_GE(engine_->Stats().sessions, 1U);
  }
};

class CallTest : public LockTest, public ::testing::WithParamInterface<Kind> {};

TEST_P(CallTest, OthersGetThroughWhileACallIsInTheDatapath) {
  int used = 0;
  datapath_.SetHook([&](absl::Span<const datapath::FlowOp> ops) {
    if (ops[0].kind != GetParam()) return;
    datapath_.SetHook(nullptr);
    ++used;
    UseEverything();
  });
  switch (GetParam()) {
    case Kind::kAdd:
      EXPECT_TRUE(Add(Spec(3)).ok());
      break;
    case Kind::kQuery:
      EXPECT_TRUE(engine_->Get(Key(1)).ok());
      break;
    case Kind::kDelete:
      EXPECT_TRUE(engine_->Delete(Key(1), DeleteMode::kReply).ok());
      break;
  }
  EXPECT_EQ(used, 1);
  EXPECT_EQ(datapath_.Overlaps(), 0U);
}

INSTANTIATE_TEST_SUITE_P(All, CallTest, ::testing::Values(Kind::kAdd, Kind::kQuery, Kind::kDelete));

TEST_F(LockTest, AReaderGetsThroughWhileAnAddIsBlocked) {
  datapath_.Block(Kind::kAdd);
  absl::Status added;
  std::thread adding = AddInBackground(Spec(3), &added);
  datapath_.AwaitBlocked();
  EXPECT_TRUE(engine_->Get(Key(1)).ok());
  EXPECT_THAT(List(), ElementsAre(1, 2));
  EXPECT_TRUE(engine_->Delete(Key(2), DeleteMode::kReply).ok());
  engine_->Tick(clock_.Now());
  datapath_.Release();
  adding.join();
  EXPECT_TRUE(added.ok());
  EXPECT_THAT(List(), ElementsAre(1, 3));
}

TEST_F(LockTest, SeveralAddsAreInTheDatapathAtOnce) {
  datapath_.Block(Kind::kAdd);
  absl::Status first, second;
  std::thread one = AddInBackground(Spec(3), &first);
  std::thread two = AddInBackground(Spec(4), &second);
  datapath_.AwaitBlocked(2);
  datapath_.Release();
  one.join();
  two.join();
  EXPECT_TRUE(first.ok() && second.ok());
}

TEST_F(LockTest, TheLogsSubscribersMayUseTheEngine) {
  int told = 0;
  const auto handle = log_.Subscribe(0, [&] {
    if (++told == 1) UseEverything();
  });
  EXPECT_TRUE(engine_->Delete(Key(1), DeleteMode::kClosedRecord).ok());
  EXPECT_EQ(told, 1);
}

}  // namespace
}  // namespace offload::engine
