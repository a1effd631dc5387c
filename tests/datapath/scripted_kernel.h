// A TcKernel in memory: filters by netdev, priority and handle, links, link events. It answers as
// cls_api and cls_flower do, and where a test scripted it, as the test says.
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "absl/status/status.h"
#include "base/mutex.h"
#include "base/unique_fd.h"
#include "datapath/tc_kernel.h"
#include "scripted_host.h"

namespace offload::datapath {

class ScriptedKernel final : public TcKernel {
 public:
  using Op = netlink::FilterRequest::Op;

  // The answer to the next request of kind `op` (and `handle`, when given).
  struct Script {
    Op op = Op::kAdd;
    std::optional<uint32_t> handle;
    absl::Status status;
    bool takes_effect = false;  // done nevertheless
  };

  ScriptedKernel();

  void AddLink(netlink::Link link);
  // The same with an event.
  void ChangeLink(const netlink::Link& link);
  void RenameLink(const std::string& from, const std::string& to);  // with an event
  // Its filters go too, and those that redirect to it have no target any more, as in the kernel.
  void DeleteLink(const std::string& name);
  // Forgets the link without an event.
  void EraseLink(const std::string& name);
  // The same, and then says that events were lost.
  void DeleteLinkUnheard(const std::string& name);

  void Expect(Script script);
  // What the NIC says of each filter that is added, and what it makes of it. Null: takes all.
  using Nic = std::function<absl::Status(netlink::FlowerFilter& filter)>;
  void SetNic(Nic nic);
  void FailClsact(absl::Status status);
  // With all filters; no event tells. Nothing can be added until there is a qdisc again.
  void DeleteQdisc(uint32_t ifindex);
  // From now on filters that may be in software are in software only.
  void RefuseInHardware(bool refuse);
  void AbortDumps(int count);

  void Put(const netlink::FlowerFilter& filter);  // as somebody else
  void Remove(const netlink::FilterId& id);       // as somebody else
  std::optional<netlink::FlowerFilter> Find(uint32_t ifindex, uint16_t priority, uint32_t handle);
  void Count(uint32_t ifindex, uint16_t priority, uint32_t handle, uint64_t packets, uint64_t bytes,
             absl::Duration idle);
  // All filters grow older by `time`.
  void PassTime(absl::Duration time);
  // From now on an add that would be more than `filters` is refused as a full NIC does (ENOSPC).
  void SetTableSize(size_t filters);
  std::vector<netlink::FlowerFilter> Filters();
  size_t Requests(Op op);       // those of the probe not counted
  size_t ProbeRequests(Op op);  // only those
  size_t RequestsTo(uint32_t ifindex);
  size_t clsact_created();
  size_t modules_loaded();
  std::vector<absl::Duration> pauses();

  void LoadModules() override;
  void Pause(absl::Duration time) override;
  absl::StatusOr<std::unique_ptr<netlink::FilterSocket>> OpenFilterSocket() override;
  absl::StatusOr<std::unique_ptr<netlink::Links>> OpenLinks() override;
  absl::StatusOr<std::unique_ptr<netlink::LinkMonitor>> OpenLinkMonitor() override;
  ScriptedHost& Host() override { return host_; }

 private:
  class Socket;
  class LinkTable;
  class Monitor;
  using Place = std::tuple<uint32_t, uint16_t, uint32_t>;  // ifindex, priority, handle

  netlink::FilterReply Do(const netlink::FilterRequest& request) REQUIRES(mutex_);
  netlink::FilterReply Execute(const netlink::FilterRequest& request) REQUIRES(mutex_);
  absl::Status Add(const netlink::FlowerFilter& filter) REQUIRES(mutex_);
  void Store(const netlink::FlowerFilter& filter) REQUIRES(mutex_);
  netlink::FlowerFilter Taken(const netlink::FlowerFilter& filter) REQUIRES(mutex_);
  std::optional<Script> TakeScript(const netlink::FilterRequest& request) REQUIRES(mutex_);
  void Erase(const std::string& name) REQUIRES(mutex_);
  bool HasLink(uint32_t ifindex) REQUIRES(mutex_);
  void Tell(netlink::LinkEvent event) REQUIRES(mutex_);

  base::Mutex mutex_;
  std::map<std::string, netlink::Link> links_ GUARDED_BY(mutex_);
  std::map<Place, netlink::FlowerFilter> filters_ GUARDED_BY(mutex_);
  std::deque<Script> scripts_ GUARDED_BY(mutex_);
  std::deque<netlink::LinkEvent> events_ GUARDED_BY(mutex_);
  std::map<Op, size_t> requests_ GUARDED_BY(mutex_);
  std::map<Op, size_t> probe_requests_ GUARDED_BY(mutex_);
  Nic nic_ GUARDED_BY(mutex_);
  std::map<uint32_t, size_t> requests_to_ GUARDED_BY(mutex_);
  std::map<uint32_t, bool> clsact_ GUARDED_BY(mutex_);
  std::set<uint32_t> qdisc_deleted_ GUARDED_BY(mutex_);
  bool refuse_in_hardware_ GUARDED_BY(mutex_) = false;
  absl::Status clsact_status_ GUARDED_BY(mutex_);
  int aborts_ GUARDED_BY(mutex_) = 0;
  size_t table_size_ GUARDED_BY(mutex_) = SIZE_MAX;
  size_t modules_loaded_ GUARDED_BY(mutex_) = 0;
  std::vector<absl::Duration> pauses_ GUARDED_BY(mutex_);
  const base::UniqueFd event_fd_;
  ScriptedHost host_;
};

}  // namespace offload::datapath
