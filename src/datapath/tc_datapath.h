// Sessions as TC flower rules: the Datapath that talks to the kernel's cls_flower and, through it,
// to the NIC's embedded switch.
//
// Each netdev has one port (socket and lock) and one worker thread; a batch is split by ingress
// netdev and the ports work at the same time, which is the parallelism that kernel and NIC have.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/mutex.h"
#include "datapath/datapath.h"
#include "datapath/tc_kernel.h"
#include "datapath/tc_link_watch.h"
#include "datapath/tc_port.h"
#include "datapath/tc_rule.h"
#include "datapath/tc_worker.h"

namespace offload::datapath {

struct TcLif {
  session::LifId id = 0;
  std::string netdev;  // several LIFs may name one
};

struct TcOptions {
  TcRuleOptions rules;
  uint32_t table_size = 0;  // rules that the table takes, ours all together
  absl::Duration sample_grace;
  std::vector<TcLif> lifs;
};

class TcDatapath final : public Datapath, public TcLinkHandler {
 public:
  // `kernel` must outlive the datapath.
  TcDatapath(TcKernel& kernel, TcOptions options);
  ~TcDatapath() override;

  // Who is told of links, from Start on. Call before Start; must outlive the datapath or be reset
  // to null by StopWatching.
  void SetObserver(LifObserver* observer) { observer_ = observer; }
  void StopWatching() { watch_.reset(); }

  absl::StatusOr<StartReport> Start() override;
  void Apply(absl::Span<const FlowOp> ops, absl::Span<FlowResult> results) override;
  absl::StatusOr<uint32_t> AttachmentPoint(session::LifId lif) const override;
  uint32_t SessionCapacity() const override;
  absl::Duration SampleGrace() const override { return options_.sample_grace; }

  // TcLinkHandler: for the watch.
  void OnLink(const netlink::Link& link) override;
  void OnLinkDeleted(uint32_t ifindex) override;
  void OnAllLinks(const std::vector<netlink::Link>& links) override;

 private:
  struct Port {
    std::string netdev;
    std::vector<session::LifId> lifs;
    std::unique_ptr<TcPort> tc;
    std::unique_ptr<TcWorker> worker;
    LifState state =
        LifState::kUp;  // what the observer was told last; only the watch's thread uses it
  };

  absl::Status AttachAll(netlink::Links& links, SweepLog& log, StartReport& report);
  absl::Status Attach(Port& port, const netlink::Link& link, netlink::Links& links, SweepLog& log);
  // Jobs by port; what cannot be placed gets its result.
  std::vector<std::vector<PortJob>> Split(absl::Span<const FlowOp> ops,
                                          absl::Span<FlowResult> results);

  void Reattach(Port& port, const netlink::Link& link);
  void Lose(Port& port);
  void Tell(Port& port, LifState state);

  TcKernel& kernel_;
  const TcOptions options_;
  LifObserver* observer_ = nullptr;
  std::vector<Port> ports_;
  absl::flat_hash_map<session::LifId, uint32_t> port_of_;  // index in ports_
  std::unique_ptr<TcLinkWatch> watch_;                     // last: its thread uses the others
};

}  // namespace offload::datapath
