// Sessions whose packets change their VLAN: the filter with two actions, and what the adapter makes
// of it.
#include <cerrno>

#include "tc_datapath_fixture.h"

namespace offload::datapath {
namespace {

using absl::StatusCode;
using netlink::FilterAction;
using netlink::FlowerFilter;
using session::Direction;
using ::testing::ElementsAre;
using ::testing::SizeIs;

constexpr RulePlace kPlace = {.ingress_ifindex = kP0, .egress_ifindex = kP1};

session::SessionSpec Rewriting(uint64_t id, uint16_t in_vlan = 100, uint16_t out_vlan = 200) {
  session::SessionSpec spec = Spec(id);
  spec.in_vlan = in_vlan;
  spec.out_vlan = out_vlan;
  return spec;
}

FlowRule RuleOf(const session::SessionSpec& spec, Direction direction = Direction::kIn) {
  return MakeRule(spec, static_cast<Slot>(spec.key.id), 1, direction);
}

FlowerFilter FilterOf(const FlowRule& rule) {
  const auto filter = ToFilter(rule, kPlace, {});
  EXPECT_TRUE(filter.ok()) << filter.status();
  return filter.value_or(FlowerFilter{});
}

std::variant<netlink::Mirred, netlink::GactDrop, netlink::VlanModify, netlink::OtherAction> To(
    uint16_t vlan) {
  return netlink::VlanModify{.id = vlan};
}

TEST(VlanRewriteRule, EachDirectionMatchesTheTagOfItsIngressAndLeavesWithThatOfItsEgress) {
  for (const bool one_armed : {false, true}) {
    session::SessionSpec spec = Rewriting(7);
    if (one_armed) spec.out_lif = spec.in_lif;
    const FlowRule in = RuleOf(spec), out = RuleOf(spec, Direction::kOut);
    EXPECT_EQ(in.vlan, 100);
    EXPECT_EQ(in.egress_vlan, 200);
    EXPECT_EQ(out.vlan, 200);
    EXPECT_EQ(out.egress_vlan, 100);
  }
  EXPECT_EQ(RuleOf(Rewriting(7, 100, 100)).egress_vlan, std::nullopt) << "nothing to rewrite";
  EXPECT_EQ(RuleOf(Spec(7)).egress_vlan, std::nullopt);
}

TEST(VlanRewriteRule, AModifyStandsBeforeTheRedirectThatHasTheCookie) {
  const FlowerFilter filter = FilterOf(RuleOf(Rewriting(7)));
  EXPECT_EQ(filter.id.priority, 7);
  EXPECT_EQ(filter.key.vlan_id, 100);
  ASSERT_THAT(filter.actions, SizeIs(2));
  EXPECT_EQ(filter.actions[0].what, To(200)) << "and no prio: the packet keeps its own";
  EXPECT_TRUE(filter.actions[0].cookie.empty());
  EXPECT_EQ(std::get<netlink::Mirred>(filter.actions[1].what).ifindex, kP1);
  EXPECT_TRUE(DecodeCookie(filter.actions[1].cookie).ok());
  for (const FilterAction& action : filter.actions) EXPECT_TRUE(action.no_percpu_stats);
}

TEST(VlanRewriteRule, DropOfDifferentVlansHasNoRewrite) {
  session::SessionSpec spec = Rewriting(7);
  spec.action = session::Action::kDrop;
  const FlowerFilter filter = FilterOf(RuleOf(spec, Direction::kOut));
  EXPECT_EQ(filter.key.vlan_id, 200);
  ASSERT_THAT(filter.actions, SizeIs(1));
  EXPECT_TRUE(std::holds_alternative<netlink::GactDrop>(filter.actions[0].what));
}

TEST(VlanRewriteRule, RefusesIdsOutOfRangeAndUntaggedPackets) {
  FlowRule untagged = RuleOf(Spec(7));
  untagged.egress_vlan = 200;
  for (const FlowRule& rule : {RuleOf(Rewriting(7, 100, 0)), RuleOf(Rewriting(7, 100, 4095)),
                               RuleOf(Rewriting(7, 0, 100)), untagged}) {
    EXPECT_EQ(ToFilter(rule, kPlace, {}).status().code(), StatusCode::kInvalidArgument);
  }
}

TEST(VlanRewriteRule, ComesBackWhole) {
  FlowerFilter read = FilterOf(RuleOf(Rewriting(7)));
  for (FilterAction& action : read.actions) {
    action.stats = netlink::ActionStats{.packets = 5, .bytes = 600};
    action.times = netlink::ActionTimes{.install = absl::Seconds(9), .last_use = absl::Seconds(2)};
  }
  const auto found = FromFilter(read, 5);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->vlan, 100);
  EXPECT_EQ(found->egress_vlan, 200);
  EXPECT_EQ(found->place.egress_ifindex, kP1);
  EXPECT_EQ(found->counters, (session::Counters{.packets = 5, .bytes = 600}));
  EXPECT_EQ(found->idle, absl::Seconds(2));
}

TEST(VlanRewriteRule, IsNeitherTheRuleWithoutNorOneWithAnotherTag) {
  const FlowerFilter asked = FilterOf(RuleOf(Rewriting(7)));
  const auto same_after = [&](auto change) {
    FlowerFilter read = asked;
    change(read);
    return KeyEquals(asked, read) || FromFilter(read, 5).ok();
  };
  EXPECT_FALSE(KeyEquals(asked, FilterOf(RuleOf(Rewriting(7, 100, 100)))));
  EXPECT_FALSE(KeyEquals(asked, FilterOf(RuleOf(Rewriting(7, 100, 201)))));
  EXPECT_FALSE(same_after([](FlowerFilter& f) { std::swap(f.actions[0], f.actions[1]); }));
  EXPECT_FALSE(same_after([](FlowerFilter& f) { f.actions.pop_back(); }));
  EXPECT_FALSE(same_after([](FlowerFilter& f) { f.actions[0].cookie = f.actions[1].cookie; }));
  EXPECT_FALSE(same_after([](FlowerFilter& f) { f.actions[1].what = netlink::GactDrop{}; }));
  EXPECT_FALSE(same_after(
      [](FlowerFilter& f) { f.actions[0].what = netlink::VlanModify{.id = 200, .prio = 3}; }));
  EXPECT_FALSE(same_after(
      [](FlowerFilter& f) { f.actions[0].what = netlink::OtherAction{.kind = "vlan"}; }));
  EXPECT_FALSE(
      same_after([](FlowerFilter& f) { f.actions.insert(f.actions.begin(), f.actions[0]); }));
}

class VlanRewrite : public TcDatapathTest {
 protected:
  FlowOp Op(FlowOp::Kind kind, Direction direction = Direction::kIn) {
    return {.kind = kind, .rule = RuleOf(Rewriting(7), direction)};
  }
};

TEST_F(VlanRewrite, CountersAreThoseOfTheRuleOnce) {
  Start();
  const auto added = Apply({Op(Kind::kAdd), Op(Kind::kAdd, Direction::kOut)});
  ASSERT_TRUE(added[0].status.ok() && added[1].status.ok()) << added[0].status << added[1].status;
  kernel_.Count(kP0, 7, 15, 12, 3400, absl::Seconds(1));
  kernel_.Count(kP1, 7, 16, 3, 180, absl::Seconds(2));
  const FlowResult live = Do(Op(Kind::kQuery));
  EXPECT_TRUE(live.status.ok()) << live.status;
  EXPECT_EQ(live.counters, (session::Counters{12, 3400}));
  EXPECT_EQ(live.idle, absl::Seconds(1));
  const auto final = Apply({Op(Kind::kDelete), Op(Kind::kDelete, Direction::kOut)});
  EXPECT_TRUE(final[0].existed && final[1].existed);
  EXPECT_EQ(final[0].counters, (session::Counters{12, 3400}));
  EXPECT_EQ(final[1].counters, (session::Counters{3, 180}));
  EXPECT_EQ(Rules(), 0U);
}

TEST_F(VlanRewrite, AnAddWithoutAnswerIsReadBack) {
  Start();
  Answer(netlink::FilterRequest::Op::kAdd, absl::UnknownError("no answer"), /*takes_effect=*/true);
  EXPECT_TRUE(Do(Op(Kind::kAdd)).status.ok());
  FlowOp other_tag = Op(Kind::kAdd);
  other_tag.rule.egress_vlan = 201;
  EXPECT_EQ(Do(other_tag).status.code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(Rules(), 1U);
}

TEST_F(VlanRewrite, RulesOfAnEarlierLifeAreRemovedToo) {
  kernel_.Put(*ToFilter(RuleOf(Rewriting(7)), kPlace, {.mode = OffloadMode::kSoftware}));
  const auto report = datapath_.Start();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->notes, ElementsAre("removed 1 rule of session 7 (owner 0) from p0"));
  EXPECT_EQ(Rules(), 0U);
}

}  // namespace
}  // namespace offload::datapath
