#include "datapath/tc_examine.h"

#include <algorithm>
#include <utility>

#include "datapath/tc_identity.h"

namespace offload::datapath {
namespace {

// Each netdev once, with its LIFs.
std::vector<NetdevFacts> NetdevsOf(const std::vector<TcLif>& lifs) {
  std::vector<NetdevFacts> netdevs;
  for (const TcLif& lif : lifs) {
    auto netdev = std::find_if(netdevs.begin(), netdevs.end(),
                               [&](const NetdevFacts& n) { return n.netdev == lif.netdev; });
    if (netdev == netdevs.end()) {
      netdev = netdevs.emplace(netdev);
      netdev->netdev = lif.netdev;
    }
    netdev->lifs.push_back(lif.lif);
    if (!lif.default_path.empty()) netdev->default_path = lif.default_path;
  }
  return netdevs;
}

// What is read once and serves all netdevs.
struct Shared {
  absl::StatusOr<std::vector<netlink::Link>> links;
  absl::StatusOr<std::vector<netlink::Qdisc>> qdiscs;
  absl::StatusOr<std::vector<netlink::DevlinkPort>> ports;
};

// The first of `all` that `is` accepts.
template <typename T, typename Is>
absl::StatusOr<std::optional<T>> Find(const absl::StatusOr<std::vector<T>>& all, Is is) {
  if (!all.ok()) return all.status();
  const auto found = std::find_if(all->begin(), all->end(), is);
  if (found == all->end()) return std::optional<T>();
  return std::optional<T>(*found);
}

absl::StatusOr<std::vector<FilterGroup>> CensusOf(uint32_t ifindex, const CensusOptions& options,
                                                  TcKernel& kernel) {
  auto socket = kernel.OpenFilterSocket();
  if (!socket.ok()) return socket.status();
  return TakeCensus(**socket, ifindex, options);
}

// Open vSwitch offloads on this netdev: its filters are many, and their counters have a reader.
bool IsOffloadedByOvs(const std::string& netdev, const absl::StatusOr<ovs::OvsConfig>& ovs) {
  return ovs.ok() && ovs->hw_offload &&
         std::any_of(ovs->ports.begin(), ovs->ports.end(),
                     [&](const ovs::OvsPort& port) { return port.netdev == netdev; });
}

// All but the filters. REQUIRES: facts.link.ok().
void Gather(NetdevFacts& facts, const Shared& shared, TcKernel& kernel) {
  const uint32_t ifindex = facts.link->ifindex, master = facts.link->master;
  const auto enslaver =
      Find(shared.links, [&](const netlink::Link& link) { return link.ifindex == master; });
  if (enslaver.ok()) facts.master = *enslaver;
  facts.driver = kernel.Host().Driver(facts.netdev);
  facts.hw_tc_offload = kernel.Host().HwTcOffload(facts.netdev);
  facts.devlink =
      Find(shared.ports, [&](const netlink::DevlinkPort& port) { return port.ifindex == ifindex; });
  facts.qdisc = Find(shared.qdiscs, [&](const netlink::Qdisc& qdisc) {
    return qdisc.ifindex == ifindex && qdisc.AtIngress();
  });
}

}  // namespace

DoctorFacts GatherFacts(const TcDatapathOptions& options, uint32_t last_handle, bool started,
                        TcKernel& kernel) {
  TcHost& host = kernel.Host();
  DoctorFacts facts{.mode = options.mode,
                    .priority_base = options.priority_base,
                    .table_size = options.table_size,
                    .allow_untrusted_driver = options.allow_untrusted_driver,
                    .started = started,
                    .netdevs = NetdevsOf(options.lifs),
                    .ovs = host.Ovs(),
                    .listeners = host.TcListeners(),
                    .mem_available = host.MemAvailable(),
                    .kernel = host.Kernel()};
  for (const char* module : kTcModules) facts.modules.emplace_back(module, host.Module(module));
  auto links = kernel.OpenLinks();
  const Shared shared = {
      .links = links.ok() ? (*links)->All() : links.status(),
      .qdiscs = host.Qdiscs(),
      .ports = host.DevlinkPorts(),
  };
  const CensusOptions census = {.priority_base = options.priority_base,
                                .last_handle = last_handle,
                                .session_priorities = !started};
  for (NetdevFacts& netdev : facts.netdevs) {
    netdev.link = links.ok() ? (*links)->ByName(netdev.netdev) : links.status();
    if (links.ok() && !netdev.default_path.empty()) {
      netdev.default_path_missing =
          absl::IsNotFound((*links)->ByName(netdev.default_path).status());
    }
    if (!netdev.link.ok()) continue;
    Gather(netdev, shared, kernel);
    netdev.filters = IsOffloadedByOvs(netdev.netdev, facts.ovs)
                         ? absl::FailedPreconditionError("the filters are Open vSwitch's")
                         : CensusOf(netdev.link->ifindex, census, kernel);
  }
  return facts;
}

std::vector<Finding> TcDatapath::Examine() {
  const uint32_t capacity = SessionCapacity();
  const uint32_t last_handle = capacity == 0 ? 0 : HandleOf(capacity - 1, session::Direction::kOut);
  DoctorFacts facts =
      GatherFacts(options_, last_handle, ready_.load(std::memory_order_acquire), kernel_);
  const DatapathStats stats = Stats();
  facts.rules = stats.added - std::min(stats.deleted, stats.added);
  std::vector<Finding> findings = Diagnose(facts);
  for (Finding& probed : ProbeFindings()) findings.push_back(std::move(probed));
  return findings;
}

}  // namespace offload::datapath
