// What the kernel's answers mean: for a batch of requests (Transaction) and for a dump
// (FilterDump). Pure: fed with received datagrams.
//
// Requests carry consecutive sequence numbers; only the last one (the fence) asks for an ACK.
// rtnetlink handles the batch in order inside sendmsg, so when the fence is answered every request
// without an error has succeeded, unless the kernel dropped answers meanwhile (Overrun).
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "netlink/filter_socket.h"

namespace offload::netlink {

class Transaction {
 public:
  // Request i of `requests` has sequence number first_sequence + i (mod 2^32). `requests` must
  // outlive the transaction. `port_id` is the socket's netlink address; messages for others are
  // ignored.
  Transaction(absl::Span<const FilterRequest> requests, uint32_t first_sequence, uint32_t port_id);

  // One received datagram. Malformed messages end it; what follows in the datagram is lost, as in
  // an overrun.
  void Receive(absl::Span<const uint8_t> datagram);

  // recv answered ENOBUFS: the kernel dropped some answers.
  void Overrun() { lossy_ = true; }

  // The fence was answered: nothing more will come.
  bool done() const { return done_; }

  // Fills one reply per request. Call when done, or when waiting is given up: then what has no
  // answer is UNKNOWN.
  void Finish(absl::Span<FilterReply> replies);

 private:
  struct Answer {
    bool has_status = false;
    FilterReply reply;
  };
  void Handle(const struct MessageView& message);
  absl::Status Silent(size_t index) const;

  absl::Span<const FilterRequest> requests_;
  uint32_t first_sequence_;
  uint32_t port_id_;
  std::vector<Answer> answers_;
  bool lossy_ = false;
  bool done_ = false;
};

// The answers to one dump request: filters, then NLMSG_DONE with an errno, or NLMSG_ERROR.
class FilterDump {
 public:
  // `visit` gets each filter as it comes.
  FilterDump(uint32_t sequence, uint32_t port_id, std::function<void(const FlowerFilter&)> visit);

  // One received datagram. A malformed message ends the dump.
  void Receive(absl::Span<const uint8_t> datagram);

  // recv answered ENOBUFS. The kernel does not drop parts of a dump for it, but what else it
  // dropped is not known: the dump goes on and is ABORTED at its end.
  void Overrun() { inconsistent_ = true; }

  bool done() const { return done_; }

  // REQUIRES: done(). ABORTED: filters may be missing or twice, dump again.
  absl::Status status() const;

 private:
  void Handle(const struct MessageView& message);
  void Finish(absl::Status status);

  uint32_t sequence_;
  uint32_t port_id_;
  std::function<void(const FlowerFilter&)> visit_;
  absl::Status status_;
  bool inconsistent_ = false;
  bool done_ = false;
};

}  // namespace offload::netlink
