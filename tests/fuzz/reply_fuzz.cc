// What the kernel answers to a batch of requests and to a dump: any bytes, in any cut, as the
// datagrams that come back.
#include <fuzzer/FuzzedDataProvider.h>
#include <linux/netlink.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "netlink/kernel_error.h"
#include "netlink/transaction.h"
#include "tests/fuzz/check.h"

namespace offload::netlink {
namespace {

using Bytes = std::vector<uint8_t>;
constexpr size_t kMaxRequests = 5;
constexpr size_t kMaxDatagrams = 4;

struct Input {
  std::vector<FilterRequest> requests;
  std::vector<Bytes> datagrams;
  bool datagrams_are_empty = true;
  bool overrun = false;
  uint32_t sequence = 0, port_id = 0;
};

// The numbers are at the end of the input, so that captured answers are inputs as they are; those
// also say what was asked for.
Input Divide(const uint8_t* data, size_t size) {
  FuzzedDataProvider provider(data, size);
  Input input;
  input.overrun = provider.ConsumeProbability<float>() > 0.9F;
  const auto op = provider.ConsumeIntegralInRange<uint8_t>(0, 2);
  input.requests.resize(provider.ConsumeIntegralInRange<size_t>(0, kMaxRequests),
                        {.op = static_cast<FilterRequest::Op>(op), .echo = true});
  const size_t cuts = provider.ConsumeIntegralInRange<size_t>(0, kMaxDatagrams - 1);
  std::vector<size_t> sizes(cuts);
  for (size_t& s : sizes) s = provider.ConsumeIntegral<uint16_t>();
  for (const size_t s : sizes) input.datagrams.push_back(provider.ConsumeBytes<uint8_t>(s));
  input.datagrams.push_back(provider.ConsumeRemainingBytes<uint8_t>());
  for (const Bytes& datagram : input.datagrams) input.datagrams_are_empty &= datagram.empty();
  nlmsghdr first = {};
  std::memcpy(&first, data, std::min(size, sizeof(first)));
  input.sequence = first.nlmsg_seq;
  input.port_id = first.nlmsg_pid;
  return input;
}

void CheckTransaction(const Input& input) {
  Transaction transaction(input.requests, input.sequence, input.port_id);
  if (input.overrun) transaction.Overrun();
  for (const Bytes& datagram : input.datagrams) transaction.Receive(datagram);
  const bool done = transaction.done();
  std::vector<FilterReply> replies(input.requests.size());
  transaction.Finish(absl::MakeSpan(replies));
  const bool known = done && !input.overrun;
  for (size_t i = 0; i < replies.size(); ++i) {
    const FilterReply& reply = replies[i];
    const bool is_get = input.requests[i].op == FilterRequest::Op::kGet;
    FUZZ_CHECK(!(is_get && reply.status.ok() && !reply.filter));
    // Without the fence, silence is no success.
    if (input.datagrams_are_empty && !known) FUZZ_CHECK(!reply.status.ok());
  }
}

void CheckDump(const Input& input) {
  size_t visited = 0;
  FilterDump dump(input.sequence, input.port_id, [&visited](const FlowerFilter&) { ++visited; });
  if (input.overrun) dump.Overrun();
  for (const Bytes& datagram : input.datagrams) dump.Receive(datagram);
  if (!dump.done()) return;
  FUZZ_CHECK(!(input.overrun && dump.status().ok()));
}

}  // namespace
}  // namespace offload::netlink

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto input = offload::netlink::Divide(data, size);
  offload::netlink::CheckTransaction(input);
  offload::netlink::CheckDump(input);
  return 0;
}
