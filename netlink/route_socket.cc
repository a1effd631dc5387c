#include "netlink/route_socket.h"

#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "netlink/kernel_error.h"

namespace offload::netlink {
namespace {

// A dump chunk is as large as the receive buffer allows, up to 32 KB (netlink_dump).
constexpr size_t kReceiveBytes = size_t{64} * 1024;
constexpr int64_t kMaxPollMillis = 1 << 30;

// The forced variant passes rmem_max/wmem_max but needs CAP_NET_ADMIN in the initial user
// namespace.
void SetBuffer(int fd, int forced, int plain, int bytes) {
  if (::setsockopt(fd, SOL_SOCKET, forced, &bytes, sizeof(bytes)) != 0) {
    ::setsockopt(fd, SOL_SOCKET, plain, &bytes, sizeof(bytes));
  }
}

int MillisUntil(RouteSocket::Deadline deadline) {
  const auto now = std::chrono::steady_clock::now();
  if (deadline <= now) return 0;
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - now);
  return static_cast<int>(std::min<int64_t>(left.count(), kMaxPollMillis));
}

}  // namespace

RouteSocket::RouteSocket(Handle socket) : socket_(std::move(socket)), buffer_(kReceiveBytes) {}

absl::StatusOr<RouteSocket> RouteSocket::Open(const FilterSocketOptions& options) {
  Handle socket(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC));
  if (socket == nullptr) return WithPrefix(ErrnoToStatus(errno), "netlink socket: ");
  if (mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0) {
    return WithPrefix(ErrnoToStatus(errno), "netlink bind: ");
  }
  const int fd = mnl_socket_get_fd(socket.get());
  const int on = 1;
  for (const int option : {NETLINK_EXT_ACK, NETLINK_CAP_ACK}) {
    if (::setsockopt(fd, SOL_NETLINK, option, &on, sizeof(on)) != 0) {
      return WithPrefix(ErrnoToStatus(errno), "netlink extended acks: ");
    }
  }
  SetBuffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, options.send_buffer);
  SetBuffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, options.receive_buffer);
  return RouteSocket(std::move(socket));
}

absl::Status RouteSocket::Send(absl::Span<const uint8_t> bytes) {
  while (mnl_socket_sendto(socket_.get(), bytes.data(), bytes.size()) < 0) {
    if (errno != EINTR) return WithPrefix(ErrnoToStatus(errno), "netlink send: ");
  }
  return absl::OkStatus();
}

absl::StatusOr<absl::Span<const uint8_t>> RouteSocket::Receive(Deadline deadline) {
  struct pollfd descriptor = {
      .fd = mnl_socket_get_fd(socket_.get()), .events = POLLIN, .revents = 0};
  for (;;) {
    const int ready = ::poll(&descriptor, 1, MillisUntil(deadline));
    if (ready == 0) return absl::DeadlineExceededError("no answer from the kernel in time");
    if (ready > 0) {
      const ssize_t size = mnl_socket_recvfrom(socket_.get(), buffer_.data(), buffer_.size());
      if (size >= 0) return absl::MakeConstSpan(buffer_).first(static_cast<size_t>(size));
    }
    if (errno != EINTR) return WithPrefix(ErrnoToStatus(errno), "netlink receive: ");
  }
}

}  // namespace offload::netlink
