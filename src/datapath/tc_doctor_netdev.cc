// The checks of a netdev, one function each; the table at the end is the list of them.
#include <algorithm>
#include <array>
#include <iterator>

#include "absl/strings/str_join.h"
#include "datapath/tc_driver.h"
#include "datapath/tc_verdict.h"

namespace offload::datapath {
namespace {

constexpr size_t kMaxShown = 3;  // of a list, in one finding

Opinion CheckLink(const NetdevFacts& netdev, const DoctorFacts&) {
  if (!netdev.link->admin_up) {
    return Warning("is down", absl::StrCat("ip link set ", netdev.netdev, " up"));
  }
  if (!netdev.link->running) {
    return Warning("is up without a carrier", "look at the cable, the peer or the VF behind it");
  }
  return Fine("is up");
}

Opinion CheckDriver(const NetdevFacts& netdev, const DoctorFacts& facts) {
  if (!netdev.driver.ok()) return Unreadable(netdev.driver.status());
  const std::string& driver = *netdev.driver;
  const DriverKnowledge known = KnowledgeOf(driver);
  if (known.trust == DriverTrust::kGood) return Fine(driver);
  if (known.trust == DriverTrust::kUnknown) {
    return Warning(
        absl::StrCat(driver, " is not known to offload, or to refuse what it cannot match"),
        "test it with crafted SYN, FIN, RST and fragments before you rely on it");
  }
  const std::string text = absl::StrCat(driver, " ", known.what);
  if (facts.allow_untrusted_driver) {
    return Warning(text, absl::StrCat(kAllowUntrustedDriver, " lets it: at your own risk"));
  }
  return Problem(text, absl::StrCat("use another NIC or mode software; ", kAllowUntrustedDriver,
                                    " lets it be used nevertheless"));
}

Opinion CheckSwitchdev(const NetdevFacts& netdev, const DoctorFacts& facts) {
  if (!netdev.devlink.ok()) return Unreadable(netdev.devlink.status());
  const std::optional<netlink::DevlinkPort>& port = *netdev.devlink;
  if (!port || !port->eswitch) {
    if (!netdev.link->switch_id.empty()) return Fine("is a port of an embedded switch");
    return NoHardware(facts, "is no port of an embedded switch",
                      "a LIF in hardware is an uplink or a representor; or use mode software");
  }
  const std::string device = port->device.ToString();
  if (*port->eswitch == netlink::EswitchMode::kSwitchdev) {
    return Fine(absl::StrCat("eswitch of ", device, " is in mode switchdev"));
  }
  const std::string advice = absl::StrCat("devlink dev eswitch set ", device, " mode switchdev");
  if (*port->eswitch == netlink::EswitchMode::kOther) {
    return NoHardware(facts, absl::StrCat("eswitch of ", device, " is not in mode switchdev"),
                      advice);
  }
  const std::string text = absl::StrCat("eswitch of ", device, " is in mode legacy");
  if (!netdev.driver.ok() || *netdev.driver != "mlx5_core") return NoHardware(facts, text, advice);
  return Warning(
      absl::StrCat(text, ", in which mlx5 offloads only between the PF netdevs of one NIC"),
      absl::StrCat(advice, ", unless such a hairpin is what you want"));
}

// ethtool -K: a refused "off" stays what is wanted, and asking again does nothing.
Opinion CheckHwTcOffload(const NetdevFacts& netdev, const DoctorFacts& facts) {
  if (!netdev.hw_tc_offload.ok()) return Unreadable(netdev.hw_tc_offload.status());
  const netlink::Feature& feature = *netdev.hw_tc_offload;
  const std::string on = absl::StrCat("ethtool -K ", netdev.netdev, " hw-tc-offload on");
  if (feature.active && feature.wanted) return Fine("is on");
  if (feature.active) {
    return Warning("is on, but off was asked for and refused: it goes off when the driver can", on);
  }
  if (feature.wanted) {
    return NoHardware(facts, "is wanted, but not on: the driver refused it",
                      absl::StrCat("see the kernel's log; then ethtool -K ", netdev.netdev,
                                   " hw-tc-offload off, and on again"));
  }
  if (feature.changeable) return NoHardware(facts, "is off", on);
  return NoHardware(facts, "is off, and the driver has no such feature",
                    "use a netdev that offloads, or mode software");
}

Opinion CheckClsact(const NetdevFacts& netdev, const DoctorFacts& facts) {
  if (!netdev.qdisc.ok()) return Unreadable(netdev.qdisc.status());
  const std::string& name = netdev.netdev;
  if (!netdev.qdisc->has_value()) {
    if (!facts.started) return Fine("none yet: offloadd creates it at its start");
    return Problem("the qdisc is gone, and all rules with it",
                   absl::StrCat("tc qdisc add dev ", name, " clsact; then restart offloadd"));
  }
  const std::string& kind = (*netdev.qdisc)->kind;
  if (kind == "clsact") return Fine("is there");
  return Warning(
      absl::StrCat("the qdisc is of kind ", kind, ", which Open vSwitch removes from its ports"),
      absl::StrCat("while offloadd is stopped: tc qdisc del dev ", name, " ", kind,
                   " && tc qdisc add dev ", name, " clsact"));
}

Opinion CheckSharedBlock(const NetdevFacts& netdev, const DoctorFacts&) {
  if (!netdev.qdisc.ok() || !netdev.qdisc->has_value()) return std::nullopt;
  const netlink::Qdisc& qdisc = **netdev.qdisc;
  if (qdisc.ingress_block == 0) return Fine("filters of its own");
  return Problem(absl::StrCat("is bound to shared block ", qdisc.ingress_block,
                              ", whose filters are not the netdev's own"),
                 absl::StrCat("tc qdisc del dev ", netdev.netdev, " ", qdisc.kind,
                              " && tc qdisc add dev ", netdev.netdev, " clsact"));
}

Opinion CheckMaster(const NetdevFacts& netdev, const DoctorFacts&) {
  if (netdev.link->master == 0) return Fine("none");
  if (!netdev.master) return Warning("has a master that cannot be seen", "");
  const std::string text = absl::StrCat(netdev.master->name, " (", netdev.master->kind, ")");
  constexpr std::array kHarmless = {"bridge", "openvswitch"};
  if (std::find(kHarmless.begin(), kHarmless.end(), netdev.master->kind) != kHarmless.end()) {
    return Fine(text);
  }
  const std::string advice = absl::StrCat("ip link set ", netdev.netdev, " nomaster");
  if (netdev.master->kind == "bond" || netdev.master->kind == "team") {
    return Problem(absl::StrCat("is a member of ", text,
                                ": packets of a session may arrive on another member"),
                   absl::StrCat(advice, "; LIFs in a bond are not supported"));
  }
  return Warning(absl::StrCat("is enslaved to ", text), advice);
}

const ovs::OvsPort* OvsPortOf(const NetdevFacts& netdev, const DoctorFacts& facts) {
  if (!facts.ovs.ok()) return nullptr;
  const auto port = std::find_if(facts.ovs->ports.begin(), facts.ovs->ports.end(),
                                 [&](const auto& p) { return p.netdev == netdev.netdev; });
  return port == facts.ovs->ports.end() ? nullptr : &*port;
}

Opinion CheckOvs(const NetdevFacts& netdev, const DoctorFacts& facts) {
  if (absl::IsNotFound(facts.ovs.status())) return Fine("Open vSwitch is not running");
  if (!facts.ovs.ok()) return Unreadable(facts.ovs.status());
  const ovs::OvsPort* port = OvsPortOf(netdev, facts);
  if (port == nullptr) return Fine("no port of Open vSwitch");
  const std::string text = absl::StrCat("is a port of bridge ", port->bridge);
  if (!facts.ovs->hw_offload) return Fine(absl::StrCat(text, ", which does not offload"));
  return Problem(absl::StrCat(text,
                              " with hw-offload=true: Open vSwitch flushes the filters of its"
                              " ports when it starts or adds them"),
                 absl::StrCat("ovs-vsctl del-port ", port->bridge, " ", port->port,
                              "; or ovs-vsctl set Open_vSwitch . other_config:hw-offload=false, and"
                              " restart Open vSwitch"));
}

std::string ProtocolName(uint16_t protocol) {
  switch (protocol) {
    case 0x0003:
      return "all";
    case 0x0800:
      return "ip";
    case 0x86DD:
      return "ipv6";
    case 0x8100:
      return "802.1Q";
    default:
      return absl::StrCat("0x", absl::Hex(protocol, absl::kZeroPad4));
  }
}

std::string NameOf(const FilterGroup& group) {
  return absl::StrCat(group.kind, " at priority ", group.priority, " (protocol ",
                      ProtocolName(group.protocol), ")",
                      group.count > 1 ? absl::StrCat(" x ", group.count) : "");
}

std::string NamesOf(const std::vector<FilterGroup>& groups) {
  std::vector<std::string> names;
  for (const FilterGroup& group : groups) {
    if (names.size() < kMaxShown) names.push_back(NameOf(group));
  }
  if (groups.size() > kMaxShown) {
    names.push_back(absl::StrCat("and ", groups.size() - kMaxShown, " more"));
  }
  return absl::StrJoin(names, ", ");
}

std::string RemovalOf(const NetdevFacts& netdev, const FilterGroup& group) {
  return absl::StrCat("tc filter del dev ", netdev.netdev, " ingress prio ", group.priority);
}

Opinion CheckForeignFilters(const NetdevFacts& netdev, const DoctorFacts& facts) {
  if (!netdev.filters.ok()) return Unreadable(netdev.filters.status());
  std::vector<FilterGroup> in_the_way, in_front, beside;
  for (const FilterGroup& group : *netdev.filters) {
    if (group.ours) continue;
    if (!group.obstacle.empty()) {
      in_the_way.push_back(group);
    } else if (group.priority < facts.priority_base) {
      in_front.push_back(group);
    } else if (group.priority < facts.priority_base + kRuleClasses.size()) {
      beside.push_back(group);
    }
  }
  if (!in_the_way.empty()) {
    return Problem(
        absl::StrCat("in the way of the session rules: ", NamesOf(in_the_way)),
        absl::StrCat("set /datapath/priority_base, or ", RemovalOf(netdev, in_the_way.front())));
  }
  if (!in_front.empty()) {
    return Warning(absl::StrCat("in front of the session rules, which do not see what they take: ",
                                NamesOf(in_front)),
                   absl::StrCat("unless they belong there: ", RemovalOf(netdev, in_front.front())));
  }
  if (!beside.empty()) {
    return Warning(absl::StrCat("at the session rules' priorities: ", NamesOf(beside)),
                   "give them a priority number above offloadd's");
  }
  return Fine("none in front of the session rules");
}

// What a packet meets that no session rule takes.
Opinion CheckDefaultPath(const NetdevFacts& netdev, const DoctorFacts& facts) {
  if (netdev.default_path_missing) {
    return Problem(absl::StrCat("default_path: netdev ", netdev.default_path, " does not exist"),
                   absl::StrCat("ip link show; create ", netdev.default_path,
                                " or correct its name in /lifs"));
  }
  if (!netdev.default_path.empty()) return Fine(absl::StrCat("default_path ", netdev.default_path));
  if (const ovs::OvsPort* port = OvsPortOf(netdev, facts)) {
    return Fine(absl::StrCat("a miss goes to Open vSwitch bridge ", port->bridge));
  }
  if (netdev.master && (netdev.master->kind == "bridge" || netdev.master->kind == "openvswitch")) {
    return Fine(absl::StrCat("a miss goes to bridge ", netdev.master->name));
  }
  if (!netdev.filters.ok()) return Unreadable(netdev.filters.status());
  for (const FilterGroup& group : *netdev.filters) {
    if (group.catch_all) return Fine(absl::StrCat("a miss is taken by ", NameOf(group)));
  }
  for (const FilterGroup& group : *netdev.filters) {
    // What filters of other kinds match is not decoded.
    if (group.kind == "flower" || group.priority < facts.priority_base) continue;
    return Fine(absl::StrCat("a miss may be taken by ", NameOf(group)));
  }
  return Warning("nothing would carry a miss to the firewall",
                 absl::StrCat("set the LIF's default_path, or tc filter add dev ", netdev.netdev,
                              " ingress prio 20 protocol all flower action mirred egress redirect"
                              " dev FIREWALL"));
}

struct NetdevCheck {
  const char* word;
  bool hardware;  // left out in mode software
  Opinion (*check)(const NetdevFacts& netdev, const DoctorFacts& facts);
};

constexpr NetdevCheck kChecks[] = {
    {"link", false, CheckLink},
    {"driver", true, CheckDriver},
    {"switchdev", true, CheckSwitchdev},
    {"hw-tc-offload", true, CheckHwTcOffload},
    {"clsact", false, CheckClsact},
    {"shared-block", false, CheckSharedBlock},
    {"master", false, CheckMaster},
    {"ovs", false, CheckOvs},
    {"foreign-filters", false, CheckForeignFilters},
    {"default-path", false, CheckDefaultPath},
};

}  // namespace

std::vector<Finding> ExamineNetdev(const NetdevFacts& netdev, const DoctorFacts& facts) {
  std::vector<Finding> findings;
  for (const NetdevCheck& row : kChecks) {
    if (row.hardware && facts.mode == OffloadMode::kSoftware) continue;
    const Opinion opinion = row.check(netdev, facts);
    if (!opinion) continue;
    findings.push_back({.level = opinion->level,
                        .check = row.word,
                        .subject = netdev.netdev,
                        .text = opinion->text,
                        .advice = opinion->advice});
  }
  return findings;
}

}  // namespace offload::datapath
