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
#include "tests/netlink/golden.h"

namespace offload::netlink {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

// Of `# ifindex va=3 vb=5 vc=7` in the captured files.
constexpr uint32_t kVa = 3, kVb = 5, kVc = 7;
const Bytes kCookie = {0x0F, 0x01, 0x82, 0x00, 0x00, 0xA0, 0x05, 0x01,
                       0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08};
constexpr Ipv4Bytes kAll4 = {255, 255, 255, 255};

Ipv6Bytes All6() {
  Ipv6Bytes ones;
  ones.fill(255);
  return ones;
}

FilterAction Redirect() { return {.what = Mirred{.ifindex = kVb}, .cookie = kCookie}; }

FlowerFilter Expect(uint32_t handle, uint16_t priority, uint16_t protocol, FlowerKey key,
                    std::vector<FilterAction> actions = {Redirect()}, uint32_t flags = kSkipHw) {
  return {
      .id = {.at = {.ifindex = kVa}, .priority = priority, .protocol = protocol, .handle = handle},
      .key = std::move(key),
      .flags = flags,
      .actions = std::move(actions)};
}

FlowerKey Key4(uint8_t ip_proto) {
  FlowerKey key = {.eth_type = ETH_P_IP,
                   .ip_proto = ip_proto,
                   .ipv4_src = {{{10, 0, 1, 1}, kAll4}},
                   .ipv4_dst = {{{10, 0, 2, 2}, kAll4}},
                   .src_port = {{4000, 0xFFFF}},
                   .dst_port = {{80, 0xFFFF}},
                   .flags = {{0, 1}}};
  if (ip_proto == 6) key.tcp_flags = {0, 7};
  return key;
}

FlowerKey Key6(uint8_t ip_proto) {
  FlowerKey key = {
      .eth_type = ETH_P_IPV6,
      .ip_proto = ip_proto,
      .ipv6_src = {{{0x20, 1, 0x0D, 0xB8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, All6()}},
      .ipv6_dst = {{{0x20, 1, 0x0D, 0xB8, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}, All6()}},
      .src_port = {{4000, 0xFFFF}},
      .dst_port = {{443, 0xFFFF}},
      .flags = {{0, 1}}};
  if (ip_proto == 6) key.tcp_flags = {0, 7};
  return key;
}

FlowerKey Vlan(FlowerKey key, uint16_t id, std::optional<uint8_t> prio = std::nullopt) {
  key.vlan_id = id;
  key.vlan_prio = prio;
  return key;
}

// By file name, written from the tc command line at the top of each file.
std::vector<std::pair<std::string, FlowerFilter>> Captured() {
  FlowerKey drop = Key4(6);
  drop.ipv4_src = {{10, 0, 3, 3}, kAll4};
  drop.ipv4_dst = {{10, 0, 4, 4}, kAll4};
  drop.src_port = {1, 0xFFFF};
  drop.dst_port = {65535, 0xFFFF};
  return {
      {"flower_ipv4_tcp_redirect", Expect(1, 5, ETH_P_IP, Key4(6))},
      {"flower_ipv4_udp_redirect", Expect(2, 5, ETH_P_IP, Key4(17))},
      {"flower_ipv6_tcp_redirect", Expect(3, 6, ETH_P_IPV6, Key6(6))},
      {"flower_ipv6_udp_redirect", Expect(4, 6, ETH_P_IPV6, Key6(17))},
      {"flower_vlan_ipv4_tcp_redirect", Expect(5, 7, ETH_P_8021Q, Vlan(Key4(6), 100))},
      {"flower_vlan_ipv6_udp_redirect", Expect(6, 7, ETH_P_8021Q, Vlan(Key6(17), 4094, 3))},
      {"flower_ipv4_tcp_drop",
       Expect(7, 5, ETH_P_IP, drop, {{.what = GactDrop{}, .cookie = kCookie}})},
      {"flower_no_flags",
       Expect(9, 5, ETH_P_IP, {.eth_type = ETH_P_IP, .ip_proto = 6, .src_port = {{77, 0xFFFF}}},
              {Redirect()}, 0)},
      {"flower_chain0_large_handle",
       Expect(0xFFFFFF00, 5, ETH_P_IP,
              {.eth_type = ETH_P_IP, .ipv4_src = {{{255, 255, 255, 255}, kAll4}}},
              {{.what = GactDrop{}, .no_percpu_stats = false}})},
  };
}

void ExpectSame(const FlowerFilter& seen, const FlowerFilter& expected, const std::string& where) {
  EXPECT_EQ(seen.id, expected.id) << where;
  EXPECT_EQ(seen.key, expected.key) << where;
  EXPECT_EQ(seen.flags, expected.flags) << where;
  EXPECT_EQ(seen.kind, expected.kind) << where;
  ASSERT_EQ(seen.actions.size(), expected.actions.size()) << where;
  for (size_t i = 0; i < seen.actions.size(); ++i) {
    EXPECT_EQ(seen.actions[i].what, expected.actions[i].what) << where;
    EXPECT_EQ(seen.actions[i].cookie, expected.actions[i].cookie) << where;
    EXPECT_EQ(seen.actions[i].no_percpu_stats, expected.actions[i].no_percpu_stats) << where;
  }
}

Bytes Encode(const FlowerFilter& filter, FilterRequest::Op op = FilterRequest::Op::kAdd) {
  alignas(4) uint8_t buffer[kMaxMessage];
  const auto bytes = EncodeFilterRequest({.op = op, .filter = filter}, 1, absl::MakeSpan(buffer));
  EXPECT_TRUE(bytes.ok()) << bytes.status();
  return bytes.ok() ? Bytes(bytes->begin(), bytes->end()) : Bytes();
}

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
  EXPECT_EQ(one->actions[0].cookie, kCookie);
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

TEST(FlowerCodec, RefusesWhatFlowerWouldIgnore) {
  struct Bad {
    const char* names;
    std::function<void(FlowerFilter&)> spoil;
  };
  const Bad bads[] = {
      {"eth_type", [](auto& f) { f.key.eth_type.reset(); }},
      {"ip_proto",
       [](auto& f) {
         f.key.ip_proto.reset();
         f.key.tcp_flags.reset();
       }},
      {"ip_proto",
       [](auto& f) {
         f.key.ip_proto = 1;
         f.key.tcp_flags.reset();
       }},
      {"tcp_flags", [](auto& f) { f.key.ip_proto = 17; }},
      {"ipv6_src",
       [](auto& f) {
         f.key.ipv6_src = {{}, All6()};
       }},
      {"eth_type", [](auto& f) { f.key.eth_type = ETH_P_IPV6; }},
      {"vlan_id",
       [](auto& f) {
         f.key.vlan_id = 4096;
         f.id.protocol = ETH_P_8021Q;
       }},
      {"vlan_id", [](auto& f) { f.key.vlan_id = 5; }},
      {"vlan_prio", [](auto& f) { f.key.vlan_prio = 5; }},
      {"eth_type", [](auto& f) { f.id.protocol = ETH_P_ARP; }},
      {"cookie", [](auto& f) { f.actions[0].cookie.resize(17); }},
      {"action", [](auto& f) { f.actions[0].what = OtherAction{"pedit"}; }},
      {"kind", [](auto& f) { f.kind = "u32"; }},
  };
  for (const Bad& bad : bads) {
    FlowerFilter filter = Expect(1, 5, ETH_P_IP, Key4(6));
    bad.spoil(filter);
    alignas(4) uint8_t buffer[kMaxMessage];
    const auto bytes = EncodeFilterRequest({.filter = filter}, 1, absl::MakeSpan(buffer));
    EXPECT_EQ(bytes.status().code(), absl::StatusCode::kInvalidArgument) << bad.names;
    EXPECT_THAT(std::string(bytes.status().message()), HasSubstr(bad.names));
  }
}

// Every message of the capture, cut at every length: the datagram as it is, and with a header that
// agrees with the cut, so that attributes are cut.
TEST(FlowerCodec, EveryTruncatedPrefixIsRefusedCleanly) {
  size_t refused_by_length = 0, refused_inside = 0, messages = 0;
  for (const std::string& name : GoldenNames()) {
    for (const Bytes& whole : Golden(name)) {
      ++messages;
      for (size_t length = 0; length < whole.size(); ++length) {
        Bytes cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(length));
        absl::Span<const uint8_t> rest(cut);
        EXPECT_FALSE(TakeMessage(rest).ok()) << name << " cut at " << length;
        ++refused_by_length;
        if (length < 16) continue;
        const uint32_t claimed = static_cast<uint32_t>(length);
        std::memcpy(cut.data(), &claimed, sizeof(claimed));
        const MessageView view = View(cut);
        const bool is_error = view.header.nlmsg_type == NLMSG_ERROR;
        const bool ok = is_error ? DecodeError(view).ok() : DecodeFilter(view).ok();
        // A cut between attributes leaves a whole, shorter message; inside one it must be refused.
        if (!ok) ++refused_inside;
      }
    }
  }
  EXPECT_GT(messages, 40u);
  EXPECT_GT(refused_inside, refused_by_length / 2);
}

TEST(FlowerCodec, RandomMutationsNeverCrash) {
  std::mt19937 random(7);
  std::vector<Bytes> corpus;
  for (const std::string& name : GoldenNames()) {
    for (const Bytes& message : Golden(name)) corpus.push_back(message);
  }
  size_t refused = 0;
  for (int i = 0; i < 20000; ++i) {
    Bytes message = corpus[random() % corpus.size()];
    for (uint32_t n = 1 + random() % 4; n > 0; --n) {
      message[4 + random() % (message.size() - 4)] = static_cast<uint8_t>(random());
    }
    absl::Span<const uint8_t> rest(message);
    const auto view = TakeMessage(rest);
    ASSERT_TRUE(view.ok());
    refused += !DecodeFilter(*view).ok();
    refused += !DecodeError(*view).ok();
  }
  EXPECT_GT(refused, 1000u);
}

FlowerFilter RandomFilter(std::mt19937& random) {
  const auto chance = [&] { return random() % 2 == 0; };
  const uint8_t ip_proto = chance() ? 6 : 17;
  FlowerKey key = chance() ? Key4(ip_proto) : Key6(ip_proto);
  const auto word = [&] { return static_cast<uint16_t>(random()); };
  key.src_port = {word(), chance() ? uint16_t{0xFFFF} : word()};
  if (chance()) key.dst_port.reset();
  if (key.ipv4_src && chance()) key.ipv4_src->mask = {255, 255, static_cast<uint8_t>(random()), 0};
  if (key.ipv6_dst && chance()) key.ipv6_dst->mask[15] = 0;
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
  const uint16_t protocol = vlan ? ETH_P_8021Q : *key.eth_type;
  return Expect(static_cast<uint32_t>(random()), static_cast<uint16_t>(1 + random() % 16), protocol,
                key, {action}, random() % 32);
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
