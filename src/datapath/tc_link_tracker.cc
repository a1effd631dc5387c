#include "datapath/tc_link_tracker.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace offload::datapath {
namespace {

LifState StateOf(const netlink::Link& link) {
  return link.admin_up && link.running ? LifState::kUp : LifState::kDown;
}

// An attribute that is not told (while a devlink port comes or goes) says nothing.
template <typename T>
bool Contradict(const T& a, const T& b) {
  return !a.empty() && !b.empty() && a != b;
}

std::string Identity(const netlink::Link& link) {
  const absl::string_view id(reinterpret_cast<const char*>(link.switch_id.data()),
                             link.switch_id.size());
  return absl::StrCat("switch id ", id.empty() ? "none" : absl::BytesToHexString(id), ", port ",
                      link.phys_port_name.empty() ? "none" : link.phys_port_name);
}

}  // namespace

LinkTracker::LinkTracker(std::vector<TrackedNetdev> netdevs) {
  for (TrackedNetdev& netdev : netdevs) {
    ports_.push_back({.name = std::move(netdev.name), .link = std::move(netdev.link)});
  }
}

std::vector<PortChange> LinkTracker::OnEvent(const netlink::LinkEvent& event) {
  std::vector<PortChange> changes;
  const bool deleted = event.kind == netlink::LinkEvent::Kind::kDeleted;
  for (size_t i = 0; i < ports_.size(); ++i) {
    const Port& port = ports_[i];
    if (port.state == LifState::kLost || port.link.ifindex != event.link.ifindex) continue;
    if (deleted) {
      Enter(i, LifState::kLost, changes);
    } else {
      See(i, event.link, changes);
    }
  }
  return changes;
}

std::vector<PortChange> LinkTracker::OnAll(absl::Span<const netlink::Link> links) {
  std::vector<PortChange> changes;
  for (size_t i = 0; i < ports_.size(); ++i) {
    if (ports_[i].state == LifState::kLost) continue;
    const auto link = std::find_if(links.begin(), links.end(), [&](const netlink::Link& candidate) {
      return candidate.ifindex == ports_[i].link.ifindex;
    });
    if (link == links.end()) {
      Enter(i, LifState::kLost, changes);
    } else {
      See(i, *link, changes);
    }
  }
  return changes;
}

void LinkTracker::See(size_t port, const netlink::Link& link, std::vector<PortChange>& changes) {
  netlink::Link& known = ports_[port].link;
  if (Contradict(known.switch_id, link.switch_id) ||
      Contradict(known.phys_port_name, link.phys_port_name)) {
    return Enter(port, LifState::kLost, changes);
  }
  if (known.name != link.name) {
    changes.push_back({.port = port,
                       .state = ports_[port].state,
                       .kind = PortChange::Kind::kRenamed,
                       .name = link.name});
    known.name = link.name;
  }
  if (known.switch_id.empty()) known.switch_id = link.switch_id;
  if (known.phys_port_name.empty()) known.phys_port_name = link.phys_port_name;
  Enter(port, StateOf(link), changes);
}

std::vector<size_t> LinkTracker::Lost() const {
  std::vector<size_t> lost;
  for (size_t i = 0; i < ports_.size(); ++i) {
    if (ports_[i].state == LifState::kLost) lost.push_back(i);
  }
  return lost;
}

absl::Status LinkTracker::CheckFound(size_t port, const netlink::Link& link) const {
  const netlink::Link& old = ports_[port].link;
  const bool same = (old.switch_id.empty() || old.switch_id == link.switch_id) &&
                    (old.phys_port_name.empty() || old.phys_port_name == link.phys_port_name);
  if (!same) {
    return absl::FailedPreconditionError(
        absl::StrCat(ports_[port].name, ": another netdev has this name now (", Identity(link),
                     "; it was ", Identity(old), "); it is not used"));
  }
  for (const Port& other : ports_) {
    if (other.state == LifState::kLost || other.link.ifindex != link.ifindex) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        ports_[port].name, ": the netdev of this name is that of ", other.name, ", renamed"));
  }
  return absl::OkStatus();
}

PortChange LinkTracker::Found(size_t port, const netlink::Link& link) {
  Port& found = ports_[port];
  found.link = link;
  found.state = StateOf(link);
  ++found.generation;
  return {.port = port, .state = found.state};
}

void LinkTracker::Enter(size_t port, LifState state, std::vector<PortChange>& changes) {
  if (ports_[port].state == state) return;
  ports_[port].state = state;
  changes.push_back({.port = port, .state = state});
}

}  // namespace offload::datapath
