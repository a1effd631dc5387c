// Which of our netdevs is up, down or lost, from what the kernel says about links.
//
// Pure: fed with events and readings, answers with changes.
//
// While it is there, a netdev is known by its ifindex: a renamed one is still the same. Where the
// same ifindex shows another switch id or phys_port_name, it is another netdev and ours is lost.
// One that is lost comes back under its configured name, as another link generation: with a switch
// id or phys_port_name it must have the same again, or the name is somebody else's now.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "datapath/datapath.h"
#include "netlink/links.h"

namespace offload::datapath {

// A netdev as the configuration names it and as the kernel knew it when it was resolved.
struct TrackedNetdev {
  std::string name;
  netlink::Link link;
};

struct PortChange {
  enum class Kind : uint8_t {
    kState,      // `state` is new
    kRenamed,    // it is called `name` now; nothing else changed
    kRulesLost,  // its rules were removed with the qdisc; `state` is what it is
  };
  size_t port = 0;
  LifState state = LifState::kUp;
  Kind kind = Kind::kState;
  std::string name = {};  // of kRenamed
  friend bool operator==(const PortChange&, const PortChange&) = default;
};

class LinkTracker {
 public:
  // Each is taken as up until something else is heard.
  explicit LinkTracker(std::vector<TrackedNetdev> netdevs);

  // REQUIRES: event.kind is kChanged or kDeleted.
  std::vector<PortChange> OnEvent(const netlink::LinkEvent& event);

  // All links there are: what is not among them is lost.
  std::vector<PortChange> OnAll(absl::Span<const netlink::Link> links);

  // Ports whose netdev is gone.
  std::vector<size_t> Lost() const;

  // Whether `link`, which has the name of the lost port, is its netdev. FAILED_PRECONDITION says
  // what is different, or whose netdev it is.
  absl::Status CheckFound(size_t port, const netlink::Link& link) const;

  // A lost port has a netdev again. Returns its state, which is always news.
  PortChange Found(size_t port, const netlink::Link& link);

  const std::string& name(size_t port) const { return ports_[port].name; }
  LifState state(size_t port) const { return ports_[port].state; }
  // 1 for the netdev of the start; one more each time it was found again.
  uint32_t generation(size_t port) const { return ports_[port].generation; }

 private:
  struct Port {
    std::string name;    // configured
    netlink::Link link;  // as last seen
    LifState state = LifState::kUp;
    uint32_t generation = 1;
  };
  void See(size_t port, const netlink::Link& link, std::vector<PortChange>& changes);
  void Enter(size_t port, LifState state, std::vector<PortChange>& changes);

  std::vector<Port> ports_;
};

}  // namespace offload::datapath
