// Filters as values: those of tests/golden, written from the tc command line at the top of each
// file, and what tests do with them.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "netlink/flower.h"
#include "netlink/flower_codec.h"
#include "tests/netlink/golden.h"

namespace offload::netlink {

// Of `# ifindex va=3 vb=5 vc=7` in the captured files.
inline constexpr uint32_t kVa = 3, kVb = 5, kVc = 7;
inline constexpr Ipv4Bytes kAll4 = {255, 255, 255, 255};
Ipv6Bytes All6();

const Bytes& Cookie();    // of every captured action that has one
FilterAction Redirect();  // to vb, with the cookie

// A filter on va's ingress.
FlowerFilter Expect(uint32_t handle, uint16_t priority, uint16_t protocol, FlowerKey key,
                    std::vector<FilterAction> actions = {Redirect()}, uint32_t flags = kSkipHw);
FlowerKey Key4(uint8_t ip_proto);
FlowerKey Key6(uint8_t ip_proto);
FlowerKey Vlan(FlowerKey key, uint16_t id, std::optional<uint8_t> prio = std::nullopt);

// By file name.
std::vector<std::pair<std::string, FlowerFilter>> Captured();

// All but what only the kernel writes.
void ExpectSame(const FlowerFilter& seen, const FlowerFilter& expected, const std::string& where);

// The request's bytes; the test fails when they are refused.
Bytes Encode(const FlowerFilter& filter, FilterRequest::Op op = FilterRequest::Op::kAdd);

}  // namespace offload::netlink
