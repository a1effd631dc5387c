// Asks the kernel, and the NIC behind it, what rules it takes: installs rules that no packet can
// match, reads them back key by key and removes them.
//
// An ACK is not enough: flower ignores what it does not know or what stands without its neighbour
// (a port without an ethertype), and the rule then matches more than was asked.
//
// A probe rule is a session rule with values that no packet has (like the keep-alives': the
// broadcast address as source, VLAN id 4095), in the mode and at the priority of session rules,
// with a handle of its own range and the standing cookie. So the sweep of the next start knows and
// removes one that was left behind by a process that died at this moment.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "datapath/tc_rule.h"
#include "datapath/tc_shape.h"
#include "netlink/filter_socket.h"
#include "netlink/flower.h"

namespace offload::datapath {

enum class Verdict : uint8_t {
  kUnknown,      // not asked, or no answer to rely on: the table was full, something was busy
  kSupported,    // accepted, and read back as it was asked
  kUnsupported,  // refused in a way that does not change: EOPNOTSUPP, or keys were dropped
  kRefused,      // refused with another error: the next one may be taken
};

struct ProbeRule {
  TcShape shape;
  uint32_t egress_ifindex = 0;  // of forward
};

struct ProbeAnswer {
  Verdict verdict = Verdict::kUnknown;
  bool in_hw = false;  // kSupported: the rule was in the NIC
  absl::Status
      reason;  // not OK unless kSupported or not asked: what the kernel said, with its errno
};

// The rule at `position` (below kProbeHandles) of those that are there at the same time.
netlink::FlowerFilter ProbeFilter(const ProbeRule& rule, size_t position, uint32_t ifindex,
                                  const TcRuleOptions& options);

// The parts in which `read` is not what was asked, by name ("tcp_flags, dst_port"); empty = none.
std::string Differences(const netlink::FlowerFilter& asked, const netlink::FlowerFilter& read);

// Probes on the ingress of the netdev `ifindex`, which has a clsact qdisc: kProbeHandles rules at a
// time, and once more, one by one, those without an answer to rely on, so that a small table is
// enough. REQUIRES: answers.size() == rules.size().
//
// On an error a probe rule may still be there (which the status says), and the answers that came
// before it are good.
absl::Status ProbeNetdev(netlink::FilterSocket& socket, uint32_t ifindex,
                         const TcRuleOptions& options, absl::Span<const ProbeRule> rules,
                         absl::Span<ProbeAnswer> answers);

}  // namespace offload::datapath
