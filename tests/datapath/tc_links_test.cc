// Links that go down, away, and come back.
#include <utility>

#include "datapath/tc_link_tracker.h"
#include "tc_datapath_fixture.h"

namespace offload::datapath {
namespace {

using absl::StatusCode;
using netlink::LinkEvent;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

// Netdevs "p0", "p1"... with these ifindexes.
LinkTracker Track(const std::vector<uint32_t>& ifindexes) {
  std::vector<TrackedNetdev> netdevs;
  for (const uint32_t ifindex : ifindexes) {
    const std::string name = absl::StrCat("p", netdevs.size());
    netdevs.push_back({.name = name, .link = LinkOf(name, ifindex)});
  }
  return LinkTracker(std::move(netdevs));
}

// A port of an eswitch.
netlink::Link Representor(const std::string& name, uint32_t ifindex, uint8_t switch_id,
                          const std::string& port) {
  netlink::Link link = LinkOf(name, ifindex);
  link.switch_id = {switch_id, 1, 2};
  link.phys_port_name = port;
  return link;
}

TEST(LinkTrackerTest, ReportsChangesOnce) {
  LinkTracker tracker = Track({4, 9});
  const auto changed = [&](const std::string& name, uint32_t ifindex, bool running) {
    return tracker.OnEvent(
        {.kind = LinkEvent::Kind::kChanged, .link = LinkOf(name, ifindex, running)});
  };
  EXPECT_THAT(changed("p0", 4, true), IsEmpty());
  EXPECT_THAT(changed("p1", 9, false), ElementsAre(PortChange{1, LifState::kDown}));
  EXPECT_THAT(changed("p1", 9, false), IsEmpty());
  EXPECT_THAT(changed("p1", 9, true), ElementsAre(PortChange{1, LifState::kUp}));
  EXPECT_THAT(changed("x", 7, false), IsEmpty()) << "not ours";
}

TEST(LinkTrackerTest, ALinkThatIsNotAdministrativelyUpIsDown) {
  LinkTracker tracker = Track({4});
  netlink::Link link = LinkOf("p0", 4);
  link.admin_up = false;
  EXPECT_THAT(tracker.OnEvent({.link = link}), ElementsAre(PortChange{0, LifState::kDown}));
}

TEST(LinkTrackerTest, DeletedIsLostUntilFound) {
  LinkTracker tracker = Track({4, 9});
  const LinkEvent deleted{.kind = LinkEvent::Kind::kDeleted, .link = LinkOf("p0", 4)};
  EXPECT_THAT(tracker.OnEvent(deleted), ElementsAre(PortChange{0, LifState::kLost}));
  EXPECT_THAT(tracker.OnEvent(deleted), IsEmpty());
  EXPECT_THAT(tracker.OnEvent({.link = LinkOf("other", 4)}), IsEmpty()) << "the number was reused";
  EXPECT_THAT(tracker.Lost(), ElementsAre(0));
  EXPECT_EQ(tracker.generation(0), 1U);
  EXPECT_EQ(tracker.Found(0, LinkOf("p0", 20)), (PortChange{0, LifState::kUp}));
  EXPECT_EQ(tracker.generation(0), 2U);
  EXPECT_THAT(tracker.Lost(), IsEmpty());
  EXPECT_THAT(tracker.OnEvent({.link = LinkOf("p0", 20, false)}),
              ElementsAre(PortChange{0, LifState::kDown}));
}

TEST(LinkTrackerTest, ReadingAllLinksFindsWhatWasMissed) {
  LinkTracker tracker = Track({4, 9, 11});
  EXPECT_THAT(tracker.OnAll({LinkOf("p0", 4), LinkOf("p2", 11, false)}),
              ElementsAre(PortChange{1, LifState::kLost}, PortChange{2, LifState::kDown}));
  EXPECT_THAT(tracker.OnAll({LinkOf("p0", 4), LinkOf("p2", 11, false)}), IsEmpty());
}

TEST(LinkTrackerTest, ARenamedNetdevIsTheSame) {
  LinkTracker tracker = Track({4});
  EXPECT_THAT(tracker.OnEvent({.link = LinkOf("new", 4)}),
              ElementsAre(PortChange{0, LifState::kUp, PortChange::Kind::kRenamed, "new"}));
  EXPECT_THAT(tracker.OnEvent({.link = LinkOf("new", 4)}), IsEmpty()) << "told once";
  EXPECT_THAT(tracker.OnEvent({.link = LinkOf("p0", 12)}), IsEmpty()) << "not ours, only its name";
  EXPECT_EQ(tracker.name(0), "p0") << "the configured one";
}

TEST(LinkTrackerTest, AnotherPortOfTheSwitchUnderTheSameIfindexIsAnotherNetdev) {
  LinkTracker tracker({{.name = "r", .link = Representor("r", 4, 7, "pf0vf0")}});
  netlink::Link untold = LinkOf("r", 4);
  EXPECT_THAT(tracker.OnAll({untold}), IsEmpty()) << "an attribute that is not told says nothing";
  EXPECT_THAT(tracker.OnAll({Representor("r", 4, 7, "pf0vf1")}),
              ElementsAre(PortChange{0, LifState::kLost}));
}

TEST(LinkTrackerTest, WhoTakesTheNameMustBeTheSamePort) {
  LinkTracker tracker({{.name = "r", .link = Representor("r", 4, 7, "pf0vf0")},
                       {.name = "q", .link = Representor("q", 5, 7, "pf0vf1")}});
  tracker.OnAll({Representor("q", 5, 7, "pf0vf1")});
  EXPECT_TRUE(tracker.CheckFound(0, Representor("r", 20, 7, "pf0vf0")).ok());
  for (const netlink::Link& other :
       {Representor("r", 20, 8, "pf0vf0"), Representor("r", 20, 7, "pf0vf9"), LinkOf("r", 20)}) {
    const absl::Status status = tracker.CheckFound(0, other);
    EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("it was switch id 070102, port pf0vf0); it is not used"));
  }
  EXPECT_EQ(tracker.CheckFound(0, Representor("r", 5, 7, "pf0vf0")).message(),
            "r: the netdev of this name is that of q, renamed");
}

TEST(LinkTrackerTest, ANetdevWithoutSwitchIdIsTakenByItsName) {
  LinkTracker tracker = Track({4});
  tracker.OnAll({});
  EXPECT_TRUE(tracker.CheckFound(0, Representor("p0", 20, 7, "p0")).ok());
}

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
  const size_t asked = kernel_.RequestsTo(kP0);
  EXPECT_EQ(Do(Make(Kind::kQuery, 7)).status.code(), StatusCode::kNotFound);
  EXPECT_TRUE(Do(Make(Kind::kDelete, 7)).status.ok());
  EXPECT_EQ(kernel_.RequestsTo(kP0), asked);
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

TEST_F(TcLinksTest, ARenamedNetdevKeepsItsRulesAndTakesNewOnes) {
  Start();
  Do(Make(Kind::kAdd, 7));
  kernel_.RenameLink("p0", "wan");
  kernel_.ChangeLink(LinkOf("p1", kP1, false));  // heard after it
  EXPECT_THAT(listener_.Await(1), ElementsAre(Pair(2, LifState::kDown)));
  EXPECT_TRUE(Do(Make(Kind::kQuery, 7)).status.ok());
  EXPECT_TRUE(Do(Make(Kind::kAdd, 8)).status.ok());
  EXPECT_TRUE(kernel_.Find(kP0, 5, 17));
}

TEST_F(TcLinksTest, AnotherPortWithTheNameOfALostOneIsNotUsed) {
  kernel_.AddLink(Representor("p0", kP0, 7, "p0"));
  Start();
  kernel_.DeleteLink("p0");
  listener_.Await(2);
  kernel_.ChangeLink(Representor("p0", 30, 8, "p0"));
  kernel_.ChangeLink(LinkOf("p1", kP1, false));  // heard after it
  EXPECT_THAT(listener_.Await(3), ElementsAre(Pair(1, LifState::kLost), Pair(3, LifState::kLost),
                                              Pair(2, LifState::kDown)));
  EXPECT_EQ(Do(Make(Kind::kAdd, 8)).status.code(), StatusCode::kFailedPrecondition);
  EXPECT_FALSE(kernel_.Find(30, 5, kKeepAliveHandle));
}

// Both went unheard: the netdev of now has the number of the one that is gone.
TEST_F(TcLinksTest, AReplacedNetdevUnderTheSameIfindexIsLostAndFound) {
  kernel_.AddLink(Representor("p0", kP0, 7, "pf0vf0"));
  Start();
  kernel_.AddLink(Representor("p0", kP0, 7, "pf0vf1"));
  kernel_.DeleteLinkUnheard("p1");
  EXPECT_THAT(listener_.Await(3), ElementsAre(Pair(1, LifState::kLost), Pair(3, LifState::kLost),
                                              Pair(2, LifState::kLost)));
  kernel_.ChangeLink(Representor("p0", 30, 7, "pf0vf0"));
  EXPECT_THAT(listener_.Await(5), ::testing::Contains(Pair(1, LifState::kUp)));
}

TEST_F(TcLinksTest, LostNotificationsAreMadeUpByReadingAllLinks) {
  Start();
  kernel_.DeleteLinkUnheard("p1");
  EXPECT_THAT(listener_.Await(1), ElementsAre(Pair(2, LifState::kLost)));
}

}  // namespace
}  // namespace offload::datapath
