// The thread that follows the links of the ports and tells what became of them, and has their
// standing rules looked at.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/unique_fd.h"
#include "datapath/tc_link_tracker.h"
#include "netlink/links.h"

namespace offload::datapath {

// Called from the watcher's thread.
struct LinkHooks {
  std::function<void(const PortChange&)> on_change;
  // The lost port's netdev is there again as `link`, of this generation: makes it ready. On an
  // error it stays lost and is tried again.
  std::function<absl::Status(size_t port, const netlink::Link& link, uint32_t generation,
                             netlink::Links& links)>
      attach;
  // Puts back standing rules that are missing. Returns the ports that had lost all their rules.
  std::function<std::vector<size_t>(netlink::Links& links)> audit;
};

class LinkWatch {
 public:
  // `monitor` should have been opened before `netdevs` were read, so that no change is missed. The
  // thread reads all links first and reports ports that are down or lost already. It looks for lost
  // netdevs and audits after each link event, and when there was none for `audit_interval`.
  static absl::StatusOr<std::unique_ptr<LinkWatch>> Begin(
      std::unique_ptr<netlink::LinkMonitor> monitor, std::unique_ptr<netlink::Links> links,
      std::vector<TrackedNetdev> netdevs, absl::Duration audit_interval, LinkHooks hooks);
  // Ends the thread; no hook runs after it.
  ~LinkWatch();
  LinkWatch(const LinkWatch&) = delete;
  LinkWatch& operator=(const LinkWatch&) = delete;

 private:
  LinkWatch(std::unique_ptr<netlink::LinkMonitor> monitor, std::unique_ptr<netlink::Links> links,
            std::vector<TrackedNetdev> netdevs, absl::Duration audit_interval, LinkHooks hooks,
            base::UniqueFd stop);
  void Run();
  // Waits for an event or the interval's end. False: the thread is to end.
  bool Wait();
  void ReadAll();
  void ReadEvents();
  bool Reattach();  // whether any netdev is back
  absl::Status Reattach(size_t port);
  void Audit();
  void Tell(const std::vector<PortChange>& changes);

  const std::unique_ptr<netlink::LinkMonitor> monitor_;
  const std::unique_ptr<netlink::Links> links_;
  const LinkHooks hooks_;
  const absl::Duration audit_interval_;
  LinkTracker tracker_;                 // of the thread
  std::map<size_t, std::string> told_;  // of the thread: why a port's netdev cannot be used
  const base::UniqueFd stop_;
  std::thread thread_;  // last: it uses the members above
};

}  // namespace offload::datapath
