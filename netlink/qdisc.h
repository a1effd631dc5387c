// The qdiscs of the netdevs, and whose filters they run: their own or a shared block's. Read
// through libnl-3: the cold path. Decoding is pure.
//
// Source: net/sched/sch_api.c (tc_fill_qdisc) and sch_ingress.c of Linux 6.1.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "netlink/message.h"

namespace offload::netlink {

struct Qdisc {
  uint32_t ifindex = 0;
  uint32_t handle = 0;  // "ffff:" is 0xFFFF0000
  uint32_t parent = 0;
  std::string kind;            // "clsact", "ingress", "noqueue", ...
  uint32_t ingress_block = 0;  // 0 = filters of its own
  uint32_t egress_block = 0;
  friend bool operator==(const Qdisc&, const Qdisc&) = default;

  // Whether it sits at the netdev's ingress hook, which takes one qdisc: clsact or ingress.
  bool AtIngress() const;
};

// A RTM_NEWQDISC message. INVALID_ARGUMENT: malformed.
absl::StatusOr<Qdisc> DecodeQdisc(const MessageView& message);

// All qdiscs of the calling thread's network namespace. Errors are the kernel's.
absl::StatusOr<std::vector<Qdisc>> ReadQdiscs();

}  // namespace offload::netlink
