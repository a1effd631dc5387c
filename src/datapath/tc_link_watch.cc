#include "datapath/tc_link_watch.h"

#include <poll.h>
#include <sys/eventfd.h>

#include "spdlog/spdlog.h"

namespace offload::datapath {

using netlink::LinkEvent;

TcLinkWatch::TcLinkWatch(std::unique_ptr<netlink::LinkMonitor> monitor,
                         std::unique_ptr<netlink::Links> links, TcLinkHandler& handler)
    : monitor_(std::move(monitor)),
      links_(std::move(links)),
      handler_(handler),
      stop_(::eventfd(0, EFD_CLOEXEC)),
      thread_([this] { Run(); }) {}

TcLinkWatch::~TcLinkWatch() {
  const uint64_t one = 1;
  if (::write(stop_.get(), &one, sizeof(one)) != sizeof(one)) {
    spdlog::error("cannot stop the link watch");
  }
  thread_.join();
}

void TcLinkWatch::Resync() {
  const auto all = links_->All();
  if (all.ok()) {
    handler_.OnAllLinks(*all);
  } else {
    spdlog::warn("links cannot be read: {}", std::string(all.status().message()));
  }
}

void TcLinkWatch::Run() {
  Resync();
  struct pollfd fds[] = {{.fd = monitor_->fd(), .events = POLLIN, .revents = 0},
                         {.fd = stop_.get(), .events = POLLIN, .revents = 0}};
  for (;;) {
    if (::poll(fds, 2, -1) < 0) continue;
    if (fds[1].revents != 0) return;
    bool resync = false;
    const absl::Status status = monitor_->Read([&](const LinkEvent& event) {
      switch (event.kind) {
        case LinkEvent::Kind::kChanged:
          handler_.OnLink(event.link);
          break;
        case LinkEvent::Kind::kDeleted:
          handler_.OnLinkDeleted(event.link.ifindex);
          break;
        case LinkEvent::Kind::kResync:
          resync = true;
          break;
      }
    });
    if (!status.ok()) spdlog::warn("link notifications: {}", std::string(status.message()));
    if (resync || !status.ok()) Resync();
  }
}

}  // namespace offload::datapath
