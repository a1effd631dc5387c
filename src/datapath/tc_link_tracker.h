// Which of our netdevs is up, down or lost, from what the kernel says about links.
//
// Pure: fed with events and readings, answers with changes. A netdev is known by its ifindex: a
// renamed one is still the same, one that went and came back is another.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "datapath/datapath.h"
#include "netlink/links.h"

namespace offload::datapath {

struct PortChange {
  size_t port = 0;
  LifState state = LifState::kUp;
  friend bool operator==(const PortChange&, const PortChange&) = default;
};

class LinkTracker {
 public:
  // Port i is the netdev ifindexes[i], taken as up until something else is heard.
  explicit LinkTracker(absl::Span<const uint32_t> ifindexes);

  // REQUIRES: event.kind is kChanged or kDeleted.
  std::vector<PortChange> OnEvent(const netlink::LinkEvent& event);

  // All links there are: what is not among them is lost.
  std::vector<PortChange> OnAll(absl::Span<const netlink::Link> links);

  // Ports whose netdev is gone.
  std::vector<size_t> Lost() const;

  // A lost port has a netdev again. Returns its state, which is always news.
  PortChange Found(size_t port, const netlink::Link& link);

 private:
  struct Port {
    uint32_t ifindex = 0;
    LifState state = LifState::kUp;
  };
  void Enter(size_t port, LifState state, std::vector<PortChange>& changes);

  std::vector<Port> ports_;
};

}  // namespace offload::datapath
