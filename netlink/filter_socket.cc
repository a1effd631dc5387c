#include "netlink/filter_socket.h"

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "netlink/kernel_error.h"
#include "netlink/flower_codec.h"
#include "netlink/message.h"
#include "netlink/transaction.h"

namespace offload::netlink {
namespace {

// A dump chunk is as large as the receive buffer allows, up to 32 KB (netlink_dump).
constexpr size_t kReceiveBytes = 64 * 1024;
// A reply's socket buffer is up to 4.6 KB: so many fit into the default receive_buffer.
constexpr size_t kMaxRepliesPerChunk = 512;

struct SocketCloser {
  void operator()(struct mnl_socket* socket) const { mnl_socket_close(socket); }
};
using MnlSocket = std::unique_ptr<struct mnl_socket, SocketCloser>;

// The forced variant passes rmem_max/wmem_max but needs CAP_NET_ADMIN in the initial user
// namespace.
void SetBuffer(int fd, int forced, int plain, int bytes) {
  if (::setsockopt(fd, SOL_SOCKET, forced, &bytes, sizeof(bytes)) != 0) {
    ::setsockopt(fd, SOL_SOCKET, plain, &bytes, sizeof(bytes));
  }
}

int64_t NowMillis() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

class MnlFilterSocket final : public FilterSocket {
 public:
  MnlFilterSocket(MnlSocket socket, const FilterSocketOptions& options)
      : socket_(std::move(socket)), options_(options), receive_buffer_(kReceiveBytes) {}

  void Execute(absl::Span<const FilterRequest> requests, absl::Span<FilterReply> replies) override {
    for (size_t done = 0; done < requests.size();) {
      done += ExecuteChunk(requests.subspan(done), replies.subspan(done));
    }
  }

  absl::Status Dump(const DumpRequest& request,
                    const std::function<void(const FlowerFilter&)>& visit) override;

 private:
  size_t ExecuteChunk(absl::Span<const FilterRequest> requests, absl::Span<FilterReply> replies);
  size_t EncodeChunk(absl::Span<const FilterRequest> requests, uint32_t sequence);
  void Await(Transaction& transaction);
  absl::Status Send(absl::Span<const uint8_t> bytes);
  // The next datagram; ENOBUFS and a timeout (DEADLINE_EXCEEDED) as errors.
  absl::StatusOr<absl::Span<const uint8_t>> Receive(int64_t deadline_millis);
  int64_t Deadline() const {
    return NowMillis() + absl::ToInt64Milliseconds(options_.reply_timeout);
  }

