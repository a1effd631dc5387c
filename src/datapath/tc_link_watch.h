// Follows the netdevs of the LIFs by RTNLGRP_LINK, in a thread of its own.
//
// A netdev is known by its ifindex while it is attached, so a rename changes nothing; when it is
// gone, a netdev of the configured name that appears is a new one.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "base/unique_fd.h"
#include "netlink/links.h"

namespace offload::datapath {

// Called from the watch's thread.
class TcLinkHandler {
 public:
  virtual ~TcLinkHandler() = default;
  virtual void OnLink(const netlink::Link& link) = 0;
  virtual void OnLinkDeleted(uint32_t ifindex) = 0;
  // All links there are; what is not among them is gone.
  virtual void OnAllLinks(const std::vector<netlink::Link>& links) = 0;
};

class TcLinkWatch {
 public:
  // `handler` must outlive the watch. Reads all links once at the start.
  TcLinkWatch(std::unique_ptr<netlink::LinkMonitor> monitor, std::unique_ptr<netlink::Links> links,
              TcLinkHandler& handler);
  ~TcLinkWatch();
  TcLinkWatch(const TcLinkWatch&) = delete;
  TcLinkWatch& operator=(const TcLinkWatch&) = delete;

 private:
  void Run();
  void Resync();

  const std::unique_ptr<netlink::LinkMonitor> monitor_;
  const std::unique_ptr<netlink::Links> links_;
  TcLinkHandler& handler_;
  base::UniqueFd stop_;
  std::thread thread_;  // last: it uses the members above
};

}  // namespace offload::datapath
