#include "netlink/transaction.h"

#include <linux/rtnetlink.h>

#include <cerrno>
#include <cstring>

#include "gtest/gtest.h"
#include "netlink/flower_codec.h"
#include "netlink/kernel_error.h"
#include "tests/netlink/golden.h"

namespace offload::netlink {
namespace {

constexpr uint32_t kPort = 4711;
using Op = FilterRequest::Op;

// NLMSG_ERROR as netlink_ack writes it with NETLINK_CAP_ACK: error 0 is an ACK.
Bytes Ack(uint32_t sequence, int error, uint32_t port = kPort) {
  Bytes message(36);
  const uint32_t length = 36, request_length = 200;
  const uint16_t type = NLMSG_ERROR, flags = NLM_F_CAPPED;
  const int32_t negative = -error;
  std::memcpy(&message[0], &length, 4);
  std::memcpy(&message[4], &type, 2);
  std::memcpy(&message[6], &flags, 2);
  std::memcpy(&message[8], &sequence, 4);
  std::memcpy(&message[12], &port, 4);
  std::memcpy(&message[16], &negative, 4);
  std::memcpy(&message[20], &request_length, 4);
  std::memcpy(&message[28], &sequence, 4);
  return message;
}

// The kernel's answer to a GET, captured, with the sequence and port of the case.
Bytes FilterMessage(uint32_t sequence) {
  for (Bytes message : Golden("get_with_counters.reply")) {
    if (View(message).header.nlmsg_type != RTM_NEWTFILTER) continue;
    std::memcpy(&message[8], &sequence, 4);
    std::memcpy(&message[12], &kPort, 4);
    return message;
  }
  ADD_FAILURE() << "no filter captured";
  return {};
}

std::vector<FilterRequest> Requests(size_t count, Op op = Op::kAdd) {
  return std::vector<FilterRequest>(count, FilterRequest{.op = op});
}

std::vector<FilterReply> Finish(Transaction& transaction, size_t count) {
  std::vector<FilterReply> replies(count);
  transaction.Finish(absl::MakeSpan(replies));
  return replies;
}

TEST(Transaction, SilenceBeforeTheFenceIsSuccess) {
  const auto requests = Requests(5);
  Transaction transaction(requests, 100, kPort);
  transaction.Receive(Ack(101, EEXIST));
  EXPECT_FALSE(transaction.done());
  transaction.Receive(Ack(103, ENOSPC));
  transaction.Receive(Ack(104, 0));
  ASSERT_TRUE(transaction.done());
  const auto replies = Finish(transaction, 5);
  const int expected[] = {0, EEXIST, 0, ENOSPC, 0};
  for (size_t i = 0; i < 5; ++i) EXPECT_EQ(ErrnoOf(replies[i].status), expected[i]) << i;
}

TEST(Transaction, AnErrorOnTheFenceEndsItToo) {
  const auto requests = Requests(2);
  Transaction transaction(requests, 1, kPort);
  transaction.Receive(Ack(2, EINVAL));
  ASSERT_TRUE(transaction.done());
  const auto replies = Finish(transaction, 2);
  EXPECT_TRUE(replies[0].status.ok());
  EXPECT_EQ(ErrnoOf(replies[1].status), EINVAL);
}

TEST(Transaction, WithoutTheFenceNothingIsKnown) {
  const auto requests = Requests(3);
  Transaction transaction(requests, 1, kPort);
  transaction.Receive(Ack(2, EEXIST));
  const auto replies = Finish(transaction, 3);
  EXPECT_EQ(replies[0].status.code(), absl::StatusCode::kUnknown);
  EXPECT_EQ(ErrnoOf(replies[1].status), EEXIST);
  EXPECT_EQ(replies[2].status.code(), absl::StatusCode::kUnknown);
}

TEST(Transaction, AfterAnOverrunOnlyWhatWasAnsweredIsKnown) {
  const auto requests = Requests(4);
  Transaction transaction(requests, 1, kPort);
  transaction.Receive(Ack(1, EEXIST));
  transaction.Overrun();
  transaction.Receive(Ack(4, 0));
  const auto replies = Finish(transaction, 4);
  EXPECT_EQ(ErrnoOf(replies[0].status), EEXIST);
  EXPECT_EQ(replies[1].status.code(), absl::StatusCode::kUnknown);
  EXPECT_EQ(replies[2].status.code(), absl::StatusCode::kUnknown);
  EXPECT_TRUE(replies[3].status.ok());
}

TEST(Transaction, IgnoresWhatIsNotItsOwn) {
  const auto requests = Requests(2);
  Transaction transaction(requests, 10, kPort);
  transaction.Receive(Ack(9, EEXIST));
  transaction.Receive(Ack(12, EEXIST));
  transaction.Receive(Ack(11, EEXIST, kPort + 1));
  EXPECT_FALSE(transaction.done());
  transaction.Receive(Ack(11, 0));
  for (const auto& reply : Finish(transaction, 2)) EXPECT_TRUE(reply.status.ok());
}

TEST(Transaction, SequenceNumbersWrapAround) {
  const auto requests = Requests(3);
  Transaction transaction(requests, 0xFFFFFFFF, kPort);
  transaction.Receive(Ack(0, ENOENT));
  transaction.Receive(Ack(1, 0));
  ASSERT_TRUE(transaction.done());
  EXPECT_EQ(ErrnoOf(Finish(transaction, 3)[1].status), ENOENT);
}

TEST(Transaction, AGetHasItsFilterOrIsUnknown) {
  const auto requests = Requests(3, Op::kGet);
  Transaction transaction(requests, 1, kPort);
  Bytes datagram = FilterMessage(1);
  const Bytes more = Ack(2, ENOENT);
  datagram.insert(datagram.end(), more.begin(), more.end());
  transaction.Receive(datagram);
  transaction.Receive(Ack(3, 0));
  const auto replies = Finish(transaction, 3);
  ASSERT_TRUE(replies[0].filter.has_value());
  EXPECT_EQ(replies[0].filter->actions[0].stats->packets, 7u);
  EXPECT_EQ(ErrnoOf(replies[1].status), ENOENT);
  EXPECT_EQ(replies[2].status.code(), absl::StatusCode::kUnknown)
      << "acknowledged without a filter";
}

TEST(Transaction, AMalformedMessageMakesTheRestUnknown) {
  const auto requests = Requests(2);
  Transaction transaction(requests, 1, kPort);
  Bytes cut = Ack(1, EEXIST);
  cut.resize(30);
  transaction.Receive(cut);
  transaction.Receive(Ack(2, 0));
  const auto replies = Finish(transaction, 2);
  EXPECT_EQ(replies[0].status.code(), absl::StatusCode::kUnknown);
  EXPECT_TRUE(replies[1].status.ok());
}

TEST(Transaction, EmptyIsDone) {
  Transaction transaction({}, 1, kPort);
  EXPECT_TRUE(transaction.done());
}

// A message of a captured dump, as if asked for with sequence number 1.
Bytes OfDump(Bytes message, uint16_t more_flags = 0) {
  const uint32_t sequence = 1;
  const uint16_t flags = NLM_F_MULTI | more_flags;
  std::memcpy(&message[6], &flags, 2);
  std::memcpy(&message[8], &sequence, 4);
  std::memcpy(&message[12], &kPort, 4);
  return message;
}

Bytes Done(int32_t error) {
  Bytes message(20);
  message[0] = 20;
  message[4] = NLMSG_DONE;
  std::memcpy(&message[16], &error, 4);
  return OfDump(message);
}

std::vector<Bytes> CapturedDump() {
  std::vector<Bytes> messages;
  for (const Bytes& message : Golden("dump_full.reply")) {
    if (View(message).header.nlmsg_type == RTM_NEWTFILTER) messages.push_back(OfDump(message));
  }
  return messages;
}

TEST(FilterDump, VisitsEachFilterOfItsOwnUntilDone) {
  size_t visited = 0;
  FilterDump dump(1, kPort, [&](const FlowerFilter&) { ++visited; });
  const auto messages = CapturedDump();
  for (const Bytes& message : messages) dump.Receive(message);
  Bytes others = messages[0];
  others[8] = 2;  // another sequence number
  dump.Receive(others);
  EXPECT_FALSE(dump.done());
  dump.Receive(Done(0));
  EXPECT_TRUE(dump.done());
  EXPECT_TRUE(dump.status().ok()) << dump.status();
  EXPECT_EQ(visited, messages.size());
}

TEST(FilterDump, TheErrnoOfDoneAndOfAnErrorIsItsStatus) {
  for (const Bytes& end : {Done(-EOPNOTSUPP), Ack(1, EOPNOTSUPP)}) {
    FilterDump dump(1, kPort, [](const FlowerFilter&) { ADD_FAILURE(); });
    dump.Receive(end);
    ASSERT_TRUE(dump.done());
    EXPECT_EQ(ErrnoOf(dump.status()), EOPNOTSUPP);
  }
}

TEST(FilterDump, IsReadToItsEndAndAbortedWhenTheKernelSaysInterrupted) {
  size_t visited = 0;
  FilterDump dump(1, kPort, [&](const FlowerFilter&) { ++visited; });
  const auto messages = CapturedDump();
  dump.Receive(OfDump(messages[0], NLM_F_DUMP_INTR));
  dump.Receive(messages[1]);
  EXPECT_FALSE(dump.done());
  dump.Receive(Done(0));
  ASSERT_TRUE(dump.done());
  EXPECT_EQ(visited, 2u);
  EXPECT_EQ(dump.status().code(), absl::StatusCode::kAborted);
}

TEST(FilterDump, IsAbortedAfterAnOverrun) {
  FilterDump dump(1, kPort, [](const FlowerFilter&) {});
  dump.Overrun();
  dump.Receive(Done(0));
  EXPECT_EQ(dump.status().code(), absl::StatusCode::kAborted);
}

TEST(FilterDump, EndsAtAMalformedMessage) {
  FilterDump dump(1, kPort, [](const FlowerFilter&) {});
  Bytes cut = CapturedDump()[1];
  cut.resize(cut.size() - 4);
  dump.Receive(cut);
  ASSERT_TRUE(dump.done());
  EXPECT_EQ(dump.status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace offload::netlink
