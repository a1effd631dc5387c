// The match: one table row per key, used by both directions of the codec.
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "netlink/flower_codec.h"

namespace offload::netlink {
namespace {

constexpr uint8_t kTcp = 6;
constexpr uint8_t kUdp = 17;
constexpr uint16_t kMaxVlanId = 4095;
constexpr uint8_t kMaxVlanPrio = 7;

template <typename T>
struct Row {
  const char* name;
  uint16_t value_type;
  uint16_t mask_type;
  std::optional<Masked<T>> FlowerKey::*member;
  // tc_flower always wants the mask of these; elsewhere an absent mask means all ones.
  bool mask_always = false;
};

constexpr Row<Ipv4Bytes> kIpv4Rows[] = {
    {"ipv4_src", TCA_FLOWER_KEY_IPV4_SRC, TCA_FLOWER_KEY_IPV4_SRC_MASK, &FlowerKey::ipv4_src},
    {"ipv4_dst", TCA_FLOWER_KEY_IPV4_DST, TCA_FLOWER_KEY_IPV4_DST_MASK, &FlowerKey::ipv4_dst},
};
constexpr Row<Ipv6Bytes> kIpv6Rows[] = {
    {"ipv6_src", TCA_FLOWER_KEY_IPV6_SRC, TCA_FLOWER_KEY_IPV6_SRC_MASK, &FlowerKey::ipv6_src},
    {"ipv6_dst", TCA_FLOWER_KEY_IPV6_DST, TCA_FLOWER_KEY_IPV6_DST_MASK, &FlowerKey::ipv6_dst},
};
constexpr Row<uint16_t> kTcpRows[] = {
    {"src_port", TCA_FLOWER_KEY_TCP_SRC, TCA_FLOWER_KEY_TCP_SRC_MASK, &FlowerKey::src_port},
    {"dst_port", TCA_FLOWER_KEY_TCP_DST, TCA_FLOWER_KEY_TCP_DST_MASK, &FlowerKey::dst_port},
    {"tcp_flags", TCA_FLOWER_KEY_TCP_FLAGS, TCA_FLOWER_KEY_TCP_FLAGS_MASK, &FlowerKey::tcp_flags,
     true},
};
constexpr Row<uint16_t> kUdpRows[] = {
    {"src_port", TCA_FLOWER_KEY_UDP_SRC, TCA_FLOWER_KEY_UDP_SRC_MASK, &FlowerKey::src_port},
    {"dst_port", TCA_FLOWER_KEY_UDP_DST, TCA_FLOWER_KEY_UDP_DST_MASK, &FlowerKey::dst_port},
};
constexpr Row<uint32_t> kFlagRows[] = {
    {"flags", TCA_FLOWER_KEY_FLAGS, TCA_FLOWER_KEY_FLAGS_MASK, &FlowerKey::flags, true},
};

void PutValue(MessageBuilder& b, uint16_t type, uint16_t v) { b.PutBe16(type, v); }
void PutValue(MessageBuilder& b, uint16_t type, uint32_t v) { b.PutBe32(type, v); }
template <size_t N>
void PutValue(MessageBuilder& b, uint16_t type, const std::array<uint8_t, N>& v) {
  b.PutBytes(type, v);
}

void GetValue(AttributeReader& r, uint16_t& out) { out = r.Be16(); }
void GetValue(AttributeReader& r, uint32_t& out) { out = r.Be32(); }
template <size_t N>
void GetValue(AttributeReader& r, std::array<uint8_t, N>& out) {
  out = r.Struct<std::array<uint8_t, N>>();
}

template <typename T>
T AllOnes() {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(~T{0});
  } else {
    T ones;
    ones.fill(0xFF);
    return ones;
  }
}

template <typename Rows>
void PutRows(MessageBuilder& builder, const Rows& rows, const FlowerKey& key) {
  for (const auto& row : rows) {
    const auto& field = key.*row.member;
    if (!field) continue;
    PutValue(builder, row.value_type, field->value);
    if (row.mask_always || field->mask != AllOnes<decltype(field->mask)>()) {
      PutValue(builder, row.mask_type, field->mask);
    }
  }
}

template <typename Rows>
bool Uses(const Rows& rows, const FlowerKey& key) {
  return std::any_of(std::begin(rows), std::end(rows),
                     [&](const auto& row) { return (key.*row.member).has_value(); });
}

// Reads the attribute under the cursor if a row has it. A mask before its value is fine.
template <typename Rows>
void GetRows(AttributeReader& reader, const Rows& rows, FlowerKey& key) {
  for (const auto& row : rows) {
    if (reader.type() != row.value_type && reader.type() != row.mask_type) continue;
    auto& field = key.*row.member;
    if (!field) {
      field.emplace();
      field->mask = AllOnes<decltype(field->mask)>();
    }
    GetValue(reader, reader.type() == row.value_type ? field->value : field->mask);
  }
}

// What flower would take and silently not match on, or refuse without a text (fl_set_key).
std::string Contradiction(const FilterId& id, const FlowerKey& key) {
  const bool v4 = Uses(kIpv4Rows, key), v6 = Uses(kIpv6Rows, key), l4 = Uses(kTcpRows, key);
  const uint16_t eth = key.eth_type.value_or(0);
  if (!key.eth_type && (v4 || v6 || l4 || key.ip_proto))
    return "eth_type: missing, IP keys are ignored";
  if (v4 && v6) return "ipv6_src, ipv6_dst: both IP versions";
  if (v4 && eth != ETH_P_IP) return "eth_type: not IPv4";
  if (v6 && eth != ETH_P_IPV6) return "eth_type: not IPv6";
  if (l4 && key.ip_proto != kTcp && key.ip_proto != kUdp) {
    return "ip_proto: neither TCP nor UDP, ports are ignored";
  }
  if (key.tcp_flags && key.ip_proto != kTcp) return "tcp_flags: ip_proto is not TCP";
  if (key.vlan_prio && !key.vlan_id) return "vlan_prio: without vlan_id";
  if (key.vlan_id && *key.vlan_id > kMaxVlanId) return "vlan_id: above 4095";
  if (key.vlan_prio && *key.vlan_prio > kMaxVlanPrio) return "vlan_prio: above 7";
  if (key.vlan_id && id.protocol != ETH_P_8021Q)
    return "vlan_id: the filter's protocol is not 802.1Q";
  if (!key.vlan_id && key.eth_type && id.protocol != eth && id.protocol != ETH_P_ALL) {
    return "eth_type: not the filter's protocol";
  }
  return "";
}

}  // namespace

