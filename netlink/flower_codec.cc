#include "netlink/flower_codec.h"

#include <arpa/inet.h>
#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>

#include <cstring>

#include "absl/strings/str_cat.h"

namespace offload::netlink {
namespace {

constexpr char kFlower[] = "flower";
constexpr uint16_t kRequestFlags = NLM_F_REQUEST;
constexpr uint16_t kReplaceFlags = NLM_F_REQUEST | NLM_F_CREATE;
constexpr uint16_t kAddFlags = kReplaceFlags | NLM_F_EXCL;
constexpr uint32_t kRequestedFlags = kSkipHw | kSkipSw | kVerbose;
constexpr uint32_t kMagicBlock = TCM_IFINDEX_MAGIC_BLOCK;

uint32_t Info(uint16_t priority, uint16_t protocol) {
  return static_cast<uint32_t>(priority) << 16 | htons(protocol);
}

struct tcmsg Header(const AttachmentPoint& at, uint32_t handle, uint32_t info) {
  struct tcmsg header = {};
  header.tcm_family = AF_UNSPEC;
  header.tcm_ifindex = static_cast<int>(at.block ? kMagicBlock : at.ifindex);
  header.tcm_parent = at.block ? *at.block : at.parent;
  header.tcm_handle = handle;
  header.tcm_info = info;
  return header;
}

FilterId IdOf(const struct tcmsg& header) {
  FilterId id;
  if (static_cast<uint32_t>(header.tcm_ifindex) == kMagicBlock) {
    id.at.block = header.tcm_parent;  // shares its place with tcm_block_index
  } else {
    id.at.ifindex = static_cast<uint32_t>(header.tcm_ifindex);
    id.at.parent = header.tcm_parent;
  }
  id.priority = static_cast<uint16_t>(header.tcm_info >> 16);
  id.protocol = ntohs(static_cast<uint16_t>(header.tcm_info));
  id.handle = header.tcm_handle;
  return id;
}

uint16_t TypeOf(FilterRequest::Op op) {
  switch (op) {
    case FilterRequest::Op::kAdd:
    case FilterRequest::Op::kReplace:
      return RTM_NEWTFILTER;
    case FilterRequest::Op::kDelete:
      return RTM_DELTFILTER;
    case FilterRequest::Op::kGet:
      return RTM_GETTFILTER;
  }
  return 0;
}

// Whether the request carries a whole filter.
bool IsWrite(FilterRequest::Op op) {
  return op == FilterRequest::Op::kAdd || op == FilterRequest::Op::kReplace;
}

uint16_t FlagsOf(const FilterRequest& request) {
  uint16_t flags = kRequestFlags;
  if (request.op == FilterRequest::Op::kAdd) flags = kAddFlags;
  if (request.op == FilterRequest::Op::kReplace) flags = kReplaceFlags;
  return request.echo ? flags | NLM_F_ECHO : flags;
}

// What no request may say. A delete of priority 0 would take the whole chain with it, filters of
// others included, and an add of it would leave the choice to the kernel.
absl::Status CheckRequest(const FilterRequest& request) {
  const FlowerFilter& filter = request.filter;
  if (filter.id.priority == 0) return absl::InvalidArgumentError("priority: missing");
  if (!IsWrite(request.op)) return absl::OkStatus();
  if (filter.kind != kFlower) return absl::InvalidArgumentError("kind: not flower");
  if (filter.id.protocol == 0) return absl::InvalidArgumentError("protocol: missing");
  if (request.op == FilterRequest::Op::kReplace && filter.id.handle == 0) {
    return absl::InvalidArgumentError("handle: missing, nothing would be replaced");
  }
  if ((filter.flags & ~kRequestedFlags) != 0) {
    return absl::InvalidArgumentError("flags: only the kernel says where a filter is");
  }
  return absl::OkStatus();
}

void ReadOptions(AttributeReader options, FlowerFilter& filter) {
  filter.key = ReadFlowerKey(options);
  while (options.Next()) {
    switch (options.type()) {
      case TCA_FLOWER_FLAGS:
        filter.flags = options.U32();
        break;
      case TCA_FLOWER_IN_HW_COUNT:
        filter.in_hw_count = options.U32();
        break;
      case TCA_FLOWER_ACT:
        filter.actions = ReadActions(options.Nested());
        break;
      default:
        break;
    }
  }
}

}  // namespace

absl::StatusOr<absl::Span<const uint8_t>> EncodeFilterRequest(const FilterRequest& request,
                                                              uint32_t sequence,
                                                              absl::Span<uint8_t> buffer) {
  if (absl::Status status = CheckRequest(request); !status.ok()) return status;
  const FlowerFilter& filter = request.filter;
  const struct tcmsg header =
      Header(filter.id.at, filter.id.handle, Info(filter.id.priority, filter.id.protocol));
  MessageBuilder builder(buffer, TypeOf(request.op), FlagsOf(request), sequence);
  builder.PutHeader(&header, sizeof(header));
  // Always with the kind, also to delete and get: without it the request takes RTNL.
  builder.PutString(TCA_KIND, filter.kind);
  if (filter.id.chain != 0) builder.PutU32(TCA_CHAIN, filter.id.chain);
  if (IsWrite(request.op)) {
    MessageBuilder::Nest options(builder, TCA_OPTIONS);
    PutFlowerKey(builder, filter.id, filter.key);
    PutActions(builder, filter.actions);
    builder.PutU32(TCA_FLOWER_FLAGS, filter.flags);
  }
  return builder.Finish();
}

absl::StatusOr<absl::Span<const uint8_t>> EncodeDumpRequest(const DumpRequest& request,
                                                            uint32_t sequence,
                                                            absl::Span<uint8_t> buffer) {
  const struct tcmsg header = Header(request.at, 0, Info(request.priority, request.protocol));
  MessageBuilder builder(buffer, RTM_GETTFILTER, NLM_F_REQUEST | NLM_F_DUMP, sequence);
  builder.PutHeader(&header, sizeof(header));
  if (request.chain) builder.PutU32(TCA_CHAIN, *request.chain);
  if (request.terse) {
    const struct nla_bitfield32 flags = {TCA_DUMP_FLAGS_TERSE, TCA_DUMP_FLAGS_TERSE};
    builder.Put(TCA_DUMP_FLAGS, &flags, sizeof(flags));
  }
  return builder.Finish();
}

absl::StatusOr<FlowerFilter> DecodeFilter(const MessageView& message) {
  struct tcmsg header;
  if (message.payload.size() < sizeof(header)) {
    return absl::InvalidArgumentError("filter message cut inside tcmsg");
  }
  std::memcpy(&header, message.payload.data(), sizeof(header));
  FlowerFilter filter;
  filter.id = IdOf(header);
  filter.has_options = false;
  filter.kind.clear();
  absl::Status status;
  std::optional<AttributeReader> options;
  AttributeReader reader(message.payload.subspan(NLMSG_ALIGN(sizeof(header))), status);
  while (reader.Next()) {
    switch (reader.type()) {
      case TCA_KIND:
        filter.kind = reader.String();
        break;
      case TCA_CHAIN:
        filter.id.chain = reader.U32();
        break;
      case TCA_OPTIONS:
        options.emplace(reader.Nested());
        break;
      default:
        break;
    }
  }
  if (status.ok() && filter.kind.empty()) {
    return absl::InvalidArgumentError("filter message without its kind");
  }
  filter.has_options = options.has_value();
  if (options && filter.kind == kFlower) ReadOptions(*options, filter);
  if (!status.ok()) return status;
  return filter;
}

}  // namespace offload::netlink
