// Requests about TC filters, in batches, over one rtnetlink socket.
//
// Execute sends n requests and returns n replies, matched by sequence number. Requests go without
// NLM_F_ACK but the last of each chunk, which is the fence: rtnetlink handles a chunk in order
// inside sendmsg, so a request without an error before the fence's ACK has succeeded. When the
// kernel dropped replies (ENOBUFS) or the fence was lost, the requests without an answer get
// UNKNOWN: the caller reads back before repeating.
//
// Errors: the kernel's errno as an absl::Status by ErrnoToStatus (netlink/kernel_error.h), message
// = what the extended ack said (or strerror), the number as payload, see ErrnoOf.
//
// Threads: one socket per thread; not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "netlink/flower.h"

namespace offload::netlink {

struct FilterRequest {
  enum class Op : uint8_t {
    kAdd,      // RTM_NEWTFILTER CREATE|EXCL
    kReplace,  // RTM_NEWTFILTER CREATE: in place of the filter with that id, if there is one, which
               // must have the same mask. The new one works before the old one goes (fl_change), so
               // no packet meets neither; counters start anew
    kDelete,   // RTM_DELTFILTER by id; `echo` asks for the deleted filter with its last counters
    kGet,      // RTM_GETTFILTER by id
  };
  Op op = Op::kAdd;
  FlowerFilter filter;  // kDelete and kGet use filter.id only
  bool echo = false;
};

struct FilterReply {
  absl::Status status;
  std::optional<FlowerFilter> filter;  // kGet, and kDelete with echo
};

struct DumpRequest {
  AttachmentPoint at;
  std::optional<uint32_t> chain;
  uint16_t priority = 0;  // 0 = all
  uint16_t protocol = 0;  // 0 = all; host order
  bool terse = false;
};

struct FilterSocketOptions {
  size_t chunk_bytes = size_t{64} * 1024;            // bytes per sendmsg
  int send_buffer = 1 << 20;                         // SO_SNDBUFFORCE, then SO_SNDBUF
  int receive_buffer = 8 << 20;                      // SO_RCVBUFFORCE, then SO_RCVBUF
  absl::Duration reply_timeout = absl::Seconds(10);  // of a lost fence; then UNKNOWN
};

class FilterSocket {
 public:
  static absl::StatusOr<std::unique_ptr<FilterSocket>> Open(const FilterSocketOptions& options);
  virtual ~FilterSocket() = default;

  // REQUIRES: replies.size() == requests.size(). A request that cannot be encoded gets its own
  // INVALID_ARGUMENT and is not sent.
  virtual void Execute(absl::Span<const FilterRequest> requests,
                       absl::Span<FilterReply> replies) = 0;

  // Calls `visit` for each filter of the dump, header messages (has_options false) included.
  // ABORTED when the kernel marks the dump inconsistent (NLM_F_DUMP_INTR): dump again.
  virtual absl::Status Dump(const DumpRequest& request,
                            const std::function<void(const FlowerFilter&)>& visit) = 0;
};

}  // namespace offload::netlink
