// What is known of each pair of netdevs and shape: found out by the probe, or learnt from the first
// rule. Knows netdevs by their position among the configured ones.
//
// Thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "base/mutex.h"
#include "datapath/tc_probe.h"
#include "datapath/tc_shape.h"
#include "netlink/links.h"

namespace offload::datapath {

// How a netdev shows itself, for people and for advice.
struct ProbedNetdev {
  std::string name;
  std::string phys_port_name;      // "p0", "pf0vf1", empty = none
  std::vector<uint8_t> switch_id;  // empty = none
};

ProbedNetdev Describe(const std::string& name, const netlink::Link& link);

// Rules arrive on `ingress` and leave on `egress`; a drop leaves nowhere.
struct NetdevPair {
  static constexpr size_t kNowhere = SIZE_MAX;
  size_t ingress = 0;
  size_t egress = kNowhere;
  friend bool operator==(const NetdevPair&, const NetdevPair&) = default;
  friend auto operator<=>(const NetdevPair&, const NetdevPair&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const NetdevPair& pair) {
    return H::combine(std::move(h), pair.ingress, pair.egress);
  }
};

// By IndexOf(shape); only those of the pair's action are used.
using PairAnswers = std::array<ProbeAnswer, kShapes>;

class TcVerdicts {
 public:
  // Begins anew with these netdevs. Nothing is known of them.
  void Reset(std::vector<ProbedNetdev> netdevs) EXCLUDES(mutex_);
  // The netdev is another one now.
  void Replace(size_t netdev, ProbedNetdev now) EXCLUDES(mutex_);
  // Nothing is known any more of the pairs it is in.
  void Forget(size_t netdev) EXCLUDES(mutex_);

  // An answer of the probe.
  void Enter(const NetdevPair& pair, const TcShape& shape, ProbeAnswer answer) EXCLUDES(mutex_);

  // Before an add. UNIMPLEMENTED, naming pair, shape and reason, when it is known to be
  // unsupported; else OK and whether a rule like it was accepted before.
  absl::Status Check(const NetdevPair& pair, const TcShape& shape, bool& worked_before) const
      EXCLUDES(mutex_);
  // After an add that Check let pass. An UNIMPLEMENTED outcome is remembered and answered as Check
  // will answer it; every other outcome comes back as it is.
  absl::Status Learn(const NetdevPair& pair, const TcShape& shape, bool worked_before,
                     const absl::Status& outcome) EXCLUDES(mutex_);
  // Whether refusals were learnt from adds since the netdev was probed.
  bool LearntRefusal(size_t netdev) const EXCLUDES(mutex_);

  std::vector<ProbedNetdev> netdevs() const EXCLUDES(mutex_);
  // What there is, in the order of the netdevs.
  std::map<NetdevPair, PairAnswers> answers() const EXCLUDES(mutex_);

 private:
  std::string PairName(const NetdevPair& pair) const REQUIRES(mutex_);
  absl::Status Refusal(const NetdevPair& pair, const TcShape& shape,
                       const absl::Status& reason) const REQUIRES(mutex_);

  mutable base::Mutex mutex_;
  std::vector<ProbedNetdev> netdevs_ GUARDED_BY(mutex_);
  absl::flat_hash_map<NetdevPair, PairAnswers> answers_ GUARDED_BY(mutex_);
  std::vector<bool> learnt_refusal_ GUARDED_BY(mutex_);  // by netdev
};

}  // namespace offload::datapath
