// The thread that follows the links of the ports and tells what became of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/unique_fd.h"
#include "datapath/tc_link_tracker.h"
#include "netlink/links.h"

namespace offload::datapath {

// Called from the watcher's thread.
struct LinkHooks {
  std::function<void(const PortChange&)> on_change;
  // The port's netdev is gone: looks for one with its name and makes it ready. NOT_FOUND while
  // there is none; asked again after each link event.
  std::function<absl::StatusOr<netlink::Link>(size_t port, netlink::Links& links)> reattach;
};

class LinkWatch {
 public:
  // `monitor` should have been opened before the ports' ifindexes were read, so that no change is
  // missed. The thread reads all links first and reports ports that are down or lost already.
  static absl::StatusOr<std::unique_ptr<LinkWatch>> Begin(
      std::unique_ptr<netlink::LinkMonitor> monitor, std::unique_ptr<netlink::Links> links,
      absl::Span<const uint32_t> ifindexes, LinkHooks hooks);
  // Ends the thread; no hook runs after it.
  ~LinkWatch();
  LinkWatch(const LinkWatch&) = delete;
  LinkWatch& operator=(const LinkWatch&) = delete;

 private:
  LinkWatch(std::unique_ptr<netlink::LinkMonitor> monitor, std::unique_ptr<netlink::Links> links,
            absl::Span<const uint32_t> ifindexes, LinkHooks hooks, base::UniqueFd stop);
  void Run();
  void ReadAll();
  void ReadEvents();
  void Reattach();
  void Tell(const std::vector<PortChange>& changes);

  const std::unique_ptr<netlink::LinkMonitor> monitor_;
  const std::unique_ptr<netlink::Links> links_;
  const LinkHooks hooks_;
  LinkTracker tracker_;  // of the thread
  const base::UniqueFd stop_;
  std::thread thread_;  // last: it uses the members above
};

}  // namespace offload::datapath
