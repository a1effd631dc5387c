// Network devices, the clsact qdisc, and notifications of link changes, through libnl-route-3: the
// cold path. Not thread-safe: one object per thread. Errors carry the kernel's text and errno (see
// ErrnoOf).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace offload::netlink {

struct Link {
  uint32_t ifindex = 0;
  std::string name;
  bool admin_up = false;           // IFF_UP
  bool running = false;            // IFF_RUNNING: carrier and operational
  uint32_t master = 0;             // ifindex of bridge, bond, ... or 0
  std::vector<uint8_t> switch_id;  // IFLA_PHYS_SWITCH_ID, empty = none
  std::string phys_port_name;      // IFLA_PHYS_PORT_NAME: "p0", "pf0vf1"
  std::string kind;                // IFLA_INFO_KIND: "veth", ... or empty
  friend bool operator==(const Link&, const Link&) = default;
};

enum class ClsactResult : uint8_t { kCreated, kPresent };

class Links {
 public:
  static absl::StatusOr<std::unique_ptr<Links>> Open();
  virtual ~Links() = default;
  virtual absl::StatusOr<std::vector<Link>> All() = 0;
  virtual absl::StatusOr<Link> ByName(const std::string& name) = 0;  // NOT_FOUND

  // Creates the clsact qdisc when the netdev has neither clsact nor ingress; never replaces. An
  // existing "ingress" qdisc serves as well (kPresent). FAILED_PRECONDITION: bound to a shared
  // block.
  virtual absl::StatusOr<ClsactResult> EnsureClsact(uint32_t ifindex) = 0;
};

struct LinkEvent {
  enum class Kind : uint8_t {
    kChanged,  // new or changed: `link` is what it is now
    kDeleted,  // `link` holds at least ifindex and name
    kResync,   // notifications were lost (ENOBUFS, not understood): read all links again
  };
  Kind kind = Kind::kChanged;
  Link link;
};

// RTNLGRP_LINK only (never RTNLGRP_TC: a listener there makes every filter change a notification).
class LinkMonitor {
 public:
  static absl::StatusOr<std::unique_ptr<LinkMonitor>> Open();
  virtual ~LinkMonitor() = default;
  virtual int fd() const = 0;  // readable = call Read
  // Reads what is there without blocking.
  virtual absl::Status Read(const std::function<void(const LinkEvent&)>& visit) = 0;
};

}  // namespace offload::netlink
