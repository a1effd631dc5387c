// The datapath of TC flower: a session is a pair of filters on its LIFs' netdevs.
//
// Start loads the TC modules, resolves the LIFs' netdevs, creates clsact where there is none,
// removes what an earlier instance left (it is not adopted in this version), installs the
// keep-alives, probes what each pair of netdevs takes and begins to follow the links. The filters
// of others are never touched.
//
// A shape of rule that cannot be offloaded between two netdevs is refused UNIMPLEMENTED with the
// kernel's reason, and the kernel is not asked again until one of the netdevs comes back, or comes
// up again after the refusal.
//
// A batch is split by the netdev its rules arrive on; each netdev has one socket and one writer at
// a time, and long batches are written to all netdevs in parallel. Filters stay in the kernel when
// the object goes.
//
// A netdev that went away (LifState::kLost) and comes back under its name is prepared like at Start
// and used for new rules; it is then reported kUp or kDown. Where the qdisc was removed with all
// rules, kLost is reported and the present state at once after it.
//
// Standing rules (keep-alives, default paths; tc_standing_rules.h) are looked at after each link
// event and every audit_interval, by the thread that follows the links.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/mutex.h"
#include "datapath/datapath.h"
#include "datapath/tc_counters.h"
#include "datapath/tc_kernel.h"
#include "datapath/tc_link_watch.h"
#include "datapath/tc_port.h"
#include "datapath/tc_probe_report.h"
#include "datapath/tc_rule.h"
#include "datapath/tc_standing_rules.h"
#include "datapath/tc_verdicts.h"
#include "datapath/tc_worker.h"

namespace offload::datapath {

struct TcLif {
  session::LifId lif = 0;
  std::string netdev;  // several LIFs may name one
  // The firewall's representor, or empty. LIFs on one netdev have the same or none.
  std::string default_path;
};

struct TcDatapathOptions {
  OffloadMode mode = OffloadMode::kHardware;
  uint16_t priority_base = 5;                             // 1..kMaxPriorityBase
  uint16_t default_path_priority = kDefaultPathPriority;  // base + 3..kMaxPriority
  uint32_t table_size = 0;  // rules the table takes, standing rules included
  std::vector<TcLif> lifs;  // at least one, each number once
  // How long the NIC takes to sample a counter (mlx5: 1 s). Used in mode hardware only.
  absl::Duration sample_grace;
  // How long a standing rule that somebody removed may be missing when no link event comes.
  absl::Duration audit_interval = absl::Seconds(5);
  // Use drivers that are known to ignore parts of a match (tc_driver.h).
  bool allow_untrusted_driver = false;
};

class TcDatapath final : public Datapath {
 public:
  // `kernel` must outlive the datapath.
  TcDatapath(TcDatapathOptions options, TcKernel& kernel);
  ~TcDatapath() override;
  TcDatapath(const TcDatapath&) = delete;
  TcDatapath& operator=(const TcDatapath&) = delete;

  // Who hears of LIFs; null = nobody. When it returns, no call to the former observer is running or
  // will come. Not to be called from OnLifState. Set it before Start: what Start's first look at
  // the links shows is told only once.
  void SetObserver(LifObserver* observer) EXCLUDES(observer_mutex_);

  // INVALID_ARGUMENT: options. FAILED_PRECONDITION: a netdev is missing, or its driver ignores
  // parts of a match (both naming LIF and netdev; mode software takes any driver); a foreign filter
  // is in the way; nothing at all can be offloaded (with the reasons). Otherwise the kernel's
  // error. What some pairs do not take is noted in the report.
  absl::StatusOr<StartReport> Start() override;

  // UNAVAILABLE for every operation before Start.
  void Apply(absl::Span<const FlowOp> ops, absl::Span<FlowResult> results) override;

  // The position of the netdev among the configured ones: it stays the same when the netdev comes
  // back with another ifindex. FAILED_PRECONDITION before Start.
  absl::StatusOr<uint32_t> AttachmentPoint(session::LifId lif) const override;

  // floor((table_size - standing rules) / 2). In mode hardware the NIC's table is meant: a default
  // path's rule counts when the NIC took it, which Start finds out.
  uint32_t SessionCapacity() const override;
  absl::Duration SampleGrace() const override;
  DatapathStats Stats() const override;

  // What each pair of netdevs takes, as Start and a netdev's return found it and as rules taught it
  // since; also after a Start that failed for it. Asks nobody: before Start it says so. From any
  // thread.
  std::vector<Finding> ProbeFindings() const;

  // What tc_doctor.h lists. Foreign filters at the session rules' own priorities are looked for
  // before Start only: Start itself refuses or notes them.
  std::vector<Finding> Examine() override;

 private:
  struct Port {
    std::unique_ptr<TcPort> writer;
    std::unique_ptr<TcWorker> worker;
    std::vector<session::LifId> lifs;
    std::string default_path;
  };
  using PortIndex = absl::flat_hash_map<session::LifId, size_t>;
  using Batch = std::vector<std::vector<PortJob>>;  // by port

  absl::Status CheckOptions() const;
  uint64_t LeastStandingRules() const;  // before Start knows
  absl::Status OpenPorts(netlink::Links& links, std::vector<Port>& ports, PortIndex& by_lif,
                         std::vector<TrackedNetdev>& netdevs, SweepLog& log);
  absl::StatusOr<Port> OpenPort(const std::string& netdev);
  // Of the netdevs in `netdevs`, to which the representors are added.
  absl::StatusOr<std::unique_ptr<StandingRules>> InstallStanding(
      netlink::Links& links, absl::Span<const Port> ports, std::vector<TrackedNetdev>& netdevs,
      SweepLog& log) const;
  absl::Status CheckDriver(const std::string& netdev) const;
  absl::StatusOr<std::unique_ptr<LinkWatch>> BeginWatch(
      std::unique_ptr<netlink::LinkMonitor> monitor, std::vector<TrackedNetdev> netdevs);
  Batch Split(absl::Span<const FlowOp> ops, absl::Span<FlowResult> results) const;
  // The job of one operation; an error is its result.
  absl::StatusOr<PortJob> MakeJob(const FlowOp& op, FlowResult& result) const;
  absl::Status FindEgress(const FlowRule& rule, PortJob& job) const;
  void ApplyInParallel(const Batch& batch) const;
  // The watch's netdevs: those of the ports, in their order, then the representors.
  void OnChange(const PortChange& change) EXCLUDES(observer_mutex_);
  void OnRepresentorChange(const PortChange& change);
  absl::Status Attach(size_t netdev, const netlink::Link& link, uint32_t generation,
                      netlink::Links& links);

  // In tc_datapath_probe.cc. They use ports_.
  absl::Status ProbeAll(netlink::Links& links, SweepLog& log);
  void ProbeAgain(size_t port);
  absl::Status Probe(const std::vector<NetdevPair>& pairs);
  ProbeState Probed() const;
  void Learn(const Batch& batch);

  const TcDatapathOptions options_;
  TcKernel& kernel_;
  TcCounters counters_;
  TcVerdicts verdicts_;
  // Written by Start before ready_, constant afterwards.
  std::vector<Port> ports_;
  PortIndex port_of_;
  std::unique_ptr<StandingRules> standing_;  // of the watch's thread, but for its counts
  std::atomic<bool> ready_ = false;

  base::Mutex observer_mutex_;  // held while the observer is called
  LifObserver* observer_ GUARDED_BY(observer_mutex_) = nullptr;
  std::unique_ptr<LinkWatch> watch_;  // last: its thread uses the members above
};

}  // namespace offload::datapath
