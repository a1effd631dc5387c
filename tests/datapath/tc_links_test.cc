// Links that go down, away, and come back.
#include <chrono>
#include <utility>

#include "datapath/tc_link_tracker.h"
#include "tc_datapath_fixture.h"

namespace offload::datapath {
namespace {

using absl::StatusCode;
using netlink::LinkEvent;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

TEST(LinkTrackerTest, ReportsChangesOnce) {
  LinkTracker tracker({4, 9});
  const auto changed = [&](uint32_t ifindex, bool running) {
    return tracker.OnEvent(
        {.kind = LinkEvent::Kind::kChanged, .link = LinkOf("x", ifindex, running)});
  };
  EXPECT_THAT(changed(4, true), IsEmpty());
  EXPECT_THAT(changed(9, false), ElementsAre(PortChange{1, LifState::kDown}));
  EXPECT_THAT(changed(9, false), IsEmpty());
  EXPECT_THAT(changed(9, true), ElementsAre(PortChange{1, LifState::kUp}));
  EXPECT_THAT(changed(7, false), IsEmpty()) << "not ours";
}

TEST(LinkTrackerTest, ALinkThatIsNotAdministrativelyUpIsDown) {
  LinkTracker tracker({4});
  netlink::Link link = LinkOf("p0", 4);
  link.admin_up = false;
  EXPECT_THAT(tracker.OnEvent({.link = link}), ElementsAre(PortChange{0, LifState::kDown}));
}

TEST(LinkTrackerTest, DeletedIsLostUntilFound) {
  LinkTracker tracker({4, 9});
  const LinkEvent deleted{.kind = LinkEvent::Kind::kDeleted, .link = LinkOf("p0", 4)};
  EXPECT_THAT(tracker.OnEvent(deleted), ElementsAre(PortChange{0, LifState::kLost}));
  EXPECT_THAT(tracker.OnEvent(deleted), IsEmpty());
  EXPECT_THAT(tracker.OnEvent({.link = LinkOf("other", 4)}), IsEmpty()) << "the number was reused";
  EXPECT_THAT(tracker.Lost(), ElementsAre(0));
  EXPECT_EQ(tracker.Found(0, LinkOf("p0", 20)), (PortChange{0, LifState::kUp}));
  EXPECT_THAT(tracker.Lost(), IsEmpty());
  EXPECT_THAT(tracker.OnEvent({.link = LinkOf("p0", 20, false)}),
              ElementsAre(PortChange{0, LifState::kDown}));
}

TEST(LinkTrackerTest, ReadingAllLinksFindsWhatWasMissed) {
  LinkTracker tracker({4, 9, 11});
  EXPECT_THAT(tracker.OnAll({LinkOf("renamed", 4), LinkOf("p2", 11, false)}),
              ElementsAre(PortChange{1, LifState::kLost}, PortChange{2, LifState::kDown}));
  EXPECT_THAT(tracker.OnAll({LinkOf("renamed", 4), LinkOf("p2", 11, false)}), IsEmpty());
}

// Remembers what it heard, in order.
class Listener final : public LifObserver {
 public:
  void OnLifState(session::LifId lif, LifState state) override {
    base::MutexLock lock(mutex_);
    heard_.emplace_back(lif, state);
    changed_.NotifyAll();
  }
  // What was heard when it is `count` long, or what there is after ten seconds.
  std::vector<std::pair<session::LifId, LifState>> Await(size_t count) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    base::MutexLock lock(mutex_);
    while (heard_.size() < count && std::chrono::steady_clock::now() < deadline) {
      changed_.WaitFor(mutex_, std::chrono::milliseconds(100));
    }
    return heard_;
  }

 private:
  base::Mutex mutex_;
  base::CondVar changed_;
  std::vector<std::pair<session::LifId, LifState>> heard_ GUARDED_BY(mutex_);
};

class TcLinksTest : public TcDatapathTest {
 protected:
  TcLinksTest() { datapath_.SetObserver(&listener_); }
  ~TcLinksTest() override { datapath_.SetObserver(nullptr); }
  Listener listener_;
};

TEST_F(TcLinksTest, DownAndUpReachEveryLifOfTheNetdev) {
  Start();
  kernel_.ChangeLink(LinkOf("p0", kP0, false));
  EXPECT_THAT(listener_.Await(2), ElementsAre(Pair(1, LifState::kDown), Pair(3, LifState::kDown)));
  kernel_.ChangeLink(LinkOf("p0", kP0, true));
  EXPECT_THAT(listener_.Await(4), ElementsAre(Pair(1, LifState::kDown), Pair(3, LifState::kDown),
                                              Pair(1, LifState::kUp), Pair(3, LifState::kUp)));
}

TEST_F(TcLinksTest, ALinkThatIsDownAtTheStartIsReported) {
  kernel_.AddLink(LinkOf("p1", kP1, false));
  Start();
  EXPECT_THAT(listener_.Await(1), ElementsAre(Pair(2, LifState::kDown)));
}

TEST_F(TcLinksTest, ALostNetdevHasNoRulesAndTakesNone) {
  Start();
  Do(Make(Kind::kAdd, 7));
  kernel_.DeleteLink("p0");
  ASSERT_THAT(listener_.Await(2), ElementsAre(Pair(1, LifState::kLost), Pair(3, LifState::kLost)));
  const size_t asked = kernel_.Requests(Op::kGet) + kernel_.Requests(Op::kDelete);
  EXPECT_EQ(Do(Make(Kind::kQuery, 7)).status.code(), StatusCode::kNotFound);
  EXPECT_TRUE(Do(Make(Kind::kDelete, 7)).status.ok());
  EXPECT_EQ(kernel_.Requests(Op::kGet) + kernel_.Requests(Op::kDelete), asked);
  const absl::Status in = Do(Make(Kind::kAdd, 8)).status;
  EXPECT_EQ(in, absl::FailedPreconditionError("p0: the netdev is gone"));
  const absl::Status out = Do(Make(Kind::kAdd, 8, session::Direction::kOut)).status;
  EXPECT_EQ(out, absl::FailedPreconditionError("p0: the netdev is gone"));
}

TEST_F(TcLinksTest, ANetdevThatComesBackIsPreparedAndUsed) {
  Start();
  const uint32_t point = *datapath_.AttachmentPoint(1);
  kernel_.DeleteLink("p0");
  listener_.Await(2);
  kernel_.ChangeLink(LinkOf("p0", 30));
  EXPECT_THAT(listener_.Await(4), ElementsAre(Pair(1, LifState::kLost), Pair(3, LifState::kLost),
                                              Pair(1, LifState::kUp), Pair(3, LifState::kUp)));
  EXPECT_TRUE(kernel_.Find(30, 5, kKeepAliveHandle));
  EXPECT_EQ(*datapath_.AttachmentPoint(1), point);
  EXPECT_TRUE(Do(Make(Kind::kAdd, 8)).status.ok());
  EXPECT_TRUE(kernel_.Find(30, 5, 17));
  EXPECT_TRUE(Do(Make(Kind::kAdd, 8, session::Direction::kOut)).status.ok());
  EXPECT_EQ(std::get<netlink::Mirred>(kernel_.Find(kP1, 5, 18)->actions[0].what).ifindex, 30U);
}

TEST_F(TcLinksTest, LostNotificationsAreMadeUpByReadingAllLinks) {
  Start();
  kernel_.DeleteLinkUnheard("p1");
  EXPECT_THAT(listener_.Await(1), ElementsAre(Pair(2, LifState::kLost)));
}

}  // namespace
}  // namespace offload::datapath
