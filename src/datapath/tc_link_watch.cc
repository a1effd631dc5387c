#include "datapath/tc_link_watch.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "absl/strings/string_view.h"
#include "netlink/kernel_error.h"
#include "spdlog/spdlog.h"

namespace offload::datapath {

absl::StatusOr<std::unique_ptr<LinkWatch>> LinkWatch::Begin(
    std::unique_ptr<netlink::LinkMonitor> monitor, std::unique_ptr<netlink::Links> links,
    absl::Span<const uint32_t> ifindexes, LinkHooks hooks) {
  base::UniqueFd stop(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop.valid()) {
    return netlink::WithPrefix(netlink::ErrnoToStatus(errno), "eventfd of the link watch: ");
  }
  return std::unique_ptr<LinkWatch>(new LinkWatch(std::move(monitor), std::move(links), ifindexes,
                                                  std::move(hooks), std::move(stop)));
}

LinkWatch::LinkWatch(std::unique_ptr<netlink::LinkMonitor> monitor,
                     std::unique_ptr<netlink::Links> links, absl::Span<const uint32_t> ifindexes,
                     LinkHooks hooks, base::UniqueFd stop)
    : monitor_(std::move(monitor)),
      links_(std::move(links)),
      hooks_(std::move(hooks)),
      tracker_(ifindexes),
      stop_(std::move(stop)),
      thread_([this] { Run(); }) {}

LinkWatch::~LinkWatch() {
  ::eventfd_write(stop_.get(), 1);
  thread_.join();
}

void LinkWatch::Run() {
  ReadAll();
  Reattach();
  for (;;) {
    std::array<struct pollfd, 2> waits = {{{.fd = monitor_->fd(), .events = POLLIN, .revents = 0},
                                           {.fd = stop_.get(), .events = POLLIN, .revents = 0}}};
    if (::poll(waits.data(), waits.size(), -1) < 0 && errno != EINTR) {
      spdlog::error("link watch ends: poll: errno {}", errno);
      return;
    }
    if (waits[1].revents != 0) return;
    if (waits[0].revents == 0) continue;
    ReadEvents();
    Reattach();
  }
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

void LinkWatch::Reattach() {
  for (const size_t port : tracker_.Lost()) {
    const absl::StatusOr<netlink::Link> link = hooks_.reattach(port, *links_);
    if (link.ok()) {
      Tell({tracker_.Found(port, *link)});
    } else if (!absl::IsNotFound(link.status())) {
      spdlog::warn("a netdev came back and cannot be used: {}",
                   std::string(link.status().message()));
    }
  }
}

void LinkWatch::Tell(const std::vector<PortChange>& changes) {
  for (const PortChange& change : changes) hooks_.on_change(change);
}

}  // namespace offload::datapath
