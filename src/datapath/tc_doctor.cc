#include "datapath/tc_doctor.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "datapath/tc_verdict.h"

namespace offload::datapath {
namespace {

void Append(std::vector<Finding>& findings, std::vector<Finding> more) {
  findings.insert(findings.end(), std::make_move_iterator(more.begin()),
                  std::make_move_iterator(more.end()));
}

std::string LifsOf(const NetdevFacts& netdev) {
  return absl::StrCat(netdev.lifs.size() == 1 ? "LIF " : "LIFs ", absl::StrJoin(netdev.lifs, ", "));
}

Finding Presence(const NetdevFacts& netdev) {
  Finding finding{.check = "netdev", .subject = netdev.netdev, .text = LifsOf(netdev)};
  if (netdev.link.ok()) {
    const std::string& port = netdev.link->phys_port_name;
    absl::StrAppend(&finding.text, ": ifindex ", netdev.link->ifindex,
                    port.empty() ? "" : absl::StrCat(", port ", port));
  } else if (absl::IsNotFound(netdev.link.status())) {
    finding.level = Finding::Level::kProblem;
    absl::StrAppend(&finding.text, ": netdev ", netdev.netdev, " does not exist");
    finding.advice =
        absl::StrCat("ip link show; create ", netdev.netdev, " or correct its name in /lifs");
  } else {
    finding.level = Finding::Level::kProblem;
    absl::StrAppend(&finding.text, ": ", netdev.link.status().message());
  }
  return finding;
}

}  // namespace

std::vector<Finding> Diagnose(const DoctorFacts& facts) {
  std::vector<Finding> findings;
  for (const NetdevFacts& netdev : facts.netdevs) {
    findings.push_back(Presence(netdev));
    if (netdev.link.ok()) Append(findings, ExamineNetdev(netdev, facts));
  }
  Append(findings, ExamineHost(facts));
  return findings;
}

}  // namespace offload::datapath
