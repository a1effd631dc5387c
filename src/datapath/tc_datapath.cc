#include "datapath/tc_datapath.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "datapath/tc_driver.h"
#include "datapath/tc_identity.h"
#include "netlink/kernel_error.h"
#include "spdlog/spdlog.h"

namespace offload::datapath {
namespace {

// From here on several netdevs are written at once; for less, waking a thread costs more.
constexpr size_t kParallelOps = 16;

std::string NameOf(const TcLif& lif) {
  return absl::StrCat("LIF ", lif.lif, ": netdev ", lif.netdev);
}

}  // namespace

TcDatapath::TcDatapath(TcDatapathOptions options, TcKernel& kernel)
    : options_(std::move(options)), kernel_(kernel) {}

TcDatapath::~TcDatapath() = default;

void TcDatapath::SetObserver(LifObserver* observer) {
  base::MutexLock lock(observer_mutex_);
  observer_ = observer;
}

absl::Status TcDatapath::CheckOptions() const {
  if (options_.priority_base == 0 || options_.priority_base > kMaxPriorityBase) {
    return absl::InvalidArgumentError(
        absl::StrCat("priority base ", options_.priority_base, ": not 1..", kMaxPriorityBase));
  }
  const bool has_default_path =
      std::any_of(options_.lifs.begin(), options_.lifs.end(),
                  [](const TcLif& lif) { return !lif.default_path.empty(); });
  if (has_default_path &&
      (options_.default_path_priority > kMaxPriority ||
       options_.default_path_priority < options_.priority_base + kRuleClasses.size())) {
    return absl::InvalidArgumentError(
        absl::StrCat("default path priority ", options_.default_path_priority, ": not ",
                     options_.priority_base + kRuleClasses.size(), "..", kMaxPriority));
  }
  if (options_.lifs.empty()) return absl::InvalidArgumentError("no LIFs");
  std::set<session::LifId> seen;
  for (const TcLif& lif : options_.lifs) {
    if (!seen.insert(lif.lif).second) {
      return absl::InvalidArgumentError(absl::StrCat(NameOf(lif), ": the LIF is there twice"));
    }
  }
  if (SessionCapacity() == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("table size ", options_.table_size, ": no room for a session"));
  }
  return absl::OkStatus();
}

absl::StatusOr<StartReport> TcDatapath::Start() {
  if (absl::Status status = CheckOptions(); !status.ok()) return status;
  kernel_.LoadModules();
  // Before the links are read, so that no change in between is missed.
  absl::StatusOr<std::unique_ptr<netlink::LinkMonitor>> monitor = kernel_.OpenLinkMonitor();
  if (!monitor.ok()) return monitor.status();
  absl::StatusOr<std::unique_ptr<netlink::Links>> links = kernel_.OpenLinks();
  if (!links.ok()) return links.status();

  std::vector<Port> ports;
  PortIndex port_of;
  std::vector<TrackedNetdev> netdevs;
  SweepLog log;
  if (absl::Status status = OpenPorts(**links, ports, port_of, netdevs, log); !status.ok()) {
    return status;
  }
  for (size_t i = 0; i < ports.size(); ++i) {
    const std::string& netdev = ports[i].writer->netdev();
    if (auto clsact = (*links)->EnsureClsact(netdevs[i].link.ifindex); !clsact.ok()) {
      return netlink::WithPrefix(clsact.status(), absl::StrCat(netdev, ": "));
    }
    if (absl::Status status = ports[i].writer->Attach(netdevs[i].link.ifindex, log); !status.ok()) {
      return status;
    }
  }
  auto standing = InstallStanding(**links, ports, netdevs, log);
  if (!standing.ok()) return standing.status();
  ports_ = std::move(ports);
  port_of_ = std::move(port_of);
  standing_ = *std::move(standing);
  if (absl::Status status = ProbeAll(**links, log); !status.ok()) return status;
  auto watch = BeginWatch(*std::move(monitor), std::move(netdevs));
  if (!watch.ok()) return watch.status();
  watch_ = *std::move(watch);
  ready_.store(true, std::memory_order_release);
  return log.Report();
}

