// One netdev that sessions arrive on: its socket, and what the kernel's answers mean.
//
// This is where uncertain outcomes are settled, in rounds: execute the batch; read back what
// answered EEXIST or nothing; repeat once what the reading showed not to be done. What was busy is
// repeated up to kBusyRounds times, with pauses in which others may use the port.
//
// Thread-safe: one writer at a time, by its mutex. A long batch lets others in between its slices.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/mutex.h"
#include "datapath/datapath.h"
#include "datapath/tc_counters.h"
#include "datapath/tc_kernel.h"
#include "datapath/tc_probe.h"
#include "datapath/tc_rule.h"
#include "datapath/tc_sweep.h"
#include "datapath/tc_verdicts.h"
#include "netlink/filter_socket.h"

namespace offload::datapath {

struct PortJob {
  const FlowOp* op = nullptr;
  FlowResult* result = nullptr;
  uint32_t egress_ifindex = 0;  // of a kAdd that forwards
  // Of a kAdd, from what is known of the pair (tc_verdicts.h):
  size_t egress_port = NetdevPair::kNowhere;
  bool worked_before = false;
};

class TcPort {
 public:
  // Operations executed under one hold of the mutex, at most.
  static constexpr size_t kSlice = 1024;
  // The pauses double: 31 ms in all, within the 100 ms that clients give a call.
  static constexpr int kBusyRounds = 5;
  static constexpr absl::Duration kFirstPause = absl::Milliseconds(1);

  // `target.ifindex` is the netdev now; it changes with Attach and Detach. `kernel` and `counters`
  // must outlive the port.
  TcPort(SweepTarget target, std::unique_ptr<netlink::FilterSocket> socket, TcKernel& kernel,
         TcCounters& counters);

  // Sweeps the netdev `ifindex`, which has a clsact qdisc, and uses it from now on.
  absl::Status Attach(uint32_t ifindex, SweepLog& log) EXCLUDES(mutex_);

  // The netdev is gone, its rules with it: adds fail, deletes find nothing, until Attach.
  void Detach() { ifindex_.store(0, std::memory_order_release); }

  // Does every job and fills its result. Jobs of one rule are done in order.
  void Apply(absl::Span<const PortJob> jobs) EXCLUDES(mutex_);

  // See ProbeNetdev (tc_probe.h). While the netdev is gone nothing is asked.
  absl::Status Probe(absl::Span<const ProbeRule> rules, absl::Span<ProbeAnswer> answers)
      EXCLUDES(mutex_);

  const std::string& netdev() const { return target_.netdev; }
  uint32_t ifindex() const { return ifindex_.load(std::memory_order_acquire); }  // 0 = detached

 private:
  // What one job of a slice is about to send or has sent.
  struct Attempt {
    PortJob job;
    netlink::FilterRequest request;
    netlink::FilterReply reply;
  };

  size_t SliceLength(absl::Span<const PortJob> jobs) const;
  void ApplySlice(absl::Span<const PortJob> jobs) EXCLUDES(mutex_);
  // Sets the results; returns what was busy.
  std::vector<Attempt> Perform(std::vector<Attempt> attempts) REQUIRES(mutex_);
  std::vector<Attempt> Prepare(absl::Span<const PortJob> jobs, uint32_t ifindex) const;
  void Execute(std::vector<Attempt>& attempts) REQUIRES(mutex_);
  // Sets the results of what is certain; returns the rest.
  std::vector<Attempt> Settle(std::vector<Attempt> attempts) const;
  // Reads `doubtful` back, sets the results of what that shows; returns what must be repeated.
  std::vector<Attempt> ReadBack(std::vector<Attempt> doubtful) REQUIRES(mutex_);

  // Each sets the result and returns true when the outcome is certain.
  bool SettleReading(const Attempt& doubtful, const Attempt& reading) const;
  bool SettleAdd(const Attempt& attempt) const;
  bool SettleDelete(const Attempt& attempt) const;
  bool SettleQuery(const Attempt& attempt) const;
  void Fail(const PortJob& job, const absl::Status& status) const;

  const SweepTarget target_;
  TcKernel& kernel_;
  TcCounters& counters_;
  std::atomic<uint32_t> ifindex_ = 0;
  base::Mutex mutex_;
  const std::unique_ptr<netlink::FilterSocket> socket_ PT_GUARDED_BY(mutex_);
};

}  // namespace offload::datapath