void PutFlowerKey(MessageBuilder& builder, const FilterId& id, const FlowerKey& key) {
  if (const std::string what = Contradiction(id, key); !what.empty()) {
    return builder.Fail(absl::InvalidArgumentError(absl::StrCat("flower key ", what)));
  }
  if (key.vlan_id) {
    builder.PutBe16(TCA_FLOWER_KEY_ETH_TYPE, ETH_P_8021Q);
    builder.PutU16(TCA_FLOWER_KEY_VLAN_ID, *key.vlan_id);
    if (key.vlan_prio) builder.PutU8(TCA_FLOWER_KEY_VLAN_PRIO, *key.vlan_prio);
    if (key.eth_type) builder.PutBe16(TCA_FLOWER_KEY_VLAN_ETH_TYPE, *key.eth_type);
  } else if (key.eth_type) {
    builder.PutBe16(TCA_FLOWER_KEY_ETH_TYPE, *key.eth_type);
  }
  if (key.ip_proto) builder.PutU8(TCA_FLOWER_KEY_IP_PROTO, *key.ip_proto);
  PutRows(builder, kIpv4Rows, key);
  PutRows(builder, kIpv6Rows, key);
  if (key.ip_proto == kUdp) {
    PutRows(builder, kUdpRows, key);
  } else {
    PutRows(builder, kTcpRows, key);
  }
  PutRows(builder, kFlagRows, key);
}

FlowerKey ReadFlowerKey(AttributeReader options) {
  FlowerKey key;
  std::optional<uint16_t> vlan_eth_type;
  while (options.Next()) {
    switch (options.type()) {
      case TCA_FLOWER_KEY_ETH_TYPE:
        key.eth_type = options.Be16();
        break;
      case TCA_FLOWER_KEY_VLAN_ETH_TYPE:
        vlan_eth_type = options.Be16();
        break;
      case TCA_FLOWER_KEY_VLAN_ID:
        key.vlan_id = options.U16();
        break;
      case TCA_FLOWER_KEY_VLAN_PRIO:
        key.vlan_prio = options.U8();
        break;
      case TCA_FLOWER_KEY_IP_PROTO:
        key.ip_proto = options.U8();
        break;
      default:
        GetRows(options, kIpv4Rows, key);
        GetRows(options, kIpv6Rows, key);
        GetRows(options, kTcpRows, key);
        GetRows(options, kUdpRows, key);
        GetRows(options, kFlagRows, key);
    }
  }
  // The inner type is what matters; the kernel dumps it in both places, tc asks with 0x8100
  // outside.
  if (vlan_eth_type) key.eth_type = vlan_eth_type;
  if (key.vlan_id && key.eth_type == ETH_P_8021Q) key.eth_type.reset();
  return key;
}

}  // namespace offload::netlink