// One port for each netdev, however many LIFs and names it has.
absl::Status TcDatapath::OpenPorts(netlink::Links& links, std::vector<Port>& ports,
                                   PortIndex& by_lif, std::vector<TrackedNetdev>& netdevs,
                                   SweepLog& log) {
  for (const TcLif& lif : options_.lifs) {
    const absl::StatusOr<netlink::Link> link = links.ByName(lif.netdev);
    if (absl::IsNotFound(link.status())) {
      return absl::FailedPreconditionError(absl::StrCat(NameOf(lif), " does not exist"));
    }
    if (!link.ok()) return netlink::WithPrefix(link.status(), absl::StrCat(NameOf(lif), ": "));
    if (absl::Status status = CheckDriver(lif.netdev); !status.ok()) {
      return netlink::WithPrefix(status, absl::StrCat(NameOf(lif), ": "));
    }
    const auto known = std::find_if(netdevs.begin(), netdevs.end(), [&](const auto& netdev) {
      return netdev.link.ifindex == link->ifindex;
    });
    const auto index = static_cast<size_t>(known - netdevs.begin());
    if (known == netdevs.end()) {
      absl::StatusOr<Port> port = OpenPort(lif.netdev);
      if (!port.ok()) return port.status();
      ports.push_back(*std::move(port));
      netdevs.push_back({.name = lif.netdev, .link = *link});
      if (link->master != 0) {
        log.Note(absl::StrCat(lif.netdev, ": has a master (a bond, a bridge or OVS)"));
      }
    }
    std::string& default_path = ports[index].default_path;
    if (default_path.empty()) default_path = lif.default_path;
    if (!lif.default_path.empty() && lif.default_path != default_path) {
      return absl::InvalidArgumentError(absl::StrCat(NameOf(lif), " has the default paths ",
                                                     default_path, " and ", lif.default_path));
    }
    ports[index].lifs.push_back(lif.lif);
    by_lif[lif.lif] = index;
  }
  return absl::OkStatus();
}

// A netdev whose driver cannot be told is none that offloads.
absl::Status TcDatapath::CheckDriver(const std::string& netdev) const {
  if (options_.mode == OffloadMode::kSoftware || options_.allow_untrusted_driver) {
    return absl::OkStatus();
  }
  const absl::StatusOr<std::string> driver = kernel_.Host().Driver(netdev);
  return driver.ok() ? RefuseUntrusted(*driver) : absl::OkStatus();
}

absl::StatusOr<TcDatapath::Port> TcDatapath::OpenPort(const std::string& netdev) {
  absl::StatusOr<std::unique_ptr<netlink::FilterSocket>> socket = kernel_.OpenFilterSocket();
  if (!socket.ok()) return socket.status();
  const SweepTarget target{
      .netdev = netdev,
      .options = {.mode = options_.mode, .priority_base = options_.priority_base},
      .last_handle = HandleOf(SessionCapacity() - 1, session::Direction::kOut)};
  return Port{.writer = std::make_unique<TcPort>(target, *std::move(socket), kernel_, counters_),
              .worker = std::make_unique<TcWorker>()};
}

absl::StatusOr<std::unique_ptr<StandingRules>> TcDatapath::InstallStanding(
    netlink::Links& links, absl::Span<const Port> ports, std::vector<TrackedNetdev>& netdevs,
    SweepLog& log) const {
  std::vector<std::string> default_paths;
  for (const Port& port : ports) default_paths.push_back(port.default_path);
  return StandingRules::Install(
      {.rules = {.mode = options_.mode, .priority_base = options_.priority_base},
       .default_path_priority = options_.default_path_priority},
      kernel_, links, netdevs, default_paths, log);
}

void TcDatapath::Apply(absl::Span<const FlowOp> ops, absl::Span<FlowResult> results) {
  if (!ready_.load(std::memory_order_acquire)) {
    for (FlowResult& result : results) {
      result = {.status = absl::UnavailableError("the datapath is not started")};
    }
    return;
  }
  const Batch batch = Split(ops, results);
  if (ops.size() >= kParallelOps) {
    ApplyInParallel(batch);
  } else {
    for (size_t i = 0; i < batch.size(); ++i) ports_[i].writer->Apply(batch[i]);
  }
  Learn(batch);
  counters_.Count(ops, results);
}

