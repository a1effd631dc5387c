#include "datapath/tc_verdicts.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "datapath/tc_errno.h"
#include "netlink/kernel_error.h"

namespace offload::datapath {

ProbedNetdev Describe(const std::string& name, const netlink::Link& link) {
  return {.name = name, .phys_port_name = link.phys_port_name, .switch_id = link.switch_id};
}

void TcVerdicts::Reset(std::vector<ProbedNetdev> netdevs) {
  base::MutexLock lock(mutex_);
  netdevs_ = std::move(netdevs);
  answers_.clear();
  learnt_refusal_.assign(netdevs_.size(), false);
}

void TcVerdicts::Replace(size_t netdev, ProbedNetdev now) {
  base::MutexLock lock(mutex_);
  netdevs_[netdev] = std::move(now);
}

void TcVerdicts::Forget(size_t netdev) {
  base::MutexLock lock(mutex_);
  absl::erase_if(answers_, [netdev](const auto& entry) {
    return entry.first.ingress == netdev || entry.first.egress == netdev;
  });
  learnt_refusal_[netdev] = false;
}

void TcVerdicts::Enter(const NetdevPair& pair, const TcShape& shape, ProbeAnswer answer) {
  base::MutexLock lock(mutex_);
  answers_[pair][IndexOf(shape)] = std::move(answer);
}

absl::Status TcVerdicts::Check(const NetdevPair& pair, const TcShape& shape,
                               bool& worked_before) const {
  worked_before = false;
  base::MutexLock lock(mutex_);
  const auto known = answers_.find(pair);
  if (known == answers_.end()) return absl::OkStatus();
  const ProbeAnswer& answer = known->second[IndexOf(shape)];
  worked_before = answer.verdict == Verdict::kSupported;
  if (answer.verdict != Verdict::kUnsupported) return absl::OkStatus();
  return Refusal(pair, shape, answer.reason);
}

absl::Status TcVerdicts::Learn(const NetdevPair& pair, const TcShape& shape, bool worked_before,
                               const absl::Status& outcome) {
  if (outcome.ok() && worked_before) return outcome;
  if (!outcome.ok() && !absl::IsUnimplemented(outcome)) return outcome;
  base::MutexLock lock(mutex_);
  ProbeAnswer& answer = answers_[pair][IndexOf(shape)];
  if (outcome.ok()) {
    answer = {.verdict = Verdict::kSupported};
    return outcome;
  }
  // The port has put the netdev before what the kernel said.
  absl::string_view said = outcome.message();
  absl::ConsumePrefix(&said, absl::StrCat(netdevs_[pair.ingress].name, ": "));
  answer = {.verdict = Verdict::kUnsupported,
            .reason = netlink::WithCode(outcome.code(), outcome, said)};
  learnt_refusal_[pair.ingress] = true;
  if (pair.egress != NetdevPair::kNowhere) learnt_refusal_[pair.egress] = true;
  return Refusal(pair, shape, answer.reason);
}

bool TcVerdicts::LearntRefusal(size_t netdev) const {
  base::MutexLock lock(mutex_);
  return learnt_refusal_[netdev];
}

std::vector<ProbedNetdev> TcVerdicts::netdevs() const {
  base::MutexLock lock(mutex_);
  return netdevs_;
}

std::map<NetdevPair, PairAnswers> TcVerdicts::answers() const {
  base::MutexLock lock(mutex_);
  return {answers_.begin(), answers_.end()};
}

std::string TcVerdicts::PairName(const NetdevPair& pair) const {
  const std::string& ingress = netdevs_[pair.ingress].name;
  if (pair.egress == NetdevPair::kNowhere) return ingress;
  return absl::StrCat(ingress, " > ", netdevs_[pair.egress].name);
}

absl::Status TcVerdicts::Refusal(const NetdevPair& pair, const TcShape& shape,
                                 const absl::Status& reason) const {
  return netlink::WithCode(
      absl::StatusCode::kUnimplemented, reason,
      absl::StrCat(PairName(pair), ": ", Name(shape), " cannot be offloaded: ", Reason(reason)));
}

}  // namespace offload::datapath
