// What the kernel sends about filters, qdiscs and devlink: any bytes as one datagram of messages.
#include <linux/rtnetlink.h>

#include <cstdint>
#include <vector>

#include "netlink/devlink.h"
#include "netlink/flower_codec.h"
#include "netlink/qdisc.h"
#include "tests/fuzz/check.h"

namespace offload::netlink {
namespace {

// A filter that was understood and that our encoder takes comes back the same.
void CheckRoundTrip(const FlowerFilter& filter) {
  std::vector<uint8_t> buffer(kMaxMessage);
  const auto bytes = EncodeFilterRequest({.filter = filter}, 1, absl::MakeSpan(buffer));
  if (!bytes.ok()) return;
  absl::Span<const uint8_t> rest = *bytes;
  const auto message = TakeMessage(rest);
  FUZZ_CHECK(message.ok() && rest.empty());
  const auto again = DecodeFilter(*message);
  FUZZ_CHECK(again.ok());
  FUZZ_CHECK(again->id == filter.id);
  FUZZ_CHECK(again->key == filter.key);
  FUZZ_CHECK(again->actions.size() == filter.actions.size());
  for (size_t i = 0; i < filter.actions.size(); ++i) {
    FUZZ_CHECK(again->actions[i].what == filter.actions[i].what);
    FUZZ_CHECK(again->actions[i].cookie == filter.actions[i].cookie);
  }
}

void Decode(const MessageView& message) {
  (void)DecodeError(message);
  (void)DecodeDone(message);
  (void)DecodeQdisc(message);
  (void)DecodeDevlinkPort(message);
  (void)DecodeEswitchMode(message);
  const auto filter = DecodeFilter(message);
  if (!filter.ok()) {
    FUZZ_CHECK(!filter.status().message().empty());
    return;
  }
  for (const FilterAction& action : filter->actions) {
    FUZZ_CHECK(action.cookie.size() <= kMaxCookie);
  }
  if (message.header.nlmsg_type == RTM_NEWTFILTER) CheckRoundTrip(*filter);
}

}  // namespace
}  // namespace offload::netlink

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  absl::Span<const uint8_t> rest(data, size);
  while (!rest.empty()) {
    const size_t before = rest.size();
    const auto message = offload::netlink::TakeMessage(rest);
    if (!message.ok()) break;
    FUZZ_CHECK(rest.size() < before);
    offload::netlink::Decode(*message);
  }
  return 0;
}
