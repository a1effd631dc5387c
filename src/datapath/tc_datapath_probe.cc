// TcDatapath: what it does with the probe.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "datapath/tc_datapath.h"
#include "datapath/tc_probe.h"
#include "datapath/tc_probe_report.h"
#include "netlink/kernel_error.h"
#include "spdlog/spdlog.h"

namespace offload::datapath {
namespace {

// Row by row, as far as the bound allows, and the drops.
std::vector<NetdevPair> AllPairs(size_t netdevs) {
  std::vector<NetdevPair> pairs;
  for (size_t ingress = 0; ingress < netdevs; ++ingress) {
    for (size_t egress = 0; egress < netdevs && pairs.size() < kMaxProbedPairs; ++egress) {
      pairs.push_back({.ingress = ingress, .egress = egress});
    }
  }
  for (size_t ingress = 0; ingress < netdevs; ++ingress) pairs.push_back({.ingress = ingress});
  return pairs;
}

}  // namespace

absl::Status TcDatapath::ProbeAll(netlink::Links& links, SweepLog& log) {
  std::vector<ProbedNetdev> netdevs;
  for (const Port& port : ports_) {
    const absl::StatusOr<netlink::Link> link = links.ByName(port.writer->netdev());
    if (!link.ok()) {
      return netlink::WithPrefix(link.status(), absl::StrCat(port.writer->netdev(), ": "));
    }
    netdevs.push_back(Describe(port.writer->netdev(), *link));
  }
  verdicts_.Reset(std::move(netdevs));
  if (absl::Status status = Probe(AllPairs(ports_.size())); !status.ok()) return status;
  for (const Finding& finding : ProbeFindings()) {
    if (finding.level == Finding::Level::kOk) continue;
    log.Note(absl::StrCat(finding.subject, ": ", finding.text));
  }
  return CheckUsable(Probed());
}

void TcDatapath::ProbeAgain(size_t port) {
  std::vector<NetdevPair> pairs;
  for (const NetdevPair& pair : AllPairs(ports_.size())) {
    if (pair.ingress == port || pair.egress == port) pairs.push_back(pair);
  }
  verdicts_.Forget(port);
  const absl::Status status = Probe(pairs);
  if (!status.ok()) spdlog::warn("probing again: {}", std::string(status.message()));
}

absl::Status TcDatapath::Probe(const std::vector<NetdevPair>& pairs) {
  for (size_t ingress = 0; ingress < ports_.size(); ++ingress) {
    std::vector<NetdevPair> asked;
    std::vector<ProbeRule> rules;
    for (const NetdevPair& pair : pairs) {
      if (pair.ingress != ingress) continue;
      const bool drops = pair.egress == NetdevPair::kNowhere;
      const uint32_t egress = drops ? 0 : ports_[pair.egress].writer->ifindex();
      if (!drops && egress == 0) continue;  // gone; probed when it is back
      for (const TcShape& shape :
           ShapesOf(drops ? session::Action::kDrop : session::Action::kForward)) {
        asked.push_back(pair);
        rules.push_back({.shape = shape, .egress_ifindex = egress});
      }
    }
    std::vector<ProbeAnswer> answers(rules.size());
    absl::Status status = ports_[ingress].writer->Probe(rules, absl::MakeSpan(answers));
    for (size_t i = 0; i < rules.size(); ++i) {
      verdicts_.Enter(asked[i], rules[i].shape, std::move(answers[i]));
    }
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

ProbeState TcDatapath::Probed() const {
  return {.mode = options_.mode, .netdevs = verdicts_.netdevs(), .answers = verdicts_.answers()};
}

std::vector<Finding> TcDatapath::ProbeFindings() const { return DescribeProbe(Probed()); }

void TcDatapath::Learn(const Batch& batch) {
  for (size_t port = 0; port < batch.size(); ++port) {
    for (const PortJob& job : batch[port]) {
      if (job.op->kind != FlowOp::Kind::kAdd) continue;
      job.result->status =
          verdicts_.Learn({.ingress = port, .egress = job.egress_port}, ShapeOf(job.op->rule),
                          job.worked_before, job.result->status);
    }
  }
}

}  // namespace offload::datapath
