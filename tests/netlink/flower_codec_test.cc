// The codec against what iproute2's tc asked and what the kernel answered.
#include "netlink/flower_codec.h"

#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <set>

#include "gmock/gmock.h"
#include "tests/netlink/samples.h"

namespace offload::netlink {
namespace {

using ::testing::SizeIs;

// The flower attributes of a request as (type, payload), actions left out.
std::set<std::pair<uint16_t, Bytes>> KeyAttributes(const Bytes& message) {
  std::set<std::pair<uint16_t, Bytes>> out;
  absl::Status status;
  AttributeReader top(View(message).payload.subspan(sizeof(struct tcmsg)), status);
  while (top.Next()) {
    if (top.type() != TCA_OPTIONS) continue;
    AttributeReader options = top.Nested();
    while (options.Next()) {
      if (options.type() == TCA_FLOWER_ACT) continue;
      out.emplace(options.type(), Bytes(options.payload().begin(), options.payload().end()));
    }
  }
  EXPECT_TRUE(status.ok()) << status;
  return out;
}

// tc writes the all-ones masks of addresses; the kernel takes an absent one as all ones and we
// leave it out to save bytes.
void RemoveFullAddressMasks(std::set<std::pair<uint16_t, Bytes>>& attributes) {
  for (const uint16_t type : {TCA_FLOWER_KEY_IPV4_SRC_MASK, TCA_FLOWER_KEY_IPV4_DST_MASK}) {
    attributes.erase({type, Bytes(4, 0xFF)});
  }
  for (const uint16_t type : {TCA_FLOWER_KEY_IPV6_SRC_MASK, TCA_FLOWER_KEY_IPV6_DST_MASK}) {
    attributes.erase({type, Bytes(16, 0xFF)});
  }
  // tc also repeats the ethertype of the priority where it is told by vlan_ethtype; kept: must
  // match.
}

TEST(FlowerCodec, DecodesWhatTcAsks) {
  for (const auto& [name, expected] : Captured()) {
    const auto decoded = DecodeFilter(View(GoldenOne(name + ".request")));
    ASSERT_TRUE(decoded.ok()) << name << decoded.status();
    ExpectSame(*decoded, expected, name);
  }
}

TEST(FlowerCodec, EncodesTheAttributesThatTcWrites) {
  for (const auto& [name, filter] : Captured()) {
    const Bytes theirs = GoldenOne(name + ".request"), ours = Encode(filter);
    EXPECT_EQ(View(ours).header.nlmsg_type, View(theirs).header.nlmsg_type) << name;
    EXPECT_EQ(View(ours).header.nlmsg_flags | NLM_F_ACK, View(theirs).header.nlmsg_flags) << name;
    EXPECT_EQ(Bytes(ours.begin() + 16, ours.begin() + 36),
              Bytes(theirs.begin() + 16, theirs.begin() + 36))
        << name << ": tcmsg";
    auto expected = KeyAttributes(theirs);
    RemoveFullAddressMasks(expected);
    EXPECT_EQ(KeyAttributes(ours), expected) << name;
    const auto back = DecodeFilter(View(ours));
    ASSERT_TRUE(back.ok()) << back.status();
    ExpectSame(*back, filter, name);
  }
}

TEST(FlowerCodec, MirrorThenRedirectKeepsTheirOrder) {
  const auto filter = DecodeFilter(View(GoldenOne("flower_mirror_redirect.request")));
  ASSERT_TRUE(filter.ok());
  ASSERT_THAT(filter->actions, SizeIs(3));
  EXPECT_EQ(std::get<Mirred>(filter->actions[0].what),
            (Mirred{.mode = Mirred::Mode::kMirror, .ifindex = kVc}));
  EXPECT_EQ(std::get<OtherAction>(filter->actions[1].what).kind, "gact") << "tc's own pipe";
  EXPECT_EQ(std::get<Mirred>(filter->actions[2].what), (Mirred{.ifindex = kVb}));
  EXPECT_EQ(filter->key.ipv4_dst, (Masked<Ipv4Bytes>{{10, 9, 0, 0}, {255, 255, 0, 0}}));
}

TEST(FlowerCodec, AFilterWithoutKeyIsReadBackWithoutKey) {
  const auto read = DecodeFilter(View(Golden("flower_all_get.reply").back()));
  ASSERT_TRUE(read.ok()) << read.status();
  FlowerFilter expected = Expect(0xFFFFFFF0, 15, ETH_P_ALL, {}, {Redirect()}, kNotInHw);
  ExpectSame(*read, expected, "flower_all_get");
}

TEST(FlowerCodec, ReplaceIsAnAddWithoutExcl) {
  FlowerFilter filter = Expect(0xFFFFFFF0, 15, ETH_P_ALL, {}, {Redirect()});
  filter.actions[0].what = Mirred{.ifindex = kVc};
  const Bytes theirs = GoldenOne("flower_all_replace.request");
  const Bytes ours = Encode(filter, FilterRequest::Op::kReplace);
  EXPECT_EQ(View(ours).header.nlmsg_type, View(theirs).header.nlmsg_type);
  EXPECT_EQ(View(ours).header.nlmsg_flags | NLM_F_ACK, View(theirs).header.nlmsg_flags);
  EXPECT_EQ(Bytes(ours.begin() + 16, ours.begin() + 36),
            Bytes(theirs.begin() + 16, theirs.begin() + 36));
  EXPECT_EQ(KeyAttributes(ours), KeyAttributes(theirs));
  ExpectSame(*DecodeFilter(View(ours)), *DecodeFilter(View(theirs)), "flower_all_replace");
}

TEST(FlowerCodec, DeleteAndGetNameTheFilterAsTcDoes) {
  const FlowerFilter two = {
      .id = {.at = {.ifindex = kVa}, .priority = 5, .protocol = ETH_P_IP, .handle = 2}};
  FlowerFilter one = two;
  one.id.handle = 1;
  const std::pair<Bytes, Bytes> pairs[] = {
      {Encode(two, FilterRequest::Op::kDelete), GoldenOne("delete_by_handle.request")},
      {Encode(one, FilterRequest::Op::kGet), GoldenOne("get_by_handle.request")},
  };
  for (const auto& [ours, theirs] : pairs) {
    EXPECT_EQ(View(ours).header.nlmsg_type, View(theirs).header.nlmsg_type);
    EXPECT_EQ(Bytes(ours.begin() + 16, ours.begin() + 36),
              Bytes(theirs.begin() + 16, theirs.begin() + 36));
    EXPECT_EQ(DecodeFilter(View(ours))->kind, "flower")
        << "without the kind the request takes RTNL";
  }
}

std::vector<FlowerFilter> Dump(const std::string& name) {
  std::vector<FlowerFilter> filters;
  for (const Bytes& message : Golden(name)) {
    if (View(message).header.nlmsg_type != RTM_NEWTFILTER) continue;
    const auto filter = DecodeFilter(View(message));
    EXPECT_TRUE(filter.ok()) << filter.status();
    if (filter.ok()) filters.push_back(*filter);
  }
  return filters;
}

const FlowerFilter* Find(const std::vector<FlowerFilter>& filters, uint32_t handle,
                         uint16_t priority) {
  for (const FlowerFilter& filter : filters) {
    if (filter.has_options && filter.id.handle == handle && filter.id.priority == priority)
      return &filter;
  }
  return nullptr;
}

TEST(FlowerCodec, DecodesAFullDump) {
  const auto filters = Dump("dump_full.reply");
  for (auto [name, expected] : Captured()) {
    if (name == "flower_all_redirect") continue;  // added after the dump
    const FlowerFilter* seen = Find(filters, expected.id.handle, expected.id.priority);
    ASSERT_NE(seen, nullptr) << name;
    EXPECT_EQ(seen->flags & kNotInHw, kNotInHw) << name;
    FlowerFilter comparable = *seen;
    comparable.flags &= ~kNotInHw;
    ExpectSame(comparable, expected, name);
    ASSERT_TRUE(seen->actions[0].stats.has_value()) << name;
    ASSERT_TRUE(seen->actions[0].times.has_value()) << name;
    EXPECT_GE(seen->actions[0].times->install, seen->actions[0].times->last_use) << name;
  }
  // 7 segments of 47 bytes hit the first filter.
  EXPECT_EQ(Find(filters, 1, 5)->actions[0].stats, (ActionStats{.packets = 7, .bytes = 329}));
  const size_t headers = static_cast<size_t>(
      std::count_if(filters.begin(), filters.end(), [](const auto& f) { return !f.has_options; }));
  EXPECT_GE(headers, 3u) << "one header message per priority";
}

TEST(FlowerCodec, DecodesATerseDump) {
  const auto filters = Dump("dump_terse.reply");
  const FlowerFilter* one = Find(filters, 1, 5);
  ASSERT_NE(one, nullptr);
  EXPECT_EQ(one->key, FlowerKey{}) << "a terse dump has no keys";
  EXPECT_EQ(one->flags, kSkipHw | kNotInHw);
  ASSERT_THAT(one->actions, SizeIs(1));
  EXPECT_EQ(one->actions[0].cookie, Cookie());
  EXPECT_EQ(one->actions[0].stats, (ActionStats{.packets = 7, .bytes = 329}));
  EXPECT_FALSE(one->actions[0].times.has_value());
  EXPECT_EQ(std::get<OtherAction>(one->actions[0].what).kind, "mirred");
  EXPECT_THAT(Find(filters, 8, 5)->actions, SizeIs(3));
  const auto other = std::find_if(filters.begin(), filters.end(),
                                  [](const auto& f) { return f.kind == "matchall"; });
  ASSERT_NE(other, filters.end());
  EXPECT_EQ(other->id.priority, 40);
  EXPECT_EQ(other->id.protocol, ETH_P_ALL);
}

// TCA_STATS_PKT64 belongs to the counter before it and may come twice.
TEST(FlowerCodec, PacketCountsAbove32BitsFollowTheirCounter) {
  alignas(4) uint8_t buffer[1024];
  MessageBuilder builder(absl::MakeSpan(buffer), RTM_NEWTFILTER, 0, 1);
  const struct tcmsg header = {};
  builder.PutHeader(&header, sizeof(header));
  builder.PutString(TCA_KIND, "flower");
  const auto put_counter = [&](uint16_t type, uint64_t bytes, uint64_t packets) {
    Bytes basic(16);
    std::memcpy(basic.data(), &bytes, 8);
    std::memcpy(basic.data() + 8, &packets, 4);
    builder.PutBytes(type, basic);
    builder.Put(8 /* TCA_STATS_PKT64 */, &packets, sizeof(packets));
  };
  {
    MessageBuilder::Nest options(builder, TCA_OPTIONS), actions(builder, TCA_FLOWER_ACT),
        first(builder, 1);
    builder.PutString(TCA_ACT_KIND, "mirred");
    MessageBuilder::Nest stats(builder, TCA_ACT_STATS);
    put_counter(1 /* TCA_STATS_BASIC */, 10, 0x5'0000'0007);
    put_counter(7 /* TCA_STATS_BASIC_HW */, 9, 0x4'0000'0003);
  }
  const auto bytes = builder.Finish();
  ASSERT_TRUE(bytes.ok());
  const auto filter = DecodeFilter(View(Bytes(bytes->begin(), bytes->end())));
  ASSERT_TRUE(filter.ok()) << filter.status();
  EXPECT_EQ(
      filter->actions[0].stats,
      (ActionStats{
          .packets = 0x5'0000'0007, .bytes = 10, .hw_packets = 0x4'0000'0003, .hw_bytes = 9}));
}

TEST(FlowerCodec, ASharedBlockComesBackTheSame) {
  FlowerFilter filter = Expect(1, 5, ETH_P_IP, Key4(6));
  filter.id.at = {.block = 22};
  filter.id.chain = 3;
  const Bytes bytes = Encode(filter);
  struct tcmsg header;
  std::memcpy(&header, bytes.data() + 16, sizeof(header));
  EXPECT_EQ(static_cast<uint32_t>(header.tcm_ifindex), 0xFFFFFFFF);
  EXPECT_EQ(header.tcm_parent, 22u);
  const auto back = DecodeFilter(View(bytes));
  ASSERT_TRUE(back.ok()) << back.status();
  ExpectSame(*back, filter, "block");
}

// `message` with four bytes at the only place where `from` stands.
Bytes Replace(Bytes message, const Bytes& from, const Bytes& to) {
  const auto place = std::search(message.begin(), message.end(), from.begin(), from.end());
  EXPECT_NE(place, message.end());
  if (place != message.end()) std::copy(to.begin(), to.end(), place);
  return message;
}

TEST(FlowerCodec, KeysThatItDoesNotKnowShow) {
  // nofrag's attributes 0x2f and 0x30 become the VXLAN id 0x1a and 0x4b (unknown here).
  const Bytes tc = GoldenOne("flower_ipv4_udp_redirect.request");
  const auto filter =
      DecodeFilter(View(Replace(Replace(tc, {8, 0, 0x2F, 0}, {8, 0, TCA_FLOWER_KEY_ENC_KEY_ID, 0}),
                                {8, 0, 0x30, 0}, {8, 0, 0x7F, 0})));
  ASSERT_TRUE(filter.ok()) << filter.status();
  EXPECT_TRUE(filter->key.other_keys);
  EXPECT_FALSE(DecodeFilter(View(tc))->key.other_keys);
}

TEST(FlowerCodec, ActionsOfOthersThatLookLikeOursAreOther) {
  // tc_mirred: action, refcnt, bindcnt, eaction. A redirect that goes on with the next action.
  const Bytes redirect = {4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0};
  const Bytes redirect_pipe = {3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0};
  const Bytes to_ingress = {4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0};
  const Bytes tc = GoldenOne("flower_ipv4_udp_redirect.request");
  for (const Bytes& other : {redirect_pipe, to_ingress}) {
    const auto filter = DecodeFilter(View(Replace(tc, redirect, other)));
    ASSERT_TRUE(filter.ok()) << filter.status();
    ASSERT_TRUE(std::holds_alternative<OtherAction>(filter->actions[0].what));
    EXPECT_EQ(std::get<OtherAction>(filter->actions[0].what).kind, "mirred");
  }
}

FlowerFilter RandomFilter(std::mt19937& random) {
  const auto chance = [&] { return random() % 2 == 0; };
  const uint8_t ip_proto = chance() ? 6 : 17;
  FlowerKey key = chance() ? Key4(ip_proto) : Key6(ip_proto);
  const auto word = [&] { return static_cast<uint16_t>(random()); };
  const auto byte = [&] { return static_cast<uint8_t>(random()); };
  const uint16_t port_mask = chance() ? uint16_t{0xFFFF} : static_cast<uint16_t>(word() | 1);
  key.src_port = {static_cast<uint16_t>(word() & port_mask), port_mask};
  if (chance()) key.dst_port.reset();
  if (key.ipv4_src && chance()) key.ipv4_src = {{byte(), byte(), 0, 0}, {255, 255, byte(), 0}};
  if (key.ipv6_dst && chance()) {
    key.ipv6_dst->value[15] = 0;
    key.ipv6_dst->mask[15] = 0;
  }
  if (chance()) key.flags.reset();
  const bool vlan = chance();
  if (vlan)
    key =
        Vlan(key, random() % 4096, chance() ? std::optional<uint8_t>(random() % 8) : std::nullopt);
  FilterAction action = Redirect();
  if (chance()) action.what = GactDrop{};
  if (chance())
    action.what =
        Mirred{.mode = Mirred::Mode::kMirror, .ifindex = static_cast<uint32_t>(1 + random() % 100)};
  action.cookie.resize(random() % 17, static_cast<uint8_t>(random()));
  action.no_percpu_stats = chance();
  std::vector<FilterAction> actions = {action};
  if (vlan && chance()) {
    const auto prio = chance() ? std::optional<uint8_t>(random() % 8) : std::nullopt;
    actions.insert(
        actions.begin(),
        {.what = VlanModify{.id = static_cast<uint16_t>(random() % 4095), .prio = prio}});
  }
  const uint16_t protocol = vlan ? ETH_P_8021Q : *key.eth_type;
  return Expect(static_cast<uint32_t>(random()), static_cast<uint16_t>(1 + random() % 16), protocol,
                key, actions, random() % 32 & (kSkipHw | kSkipSw | kVerbose));
}

TEST(FlowerCodec, RandomFiltersComeBackTheSame) {
  std::mt19937 random(11);
  for (int i = 0; i < 2000; ++i) {
    const FlowerFilter filter = RandomFilter(random);
    const auto back = DecodeFilter(View(Encode(filter)));
    ASSERT_TRUE(back.ok()) << back.status();
    ExpectSame(*back, filter, "round " + std::to_string(i));
  }
}

}  // namespace
}  // namespace offload::netlink
