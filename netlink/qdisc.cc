#include "netlink/qdisc.h"

#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include <cstring>
#include <utility>

#include "netlink/libnl.h"

namespace offload::netlink {

bool Qdisc::AtIngress() const { return parent == TC_H_INGRESS; }

absl::StatusOr<Qdisc> DecodeQdisc(const MessageView& message) {
  struct tcmsg header;
  if (message.payload.size() < sizeof(header)) {
    return absl::InvalidArgumentError("qdisc message cut inside tcmsg");
  }
  std::memcpy(&header, message.payload.data(), sizeof(header));
  Qdisc qdisc{.ifindex = static_cast<uint32_t>(header.tcm_ifindex),
              .handle = header.tcm_handle,
              .parent = header.tcm_parent};
  absl::Status status;
  AttributeReader reader(message.payload.subspan(sizeof(header)), status);
  while (reader.Next()) {
    if (reader.type() == TCA_KIND) qdisc.kind = reader.String();
    if (reader.type() == TCA_INGRESS_BLOCK) qdisc.ingress_block = reader.U32();
    if (reader.type() == TCA_EGRESS_BLOCK) qdisc.egress_block = reader.U32();
  }
  if (!status.ok()) return status;
  if (qdisc.kind.empty()) return absl::InvalidArgumentError("qdisc message without a kind");
  return qdisc;
}

absl::StatusOr<std::vector<Qdisc>> ReadQdiscs() {
  auto socket = LibnlSocket::Open();
  if (!socket.ok()) return socket.status();
  std::vector<Qdisc> qdiscs;
  absl::Status malformed;
  struct tcmsg request = {};
  const absl::Status status =
      (*socket)->Dump(RTM_GETQDISC, &request, sizeof(request), [&](const MessageView& message) {
        absl::StatusOr<Qdisc> qdisc = DecodeQdisc(message);
        malformed.Update(qdisc.status());
        if (qdisc.ok()) qdiscs.push_back(*std::move(qdisc));
      });
  if (!status.ok()) return status;
  if (!malformed.ok()) return malformed;
  return qdiscs;
}

}  // namespace offload::netlink
