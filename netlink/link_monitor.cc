#include <linux/rtnetlink.h>
#include <netlink/errno.h>
#include <netlink/msg.h>

#include "netlink/libnl.h"
#include "netlink/links.h"

namespace offload::netlink {
namespace {

constexpr int kReceiveBuffer = 4 << 20;

class LibnlLinkMonitor final : public LinkMonitor {
 public:
  explicit LibnlLinkMonitor(std::unique_ptr<LibnlSocket> socket) : socket_(std::move(socket)) {
    nl_socket_modify_cb(socket_->get(), NL_CB_VALID, NL_CB_CUSTOM, &LibnlLinkMonitor::OnMessage,
                        this);
  }
  int fd() const override { return nl_socket_get_fd(socket_->get()); }
  absl::Status Read(const std::function<void(const LinkEvent&)>& visit) override;

 private:
  static int OnMessage(struct nl_msg* message, void* self);
  static void OnObject(struct nl_object* object, void* self);

  std::unique_ptr<LibnlSocket> socket_;
  const std::function<void(const LinkEvent&)>* visit_ = nullptr;
  LinkEvent::Kind kind_ = LinkEvent::Kind::kChanged;
};

int LibnlLinkMonitor::OnMessage(struct nl_msg* message, void* self) {
  auto* monitor = static_cast<LibnlLinkMonitor*>(self);
  const bool deleted = nlmsg_hdr(message)->nlmsg_type == RTM_DELLINK;
  monitor->kind_ = deleted ? LinkEvent::Kind::kDeleted : LinkEvent::Kind::kChanged;
  if (nl_msg_parse(message, &LibnlLinkMonitor::OnObject, self) < 0) {
    (*monitor->visit_)({.kind = LinkEvent::Kind::kResync});
  }
  return NL_OK;
}

void LibnlLinkMonitor::OnObject(struct nl_object* object, void* self) {
  auto* monitor = static_cast<LibnlLinkMonitor*>(self);
  auto* link = reinterpret_cast<struct rtnl_link*>(object);
  // A bridge's own notifications about its ports (AF_BRIDGE) say RTM_DELLINK when a port leaves it.
  if (rtnl_link_get_family(link) != AF_UNSPEC) return;
  (*monitor->visit_)({.kind = monitor->kind_, .link = ToLink(link)});
}

absl::Status LibnlLinkMonitor::Read(const std::function<void(const LinkEvent&)>& visit) {
  visit_ = &visit;
  for (;;) {
    const int error = nl_recvmsgs_default(socket_->get());
    if (error == -NLE_AGAIN) return absl::OkStatus();
    if (error == -NLE_INTR) continue;
    if (error == -NLE_NOMEM) {  // libnl's name for ENOBUFS
      visit({.kind = LinkEvent::Kind::kResync});
      continue;
    }
    auto status = socket_->Check(error, "reading link notifications");
    if (!status.ok()) return status;
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<LinkMonitor>> LinkMonitor::Open() {
  auto opened = LibnlSocket::Open();
  if (!opened.ok()) return opened.status();
  std::unique_ptr<LibnlSocket> socket = *std::move(opened);
  nl_socket_disable_seq_check(socket->get());
  int error = nl_socket_set_buffer_size(socket->get(), kReceiveBuffer, 0);
  if (error >= 0) error = nl_socket_set_nonblocking(socket->get());
  if (error >= 0) error = nl_socket_add_membership(socket->get(), RTNLGRP_LINK);
  if (auto status = socket->Check(error, "link notifications"); !status.ok()) return status;
  return std::make_unique<LibnlLinkMonitor>(std::move(socket));
}

}  // namespace offload::netlink
