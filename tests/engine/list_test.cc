// Reading sessions: one, all of an owner, page by page.
#include <atomic>

#include "engine_fixture.h"

namespace offload::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ListTest : public EngineTest {
 protected:
  ListTest() { MakeEngine({.max_sessions = 5000}); }
  void AddIds(const std::vector<uint64_t>& ids, session::OwnerId owner = 0) {
    for (const uint64_t id : ids) ASSERT_TRUE(Add(Spec(id, owner)).ok()) << id;
  }
};

TEST_F(ListTest, AViewIsTheWholeSessionWithLiveCounters) {
  const absl::Time start = clock_.WallNow();
  AddIds({1});
  Packets(1, Direction::kOut, 3);
  for (const session::SessionView& view : {*engine_->Get(Key(1)), engine_->List({}).at(0)}) {
    EXPECT_EQ(view.spec, Spec(1));
    EXPECT_EQ(view.state, SessionState::kEstablished);
    EXPECT_EQ(view.counters, (session::SessionCounters{.out = {3, 180}}));
    EXPECT_EQ(view.start, start);
    EXPECT_EQ(view.end, std::nullopt);
  }
}

TEST_F(ListTest, OneOwnersSessionsInAscendingId) {
  AddIds({30, 10, 20});
  AddIds({11, 5}, /*owner=*/1);
  EXPECT_THAT(List(), ElementsAre(10, 20, 30));
  EXPECT_THAT(List({.owner = 1}), ElementsAre(5, 11));
  EXPECT_THAT(List({.owner = 2}), IsEmpty());
}

TEST_F(ListTest, AfterSkipAndLimit) {
  AddIds({10, 20, 30, 40, 50});
  EXPECT_THAT(List({.after_id = 20}), ElementsAre(30, 40, 50));
  EXPECT_THAT(List({.after_id = 25, .limit = 2}), ElementsAre(30, 40));
  EXPECT_THAT(List({.skip = 3}), ElementsAre(40, 50));
  EXPECT_THAT(List({.after_id = 10, .skip = 1, .limit = 2}), ElementsAre(30, 40));
  EXPECT_THAT(List({.skip = 5}), IsEmpty());
  EXPECT_THAT(List({.after_id = 50}), IsEmpty());
  EXPECT_THAT(List({.limit = 100}), SizeIs(5));
}

TEST_F(ListTest, MoreThanIsReadAtATimeComesWholeAndInOrder) {
  std::vector<session::SessionSpec> specs;
  for (uint64_t id = 0; id < 2000; ++id) specs.push_back(Spec((id * 7919) % 2000));
  for (const absl::Status& status : Add(specs)) ASSERT_TRUE(status.ok()) << status;
  std::vector<uint64_t> ids(2000);
  for (uint64_t id = 0; id < 2000; ++id) ids[id] = id;
  EXPECT_EQ(List(), ids);
  EXPECT_THAT(List({.skip = 700, .limit = 600}), SizeIs(600));
  EXPECT_EQ(List({.skip = 700, .limit = 600}).back(), 1299U);
}

TEST_F(ListTest, WhatInstallsOrClosesIsNotListed) {
  AddIds({1, 2, 3});
  datapath_.Inject({.kind = Kind::kDelete, .key = Key(2), .times = 2});
  EXPECT_FALSE(engine_->Delete(Key(2), DeleteMode::kReply).ok());
  datapath_.Block(Kind::kAdd);
  absl::Status added;
  std::thread adding = AddInBackground(Spec(4), &added);
  datapath_.AwaitBlocked();
  EXPECT_THAT(List(), ElementsAre(1, 3));
  EXPECT_THAT(List({.limit = 2}), ElementsAre(1, 3)) << "they take no place on a page";
  datapath_.Release();
  adding.join();
  EXPECT_THAT(List(), ElementsAre(1, 3, 4));
}

TEST_F(ListTest, ALimitIsFilledAlthoughASessionTurnsOutToBeLost) {
  AddIds({1, 2, 3, 4});
  datapath_.LoseRule(Key(1), Direction::kIn);
  EXPECT_THAT(List({.limit = 2}), ElementsAre(2, 3));
  EXPECT_THAT(Records(), SizeIs(1));
}

