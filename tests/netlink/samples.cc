#include "tests/netlink/samples.h"

#include <linux/if_ether.h>

#include "gtest/gtest.h"

namespace offload::netlink {

Ipv6Bytes All6() {
  Ipv6Bytes ones;
  ones.fill(255);
  return ones;
}

const Bytes& Cookie() {
  static const Bytes cookie = {0x0F, 0x01, 0x82, 0x00, 0x00, 0xA0, 0x05, 0x01,
                               0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08};
  return cookie;
}

FilterAction Redirect() { return {.what = Mirred{.ifindex = kVb}, .cookie = Cookie()}; }

FlowerFilter Expect(uint32_t handle, uint16_t priority, uint16_t protocol, FlowerKey key,
                    std::vector<FilterAction> actions, uint32_t flags) {
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

FlowerKey Vlan(FlowerKey key, uint16_t id, std::optional<uint8_t> prio) {
  key.vlan_id = id;
  key.vlan_prio = prio;
  return key;
}

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
       Expect(7, 5, ETH_P_IP, drop, {{.what = GactDrop{}, .cookie = Cookie()}})},
      {"flower_no_flags",
       Expect(9, 5, ETH_P_IP, {.eth_type = ETH_P_IP, .ip_proto = 6, .src_port = {{77, 0xFFFF}}},
              {Redirect()}, 0)},
      {"flower_all_redirect", Expect(0xFFFFFFF0, 15, ETH_P_ALL, {}, {Redirect()}, 0)},
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

Bytes Encode(const FlowerFilter& filter, FilterRequest::Op op) {
  alignas(4) uint8_t buffer[kMaxMessage];
  const auto bytes = EncodeFilterRequest({.op = op, .filter = filter}, 1, absl::MakeSpan(buffer));
  EXPECT_TRUE(bytes.ok()) << bytes.status();
  return bytes.ok() ? Bytes(bytes->begin(), bytes->end()) : Bytes();
}

}  // namespace offload::netlink