  MnlSocket socket_;
  const FilterSocketOptions options_;
  std::vector<uint8_t> receive_buffer_;
  std::vector<uint8_t> chunk_;
  absl::Status encode_error_;
  uint32_t next_sequence_ = 1;
};

// Encodes into chunk_ until it is full; returns how many requests it took. Stops before a request
// that cannot be encoded; when that is the first one, returns 0 and leaves encode_error_.
size_t MnlFilterSocket::EncodeChunk(absl::Span<const FilterRequest> requests, uint32_t sequence) {
  chunk_.clear();
  alignas(struct nlmsghdr) uint8_t buffer[kMaxMessage];
  size_t count = 0, expected_replies = 0, last = 0;
  encode_error_ = absl::OkStatus();
  for (const FilterRequest& request : requests) {
    const auto message = EncodeFilterRequest(request, sequence + static_cast<uint32_t>(count),
                                             absl::MakeSpan(buffer));
    if (!message.ok()) {
      if (count == 0) encode_error_ = message.status();
      break;
    }
    if (count > 0 && chunk_.size() + message->size() > options_.chunk_bytes) break;
    last = chunk_.size();
    chunk_.insert(chunk_.end(), message->begin(), message->end());
    chunk_.resize(MNL_ALIGN(chunk_.size()));
    ++count;
    if (request.echo || request.op == FilterRequest::Op::kGet) ++expected_replies;
    if (expected_replies >= kMaxRepliesPerChunk) break;
  }
  if (count > 0) reinterpret_cast<struct nlmsghdr*>(&chunk_[last])->nlmsg_flags |= NLM_F_ACK;
  return count;
}

size_t MnlFilterSocket::ExecuteChunk(absl::Span<const FilterRequest> requests,
                                     absl::Span<FilterReply> replies) {
  const uint32_t sequence = next_sequence_;
  const size_t count = EncodeChunk(requests, sequence);
  if (count == 0) {
    replies[0] = {.status = encode_error_};
    return 1;
  }
  next_sequence_ += static_cast<uint32_t>(count);
  const absl::Status sent = Send(chunk_);
  if (!sent.ok()) {
    for (size_t i = 0; i < count; ++i) replies[i] = {.status = sent};
    return count;
  }
  Transaction transaction(requests.first(count), sequence, mnl_socket_get_portid(socket_.get()));
  Await(transaction);
  transaction.Finish(replies.first(count));
  return count;
}

void MnlFilterSocket::Await(Transaction& transaction) {
  const int64_t deadline = Deadline();
  while (!transaction.done()) {
    const auto datagram = Receive(deadline);
    if (datagram.ok()) {
      transaction.Receive(*datagram);
    } else if (ErrnoOf(datagram.status()) == ENOBUFS) {
      // sendmsg has returned, so all answers there will ever be are queued; the fence may be among
      // the lost ones. Read what is left, then stop.
      transaction.Overrun();
      for (auto rest = Receive(0); rest.ok(); rest = Receive(0)) transaction.Receive(*rest);
      return;
    } else {
      return;
    }
  }
}

absl::Status MnlFilterSocket::Send(absl::Span<const uint8_t> bytes) {
  while (mnl_socket_sendto(socket_.get(), bytes.data(), bytes.size()) < 0) {
    if (errno != EINTR) return WithPrefix(ErrnoToStatus(errno), "netlink send: ");
  }
  return absl::OkStatus();
}

absl::StatusOr<absl::Span<const uint8_t>> MnlFilterSocket::Receive(int64_t deadline_millis) {
  struct pollfd descriptor = {
      .fd = mnl_socket_get_fd(socket_.get()), .events = POLLIN, .revents = 0};
  for (;;) {
    const int64_t left = std::max<int64_t>(0, deadline_millis - NowMillis());
    const int ready = ::poll(&descriptor, 1, static_cast<int>(left));
    if (ready == 0) return absl::DeadlineExceededError("no answer from the kernel");
    if (ready < 0) {
      if (errno == EINTR) continue;
      return WithPrefix(ErrnoToStatus(errno), "netlink poll: ");
    }
    const ssize_t size =
        mnl_socket_recvfrom(socket_.get(), receive_buffer_.data(), receive_buffer_.size());
    if (size >= 0) return absl::MakeConstSpan(receive_buffer_).first(static_cast<size_t>(size));
    if (errno != EINTR) return WithPrefix(ErrnoToStatus(errno), "netlink receive: ");
  }
}

// Takes the messages of one datagram of a dump; true at its end.
absl::StatusOr<bool> VisitDatagram(absl::Span<const uint8_t> datagram, uint32_t sequence,
                                   const std::function<void(const FlowerFilter&)>& visit,
                                   bool& inconsistent) {
  while (!datagram.empty()) {
    const auto message = TakeMessage(datagram);
    if (!message.ok()) return message.status();
    if (message->header.nlmsg_seq != sequence) continue;
    if (message->header.nlmsg_flags & NLM_F_DUMP_INTR) inconsistent = true;
    if (message->header.nlmsg_type == NLMSG_DONE) return true;
    if (message->header.nlmsg_type == NLMSG_ERROR) {
      const auto error = DecodeError(*message);
      if (!error.ok()) return error.status();
      if (!error->status.ok()) return error->status;
      return true;
    }
    if (message->header.nlmsg_type != RTM_NEWTFILTER) continue;
    const auto filter = DecodeFilter(*message);
    if (!filter.ok()) return filter.status();
    visit(*filter);
  }
  return false;
}

absl::Status MnlFilterSocket::Dump(const DumpRequest& request,
                                   const std::function<void(const FlowerFilter&)>& visit) {
  alignas(struct nlmsghdr) uint8_t buffer[kMaxMessage];
  const uint32_t sequence = next_sequence_++;
  const auto message = EncodeDumpRequest(request, sequence, absl::MakeSpan(buffer));
  if (!message.ok()) return message.status();
  if (absl::Status sent = Send(*message); !sent.ok()) return sent;
  bool inconsistent = false;
  for (;;) {
    const auto datagram = Receive(Deadline());
    if (!datagram.ok()) return datagram.status();
    const auto end = VisitDatagram(*datagram, sequence, visit, inconsistent);
    if (!end.ok()) return end.status();
    if (*end) break;
  }
  if (inconsistent) return absl::AbortedError("filters changed during the dump");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<FilterSocket>> FilterSocket::Open(
    const FilterSocketOptions& options) {
  MnlSocket socket(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC));
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
  return std::make_unique<MnlFilterSocket>(std::move(socket), options);
}

}  // namespace offload::netlink
