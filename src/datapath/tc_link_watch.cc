#include "datapath/tc_link_watch.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "absl/strings/string_view.h"
#include "netlink/kernel_error.h"
#include "spdlog/spdlog.h"

namespace offload::datapath {

absl::StatusOr<std::unique_ptr<LinkWatch>> LinkWatch::Begin(
    std::unique_ptr<netlink::LinkMonitor> monitor, std::unique_ptr<netlink::Links> links,
    std::vector<TrackedNetdev> netdevs, absl::Duration audit_interval, LinkHooks hooks) {
  base::UniqueFd stop(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop.valid()) {
    return netlink::WithPrefix(netlink::ErrnoToStatus(errno), "eventfd of the link watch: ");
  }
  return std::unique_ptr<LinkWatch>(new LinkWatch(std::move(monitor), std::move(links),
                                                  std::move(netdevs), audit_interval,
                                                  std::move(hooks), std::move(stop)));
}

LinkWatch::LinkWatch(std::unique_ptr<netlink::LinkMonitor> monitor,
                     std::unique_ptr<netlink::Links> links, std::vector<TrackedNetdev> netdevs,
                     absl::Duration audit_interval, LinkHooks hooks, base::UniqueFd stop)
    : monitor_(std::move(monitor)),
      links_(std::move(links)),
      hooks_(std::move(hooks)),
      audit_interval_(audit_interval),
      tracker_(std::move(netdevs)),
      stop_(std::move(stop)),
      thread_([this] { Run(); }) {}

LinkWatch::~LinkWatch() {
  ::eventfd_write(stop_.get(), 1);
  thread_.join();
}

void LinkWatch::Run() {
  ReadAll();
  // Start has just installed the standing rules.
  if (Reattach()) Audit();
  while (Wait()) {
    Reattach();
    Audit();
  }
}

bool LinkWatch::Wait() {
  std::array<struct pollfd, 2> waits = {{{.fd = monitor_->fd(), .events = POLLIN, .revents = 0},
                                         {.fd = stop_.get(), .events = POLLIN, .revents = 0}}};
  const auto limit =
      static_cast<int>(absl::ToInt64Milliseconds(std::min(audit_interval_, absl::Hours(1))));
  if (::poll(waits.data(), waits.size(), limit) < 0 && errno != EINTR) {
    spdlog::error("link watch ends: poll: errno {}", errno);
    return false;
  }
  if (waits[1].revents != 0) return false;
  if (waits[0].revents != 0) ReadEvents();
  return true;
}

void LinkWatch::ReadAll() {
  const absl::StatusOr<std::vector<netlink::Link>> all = links_->All();
  if (!all.ok()) {
    spdlog::error("link watch: reading all links: {}", std::string(all.status().message()));
    return;
  }
  Tell(tracker_.OnAll(*all));
}

void LinkWatch::ReadEvents() {
  const absl::Status status = monitor_->Read([this](const netlink::LinkEvent& event) {
    if (event.kind == netlink::LinkEvent::Kind::kResync) {
      ReadAll();
    } else {
      Tell(tracker_.OnEvent(event));
    }
  });
  if (status.ok()) return;
  spdlog::warn("link watch: {}; reading all links", std::string(status.message()));
  ReadAll();
}

bool LinkWatch::Reattach() {
  bool any = false;
  for (const size_t port : tracker_.Lost()) {
    const absl::Status status = Reattach(port);
    any |= status.ok();
    std::string& last = told_[port];
    if (absl::IsNotFound(status) || last == status.message()) continue;
    last = std::string(status.message());
    if (!status.ok()) spdlog::warn("a netdev came back and cannot be used: {}", last);
  }
  return any;
}

absl::Status LinkWatch::Reattach(size_t port) {
  const absl::StatusOr<netlink::Link> link = links_->ByName(tracker_.name(port));
  if (!link.ok()) return link.status();
  if (absl::Status status = tracker_.CheckFound(port, *link); !status.ok()) return status;
  const uint32_t generation = tracker_.generation(port) + 1;
  absl::Status status = hooks_.attach(port, *link, generation, *links_);
  if (status.ok()) Tell({tracker_.Found(port, *link)});
  return status;
}

void LinkWatch::Audit() {
  for (const size_t port : hooks_.audit(*links_)) {
    Tell({{.port = port, .state = tracker_.state(port), .kind = PortChange::Kind::kRulesLost}});
  }
}

void LinkWatch::Tell(const std::vector<PortChange>& changes) {
  for (const PortChange& change : changes) hooks_.on_change(change);
}

}  // namespace offload::datapath
