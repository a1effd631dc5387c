#include "scripted_kernel.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "datapath/tc_identity.h"
#include "netlink/kernel_error.h"

namespace offload::datapath {

using netlink::ErrnoToStatus;
using netlink::FilterReply;
using netlink::FilterRequest;
using netlink::FlowerFilter;
using netlink::LinkEvent;

class ScriptedKernel::Socket final : public netlink::FilterSocket {
 public:
  explicit Socket(ScriptedKernel& kernel) : kernel_(kernel) {}

  void Execute(absl::Span<const FilterRequest> requests, absl::Span<FilterReply> replies) override {
    for (size_t i = 0; i < requests.size(); ++i) {
      base::MutexLock lock(kernel_.mutex_);
      replies[i] = kernel_.Do(requests[i]);
    }
  }

  absl::Status Dump(const netlink::DumpRequest& request,
                    const std::function<void(const FlowerFilter&)>& visit) override {
    std::vector<FlowerFilter> found;
    bool aborted = false;
    {
      base::MutexLock lock(kernel_.mutex_);
      for (const auto& [place, filter] : kernel_.filters_) {
        const bool asked = filter.id.at == request.at &&
                           filter.id.chain == request.chain.value_or(filter.id.chain) &&
                           (request.priority == 0 || filter.id.priority == request.priority) &&
                           (request.protocol == 0 || filter.id.protocol == request.protocol);
        if (asked) found.push_back(filter);
      }
      if (kernel_.aborts_ > 0) aborted = kernel_.aborts_-- > 0;
    }
    uint16_t priority = 0;
    for (const FlowerFilter& filter : found) {
      if (filter.id.priority != priority) visit(HeaderOf(filter));
      priority = filter.id.priority;
      visit(filter);
    }
    return aborted ? absl::AbortedError("filters changed during the dump") : absl::OkStatus();
  }

 private:
  static FlowerFilter HeaderOf(const FlowerFilter& filter) {
    FlowerFilter header{.id = filter.id, .kind = filter.kind, .has_options = false};
    header.id.handle = 0;
    return header;
  }
  ScriptedKernel& kernel_;
};

class ScriptedKernel::LinkTable final : public netlink::Links {
 public:
  explicit LinkTable(ScriptedKernel& kernel) : kernel_(kernel) {}

  absl::StatusOr<std::vector<netlink::Link>> All() override {
    base::MutexLock lock(kernel_.mutex_);
    std::vector<netlink::Link> all;
    for (const auto& [name, link] : kernel_.links_) all.push_back(link);
    return all;
  }
  absl::StatusOr<netlink::Link> ByName(const std::string& name) override {
    base::MutexLock lock(kernel_.mutex_);
    const auto link = kernel_.links_.find(name);
    if (link == kernel_.links_.end()) return absl::NotFoundError("no netdev " + name);
    return link->second;
  }
  absl::StatusOr<netlink::ClsactResult> EnsureClsact(uint32_t ifindex) override {
    base::MutexLock lock(kernel_.mutex_);
    if (!kernel_.clsact_status_.ok()) return kernel_.clsact_status_;
    if (!kernel_.HasLink(ifindex)) return ErrnoToStatus(ENODEV);
    if (kernel_.qdisc_deleted_.erase(ifindex) > 0) return netlink::ClsactResult::kCreated;
    return std::exchange(kernel_.clsact_[ifindex], true) ? netlink::ClsactResult::kPresent
                                                         : netlink::ClsactResult::kCreated;
  }

 private:
  ScriptedKernel& kernel_;
};

class ScriptedKernel::Monitor final : public netlink::LinkMonitor {
 public:
  explicit Monitor(ScriptedKernel& kernel) : kernel_(kernel) {}

  int fd() const override { return kernel_.event_fd_.get(); }
  absl::Status Read(const std::function<void(const LinkEvent&)>& visit) override {
    std::deque<LinkEvent> events;
    {
      base::MutexLock lock(kernel_.mutex_);
      eventfd_t count = 0;
      ::eventfd_read(fd(), &count);
      events.swap(kernel_.events_);
    }
    for (const LinkEvent& event : events) visit(event);
    return absl::OkStatus();
  }

