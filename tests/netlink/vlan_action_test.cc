// vlan modify against what iproute2's tc asked and what the kernel answered.
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_vlan.h>

#include <tuple>

#include "gmock/gmock.h"
#include "tests/netlink/samples.h"

namespace offload::netlink {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

FilterAction Modify(uint16_t id, std::optional<uint8_t> prio = std::nullopt) {
  return {.what = VlanModify{.id = id, .prio = prio}};
}

// By file name; all but the kernel's own part.
std::vector<std::pair<std::string, FlowerFilter>> Rewrites() {
  return {
      {"vlan_rewrite", Expect(14, 7, ETH_P_8021Q, Vlan(Key4(6), 101), {Modify(200), Redirect()})},
      {"vlan_rewrite_prio",
       Expect(15, 7, ETH_P_8021Q, Vlan(Key6(17), 4094), {Modify(1, 5), Redirect()})}};
}

// The attributes of all actions in their order: position of the action, type (0 for those inside
// TCA_ACT_OPTIONS), type inside the options, payload.
using ActionAttribute = std::tuple<uint16_t, uint16_t, uint16_t, Bytes>;
std::vector<ActionAttribute> ActionAttributes(const Bytes& message) {
  std::vector<ActionAttribute> out;
  absl::Status status;
  const auto bytes = [](const AttributeReader& r) {
    return Bytes(r.payload().begin(), r.payload().end());
  };
  AttributeReader top(View(message).payload.subspan(sizeof(struct tcmsg)), status);
  while (top.Next()) {
    if (top.type() != TCA_OPTIONS) continue;
    AttributeReader options = top.Nested();
    while (options.Next()) {
      if (options.type() != TCA_FLOWER_ACT) continue;
      AttributeReader actions = options.Nested();
      while (actions.Next()) {
        AttributeReader parts = actions.Nested();
        while (parts.Next()) {
          if (parts.type() != TCA_ACT_OPTIONS) {
            out.emplace_back(actions.type(), parts.type(), 0, bytes(parts));
            continue;
          }
          AttributeReader inner = parts.Nested();
          while (inner.Next()) out.emplace_back(actions.type(), 0, inner.type(), bytes(inner));
        }
      }
    }
  }
  EXPECT_TRUE(status.ok()) << status;
  return out;
}

TEST(VlanAction, DecodesWhatTcAsks) {
  for (const auto& [name, expected] : Rewrites()) {
    const auto decoded = DecodeFilter(View(GoldenOne("flower_" + name + ".request")));
    ASSERT_TRUE(decoded.ok()) << name << decoded.status();
    ExpectSame(*decoded, expected, name);
  }
}

TEST(VlanAction, EncodesTheActionsThatTcWrites) {
  for (const auto& [name, filter] : Rewrites()) {
    EXPECT_EQ(ActionAttributes(Encode(filter)),
              ActionAttributes(GoldenOne("flower_" + name + ".request")))
        << name;
  }
}

// The kernel adds no priority of its own, and both actions count the same: 4 segments of 47 bytes,
// without the tag.
TEST(VlanAction, DecodesWhatTheKernelMadeOfIt) {
  for (const auto& [name, expected] : Rewrites()) {
    std::optional<FlowerFilter> seen;
    for (const Bytes& message : Golden("get_" + name + ".reply")) {
      if (View(message).header.nlmsg_type == RTM_NEWTFILTER) seen = *DecodeFilter(View(message));
    }
    ASSERT_TRUE(seen) << name;
    seen->flags &= ~kNotInHw;
    ExpectSame(*seen, expected, name);
    const ActionStats stats =
        name == "vlan_rewrite" ? ActionStats{.packets = 4, .bytes = 188} : ActionStats{};
    for (const FilterAction& action : seen->actions) {
      EXPECT_EQ(action.stats, stats) << name;
      ASSERT_TRUE(action.times) << name;
    }
    EXPECT_EQ(seen->actions[0].times->last_use, seen->actions[1].times->last_use) << name;
  }
}

TEST(VlanAction, PushAndPopAreOther) {
  for (const char* name : {"flower_vlan_push.request", "flower_vlan_pop.request"}) {
    const auto filter = DecodeFilter(View(GoldenOne(name)));
    ASSERT_TRUE(filter.ok()) << name << filter.status();
    ASSERT_THAT(filter->actions, SizeIs(2)) << name;
    EXPECT_EQ(std::get<OtherAction>(filter->actions[0].what).kind, "vlan") << name;
    EXPECT_EQ(filter->actions[1].what, Redirect().what) << name;
  }
}

// Where `part` stands in `whole`; the test fails unless that is one place.
size_t Place(const Bytes& whole, const Bytes& part) {
  const auto first = std::search(whole.begin(), whole.end(), part.begin(), part.end());
  EXPECT_NE(first, whole.end());
  EXPECT_EQ(std::search(first + 1, whole.end(), part.begin(), part.end()), whole.end());
  return static_cast<size_t>(first - whole.begin());
}

constexpr size_t kParmsAttribute = 4 + sizeof(struct tc_vlan);

// The places of TCA_VLAN_PARMS, _ID, _PROTOCOL and _PRIORITY, which follow each other.
std::vector<size_t> VlanAttributes(const Bytes& request) {
  const size_t parms = Place(request, {kParmsAttribute, 0, TCA_VLAN_PARMS, 0});
  return {parms, parms + kParmsAttribute, parms + kParmsAttribute + 8,
          parms + kParmsAttribute + 16};
}

TEST(VlanAction, AnotherVerdictOrProtocolOrNoIdIsOther) {
  const Bytes tc = GoldenOne("flower_vlan_rewrite_prio.request");
  const auto places = VlanAttributes(tc);
  const size_t verdict = places[0] + 4 + offsetof(struct tc_vlan, action);
  const struct {
    size_t at;
    Bytes bytes;
  } changes[] = {{verdict, {TC_ACT_STOLEN}},
                 {places[1] + 2, {TCA_VLAN_PAD}},  // no id
                 {places[2] + 4, {0x88, 0xA8}}};   // 802.1ad
  for (const auto& [at, bytes] : changes) {
    Bytes changed = tc;
    std::copy(bytes.begin(), bytes.end(), changed.begin() + static_cast<ptrdiff_t>(at));
    const auto filter = DecodeFilter(View(changed));
    ASSERT_TRUE(filter.ok()) << filter.status();
    EXPECT_TRUE(std::holds_alternative<OtherAction>(filter->actions[0].what)) << at;
  }
}

// tc leaves the protocol out when it is not told one; the kernel takes 802.1Q.
TEST(VlanAction, AMissingProtocolIs8021Q) {
  Bytes tc = GoldenOne("flower_vlan_rewrite.request");
  tc[VlanAttributes(tc)[2] + 2] = TCA_VLAN_PAD;
  const auto filter = DecodeFilter(View(tc));
  ASSERT_TRUE(filter.ok()) << filter.status();
  EXPECT_EQ(filter->actions[0].what, Modify(200).what);
}

TEST(VlanAction, EveryAttributeOfAnotherLengthIsRefused) {
  const Bytes tc = GoldenOne("flower_vlan_rewrite_prio.request");
  for (const size_t place : VlanAttributes(tc)) {
    for (const int change : {-1, 1}) {
      Bytes wrong = tc;
      wrong[place] = static_cast<uint8_t>(wrong[place] + change);
      EXPECT_FALSE(DecodeFilter(View(wrong)).ok()) << "attribute at " << place << ", " << change;
    }
  }
}

TEST(VlanAction, RefusesWhatTheKernelWould) {
  const struct {
    const char* names;
    FilterAction action;
  } bads[] = {{"vlan: id 4095", Modify(4095)}, {"vlan: prio", Modify(5, 8)}};
  for (const auto& [names, action] : bads) {
    const FlowerFilter filter = Expect(1, 7, ETH_P_8021Q, Vlan(Key4(6), 100), {action, Redirect()});
    alignas(4) uint8_t buffer[kMaxMessage];
    const auto bytes = EncodeFilterRequest({.filter = filter}, 1, absl::MakeSpan(buffer));
    EXPECT_EQ(bytes.status().code(), absl::StatusCode::kInvalidArgument) << names;
    EXPECT_THAT(std::string(bytes.status().message()), HasSubstr(names));
  }
}

}  // namespace
}  // namespace offload::netlink
