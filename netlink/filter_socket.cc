#include "netlink/filter_socket.h"

#include <linux/netlink.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "absl/time/time.h"
#include "netlink/flower_codec.h"
#include "netlink/kernel_error.h"
#include "netlink/message.h"
#include "netlink/route_socket.h"
#include "netlink/transaction.h"

namespace offload::netlink {
namespace {

// A reply's socket buffer is up to 4.6 KB: so many fit into the default receive_buffer.
constexpr size_t kMaxRepliesPerChunk = 512;

class MnlFilterSocket final : public FilterSocket {
 public:
  MnlFilterSocket(RouteSocket socket, const FilterSocketOptions& options)
      : socket_(std::move(socket)), options_(options) {}

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
  RouteSocket::Deadline Deadline() const {
    return std::chrono::steady_clock::now() + absl::ToChronoMilliseconds(options_.reply_timeout);
  }

  RouteSocket socket_;
  const FilterSocketOptions options_;
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
  const absl::Status sent = socket_.Send(chunk_);
  if (!sent.ok()) {
    for (size_t i = 0; i < count; ++i) replies[i] = {.status = sent};
    return count;
  }
  Transaction transaction(requests.first(count), sequence, socket_.port_id());
  Await(transaction);
  transaction.Finish(replies.first(count));
  return count;
}

void MnlFilterSocket::Await(Transaction& transaction) {
  RouteSocket::Deadline deadline = Deadline();
  while (!transaction.done()) {
    const auto datagram = socket_.Receive(deadline);
    if (datagram.ok()) {
      transaction.Receive(*datagram);
    } else if (ErrnoOf(datagram.status()) == ENOBUFS) {
      transaction.Overrun();
      // sendmsg has returned, so every answer there will ever be is queued, and the fence may be
      // among the lost ones: read what is left, wait for nothing.
      deadline = RouteSocket::Deadline();
    } else {
      return;
    }
  }
}

// On a socket of its own: a dump that ends early leaves nothing behind that a later request could
// stumble over, and `visit` may execute requests.
absl::Status MnlFilterSocket::Dump(const DumpRequest& request,
                                   const std::function<void(const FlowerFilter&)>& visit) {
  alignas(struct nlmsghdr) uint8_t buffer[kMaxMessage];
  const uint32_t sequence = next_sequence_++;
  const auto message = EncodeDumpRequest(request, sequence, absl::MakeSpan(buffer));
  if (!message.ok()) return message.status();
  auto socket = RouteSocket::Open(options_);
  if (!socket.ok()) return socket.status();
  if (absl::Status sent = socket->Send(*message); !sent.ok()) return sent;
  FilterDump dump(sequence, socket->port_id(), visit);
  while (!dump.done()) {
    const auto datagram = socket->Receive(Deadline());
    if (datagram.ok()) {
      dump.Receive(*datagram);
    } else if (ErrnoOf(datagram.status()) == ENOBUFS) {
      dump.Overrun();
    } else {
      return datagram.status();
    }
  }
  return dump.status();
}

}  // namespace

absl::StatusOr<std::unique_ptr<FilterSocket>> FilterSocket::Open(
    const FilterSocketOptions& options) {
  auto socket = RouteSocket::Open(options);
  if (!socket.ok()) return socket.status();
  return std::make_unique<MnlFilterSocket>(*std::move(socket), options);
}

}  // namespace offload::netlink
