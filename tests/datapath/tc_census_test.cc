// What is counted among the filters of a netdev, and where it is looked for.
#include "datapath/tc_census.h"

#include <linux/if_ether.h>

#include <memory>

#include "datapath/tc_identity.h"
#include "tc_datapath_fixture.h"

namespace offload::datapath {
namespace {

using netlink::FlowerFilter;
using netlink::GactDrop;
using netlink::Mirred;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr uint32_t kLastHandle = 2000;

FlowerFilter Filter(uint16_t priority, uint16_t protocol, uint32_t handle = 1) {
  FlowerFilter filter;
  filter.id = {
      .at = {.ifindex = kP0}, .priority = priority, .protocol = protocol, .handle = handle};
  filter.actions = {{.what = GactDrop{}}};
  return filter;
}

FlowerFilter OfKind(FlowerFilter filter, const char* kind) {
  filter.kind = kind;
  filter.actions.clear();
  return filter;
}

FlowerFilter Header(FlowerFilter filter) {
  filter.has_options = false;
  filter.id.handle = 0;
  filter.actions.clear();
  return filter;
}

FlowerFilter CatchAll(uint16_t priority, uint16_t protocol = ETH_P_ALL) {
  FlowerFilter filter = Filter(priority, protocol, 7);
  if (protocol != ETH_P_ALL) filter.key.eth_type = protocol;
  filter.actions = {{.what = Mirred{.ifindex = 30}}};
  return filter;
}

FlowerFilter Session() {
  return *ToFilter(MakeRule(Spec(7), 7, 3, session::Direction::kIn),
                   {.ingress_ifindex = kP0, .egress_ifindex = kP1}, {.priority_base = 5});
}

std::vector<FilterGroup> Census(const std::vector<FlowerFilter>& filters) {
  FilterCensus census({.priority_base = 5, .last_handle = kLastHandle, .session_priorities = true});
  for (const FlowerFilter& filter : filters) census.See(filter);
  return census.Take();
}

TEST(FilterCensusTest, OursDoNotCount) {
  EXPECT_THAT(
      Census({Session(), KeepAliveFilter(RuleClass::kIpv4, kP0, {}), Header(Filter(5, ETH_P_IP))}),
      IsEmpty());
}

TEST(FilterCensusTest, GroupsByPriorityProtocolAndKind) {
  EXPECT_THAT(
      Census({Filter(30, ETH_P_IP, 1), Filter(2, ETH_P_IP, 1), Filter(2, ETH_P_IP, 2),
              OfKind(Filter(2, ETH_P_ALL), "u32"), Header(Filter(3, ETH_P_IP))}),
      ElementsAre(FilterGroup{.priority = 2, .protocol = ETH_P_ALL, .kind = "u32", .count = 1},
                  FilterGroup{.priority = 2, .protocol = ETH_P_IP, .kind = "flower", .count = 2},
                  FilterGroup{.priority = 30, .protocol = ETH_P_IP, .kind = "flower", .count = 1}));
}

TEST(FilterCensusTest, ACatchAllMatchesNothingAndMovesThePacket) {
  const auto catches = [](const FlowerFilter& filter) { return Census({filter})[0].catch_all; };
  EXPECT_TRUE(catches(CatchAll(20)));
  EXPECT_TRUE(catches(CatchAll(20, ETH_P_IP)));
  FlowerFilter narrow = CatchAll(20);
  narrow.key.ip_proto = 6;
  EXPECT_FALSE(catches(narrow));
  FlowerFilter unknown = CatchAll(20);
  unknown.key.other_keys = true;
  EXPECT_FALSE(catches(unknown));
  EXPECT_FALSE(catches(Filter(20, ETH_P_ALL))) << "it drops";
  EXPECT_FALSE(catches(OfKind(CatchAll(20), "matchall"))) << "what it does is not decoded";
}

TEST(FilterCensusTest, ADefaultPathOfOursIsOneOfOurs) {
  FlowerFilter path = CatchAll(15);
  path.actions[0].cookie = KeepAliveFilter(RuleClass::kIpv4, kP0, {}).actions[0].cookie;
  EXPECT_THAT(Census({path}), ElementsAre(FilterGroup{.priority = 15,
                                                      .protocol = ETH_P_ALL,
                                                      .kind = "flower",
                                                      .count = 1,
                                                      .ours = true,
                                                      .catch_all = true}));
}

TEST(FilterCensusTest, WhatIsInTheWay) {
  const auto why = [](const FlowerFilter& filter) {
    const auto groups = Census({filter});
    return groups.empty() ? "(not there)" : groups[0].obstacle;
  };
  EXPECT_EQ(why(Filter(5, ETH_P_IP, 1)), "that handle is ours");
  EXPECT_EQ(why(Filter(5, ETH_P_IP, kLastHandle)), "that handle is ours");
  EXPECT_EQ(why(Filter(5, ETH_P_IP, kLastHandle + 1)), "");
  EXPECT_EQ(why(Filter(5, ETH_P_IP, kFirstReservedHandle - 1)), "");
  EXPECT_EQ(why(Filter(5, ETH_P_IP, kFirstReservedHandle)), "that handle is ours");
  EXPECT_EQ(why(Filter(5, ETH_P_IPV6, kLastHandle + 1)), "that priority is ours");
  EXPECT_EQ(why(Header(Filter(6, ETH_P_IP))), "that priority is ours");
  EXPECT_EQ(why(OfKind(Filter(7, ETH_P_8021Q), "u32")), "that priority is ours");
  EXPECT_EQ(why(OfKind(Filter(4, ETH_P_IP), "u32")), "");
  EXPECT_EQ(why(Filter(8, ETH_P_IP, 1)), "");
}

class TakeCensusTest : public TcDatapathTest {
 protected:
  std::vector<FilterGroup> Take(bool session_priorities) {
    auto socket = *kernel_.OpenFilterSocket();
    const auto groups = TakeCensus(
        *socket, kP0,
        {.priority_base = 5, .last_handle = kLastHandle, .session_priorities = session_priorities});
    EXPECT_TRUE(groups.ok()) << groups.status();
    return *groups;
  }
  static FilterGroup Group(uint16_t priority, uint16_t protocol, size_t count = 1) {
    return {.priority = priority, .protocol = protocol, .kind = "flower", .count = count};
  }
};

TEST_F(TakeCensusTest, LooksInFrontBehindAndWhereTheKernelPutsFilters) {
  for (const uint16_t priority : {1, 4, 8, 255, 256, 49136, 49137, 49152}) {
    kernel_.Put(Filter(priority, ETH_P_IP));
  }
  EXPECT_THAT(Take(false),
              ElementsAre(Group(1, ETH_P_IP), Group(4, ETH_P_IP), Group(8, ETH_P_IP),
                          Group(255, ETH_P_IP), Group(49137, ETH_P_IP), Group(49152, ETH_P_IP)));
}

TEST_F(TakeCensusTest, ProtocolAllIsFoundWhereverItIsAndOnce) {
  for (const uint16_t priority : {20, 49152, 1000, 65535}) kernel_.Put(Filter(priority, ETH_P_ALL));
  EXPECT_THAT(Take(false), ElementsAre(Group(20, ETH_P_ALL), Group(1000, ETH_P_ALL),
                                       Group(49152, ETH_P_ALL), Group(65535, ETH_P_ALL)));
}

// A dump of millions of rules would take seconds and disturb their counters.
TEST_F(TakeCensusTest, SessionPrioritiesAreReadOnlyWhenAskedFor) {
  for (const uint16_t priority : {5, 6, 7}) {
    const uint16_t protocol = ProtocolOf(kRuleClasses[priority - 5]);
    kernel_.Put(Filter(priority, protocol, kLastHandle + 1));
  }
  EXPECT_THAT(Take(false), IsEmpty());
  EXPECT_THAT(Take(true),
              ElementsAre(Group(5, ETH_P_IP), Group(6, ETH_P_IPV6), Group(7, ETH_P_8021Q)));
}

TEST_F(TakeCensusTest, AnInconsistentDumpIsRepeatedAndCountedOnce) {
  kernel_.Put(Filter(1, ETH_P_IP));
  kernel_.AbortDumps(2);
  EXPECT_THAT(Take(false), ElementsAre(Group(1, ETH_P_IP)));
  kernel_.AbortDumps(1000);
  auto socket = *kernel_.OpenFilterSocket();
  EXPECT_EQ(TakeCensus(*socket, kP0, {}).status().code(), absl::StatusCode::kAborted);
}

}  // namespace
}  // namespace offload::datapath
