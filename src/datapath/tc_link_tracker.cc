#include "datapath/tc_link_tracker.h"

#include <algorithm>

namespace offload::datapath {
namespace {

LifState StateOf(const netlink::Link& link) {
  return link.admin_up && link.running ? LifState::kUp : LifState::kDown;
}

}  // namespace

LinkTracker::LinkTracker(absl::Span<const uint32_t> ifindexes) {
  for (const uint32_t ifindex : ifindexes) ports_.push_back({.ifindex = ifindex});
}

std::vector<PortChange> LinkTracker::OnEvent(const netlink::LinkEvent& event) {
  std::vector<PortChange> changes;
  const bool deleted = event.kind == netlink::LinkEvent::Kind::kDeleted;
  for (size_t i = 0; i < ports_.size(); ++i) {
    if (ports_[i].state == LifState::kLost || ports_[i].ifindex != event.link.ifindex) continue;
    Enter(i, deleted ? LifState::kLost : StateOf(event.link), changes);
  }
  return changes;
}

std::vector<PortChange> LinkTracker::OnAll(absl::Span<const netlink::Link> links) {
  std::vector<PortChange> changes;
  for (size_t i = 0; i < ports_.size(); ++i) {
    if (ports_[i].state == LifState::kLost) continue;
    const auto link = std::find_if(links.begin(), links.end(), [&](const netlink::Link& candidate) {
      return candidate.ifindex == ports_[i].ifindex;
    });
    Enter(i, link == links.end() ? LifState::kLost : StateOf(*link), changes);
  }
  return changes;
}

std::vector<size_t> LinkTracker::Lost() const {
  std::vector<size_t> lost;
  for (size_t i = 0; i < ports_.size(); ++i) {
    if (ports_[i].state == LifState::kLost) lost.push_back(i);
  }
  return lost;
}

PortChange LinkTracker::Found(size_t port, const netlink::Link& link) {
  ports_[port] = {.ifindex = link.ifindex, .state = StateOf(link)};
  return {.port = port, .state = ports_[port].state};
}

void LinkTracker::Enter(size_t port, LifState state, std::vector<PortChange>& changes) {
  if (ports_[port].state == state) return;
  ports_[port].state = state;
  changes.push_back({.port = port, .state = state});
}

}  // namespace offload::datapath
