#include "datapath/tc_rule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <variant>

namespace offload::datapath {
namespace {

using netlink::FlowerFilter;
using netlink::FlowerKey;
using netlink::Masked;
using session::Direction;
using session::IpAddress;
using session::Protocol;

constexpr RulePlace kPlace = {.ingress_ifindex = 4, .egress_ifindex = 9};
constexpr netlink::Ipv4Bytes kAll4 = {255, 255, 255, 255};
constexpr std::array<uint8_t, 16> kHost1 = {0x20, 0x01, 0x0D, 0xB8, 0, 0, 0, 0,
                                            0,    0,    0,    0,    0, 0, 0, 1};
constexpr std::array<uint8_t, 16> kHost2 = {0x20, 0x01, 0x0D, 0xB8, 0, 0, 0, 0,
                                            0,    0,    0,    0,    0, 0, 0, 2};
constexpr std::array<uint8_t, 16> kAll6 = {255, 255, 255, 255, 255, 255, 255, 255,
                                           255, 255, 255, 255, 255, 255, 255, 255};

FlowRule Tcp4() {
  return {.slot = 10,
          .generation = 5,
          .direction = Direction::kOut,
          .key = {.owner = 2, .id = 77},
          .ingress = 1,
          .egress = 2,
          .tuple = {.source = IpAddress::V4(0x0A000101),
                    .destination = IpAddress::V4(0x0A000202),
                    .source_port = 4000,
                    .destination_port = 80},
          .timeout = absl::Seconds(30)};
}

FlowRule Udp6() {
  FlowRule rule = Tcp4();
  rule.direction = Direction::kIn;
  rule.tuple.source = IpAddress::V6(kHost1);
  rule.tuple.destination = IpAddress::V6(kHost2);
  rule.tuple.protocol = Protocol::kUdp;
  return rule;
}

FlowRule WithVlan(FlowRule rule, uint16_t vlan) {
  rule.vlan = vlan;
  return rule;
}

FlowRule Dropping(FlowRule rule) {
  rule.action = session::Action::kDrop;
  return rule;
}

TcRuleOptions In(OffloadMode mode) { return {.mode = mode}; }

// What the kernel answers for a filter it accepted.
FlowerFilter AsRead(FlowerFilter filter) {
  filter.flags |= filter.flags & netlink::kSkipSw ? netlink::kInHw : netlink::kNotInHw;
  filter.actions.front().stats = netlink::ActionStats{.packets = 12, .bytes = 3400};
  filter.actions.front().times =
      netlink::ActionTimes{.install = absl::Seconds(20), .last_use = absl::Milliseconds(1230)};
  filter.in_hw_count = 1;
  return filter;
}

TEST(TcRuleTest, Ipv4TcpMatchesTupleFlagsAndNoFragment) {
  const auto filter = ToFilter(Tcp4(), kPlace, {});
  ASSERT_TRUE(filter.ok()) << filter.status();
  EXPECT_EQ(filter->id, (netlink::FilterId{.at = {.ifindex = 4, .parent = 0xFFFFFFF2},
                                           .chain = 0,
                                           .priority = 5,
                                           .protocol = 0x0800,
                                           .handle = 22}));
  FlowerKey key;
  key.eth_type = 0x0800;
  key.ip_proto = 6;
  key.ipv4_src = {{10, 0, 1, 1}, kAll4};
  key.ipv4_dst = {{10, 0, 2, 2}, kAll4};
  key.src_port = {4000, 0xFFFF};
  key.dst_port = {80, 0xFFFF};
  key.tcp_flags = {0, 7};
  key.flags = {0, 1};
  EXPECT_EQ(filter->key, key);
}

TEST(TcRuleTest, Ipv6UdpHasNoTcpFlags) {
  const auto filter = ToFilter(Udp6(), kPlace, {});
  ASSERT_TRUE(filter.ok()) << filter.status();
  EXPECT_EQ(filter->id.priority, 6);
  EXPECT_EQ(filter->id.protocol, 0x86DD);
  EXPECT_EQ(filter->id.handle, 21U);
  FlowerKey key;
  key.eth_type = 0x86DD;
  key.ip_proto = 17;
  key.ipv6_src = {kHost1, kAll6};
  key.ipv6_dst = {kHost2, kAll6};
  key.src_port = {4000, 0xFFFF};
  key.dst_port = {80, 0xFFFF};
  key.flags = {0, 1};
  EXPECT_EQ(filter->key, key);
}

TEST(TcRuleTest, VlanOfEitherVersionHasItsOwnPriority) {
  for (const FlowRule& rule : {Tcp4(), Udp6()}) {
    const auto plain = ToFilter(rule, kPlace, {});
    const auto tagged = ToFilter(WithVlan(rule, 100), kPlace, {});
    ASSERT_TRUE(tagged.ok()) << tagged.status();
    EXPECT_EQ(tagged->id.priority, 7);
    EXPECT_EQ(tagged->id.protocol, 0x8100);
    FlowerKey key = plain->key;
    key.vlan_id = 100;
    EXPECT_EQ(tagged->key, key);
  }
}

TEST(TcRuleTest, ForwardRedirectsWithCookieAndWithoutPerCpuStatistics) {
  const auto filter = ToFilter(Tcp4(), kPlace, {});
  ASSERT_EQ(filter->actions.size(), 1U);
  const netlink::FilterAction& action = filter->actions.front();
  EXPECT_EQ(std::get<netlink::Mirred>(action.what),
            (netlink::Mirred{.mode = netlink::Mirred::Mode::kRedirect, .ifindex = 9}));
  // Direction out and owner 2; 30 << 15 | 5; id 77.
  EXPECT_THAT(action.cookie, testing::ElementsAre(0xFD, 0x01, 0x82, 0x00, 0x0F, 0x00, 0x05, 0, 0, 0,
                                                  0, 0, 0, 0, 77));
  EXPECT_TRUE(action.no_percpu_stats);
}

TEST(TcRuleTest, DropIsOneGactOverTheSameKey) {
  const auto forward = ToFilter(Tcp4(), kPlace, {});
  const auto drop = ToFilter(Dropping(Tcp4()), kPlace, {});
  EXPECT_EQ(drop->key, forward->key);
  ASSERT_EQ(drop->actions.size(), 1U);
  EXPECT_TRUE(std::holds_alternative<netlink::GactDrop>(drop->actions.front().what));
  EXPECT_EQ(drop->actions.front().cookie, forward->actions.front().cookie);
}

TEST(TcRuleTest, ModeIsSkipSwOrSkipHwOrNeither) {
  const auto flags = [](OffloadMode mode) { return ToFilter(Tcp4(), kPlace, In(mode))->flags; };
  EXPECT_EQ(flags(OffloadMode::kHardware), netlink::kSkipSw | netlink::kVerbose);
  EXPECT_EQ(flags(OffloadMode::kSoftware), netlink::kSkipHw | netlink::kVerbose);
  EXPECT_EQ(flags(OffloadMode::kAny), netlink::kVerbose);
}

TEST(TcRuleTest, PriorityBaseMovesAllThree) {
  const TcRuleOptions options{.priority_base = 10};
  EXPECT_EQ(ToFilter(Tcp4(), kPlace, options)->id.priority, 10);
  EXPECT_EQ(ToFilter(Udp6(), kPlace, options)->id.priority, 11);
  EXPECT_EQ(ToFilter(WithVlan(Tcp4(), 1), kPlace, options)->id.priority, 12);
}

TEST(TcRuleTest, FilterIdIsThatOfTheFilter) {
  for (const FlowRule& rule : {Tcp4(), Udp6(), WithVlan(Udp6(), 4094)}) {
    EXPECT_EQ(FilterIdOf(rule, 4, {}), ToFilter(rule, kPlace, {})->id);
  }
}

TEST(TcRuleTest, RefusesRulesThatCannotBe) {
  const auto refused = [](FlowRule rule) {
    return ToFilter(rule, kPlace, {}).status().code() == absl::StatusCode::kInvalidArgument;
  };
  EXPECT_TRUE(refused(WithVlan(Tcp4(), 0)));
  EXPECT_TRUE(refused(WithVlan(Tcp4(), 4095)));
  FlowRule rule = Tcp4();
  rule.tuple.destination = IpAddress::V6(kHost1);
  EXPECT_TRUE(refused(rule));
  rule = Tcp4();
  rule.slot = kMaxSlot + 1;
  EXPECT_TRUE(refused(rule));
  rule = Tcp4();
  rule.timeout = absl::Milliseconds(10);
  EXPECT_TRUE(refused(rule));
}

TEST(KeyEqualsTest, WhatTheKernelAddsDoesNotCount) {
  const FlowerFilter asked = *ToFilter(Tcp4(), kPlace, {});
  EXPECT_TRUE(KeyEquals(asked, AsRead(asked)));
  FlowerFilter quiet = asked;
  quiet.flags &= ~netlink::kVerbose;
  EXPECT_TRUE(KeyEquals(asked, quiet));
}

TEST(KeyEqualsTest, AnyDifferenceInIdKeyActionOrModeCounts) {
  const FlowerFilter asked = *ToFilter(Tcp4(), kPlace, {});
  const auto differs = [&](auto change) {
    FlowerFilter read = AsRead(asked);
    change(read);
    return !KeyEquals(asked, read);
  };
  EXPECT_TRUE(differs([](FlowerFilter& f) { f.id.handle = 23; }));
  EXPECT_TRUE(differs([](FlowerFilter& f) { f.id.at.ifindex = 5; }));
  EXPECT_TRUE(differs([](FlowerFilter& f) { f.key.src_port->value = 4001; }));
  EXPECT_TRUE(differs([](FlowerFilter& f) { f.key.tcp_flags.reset(); }));
  EXPECT_TRUE(differs([](FlowerFilter& f) { f.key.eth_type.reset(); }));
  EXPECT_TRUE(differs([](FlowerFilter& f) { f.key.ipv4_dst->mask[3] = 0; }));
  EXPECT_TRUE(differs([](FlowerFilter& f) { f.flags ^= netlink::kSkipSw; }));
  EXPECT_TRUE(differs([](FlowerFilter& f) { f.actions.front().cookie.back() ^= 1; }));
  EXPECT_TRUE(differs([](FlowerFilter& f) { f.actions.front().what = netlink::GactDrop{}; }));
  EXPECT_TRUE(
      differs([](FlowerFilter& f) { f.actions.front().what = netlink::Mirred{.ifindex = 8}; }));
  EXPECT_TRUE(differs([](FlowerFilter& f) { f.actions.clear(); }));
  EXPECT_TRUE(differs([](FlowerFilter& f) { f.actions.push_back(f.actions.front()); }));
  EXPECT_TRUE(differs([](FlowerFilter& f) { f.kind = "matchall"; }));
}

TEST(FromFilterTest, GivesTheWholeRuleBack) {
  for (const FlowRule& rule :
       {Tcp4(), Udp6(), WithVlan(Tcp4(), 100), WithVlan(Udp6(), 4094), Dropping(Tcp4())}) {
    for (const OffloadMode mode :
         {OffloadMode::kHardware, OffloadMode::kSoftware, OffloadMode::kAny}) {
      const auto found = FromFilter(AsRead(*ToFilter(rule, kPlace, In(mode))), 5);
      ASSERT_TRUE(found.ok()) << found.status();
      EXPECT_EQ(found->slot, rule.slot);
      EXPECT_EQ(found->cookie, *CookieOf(rule));
      EXPECT_EQ(found->place.ingress_ifindex, 4U);
      EXPECT_EQ(found->place.egress_ifindex, rule.action == session::Action::kForward ? 9U : 0U);
      EXPECT_EQ(found->tuple, rule.tuple);
      EXPECT_EQ(found->vlan, rule.vlan);
      EXPECT_EQ(found->action, rule.action);
      EXPECT_EQ(found->mode, mode);
      EXPECT_EQ(found->counters, (session::Counters{.packets = 12, .bytes = 3400}));
      EXPECT_EQ(found->age, absl::Seconds(20));
      EXPECT_EQ(found->idle, absl::Milliseconds(1230));
    }
  }
}

TEST(FromFilterTest, RefusesWhatNoRuleMakes) {
  const auto refused = [](auto change) {
    FlowerFilter filter = AsRead(*ToFilter(Tcp4(), kPlace, {}));
    change(filter);
    return FromFilter(filter, 5).status().code() == absl::StatusCode::kInvalidArgument;
  };
  EXPECT_FALSE(refused([](FlowerFilter&) {}));
  EXPECT_TRUE(refused([](FlowerFilter& f) { f.id.handle = kKeepAliveHandle; }));
  EXPECT_TRUE(refused([](FlowerFilter& f) { f.id.handle = 21; }));  // the other direction's
  EXPECT_TRUE(refused([](FlowerFilter& f) { f.id.priority = 6; }));
  EXPECT_TRUE(refused([](FlowerFilter& f) { f.actions.clear(); }));
  EXPECT_TRUE(refused([](FlowerFilter& f) { f.actions.front().cookie.pop_back(); }));
  EXPECT_TRUE(refused([](FlowerFilter& f) { f.key.tcp_flags.reset(); }));
  EXPECT_TRUE(refused([](FlowerFilter& f) { f.key.flags.reset(); }));
  EXPECT_TRUE(refused([](FlowerFilter& f) { f.key.ip_proto = 1; }));
  EXPECT_TRUE(refused([](FlowerFilter& f) { f.key.ipv4_src.reset(); }));
  EXPECT_TRUE(refused([](FlowerFilter& f) { f.key.vlan_prio = 3; }));
  EXPECT_TRUE(refused([](FlowerFilter& f) {
    f.actions.front().what = netlink::Mirred{.mode = netlink::Mirred::Mode::kMirror, .ifindex = 9};
  }));
  EXPECT_TRUE(refused(
      [](FlowerFilter& f) { f.actions.front().what = netlink::OtherAction{.kind = "vlan"}; }));
}

TEST(KeepAliveTest, HasTheShapeOfAUdpRuleAndAnIllegalSource) {
  const FlowerFilter v4 = KeepAliveFilter(RuleClass::kIpv4, 4, {});
  EXPECT_EQ(v4.id.handle, kKeepAliveHandle);
  EXPECT_EQ(v4.id.priority, 5);
  EXPECT_EQ(v4.key.ipv4_src, (Masked<netlink::Ipv4Bytes>{kAll4, kAll4}));
  EXPECT_EQ(v4.key.ip_proto, 17);
  EXPECT_TRUE(IsStandingCookie(v4.actions.front().cookie));
  EXPECT_TRUE(std::holds_alternative<netlink::GactDrop>(v4.actions.front().what));

  const FlowerFilter v6 = KeepAliveFilter(RuleClass::kIpv6, 4, {});
  EXPECT_EQ(v6.id.priority, 6);
  EXPECT_EQ(v6.key.ipv6_src, (Masked<netlink::Ipv6Bytes>{kAll6, kAll6}));
  EXPECT_FALSE(v6.key.ipv4_src.has_value());

  const FlowerFilter vlan = KeepAliveFilter(RuleClass::kVlan, 4, {});
  EXPECT_EQ(vlan.id.protocol, 0x8100);
  EXPECT_EQ(vlan.key.vlan_id, 4095);
  EXPECT_EQ(vlan.key.eth_type, 0x0800);
}

TEST(KeepAliveTest, FollowsTheModeAndIsNoSessionRule) {
  for (const RuleClass rule_class : kRuleClasses) {
    const FlowerFilter filter =
        KeepAliveFilter(rule_class, 4, {.mode = OffloadMode::kSoftware, .priority_base = 8});
    EXPECT_EQ(filter.flags, netlink::kSkipHw | netlink::kVerbose);
    EXPECT_EQ(filter.id.priority, 8 + static_cast<int>(rule_class));
    EXPECT_FALSE(FromFilter(filter, 8).ok());
  }
}

}  // namespace
}  // namespace offload::datapath
