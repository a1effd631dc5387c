// One rtnetlink socket on libmnl: opened with extended and capped acks and the buffer sizes of
// FilterSocketOptions. It moves bytes; what they mean is transaction.h's. Internal to netlink/.
//
// Threads: one socket per thread; not thread-safe.
#pragma once

#include <libmnl/libmnl.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "netlink/filter_socket.h"

namespace offload::netlink {

class RouteSocket {
 public:
  using Deadline = std::chrono::steady_clock::time_point;

  static absl::StatusOr<RouteSocket> Open(const FilterSocketOptions& options);

  uint32_t port_id() const { return mnl_socket_get_portid(socket_.get()); }

  // All of `bytes` in one sendmsg, in which the kernel handles them; on an error it has handled
  // none.
  absl::Status Send(absl::Span<const uint8_t> bytes);

  // The next datagram, valid until the next call. DEADLINE_EXCEEDED when none came in time (a
  // deadline in the past: none is queued); errno ENOBUFS when the kernel dropped answers.
  absl::StatusOr<absl::Span<const uint8_t>> Receive(Deadline deadline);

 private:
  struct Closer {
    void operator()(struct mnl_socket* socket) const { mnl_socket_close(socket); }
  };
  using Handle = std::unique_ptr<struct mnl_socket, Closer>;
  explicit RouteSocket(Handle socket);

  Handle socket_;
  std::vector<uint8_t> buffer_;
};

}  // namespace offload::netlink
