#include "datapath/tc_datapath.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "netlink/kernel_error.h"
#include "spdlog/spdlog.h"

namespace offload::datapath {

TcDatapath::TcDatapath(TcKernel& kernel, TcOptions options)
    : kernel_(kernel), options_(std::move(options)) {
  for (const TcLif& lif : options_.lifs) {
    auto port = std::find_if(ports_.begin(), ports_.end(),
                             [&](const Port& p) { return p.netdev == lif.netdev; });
    if (port == ports_.end()) {
      ports_.push_back({.netdev = lif.netdev, .lifs = {}, .tc = nullptr, .worker = nullptr});
      port = std::prev(ports_.end());
    }
    port->lifs.push_back(lif.id);
    port_of_[lif.id] = static_cast<uint32_t>(port - ports_.begin());
  }
}

TcDatapath::~TcDatapath() = default;

absl::StatusOr<uint32_t> TcDatapath::AttachmentPoint(session::LifId lif) const {
  const auto found = port_of_.find(lif);
  if (found == port_of_.end()) {
    return absl::InvalidArgumentError(absl::StrCat("LIF ", lif, " is not configured"));
  }
  return found->second;
}

uint32_t TcDatapath::SessionCapacity() const {
  const size_t standing = kRuleClasses.size() * ports_.size();
  return options_.table_size <= standing
             ? 0
             : static_cast<uint32_t>((options_.table_size - standing) / 2);
}

absl::StatusOr<StartReport> TcDatapath::Start() {
  kernel_.LoadModules();
  // Before the links are read, so that no change in between is missed.
  auto monitor = kernel_.OpenLinkMonitor();
  if (!monitor.ok()) return monitor.status();
  auto links = kernel_.OpenLinks();
  if (!links.ok()) return links.status();
  SweepLog log;
  StartReport attached;
  if (absl::Status status = AttachAll(**links, log, attached); !status.ok()) return status;
  StartReport report = log.Report();
  report.notes.insert(report.notes.begin(), attached.notes.begin(), attached.notes.end());
  watch_ = std::make_unique<TcLinkWatch>(*std::move(monitor), *std::move(links), *this);
  return report;
}

absl::Status TcDatapath::AttachAll(netlink::Links& links, SweepLog& log, StartReport& report) {
  for (Port& port : ports_) {
    const auto link = links.ByName(port.netdev);
    if (absl::IsNotFound(link.status())) {
      return absl::FailedPreconditionError(
          absl::StrCat("LIF ", port.lifs.front(), ": there is no netdev ", port.netdev));
    }
    if (!link.ok()) return link.status();
    if (absl::Status status = Attach(port, *link, links, log); !status.ok()) return status;
    if (link->master != 0) {
      report.notes.push_back(absl::StrCat(port.netdev, ": has a master (bond, bridge or OVS)"));
    }
  }
  return absl::OkStatus();
}

absl::Status TcDatapath::Attach(Port& port, const netlink::Link& link, netlink::Links& links,
                                SweepLog& log) {
  if (port.tc == nullptr) {
    auto socket = kernel_.OpenFilterSocket();
    if (!socket.ok()) return socket.status();
    SweepTarget target;
    target.netdev = port.netdev;
    target.options = options_.rules;
    target.last_handle = 2 * SessionCapacity();
    port.tc = std::make_unique<TcPort>(std::move(target), *std::move(socket));
    port.worker = std::make_unique<TcWorker>();
  }
  const auto clsact = links.EnsureClsact(link.ifindex);
  if (!clsact.ok()) return netlink::WithPrefix(clsact.status(), absl::StrCat(port.netdev, ": "));
  return port.tc->Attach(link.ifindex, log);
}

std::vector<std::vector<PortJob>> TcDatapath::Split(absl::Span<const FlowOp> ops,
                                                    absl::Span<FlowResult> results) {
  std::vector<std::vector<PortJob>> jobs(ports_.size());
  for (size_t i = 0; i < ops.size(); ++i) {
    const FlowRule& rule = ops[i].rule;
    const auto in = AttachmentPoint(rule.ingress), out = AttachmentPoint(rule.egress);
    results[i] = {};
    results[i].status.Update(in.status());
    results[i].status.Update(out.status());
    if (!results[i].status.ok()) continue;
    if (ports_[*in].tc == nullptr || ports_[*out].tc == nullptr) {
      results[i].status = absl::FailedPreconditionError("the datapath is not started");
      continue;
    }
    const uint32_t egress = ports_[*out].tc->ifindex();
    const bool needs_egress =
        ops[i].kind == FlowOp::Kind::kAdd && rule.action == session::Action::kForward;
    if (needs_egress && egress == 0) {
      results[i].status =
          absl::FailedPreconditionError(absl::StrCat(ports_[*out].netdev, ": the netdev is gone"));
      continue;
    }
    jobs[*in].push_back({.op = &ops[i], .result = &results[i], .egress_ifindex = egress});
  }
  return jobs;
}

void TcDatapath::Apply(absl::Span<const FlowOp> ops, absl::Span<FlowResult> results) {
  const auto jobs = Split(ops, results);
  std::vector<size_t> busy;
  for (size_t i = 0; i < jobs.size(); ++i) {
    if (!jobs[i].empty()) busy.push_back(i);
  }
  if (busy.empty()) return;
  TcCountdown others(busy.size() - 1);
  for (size_t n = 1; n < busy.size(); ++n) {
    const size_t i = busy[n];
    ports_[i].worker->Post([&, i] {
      ports_[i].tc->Apply(jobs[i]);
      others.Done();
    });
  }
  ports_[busy[0]].tc->Apply(jobs[busy[0]]);
  others.Wait();
}

void TcDatapath::Tell(Port& port, LifState state) {
  if (port.state == state) return;
  port.state = state;
  const char* word = state == LifState::kUp ? "up" : state == LifState::kDown ? "down" : "gone";
  spdlog::warn("{}: link is {}", port.netdev, word);
  if (observer_ == nullptr) return;
  for (const session::LifId lif : port.lifs) observer_->OnLifState(lif, state);
}

void TcDatapath::Lose(Port& port) {
  port.tc->Detach();
  Tell(port, LifState::kLost);
}

// A netdev of the configured name where ours was lost: as at the start.
void TcDatapath::Reattach(Port& port, const netlink::Link& link) {
  auto links = kernel_.OpenLinks();
  SweepLog log;
  const absl::Status status = links.ok() ? Attach(port, link, **links, log) : links.status();
  if (!status.ok()) {
    spdlog::warn("{}: cannot be used again: {}", port.netdev, std::string(status.message()));
    return;
  }
  Tell(port, link.running ? LifState::kUp : LifState::kDown);
}

void TcDatapath::OnLink(const netlink::Link& link) {
  for (Port& port : ports_) {
    if (port.tc->ifindex() == link.ifindex) {
      Tell(port, link.running ? LifState::kUp : LifState::kDown);
    } else if (port.tc->ifindex() == 0 && port.netdev == link.name) {
      Reattach(port, link);
    }
  }
}

void TcDatapath::OnLinkDeleted(uint32_t ifindex) {
  for (Port& port : ports_) {
    if (port.tc->ifindex() == ifindex) Lose(port);
  }
}

void TcDatapath::OnAllLinks(const std::vector<netlink::Link>& links) {
  for (Port& port : ports_) {
    const bool there = std::any_of(links.begin(), links.end(), [&](const netlink::Link& link) {
      return link.ifindex == port.tc->ifindex();
    });
    if (!there && port.tc->ifindex() != 0) Lose(port);
  }
  for (const netlink::Link& link : links) OnLink(link);
}

}  // namespace offload::datapath