TcDatapath::Batch TcDatapath::Split(absl::Span<const FlowOp> ops,
                                    absl::Span<FlowResult> results) const {
  Batch batch(ports_.size());
  for (size_t i = 0; i < ops.size(); ++i) {
    absl::StatusOr<PortJob> job = MakeJob(ops[i], results[i]);
    if (job.ok()) {
      batch[port_of_.at(ops[i].rule.ingress)].push_back(*job);
    } else {
      results[i] = {.status = job.status()};
    }
  }
  return batch;
}

absl::StatusOr<PortJob> TcDatapath::MakeJob(const FlowOp& op, FlowResult& result) const {
  PortJob job{.op = &op, .result = &result};
  if (op.rule.slot > kMaxSlot) {
    return absl::InvalidArgumentError(absl::StrCat("slot ", op.rule.slot, ": above ", kMaxSlot));
  }
  if (!port_of_.contains(op.rule.ingress)) {
    return absl::InvalidArgumentError(
        absl::StrCat("ingress LIF ", op.rule.ingress, " is not configured"));
  }
  if (op.kind != FlowOp::Kind::kAdd) return job;
  if (op.rule.action == session::Action::kForward) {
    if (absl::Status status = FindEgress(op.rule, job); !status.ok()) return status;
  }
  const NetdevPair pair{.ingress = port_of_.at(op.rule.ingress), .egress = job.egress_port};
  absl::Status status = verdicts_.Check(pair, ShapeOf(op.rule), job.worked_before);
  if (!status.ok()) return status;
  return job;
}

absl::Status TcDatapath::FindEgress(const FlowRule& rule, PortJob& job) const {
  const auto egress = port_of_.find(rule.egress);
  if (egress == port_of_.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("egress LIF ", rule.egress, " is not configured"));
  }
  const TcPort& port = *ports_[egress->second].writer;
  job.egress_ifindex = port.ifindex();
  if (job.egress_ifindex == 0) {
    return absl::FailedPreconditionError(absl::StrCat(port.netdev(), ": the netdev is gone"));
  }
  job.egress_port = egress->second;
  return absl::OkStatus();
}

// The calling thread writes the last port that has work, the ports' own threads the others.
void TcDatapath::ApplyInParallel(const Batch& batch) const {
  std::vector<size_t> busy;
  for (size_t i = 0; i < batch.size(); ++i) {
    if (!batch[i].empty()) busy.push_back(i);
  }
  if (busy.empty()) return;
  const size_t mine = busy.back();
  busy.pop_back();
  TcCountdown others(busy.size());
  for (const size_t i : busy) {
    ports_[i].worker->Post([this, &batch, &others, i] {
      ports_[i].writer->Apply(batch[i]);
      others.Done();
    });
  }
  ports_[mine].writer->Apply(batch[mine]);
  others.Wait();
}

absl::StatusOr<uint32_t> TcDatapath::AttachmentPoint(session::LifId lif) const {
  if (!ready_.load(std::memory_order_acquire)) {
    return absl::FailedPreconditionError("the datapath is not started");
  }
  const auto port = port_of_.find(lif);
  if (port == port_of_.end()) {
    return absl::InvalidArgumentError(absl::StrCat("LIF ", lif, " is not configured"));
  }
  return static_cast<uint32_t>(port->second);
}

uint32_t TcDatapath::SessionCapacity() const {
  const uint64_t standing =
      ready_.load(std::memory_order_acquire) ? standing_->entries() : LeastStandingRules();
  if (options_.table_size <= standing) return 0;
  const auto sessions = static_cast<uint32_t>((options_.table_size - standing) / 2);
  return std::min(sessions, kMaxSlot + 1);
}

uint64_t TcDatapath::LeastStandingRules() const {
  std::set<std::string> netdevs, representors;
  for (const TcLif& lif : options_.lifs) {
    netdevs.insert(lif.netdev);
    if (!lif.default_path.empty()) representors.insert(lif.default_path);
  }
  const size_t default_rules =
      options_.mode == OffloadMode::kHardware ? 0 : 2 * representors.size();
  return kRuleClasses.size() * netdevs.size() + default_rules;
}

absl::Duration TcDatapath::SampleGrace() const {
  return options_.mode == OffloadMode::kHardware ? options_.sample_grace : absl::ZeroDuration();
}

DatapathStats TcDatapath::Stats() const {
  DatapathStats stats = counters_.Read();
  if (ready_.load(std::memory_order_acquire)) stats.standing_repairs = standing_->repairs();
  return stats;
}

}  // namespace offload::datapath
