// A libnl-3 socket that keeps what the kernel said, owners of libnl's objects, and their
// translation; internal to netlink/. Not thread-safe.
#pragma once

#include <netlink/netlink.h>
#include <netlink/object.h>
#include <netlink/route/link.h>
#include <netlink/route/qdisc.h>

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "netlink/links.h"
#include "netlink/message.h"

namespace offload::netlink {

struct LibnlDeleter {
  void operator()(struct nl_sock* socket) const { nl_socket_free(socket); }
  void operator()(struct nl_cache* cache) const { nl_cache_free(cache); }
  void operator()(struct nl_cb* callbacks) const { nl_cb_put(callbacks); }
  void operator()(struct rtnl_link* link) const { rtnl_link_put(link); }
  void operator()(struct rtnl_qdisc* qdisc) const { rtnl_qdisc_put(qdisc); }
};
template <typename T>
using LibnlPtr = std::unique_ptr<T, LibnlDeleter>;

class LibnlSocket {
 public:
  // Connected to `protocol` (NETLINK_ROUTE, NETLINK_GENERIC), with extended acks.
  static absl::StatusOr<std::unique_ptr<LibnlSocket>> Open(int protocol = NETLINK_ROUTE);
  LibnlSocket(const LibnlSocket&) = delete;
  LibnlSocket& operator=(const LibnlSocket&) = delete;

  struct nl_sock* get() const {
    return socket_.get();
  }

  // What a libnl call answered: OK for 0 and above; otherwise the kernel's own error (see
  // ErrnoToStatus) if it sent one, else libnl's. `what` comes before the text.
  absl::Status Check(int result, absl::string_view what);

  // Asks for a dump of `type` with `header` after nlmsghdr and visits its messages.
  absl::Status Dump(int type, void* header, size_t size,
                    const std::function<void(const MessageView&)>& visit);

  // Sends one request of `type` with `body` (the fixed header and the attributes) after nlmsghdr
  // and visits its answers, until the kernel's ACK.
  absl::Status Ask(int type, absl::Span<const uint8_t> body,
                   const std::function<void(const MessageView&)>& visit);

 private:
  absl::Status Exchange(int type, int flags, absl::Span<const uint8_t> body,
                        const std::function<void(const MessageView&)>& visit);
  explicit LibnlSocket(LibnlPtr<struct nl_sock> socket);
  static int OnError(struct sockaddr_nl* from, struct nlmsgerr* error, void* self);

  LibnlPtr<struct nl_sock> socket_;
  absl::Status said_;  // by the kernel, since the last Check
};

Link ToLink(struct rtnl_link* link);

}  // namespace offload::netlink