 private:
  ScriptedKernel& kernel_;
};

ScriptedKernel::ScriptedKernel() : event_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

void ScriptedKernel::AddLink(netlink::Link link) {
  base::MutexLock lock(mutex_);
  links_[link.name] = std::move(link);
}

void ScriptedKernel::ChangeLink(const netlink::Link& link) {
  base::MutexLock lock(mutex_);
  links_[link.name] = link;
  Tell({.kind = LinkEvent::Kind::kChanged, .link = link});
}

void ScriptedKernel::RenameLink(const std::string& from, const std::string& to) {
  base::MutexLock lock(mutex_);
  netlink::Link link = links_.at(from);
  links_.erase(from);
  link.name = to;
  links_[to] = link;
  Tell({.kind = LinkEvent::Kind::kChanged, .link = link});
}

void ScriptedKernel::DeleteLink(const std::string& name) {
  base::MutexLock lock(mutex_);
  const netlink::Link link = links_.at(name);
  Erase(name);
  Tell({.kind = LinkEvent::Kind::kDeleted, .link = link});
}

void ScriptedKernel::EraseLink(const std::string& name) {
  base::MutexLock lock(mutex_);
  Erase(name);
}

bool ScriptedKernel::HasLink(uint32_t ifindex) {
  return std::any_of(links_.begin(), links_.end(),
                     [&](const auto& link) { return link.second.ifindex == ifindex; });
}

void ScriptedKernel::DeleteLinkUnheard(const std::string& name) {
  base::MutexLock lock(mutex_);
  Erase(name);
  Tell({.kind = LinkEvent::Kind::kResync});
}

void ScriptedKernel::Erase(const std::string& name) {
  const uint32_t ifindex = links_.at(name).ifindex;
  std::erase_if(filters_, [&](const auto& entry) { return std::get<0>(entry.first) == ifindex; });
  links_.erase(name);
  for (auto& [place, filter] : filters_) {
    for (netlink::FilterAction& action : filter.actions) {
      auto* mirred = std::get_if<netlink::Mirred>(&action.what);
      if (mirred != nullptr && mirred->ifindex == ifindex) mirred->ifindex = 0;
    }
  }
}

void ScriptedKernel::Tell(LinkEvent event) {
  events_.push_back(std::move(event));
  ::eventfd_write(event_fd_.get(), 1);
}

void ScriptedKernel::Expect(Script script) {
  base::MutexLock lock(mutex_);
  scripts_.push_back(std::move(script));
}

void ScriptedKernel::SetNic(Nic nic) {
  base::MutexLock lock(mutex_);
  nic_ = std::move(nic);
}

void ScriptedKernel::SetTableSize(size_t filters) {
  base::MutexLock lock(mutex_);
  table_size_ = filters;
}

void ScriptedKernel::FailClsact(absl::Status status) {
  base::MutexLock lock(mutex_);
  clsact_status_ = std::move(status);
}

void ScriptedKernel::DeleteQdisc(uint32_t ifindex) {
  base::MutexLock lock(mutex_);
  std::erase_if(filters_, [&](const auto& entry) { return std::get<0>(entry.first) == ifindex; });
  qdisc_deleted_.insert(ifindex);
}

void ScriptedKernel::RefuseInHardware(bool refuse) {
  base::MutexLock lock(mutex_);
  refuse_in_hardware_ = refuse;
}

void ScriptedKernel::AbortDumps(int count) {
  base::MutexLock lock(mutex_);
  aborts_ = count;
}

void ScriptedKernel::Put(const FlowerFilter& filter) {
  base::MutexLock lock(mutex_);
  filters_[{filter.id.at.ifindex, filter.id.priority, filter.id.handle}] = filter;
}

void ScriptedKernel::Remove(const netlink::FilterId& id) {
  base::MutexLock lock(mutex_);
  filters_.erase({id.at.ifindex, id.priority, id.handle});
}

std::optional<FlowerFilter> ScriptedKernel::Find(uint32_t ifindex, uint16_t priority,
                                                 uint32_t handle) {
  base::MutexLock lock(mutex_);
  const auto found = filters_.find({ifindex, priority, handle});
  if (found == filters_.end()) return std::nullopt;
  return found->second;
}

void ScriptedKernel::Count(uint32_t ifindex, uint16_t priority, uint32_t handle, uint64_t packets,
                           uint64_t bytes, absl::Duration idle) {
  base::MutexLock lock(mutex_);
  for (netlink::FilterAction& action : filters_.at({ifindex, priority, handle}).actions) {
    action.stats = netlink::ActionStats{.packets = packets, .bytes = bytes};
    action.times = netlink::ActionTimes{.install = absl::Seconds(100), .last_use = idle};
  }
}

void ScriptedKernel::PassTime(absl::Duration time) {
  base::MutexLock lock(mutex_);
  for (auto& [place, filter] : filters_) {
    for (netlink::FilterAction& action : filter.actions) {
      if (!action.times) continue;
      action.times->install += time;
      action.times->last_use += time;
    }
  }
}

std::vector<FlowerFilter> ScriptedKernel::Filters() {
  base::MutexLock lock(mutex_);
  std::vector<FlowerFilter> all;
  for (const auto& [place, filter] : filters_) all.push_back(filter);
  return all;
}

size_t ScriptedKernel::Requests(Op op) {
  base::MutexLock lock(mutex_);
  return requests_[op];
}

size_t ScriptedKernel::ProbeRequests(Op op) {
  base::MutexLock lock(mutex_);
  return probe_requests_[op];
}

size_t ScriptedKernel::RequestsTo(uint32_t ifindex) {
  base::MutexLock lock(mutex_);
  return requests_to_[ifindex];
}

size_t ScriptedKernel::clsact_created() {
  base::MutexLock lock(mutex_);
  return clsact_.size();
}

size_t ScriptedKernel::modules_loaded() {
  base::MutexLock lock(mutex_);
  return modules_loaded_;
}

void ScriptedKernel::LoadModules() {
  base::MutexLock lock(mutex_);
  ++modules_loaded_;
}

void ScriptedKernel::Pause(absl::Duration time) {
  base::MutexLock lock(mutex_);
  pauses_.push_back(time);
}

std::vector<absl::Duration> ScriptedKernel::pauses() {
  base::MutexLock lock(mutex_);
  return pauses_;
}

absl::StatusOr<std::unique_ptr<netlink::FilterSocket>> ScriptedKernel::OpenFilterSocket() {
  return std::make_unique<Socket>(*this);
}

absl::StatusOr<std::unique_ptr<netlink::Links>> ScriptedKernel::OpenLinks() {
  return std::make_unique<LinkTable>(*this);
}

absl::StatusOr<std::unique_ptr<netlink::LinkMonitor>> ScriptedKernel::OpenLinkMonitor() {
  return std::make_unique<Monitor>(*this);
}

std::optional<ScriptedKernel::Script> ScriptedKernel::TakeScript(const FilterRequest& request) {
  const auto script = std::find_if(scripts_.begin(), scripts_.end(), [&](const Script& candidate) {
    return candidate.op == request.op &&
           candidate.handle.value_or(request.filter.id.handle) == request.filter.id.handle;
  });
  if (script == scripts_.end()) return std::nullopt;
  const Script taken = *script;
  scripts_.erase(script);
  return taken;
}

FilterReply ScriptedKernel::Do(const FilterRequest& request) {
  const bool probe = request.filter.id.handle >= kFirstProbeHandle;
  ++(probe ? probe_requests_ : requests_)[request.op];
  ++requests_to_[request.filter.id.at.ifindex];
  const std::optional<Script> script = TakeScript(request);
  if (!script) return Execute(request);
  if (script->takes_effect) Execute(request);
  return {.status = script->status};
}

FilterReply ScriptedKernel::Execute(const FilterRequest& request) {
  const netlink::FilterId& id = request.filter.id;
  if (qdisc_deleted_.contains(id.at.ifindex)) {
    return {.status = ErrnoToStatus(EINVAL, "Parent Qdisc doesn't exists")};
  }
  for (const netlink::FilterAction& action : request.filter.actions) {
    const auto* mirred = std::get_if<netlink::Mirred>(&action.what);
    if (mirred != nullptr && !HasLink(mirred->ifindex)) return {.status = ErrnoToStatus(ENODEV)};
  }
  if (request.op == Op::kAdd) return {.status = Add(request.filter)};
  if (request.op == Op::kReplace && !filters_.contains({id.at.ifindex, id.priority, id.handle})) {
    return {.status = Add(request.filter)};
  }
  const auto found = filters_.find({id.at.ifindex, id.priority, id.handle});
  if (found == filters_.end() || found->second.id.protocol != id.protocol) {
    return {.status = ErrnoToStatus(ENOENT)};
  }
  if (request.op == Op::kReplace) {
    Store(request.filter);
    return {};
  }
  FilterReply reply;
  if (request.op == Op::kGet || request.echo) reply.filter = found->second;
  if (request.op == Op::kDelete) filters_.erase(found);
  return reply;
}

absl::Status ScriptedKernel::Add(const FlowerFilter& filter) {
  const netlink::FilterId& id = filter.id;
  for (const auto& [place, there] : filters_) {
    if (there.id.at != id.at || there.id.priority != id.priority) continue;
    if (there.id.protocol != id.protocol) return ErrnoToStatus(EINVAL, "another protocol");
    if (there.id.handle == id.handle) return ErrnoToStatus(EEXIST, "Filter already exists");
    if (there.key == filter.key) return ErrnoToStatus(EEXIST);
  }
  if (filters_.size() >= table_size_) return ErrnoToStatus(ENOSPC, "table full");
  FlowerFilter taken = Taken(filter);
  if (nic_) {
    if (absl::Status status = nic_(taken); !status.ok()) return status;
  }
  filters_[{id.at.ifindex, id.priority, id.handle}] = std::move(taken);
  return absl::OkStatus();
}

void ScriptedKernel::Store(const FlowerFilter& filter) {
  const netlink::FilterId& id = filter.id;
  filters_[{id.at.ifindex, id.priority, id.handle}] = Taken(filter);
}

FlowerFilter ScriptedKernel::Taken(const FlowerFilter& filter) {
  FlowerFilter taken = filter;
  const bool software = (filter.flags & netlink::kSkipHw) != 0 ||
                        (refuse_in_hardware_ && (filter.flags & netlink::kSkipSw) == 0);
  taken.flags |= software ? netlink::kNotInHw : netlink::kInHw;
  for (netlink::FilterAction& action : taken.actions) {
    action.stats = netlink::ActionStats{};
    action.times = netlink::ActionTimes{};
  }
  return taken;
}

}  // namespace offload::datapath
