#include "netlink/transaction.h"

#include <linux/rtnetlink.h>

#include <utility>

#include "netlink/flower_codec.h"
#include "netlink/message.h"

namespace offload::netlink {

Transaction::Transaction(absl::Span<const FilterRequest> requests, uint32_t first_sequence,
                         uint32_t port_id)
    : requests_(requests),
      first_sequence_(first_sequence),
      port_id_(port_id),
      answers_(requests.size()),
      done_(requests.empty()) {}

void Transaction::Receive(absl::Span<const uint8_t> datagram) {
  while (!datagram.empty()) {
    const auto message = TakeMessage(datagram);
    if (!message.ok()) {
      lossy_ = true;
      return;
    }
    Handle(*message);
  }
}

void Transaction::Handle(const MessageView& message) {
  const uint32_t index = message.header.nlmsg_seq - first_sequence_;
  if (index >= answers_.size() || message.header.nlmsg_pid != port_id_) return;
  Answer& answer = answers_[index];
  if (message.header.nlmsg_type == NLMSG_ERROR) {
    const auto error = DecodeError(message);
    if (!error.ok()) {
      lossy_ = true;
      return;
    }
    answer.has_status = true;
    answer.reply.status = error->status;
    if (index + 1 == answers_.size()) done_ = true;
    return;
  }
  if (message.header.nlmsg_type != RTM_NEWTFILTER && message.header.nlmsg_type != RTM_DELTFILTER)
    return;
  auto filter = DecodeFilter(message);
  if (!filter.ok()) {
    answer.has_status = true;
    answer.reply.status = absl::UnknownError(filter.status().message());
    return;
  }
  answer.reply.filter = *std::move(filter);
}

// What silence means for a request: success when nothing can have been lost.
absl::Status Transaction::Silent(size_t index) const {
  if (answers_[index].reply.filter) return absl::OkStatus();
  if (lossy_) return absl::UnknownError("the kernel dropped answers (ENOBUFS)");
  if (!done_) return absl::UnknownError("no answer from the kernel");
  return absl::OkStatus();
}

void Transaction::Finish(absl::Span<FilterReply> replies) {
  for (size_t i = 0; i < answers_.size(); ++i) {
    FilterReply& reply = answers_[i].reply;
    if (!answers_[i].has_status) reply.status = Silent(i);
    if (reply.status.ok() && !reply.filter && requests_[i].op == FilterRequest::Op::kGet) {
      reply.status = absl::UnknownError("no filter in the answer");
    }
    replies[i] = std::move(reply);
  }
}

FilterDump::FilterDump(uint32_t sequence, uint32_t port_id,
                       std::function<void(const FlowerFilter&)> visit)
    : sequence_(sequence), port_id_(port_id), visit_(std::move(visit)) {}

void FilterDump::Receive(absl::Span<const uint8_t> datagram) {
  while (!done_ && !datagram.empty()) {
    const auto message = TakeMessage(datagram);
    if (!message.ok()) return Finish(message.status());
    Handle(*message);
  }
}

void FilterDump::Handle(const MessageView& message) {
  if (message.header.nlmsg_seq != sequence_ || message.header.nlmsg_pid != port_id_) return;
  if (message.header.nlmsg_flags & NLM_F_DUMP_INTR) inconsistent_ = true;
  switch (message.header.nlmsg_type) {
    case NLMSG_DONE:
    case NLMSG_ERROR: {
      const bool done = message.header.nlmsg_type == NLMSG_DONE;
      const auto end = done ? DecodeDone(message) : DecodeError(message);
      return Finish(end.ok() ? end->status : end.status());
    }
    case RTM_NEWTFILTER: {
      const auto filter = DecodeFilter(message);
      if (!filter.ok()) return Finish(filter.status());
      return visit_(*filter);
    }
    default:
      return;
  }
}

void FilterDump::Finish(absl::Status status) {
  status_ = std::move(status);
  done_ = true;
}

absl::Status FilterDump::status() const {
  if (status_.ok() && inconsistent_) return absl::AbortedError("filters changed during the dump");
  return status_;
}

}  // namespace offload::netlink
