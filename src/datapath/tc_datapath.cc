#include "datapath/tc_datapath.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
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

const char* Word(LifState state) {
  switch (state) {
    case LifState::kUp:
      return "up";
    case LifState::kDown:
      return "down";
    case LifState::kLost:
      return "gone";
  }
  return "unknown";
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
  std::vector<uint32_t> ifindexes;
  SweepLog log;
  if (absl::Status status = OpenPorts(**links, ports, port_of, ifindexes, log); !status.ok()) {
    return status;
  }
  for (size_t i = 0; i < ports.size(); ++i) {
    const std::string& netdev = ports[i].writer->netdev();
    if (auto clsact = (*links)->EnsureClsact(ifindexes[i]); !clsact.ok()) {
      return netlink::WithPrefix(clsact.status(), absl::StrCat(netdev, ": "));
    }
    if (absl::Status status = ports[i].writer->Attach(ifindexes[i], log); !status.ok()) {
      return status;
    }
  }
  ports_ = std::move(ports);
  port_of_ = std::move(port_of);
  if (absl::Status status = ProbeAll(**links, log); !status.ok()) return status;
  auto watch = BeginWatch(*std::move(monitor), ifindexes);
  if (!watch.ok()) return watch.status();
  watch_ = *std::move(watch);
  ready_.store(true, std::memory_order_release);
  return log.Report();
}

// One port for each netdev, however many LIFs and names it has.
absl::Status TcDatapath::OpenPorts(netlink::Links& links, std::vector<Port>& ports,
                                   PortIndex& by_lif, std::vector<uint32_t>& ifindexes,
                                   SweepLog& log) {
  for (const TcLif& lif : options_.lifs) {
    const absl::StatusOr<netlink::Link> link = links.ByName(lif.netdev);
    if (absl::IsNotFound(link.status())) {
      return absl::FailedPreconditionError(absl::StrCat(NameOf(lif), " does not exist"));
    }
    if (!link.ok()) return netlink::WithPrefix(link.status(), absl::StrCat(NameOf(lif), ": "));
    const auto known = std::find(ifindexes.begin(), ifindexes.end(), link->ifindex);
    const auto index = static_cast<size_t>(known - ifindexes.begin());
    if (known == ifindexes.end()) {
      absl::StatusOr<Port> port = OpenPort(lif.netdev);
      if (!port.ok()) return port.status();
      ports.push_back(*std::move(port));
      ifindexes.push_back(link->ifindex);
      if (link->master != 0) {
        log.Note(absl::StrCat(lif.netdev, ": has a master (a bond, a bridge or OVS)"));
      }
    }
    ports[index].lifs.push_back(lif.lif);
    by_lif[lif.lif] = index;
  }
  return absl::OkStatus();
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

absl::StatusOr<std::unique_ptr<LinkWatch>> TcDatapath::BeginWatch(
    std::unique_ptr<netlink::LinkMonitor> monitor, absl::Span<const uint32_t> ifindexes) {
  absl::StatusOr<std::unique_ptr<netlink::Links>> links = kernel_.OpenLinks();
  if (!links.ok()) return links.status();
  return LinkWatch::Begin(
      std::move(monitor), *std::move(links), ifindexes,
      {.on_change = [this](const PortChange& change) { OnChange(change); },
       .reattach = [this](size_t port, netlink::Links& by) { return Reattach(port, by); }});
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
  std::set<std::string> netdevs;
  for (const TcLif& lif : options_.lifs) netdevs.insert(lif.netdev);
  const uint64_t standing = kRuleClasses.size() * netdevs.size();
  if (options_.table_size <= standing) return 0;
  const auto sessions = static_cast<uint32_t>((options_.table_size - standing) / 2);
  return std::min(sessions, kMaxSlot + 1);
}

absl::Duration TcDatapath::SampleGrace() const {
  return options_.mode == OffloadMode::kHardware ? options_.sample_grace : absl::ZeroDuration();
}

void TcDatapath::OnChange(const PortChange& change) {
  const Port& port = ports_[change.port];
  // First, so that who hears of the loss cannot find the port still in use.
  if (change.state == LifState::kLost) port.writer->Detach();
  spdlog::warn("{}: link is {}", port.writer->netdev(), Word(change.state));
  {
    base::MutexLock lock(observer_mutex_);
    for (const session::LifId lif : port.lifs) {
      if (observer_ != nullptr) observer_->OnLifState(lif, change.state);
    }
  }
  if (change.state == LifState::kUp && verdicts_.LearntRefusal(change.port)) {
    ProbeAgain(change.port);
  }
}

absl::StatusOr<netlink::Link> TcDatapath::Reattach(size_t port, netlink::Links& links) {
  TcPort& writer = *ports_[port].writer;
  absl::StatusOr<netlink::Link> link = links.ByName(writer.netdev());
  if (!link.ok()) return link;
  if (auto clsact = links.EnsureClsact(link->ifindex); !clsact.ok()) {
    return netlink::WithPrefix(clsact.status(), absl::StrCat(writer.netdev(), ": "));
  }
  SweepLog log;
  if (absl::Status status = writer.Attach(link->ifindex, log); !status.ok()) return status;
  verdicts_.Replace(port, Describe(writer.netdev(), *link));
  ProbeAgain(port);
  spdlog::info("{}: the netdev is back as ifindex {}", writer.netdev(), link->ifindex);
  return link;
}

}  // namespace offload::datapath
