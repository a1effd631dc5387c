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
constexpr T AllOnes() {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(~T{0});
  } else {
    T ones{};
    for (auto& byte : ones) byte = 0xFF;
    return ones;
  }
}

template <typename T>
struct Row {
  const char* name;
  uint16_t value_type;
  uint16_t mask_type;
  std::optional<Masked<T>> FlowerKey::*member;
  // flower insists on the mask of these; elsewhere an absent mask means all ones.
  bool mask_always = false;
  T bits = AllOnes<T>();  // those that flower knows
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
     true, 0x0FFF},
};
constexpr Row<uint16_t> kUdpRows[] = {
    {"src_port", TCA_FLOWER_KEY_UDP_SRC, TCA_FLOWER_KEY_UDP_SRC_MASK, &FlowerKey::src_port},
    {"dst_port", TCA_FLOWER_KEY_UDP_DST, TCA_FLOWER_KEY_UDP_DST_MASK, &FlowerKey::dst_port},
};
constexpr Row<uint32_t> kFlagRows[] = {
    {"flags", TCA_FLOWER_KEY_FLAGS, TCA_FLOWER_KEY_FLAGS_MASK, &FlowerKey::flags, true,
     TCA_FLOWER_KEY_FLAGS_IS_FRAGMENT | TCA_FLOWER_KEY_FLAGS_FRAG_IS_FIRST},
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

// Whether `bits` has a bit that `allowed` has not.
bool Exceeds(uint32_t bits, uint32_t allowed) { return (bits & ~allowed) != 0; }
template <size_t N>
bool Exceeds(const std::array<uint8_t, N>& bits, const std::array<uint8_t, N>& allowed) {
  for (size_t i = 0; i < N; ++i) {
    if (Exceeds(bits[i], allowed[i])) return true;
  }
  return false;
}

// What flower would mask away without a word; empty when there is nothing.
template <typename T>
absl::string_view Ignored(const Masked<T>& field, T known_bits) {
  if (field.mask == T{}) return "the mask is empty, leave the key out";
  if (Exceeds(field.mask, known_bits)) return "bits that flower does not know";
  if (Exceeds(field.value, field.mask)) return "bits outside the mask";
  return "";
}

template <typename Rows>
void PutRows(MessageBuilder& builder, const Rows& rows, const FlowerKey& key) {
  for (const auto& row : rows) {
    const auto& field = key.*row.member;
    if (!field) continue;
    if (const auto what = Ignored(*field, row.bits); !what.empty()) {
      return builder.Fail(
          absl::InvalidArgumentError(absl::StrCat("flower key ", row.name, ": ", what)));
    }
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
bool GetRows(AttributeReader& reader, const Rows& rows, FlowerKey& key) {
  for (const auto& row : rows) {
    if (reader.type() != row.value_type && reader.type() != row.mask_type) continue;
    auto& field = key.*row.member;
    if (!field) {
      field.emplace();
      field->mask = AllOnes<decltype(field->mask)>();
    }
    GetValue(reader, reader.type() == row.value_type ? field->value : field->mask);
    return true;
  }
  return false;
}

// What stands beside the keys in TCA_OPTIONS.
bool IsNoKey(uint16_t type) {
  return type == TCA_FLOWER_CLASSID || type == TCA_FLOWER_ACT || type == TCA_FLOWER_FLAGS ||
         type == TCA_FLOWER_IN_HW_COUNT;
}

// What flower would take and silently not match on, or refuse without a text (fl_set_key).
std::string Contradiction(const FilterId& id, const FlowerKey& key) {
  const bool v4 = Uses(kIpv4Rows, key), v6 = Uses(kIpv6Rows, key), l4 = Uses(kTcpRows, key);
  const uint16_t eth = key.eth_type.value_or(0);
  if (key.other_keys) return "other_keys: cannot be encoded";
  if (!key.eth_type && (v4 || v6 || l4 || key.ip_proto))
    return "eth_type: missing, IP keys are ignored";
  if (!key.eth_type && !key.vlan_id && id.protocol != ETH_P_ALL) {
    return "eth_type: missing, a NIC would not look at the filter's protocol";
  }
  if (key.ip_proto && eth != ETH_P_IP && eth != ETH_P_IPV6) {
    return "ip_proto: eth_type is not IP, it is ignored";
  }
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
        if (!IsNoKey(options.type()) && !GetRows(options, kIpv4Rows, key) &&
            !GetRows(options, kIpv6Rows, key) && !GetRows(options, kTcpRows, key) &&
            !GetRows(options, kUdpRows, key) && !GetRows(options, kFlagRows, key)) {
          key.other_keys = true;
        }
    }
  }
  // The inner type is what matters; the kernel dumps it in both places, tc asks with 0x8100
  // outside.
  if (vlan_eth_type) key.eth_type = vlan_eth_type;
  if (key.vlan_id && key.eth_type == ETH_P_8021Q) key.eth_type.reset();
  return key;
}

}  // namespace offload::netlink