TEST_F(ListTest, WhatAnotherReadsAtTheMomentIsListedWithTheCountersLastKnown) {
  AddIds({1, 2});
  Packets(1, Direction::kIn, 3);
  ASSERT_TRUE(engine_->Get(Key(1)).ok());
  Packets(1, Direction::kIn, 3);
  datapath_.SetHook([this](absl::Span<const datapath::FlowOp> ops) {
    if (ops[0].kind != Kind::kQuery || ops[0].rule.key != Key(1)) return;
    datapath_.SetHook(nullptr);
    const auto views = engine_->List({});
    ASSERT_THAT(views, SizeIs(2));
    EXPECT_EQ(views[0].counters.in.packets, 3U);
  });
  ASSERT_TRUE(engine_->Get(Key(1)).ok());
  EXPECT_EQ(datapath_.Overlaps(), 0U);
}

// Sessions that stay are on exactly one page, whatever comes and goes around them.
TEST_F(ListTest, PagesJoinUpWhileSessionsComeAndGo) {
  std::vector<session::SessionSpec> specs;
  for (uint64_t id = 0; id < 1000; ++id) specs.push_back(Spec(2 * id));
  for (const absl::Status& status : Add(specs)) ASSERT_TRUE(status.ok()) << status;
  std::atomic<bool> done = false;
  std::thread churning([&] {
    for (uint64_t i = 0; !done; ++i) {
      const uint64_t id = 2 * ((i * 37) % 1000) + 1;
      ASSERT_TRUE(Add(Spec(id)).ok());
      ASSERT_TRUE(engine_->Delete(Key(id), DeleteMode::kReply).ok());
    }
  });
  for (const size_t limit : {17, 100, 600}) {
    std::vector<uint64_t> stayed;
    std::optional<uint64_t> after;
    while (true) {
      const std::vector<uint64_t> page = List({.after_id = after, .limit = limit});
      if (page.empty()) break;
      EXPECT_LE(page.size(), limit);
      for (const uint64_t id : page) {
        EXPECT_TRUE(!after || id > *after);
        after = id;
        if (id % 2 == 0) stayed.push_back(id);
      }
    }
    ASSERT_EQ(stayed.size(), 1000U);
    for (uint64_t i = 0; i < 1000; ++i) ASSERT_EQ(stayed[i], 2 * i);
  }
  done = true;
  churning.join();
}

TEST_F(ListTest, GetWaitsForTheOutcomeOfAnInstall) {
  for (const bool fails : {false, true}) {
    if (fails) datapath_.Inject({.direction = Direction::kOut});
    datapath_.Block(Kind::kAdd);
    absl::Status added;
    std::thread adding = AddInBackground(Spec(1), &added);
    datapath_.AwaitBlocked();
    absl::StatusOr<session::SessionView> view = absl::UnknownError("not yet");
    std::thread reading([&] { view = engine_->Get(Key(1)); });
    LetOthersRun();
    datapath_.Release();
    adding.join();
    reading.join();
    EXPECT_EQ(view.status().code(), fails ? absl::StatusCode::kNotFound : absl::StatusCode::kOk);
    if (!fails) {
      EXPECT_EQ(view->state, SessionState::kEstablished);
      ASSERT_TRUE(engine_->Delete(Key(1), DeleteMode::kReply).ok());
    }
  }
}

TEST_F(ListTest, GetTellsWhyItsCountersCannotBeRead) {
  AddIds({1});
  datapath_.Inject({.kind = Kind::kQuery, .status = absl::UnavailableError("no answer")});
  EXPECT_EQ(engine_->Get(Key(1)).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(engine_->Get(Key(1)).ok());
}

TEST_F(ListTest, AClosedSessionIsShownUntilItsRecordIsFetched) {
  AddIds({1});
  Packets(1, Direction::kIn, 3);
  Pass(absl::Seconds(4));
  const auto view = engine_->Get(Key(1));
  ASSERT_TRUE(view.ok());
  EXPECT_EQ(view->state, SessionState::kClosed);
  EXPECT_EQ(view->counters.in.packets, 3U);
  EXPECT_EQ(view->close_reason, CloseReason::kTimeout);
  EXPECT_GE(*view->end - view->start, absl::Seconds(3));
  EXPECT_THAT(Records(), SizeIs(1));
  EXPECT_EQ(engine_->Get(Key(1)).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace offload::engine
