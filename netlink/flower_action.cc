// The actions of a filter: mirred, gact drop and vlan modify as values, every other kind by name.
#include <linux/gen_stats.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/tc_act/tc_gact.h>
#include <linux/tc_act/tc_mirred.h>
#include <linux/tc_act/tc_vlan.h>

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "netlink/flower_codec.h"

namespace offload::netlink {
namespace {

constexpr char kMirred[] = "mirred";
constexpr char kGact[] = "gact";
constexpr char kVlan[] = "vlan";
constexpr uint16_t kMaxVlan = 4094;
constexpr uint8_t kMaxVlanPrio = 7;
constexpr absl::Duration kTick = absl::Milliseconds(10);
// struct tcf_t before firstuse was added (Linux 4.6 and older): install, lastuse, expires.
constexpr size_t kShortestTimes = 24;
// struct gnet_stats_basic: 12 bytes where the ABI does not pad it to 16.
constexpr size_t kBasicBytes = 12;

constexpr struct nla_bitfield32 kNoPercpuStats = {TCA_ACT_FLAGS_NO_PERCPU_STATS,
                                                  TCA_ACT_FLAGS_NO_PERCPU_STATS};

// How a mode looks on the wire; another verdict with the same eaction is not ours.
struct MirredForm {
  Mirred::Mode mode;
  int eaction;
  int verdict;
};
constexpr MirredForm kMirredForms[] = {
    {Mirred::Mode::kRedirect, TCA_EGRESS_REDIR, TC_ACT_STOLEN},
    {Mirred::Mode::kMirror, TCA_EGRESS_MIRROR, TC_ACT_PIPE},
};

void PutMirred(MessageBuilder& builder, const Mirred& mirred) {
  if (mirred.ifindex == 0) {
    return builder.Fail(absl::InvalidArgumentError("action mirred: ifindex 0"));
  }
  struct tc_mirred parameters = {};
  for (const MirredForm& form : kMirredForms) {
    if (form.mode != mirred.mode) continue;
    parameters.eaction = form.eaction;
    parameters.action = form.verdict;
  }
  parameters.ifindex = mirred.ifindex;
  builder.PutString(TCA_ACT_KIND, kMirred);
  MessageBuilder::Nest options(builder, TCA_ACT_OPTIONS);
  builder.Put(TCA_MIRRED_PARMS, &parameters, sizeof(parameters));
}

void PutDrop(MessageBuilder& builder) {
  struct tc_gact parameters = {};
  parameters.action = TC_ACT_SHOT;
  builder.PutString(TCA_ACT_KIND, kGact);
  MessageBuilder::Nest options(builder, TCA_ACT_OPTIONS);
  builder.Put(TCA_GACT_PARMS, &parameters, sizeof(parameters));
}

void PutVlanModify(MessageBuilder& builder, const VlanModify& vlan) {
  if (vlan.id > kMaxVlan) {
    return builder.Fail(absl::InvalidArgumentError(
        absl::StrCat("action vlan: id ", vlan.id, ", above ", kMaxVlan)));
  }
  if (vlan.prio && *vlan.prio > kMaxVlanPrio) {
    return builder.Fail(absl::InvalidArgumentError("action vlan: prio above 7"));
  }
  struct tc_vlan parameters = {};
  parameters.action = TC_ACT_PIPE;
  parameters.v_action = TCA_VLAN_ACT_MODIFY;
  builder.PutString(TCA_ACT_KIND, kVlan);
  MessageBuilder::Nest options(builder, TCA_ACT_OPTIONS);
  builder.Put(TCA_VLAN_PARMS, &parameters, sizeof(parameters));
  builder.PutU16(TCA_VLAN_PUSH_VLAN_ID, vlan.id);
  builder.PutBe16(TCA_VLAN_PUSH_VLAN_PROTOCOL, ETH_P_8021Q);
  if (vlan.prio) builder.PutU8(TCA_VLAN_PUSH_VLAN_PRIORITY, *vlan.prio);
}

void PutAction(MessageBuilder& builder, const FilterAction& action) {
  if (const auto* mirred = std::get_if<Mirred>(&action.what)) {
    PutMirred(builder, *mirred);
  } else if (std::holds_alternative<GactDrop>(action.what)) {
    PutDrop(builder);
  } else if (const auto* vlan = std::get_if<VlanModify>(&action.what)) {
    PutVlanModify(builder, *vlan);
  } else {
    return builder.Fail(absl::InvalidArgumentError("action: neither mirred nor drop nor vlan"));
  }
  if (action.cookie.size() > kMaxCookie) {
    return builder.Fail(absl::InvalidArgumentError("action cookie: above 16 bytes"));
  }
  if (!action.cookie.empty()) builder.PutBytes(TCA_ACT_COOKIE, action.cookie);
  if (action.no_percpu_stats) builder.Put(TCA_ACT_FLAGS, &kNoPercpuStats, sizeof(kNoPercpuStats));
}

// From USER_HZ ticks ago (tcf_tm_dump).
absl::Duration AgeOf(uint64_t ticks) {
  constexpr uint64_t kMost = std::numeric_limits<int64_t>::max();
  return kTick * static_cast<int64_t>(std::min(ticks, kMost));
}

ActionTimes ReadTimes(AttributeReader& reader) {
  const auto ticks = reader.StructAtLeast<struct tcf_t>(kShortestTimes);
  return {.install = AgeOf(ticks.install), .last_use = AgeOf(ticks.lastuse)};
}

// PKT64 follows the counter that overflowed 32 bits, so the order matters.
ActionStats ReadStats(AttributeReader reader) {
  ActionStats stats;
  bool hardware = false;
  while (reader.Next()) {
    switch (reader.type()) {
      case TCA_STATS_BASIC:
      case TCA_STATS_BASIC_HW: {
        hardware = reader.type() == TCA_STATS_BASIC_HW;
        const auto basic = reader.StructAtLeast<struct gnet_stats_basic>(kBasicBytes);
        (hardware ? stats.hw_bytes : stats.bytes) = basic.bytes;
        (hardware ? stats.hw_packets : stats.packets) = basic.packets;
        break;
      }
      case TCA_STATS_PKT64:
        (hardware ? stats.hw_packets : stats.packets) = reader.U64();
        break;
      case TCA_STATS_QUEUE:
        stats.drops = reader.StructAtLeast<struct gnet_stats_queue>(sizeof(gnet_stats_queue)).drops;
        break;
      default:
        break;
    }
  }
  return stats;
}

void ReadMirredOptions(AttributeReader options, FilterAction& action) {
  while (options.Next()) {
    if (options.type() == TCA_MIRRED_TM) action.times = ReadTimes(options);
    if (options.type() != TCA_MIRRED_PARMS) continue;
    const auto parameters = options.Struct<struct tc_mirred>();
    for (const MirredForm& form : kMirredForms) {
      if (form.eaction == parameters.eaction && form.verdict == parameters.action) {
        action.what = Mirred{.mode = form.mode, .ifindex = parameters.ifindex};
      }
    }
  }
}

void ReadGactOptions(AttributeReader options, FilterAction& action) {
  bool drop = false, random = false;
  while (options.Next()) {
    if (options.type() == TCA_GACT_TM) action.times = ReadTimes(options);
    if (options.type() == TCA_GACT_PROB) random = true;
    if (options.type() == TCA_GACT_PARMS) {
      drop = options.Struct<struct tc_gact>().action == TC_ACT_SHOT;
    }
  }
  if (drop && !random) action.what = GactDrop{};
}

// Push, pop, a verdict other than pipe and 802.1ad are not ours. Without its protocol the kernel
// takes 802.1Q.
void ReadVlanOptions(AttributeReader options, FilterAction& action) {
  bool modify = false, has_id = false, dot1q = true;
  VlanModify vlan;
  while (options.Next()) {
    switch (options.type()) {
      case TCA_VLAN_TM:
        action.times = ReadTimes(options);
        break;
      case TCA_VLAN_PARMS: {
        const auto parameters = options.Struct<struct tc_vlan>();
        modify = parameters.v_action == TCA_VLAN_ACT_MODIFY && parameters.action == TC_ACT_PIPE;
        break;
      }
      case TCA_VLAN_PUSH_VLAN_ID:
        vlan.id = options.U16();
        has_id = true;
        break;
      case TCA_VLAN_PUSH_VLAN_PROTOCOL:
        dot1q = options.Be16() == ETH_P_8021Q;
        break;
      case TCA_VLAN_PUSH_VLAN_PRIORITY:
        vlan.prio = options.U8();
        break;
      default:
        break;
    }
  }
  if (modify && has_id && dot1q) action.what = vlan;
}

FilterAction ReadAction(AttributeReader reader) {
  FilterAction action;
  action.no_percpu_stats = false;
  std::string kind;
  std::optional<AttributeReader> options;
  while (reader.Next()) {
    switch (reader.type()) {
      case TCA_ACT_KIND:
        kind = reader.String();
        break;
      case TCA_ACT_OPTIONS:
        options.emplace(reader.Nested());
        break;
      case TCA_ACT_STATS:
        action.stats = ReadStats(reader.Nested());
        break;
      case TCA_ACT_COOKIE:
        if (reader.payload().size() > kMaxCookie) reader.Fail("cookie above 16 bytes");
        action.cookie.assign(reader.payload().begin(), reader.payload().end());
        break;
      case TCA_ACT_FLAGS:
        action.no_percpu_stats =
            reader.Struct<struct nla_bitfield32>().value & TCA_ACT_FLAGS_NO_PERCPU_STATS;
        break;
      default:
        break;
    }
  }
  action.what = OtherAction{kind};
  if (options && kind == kMirred) ReadMirredOptions(*options, action);
  if (options && kind == kGact) ReadGactOptions(*options, action);
  if (options && kind == kVlan) ReadVlanOptions(*options, action);
  return action;
}

}  // namespace

void PutActions(MessageBuilder& builder, const std::vector<FilterAction>& actions) {
  if (actions.size() > TCA_ACT_MAX_PRIO) {
    return builder.Fail(absl::InvalidArgumentError(
        absl::StrCat("actions: ", actions.size(), ", above ", TCA_ACT_MAX_PRIO)));
  }
  MessageBuilder::Nest list(builder, TCA_FLOWER_ACT);
  uint16_t index = 0;
  for (const FilterAction& action : actions) {
    MessageBuilder::Nest entry(builder, ++index);
    PutAction(builder, action);
  }
}

std::vector<FilterAction> ReadActions(AttributeReader reader) {
  std::vector<FilterAction> actions;
  while (reader.Next()) actions.push_back(ReadAction(reader.Nested()));
  return actions;
}

}  // namespace offload::netlink
