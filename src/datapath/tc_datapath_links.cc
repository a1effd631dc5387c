// TcDatapath, the part that follows the links.
#include <utility>

#include "absl/strings/str_cat.h"
#include "datapath/tc_datapath.h"
#include "netlink/kernel_error.h"
#include "spdlog/spdlog.h"

namespace offload::datapath {
namespace {

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

absl::StatusOr<std::unique_ptr<LinkWatch>> TcDatapath::BeginWatch(
    std::unique_ptr<netlink::LinkMonitor> monitor, std::vector<TrackedNetdev> netdevs) {
  absl::StatusOr<std::unique_ptr<netlink::Links>> links = kernel_.OpenLinks();
  if (!links.ok()) return links.status();
  return LinkWatch::Begin(
      std::move(monitor), *std::move(links), std::move(netdevs), options_.audit_interval,
      {.on_change = [this](const PortChange& change) { OnChange(change); },
       .attach = [this](size_t netdev, const netlink::Link& link, uint32_t generation,
                        netlink::Links& by) { return Attach(netdev, link, generation, by); },
       .audit = [this](netlink::Links& by) { return standing_->Audit(by); }});
}

void TcDatapath::OnChange(const PortChange& change) {
  if (change.state == LifState::kLost) standing_->SetIfindex(change.port, 0);
  if (change.port >= ports_.size()) return OnRepresentorChange(change);
  const Port& port = ports_[change.port];
  // First, so that who hears of the loss cannot find the port still in use.
  if (change.state == LifState::kLost) port.writer->Detach();
  if (change.kind == PortChange::Kind::kRenamed) {
    spdlog::warn("{}: the netdev is called {} now; it and its rules stay in use",
                 port.writer->netdev(), change.name);
    return;
  }
  const bool rules_lost = change.kind == PortChange::Kind::kRulesLost;
  if (rules_lost) {
    spdlog::error("{}: all rules are gone, the qdisc was removed", port.writer->netdev());
  } else {
    spdlog::warn("{}: link is {}", port.writer->netdev(), Word(change.state));
  }
  {
    base::MutexLock lock(observer_mutex_);
    for (const session::LifId lif : port.lifs) {
      if (observer_ == nullptr) break;
      if (rules_lost) observer_->OnLifState(lif, LifState::kLost);
      observer_->OnLifState(lif, change.state);
    }
  }
  if (change.state == LifState::kUp && verdicts_.LearntRefusal(change.port)) {
    ProbeAgain(change.port);
  }
}

void TcDatapath::OnRepresentorChange(const PortChange& change) {
  const std::string& name = standing_->name(change.port);
  if (change.kind == PortChange::Kind::kRenamed) {
    spdlog::warn("{}: the representor is called {} now and stays in use", name, change.name);
  } else if (change.state == LifState::kLost) {
    spdlog::error("{}: the representor is gone: packets of the default path are dropped", name);
  } else {
    spdlog::warn("{}: link of the representor is {}", name, Word(change.state));
  }
}

absl::Status TcDatapath::Attach(size_t netdev, const netlink::Link& link, uint32_t generation,
                                netlink::Links& links) {
  const std::string& name = standing_->name(netdev);
  if (netdev < ports_.size()) {
    if (absl::Status status = CheckDriver(link.name); !status.ok()) {
      return netlink::WithPrefix(status, absl::StrCat(name, ": "));
    }
    if (auto clsact = links.EnsureClsact(link.ifindex); !clsact.ok()) {
      return netlink::WithPrefix(clsact.status(), absl::StrCat(name, ": "));
    }
    SweepLog log;
    absl::Status status = ports_[netdev].writer->Attach(link.ifindex, log);
    if (!status.ok()) return status;
    verdicts_.Replace(netdev, Describe(name, link));
    ProbeAgain(netdev);
  }
  standing_->SetIfindex(netdev, link.ifindex);
  spdlog::info("{}: the netdev is back as ifindex {}, generation {}", name, link.ifindex,
               generation);
  return absl::OkStatus();
}

}  // namespace offload::datapath
