#include "datapath/tc_probe_report.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "datapath/tc_errno.h"

namespace offload::datapath {
namespace {

constexpr char kCheck[] = "probe";
constexpr size_t kMaxReasons = 8;  // in the error of CheckUsable

constexpr char kOtherUplink[] =
    "the NIC does not forward from one uplink to the other one. What works instead: an uplink with "
    "a VF, SF or host PF representor; one-armed sessions on one uplink; a VF representor with the "
    "other uplink when the devlink parameter esw_multiport is on; the two PF netdevs in eswitch "
    "mode legacy, where mlx5 hairpins p0 to p1; or leave such flows to Open vSwitch in software "
    "(offloadd does not program it yet)";

bool IsRefusal(Verdict verdict) {
  return verdict == Verdict::kUnsupported || verdict == Verdict::kRefused;
}

session::Action ActionOf(const NetdevPair& pair) {
  return pair.egress == NetdevPair::kNowhere ? session::Action::kDrop : session::Action::kForward;
}

const char* Verb(const NetdevPair& pair) {
  return pair.egress == NetdevPair::kNowhere ? "drop" : "forward";
}

// What the answers to the shapes of one pair have in common.
struct Summary {
  size_t asked = 0;
  size_t supported = 0;
  size_t in_hw = 0;
  // Shapes by what was said of them; in the order of the shapes.
  std::vector<std::pair<std::string, std::vector<std::string>>> refused, unknown;
  const absl::Status* first_refusal = nullptr;
};

void AddTo(std::vector<std::pair<std::string, std::vector<std::string>>>& groups,
           const std::string& said, const std::string& shape) {
  const auto same = std::find_if(groups.begin(), groups.end(),
                                 [&](const auto& group) { return group.first == said; });
  if (same != groups.end()) {
    same->second.push_back(shape);
  } else {
    groups.push_back({said, {shape}});
  }
}

Summary Summarize(const NetdevPair& pair, const PairAnswers& answers) {
  Summary summary;
  for (const TcShape& shape : ShapesOf(ActionOf(pair))) {
    const ProbeAnswer& answer = answers[IndexOf(shape)];
    ++summary.asked;
    if (answer.verdict == Verdict::kSupported) {
      ++summary.supported;
      summary.in_hw += answer.in_hw;
    } else if (IsRefusal(answer.verdict)) {
      AddTo(summary.refused, Reason(answer.reason), Name(shape));
      if (summary.first_refusal == nullptr) summary.first_refusal = &answer.reason;
    } else {
      AddTo(summary.unknown, answer.reason.ok() ? "not asked" : Reason(answer.reason), Name(shape));
    }
  }
  return summary;
}

std::string WhatIsTaken(const NetdevPair& pair, const Summary& summary, OffloadMode mode) {
  std::string where;
  if (mode == OffloadMode::kHardware) where = ", in the NIC";
  if (mode == OffloadMode::kSoftware) where = ", in software";
  if (mode == OffloadMode::kAny) {
    where = summary.in_hw == summary.asked ? ", in the NIC"
            : summary.in_hw == 0           ? ", in software only"
                                           : ", some of them in software only";
  }
  const bool forwards = pair.egress != NetdevPair::kNowhere;
  return absl::StrCat(Verb(pair), ": IPv4 and IPv6, TCP and UDP, with and without VLAN",
                      forwards ? ", VLAN rewrite" : "", where);
}

std::string Describe(const NetdevPair& pair, const Summary& summary, OffloadMode mode) {
  std::vector<std::string> parts;
  for (const auto& [reason, shapes] : summary.refused) {
    const std::string what =
        shapes.size() == summary.asked
            ? absl::StrCat("no ", Verb(pair), " can be offloaded: ")
            : absl::StrCat(absl::StrJoin(shapes, ", "), " cannot be offloaded: ");
    parts.push_back(absl::StrCat(what, reason));
  }
  for (const auto& [said, shapes] : summary.unknown) {
    parts.push_back(absl::StrCat(shapes.size() == summary.asked
                                     ? absl::StrCat(Verb(pair), " of any shape")
                                     : absl::StrJoin(shapes, ", "),
                                 ": not known until the first session: ", said));
  }
  if (parts.empty()) return WhatIsTaken(pair, summary, mode);
  return absl::StrJoin(parts, "; ");
}

// "p0", "p1", "c1p0": a physical port; "pf0vf1", "pf0hpf" are others.
bool IsUplink(const ProbedNetdev& netdev) {
  const std::string& name = netdev.phys_port_name;
  const size_t p = name.rfind('p');
  if (p == std::string::npos || p + 1 == name.size()) return false;
  const auto is_digit = [](char c) { return absl::ascii_isdigit(static_cast<unsigned char>(c)); };
  const bool numbered =
      std::all_of(name.begin() + static_cast<ptrdiff_t>(p) + 1, name.end(), is_digit);
  const bool of_controller =
      p > 1 && name[0] == 'c' &&
      std::all_of(name.begin() + 1, name.begin() + static_cast<ptrdiff_t>(p), is_digit);
  return numbered && (p == 0 || of_controller);
}

std::string SwitchAdvice(const ProbedNetdev& ingress, const ProbedNetdev& egress) {
  for (const ProbedNetdev* netdev : {&ingress, &egress}) {
    if (!netdev->switch_id.empty()) continue;
    return absl::StrCat(
        netdev->name,
        " is no port of a NIC in switchdev mode: devlink dev eswitch set pci/ADDRESS "
        "mode switchdev, or choose datapath mode software");
  }
  if (ingress.switch_id != egress.switch_id) {
    return absl::StrCat(
        ingress.name, " and ", egress.name,
        " are ports of different switches: pair netdevs of the same switchid (ip -d "
        "link show)");
  }
  return "";
}

std::string Advice(const ProbedNetdev& ingress, const ProbedNetdev& egress,
                   const absl::Status& refusal, OffloadMode mode) {
  if (absl::StrContains(refusal.message(), "TC offload is disabled")) {
    return absl::StrCat("ethtool -K ", ingress.name, " hw-tc-offload on, and restart offloadd");
  }
  const bool same = &ingress == &egress;
  if (!same && IsUplink(ingress) && IsUplink(egress) && !ingress.switch_id.empty() &&
      ingress.switch_id == egress.switch_id && absl::IsUnimplemented(refusal)) {
    return kOtherUplink;
  }
  if (mode == OffloadMode::kHardware) {
    std::string advice = SwitchAdvice(ingress, egress);
    if (!advice.empty()) return advice;
  }
  if (mode == OffloadMode::kHardware) {
    return "use other netdevs for these sessions, or datapath mode any, where the kernel does what "
           "the NIC does not take";
  }
  return "use other netdevs for these sessions";
}

// Netdevs that forward something to another one.
std::set<size_t> Forwarding(const ProbeState& state) {
  std::set<size_t> forwarding;
  for (const auto& [pair, answers] : state.answers) {
    if (pair.egress == NetdevPair::kNowhere || pair.egress == pair.ingress) continue;
    if (Summarize(pair, answers).supported > 0) forwarding.insert(pair.ingress);
  }
  return forwarding;
}

Finding::Level LevelOf(const NetdevPair& pair, const Summary& summary, const ProbeState& state,
                       const std::set<size_t>& forwarding) {
  const bool elsewhere = pair.ingress == pair.egress || forwarding.contains(pair.ingress);
  if (!summary.refused.empty()) {
    return elsewhere ? Finding::Level::kWarning : Finding::Level::kProblem;
  }
  const bool software_only = state.mode == OffloadMode::kAny && summary.in_hw < summary.supported;
  return !summary.unknown.empty() || software_only ? Finding::Level::kWarning : Finding::Level::kOk;
}

Finding FindingOf(const NetdevPair& pair, const PairAnswers& answers, const ProbeState& state,
                  const std::set<size_t>& forwarding) {
  const Summary summary = Summarize(pair, answers);
  const ProbedNetdev& ingress = state.netdevs[pair.ingress];
  const bool drops = pair.egress == NetdevPair::kNowhere;
  const ProbedNetdev& egress = drops ? ingress : state.netdevs[pair.egress];
  Finding finding{.level = LevelOf(pair, summary, state, forwarding),
                  .check = kCheck,
                  .subject = drops ? ingress.name : absl::StrCat(ingress.name, " > ", egress.name),
                  .text = Describe(pair, summary, state.mode)};
  if (summary.first_refusal != nullptr) {
    finding.advice = Advice(ingress, egress, *summary.first_refusal, state.mode);
  }
  return finding;
}

}  // namespace

std::vector<Finding> DescribeProbe(const ProbeState& state) {
  if (state.netdevs.empty()) {
    return {{.level = Finding::Level::kWarning,
             .check = kCheck,
             .subject = "host",
             .text = "what the netdevs take is not probed yet",
             .advice = "start offloadd with this configuration"}};
  }
  std::vector<Finding> findings;
  const std::set<size_t> forwarding = Forwarding(state);
  for (const auto& [pair, answers] : state.answers) {
    findings.push_back(FindingOf(pair, answers, state, forwarding));
  }
  const size_t pairs = state.netdevs.size() * state.netdevs.size();
  if (pairs > kMaxProbedPairs) {
    findings.push_back({.level = Finding::Level::kWarning,
                        .check = kCheck,
                        .subject = "host",
                        .text = absl::StrCat("of ", pairs, " pairs of netdevs ", kMaxProbedPairs,
                                             " were probed; what the others take is learnt from "
                                             "their first sessions")});
  }
  return findings;
}

absl::Status CheckUsable(const ProbeState& state) {
  if (state.netdevs.size() * state.netdevs.size() > kMaxProbedPairs) return absl::OkStatus();
  std::vector<std::string> reasons;
  for (const auto& [pair, answers] : state.answers) {
    const Summary summary = Summarize(pair, answers);
    if (summary.supported > 0 || !summary.unknown.empty()) return absl::OkStatus();
  }
  const std::vector<Finding> findings = DescribeProbe(state);
  for (const Finding& finding : findings) {
    if (reasons.size() == kMaxReasons) break;
    reasons.push_back(absl::StrCat(finding.subject, ": ", finding.text));
  }
  if (findings.size() > reasons.size()) {
    reasons.push_back(absl::StrCat("and ", findings.size() - reasons.size(), " more"));
  }
  return absl::FailedPreconditionError(
      absl::StrCat("nothing can be offloaded: ", absl::StrJoin(reasons, "; ")));
}

}  // namespace offload::datapath
