#include "netlink/message.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "netlink/kernel_error.h"

namespace offload::netlink {

MessageBuilder::MessageBuilder(absl::Span<uint8_t> buffer, uint16_t type, uint16_t flags,
                               uint32_t sequence)
    : buffer_(buffer) {
  if (buffer.size() < MNL_NLMSG_HDRLEN) {
    buffer_ = {};
    Fail(absl::ResourceExhaustedError("no room for a netlink header"));
    return;
  }
  struct nlmsghdr* message = mnl_nlmsg_put_header(buffer_.data());
  message->nlmsg_type = type;
  message->nlmsg_flags = flags;
  message->nlmsg_seq = sequence;
}

void MessageBuilder::Fail(absl::Status error) {
  if (status_.ok()) status_ = std::move(error);
}

void MessageBuilder::PutHeader(const void* data, size_t size) {
  if (!status_.ok()) return;
  if (header()->nlmsg_len + MNL_ALIGN(size) > buffer_.size()) {
    return Fail(absl::ResourceExhaustedError("message too long"));
  }
  std::memcpy(mnl_nlmsg_put_extra_header(header(), size), data, size);
}

void MessageBuilder::Put(uint16_t type, const void* data, size_t size) {
  if (!status_.ok()) return;
  if (!mnl_attr_put_check(header(), buffer_.size(), type, size, data)) {
    Fail(absl::ResourceExhaustedError("message too long"));
  }
}

void MessageBuilder::PutBe16(uint16_t type, uint16_t host_order) {
  PutU16(type, htons(host_order));
}
void MessageBuilder::PutBe32(uint16_t type, uint32_t host_order) {
  PutU32(type, htonl(host_order));
}

void MessageBuilder::PutString(uint16_t type, absl::string_view value) {
  const std::string terminated(value);
  Put(type, terminated.c_str(), terminated.size() + 1);
}

absl::StatusOr<absl::Span<const uint8_t>> MessageBuilder::Finish() const {
  if (!status_.ok()) return status_;
  return absl::Span<const uint8_t>(buffer_.data(), header()->nlmsg_len);
}

MessageBuilder::Nest::Nest(MessageBuilder& builder, uint16_t type)
    : builder_(builder), start_(nullptr) {
  if (!builder_.status_.ok()) return;
  start_ = mnl_attr_nest_start_check(builder_.header(), builder_.buffer_.size(), type);
  if (start_ == nullptr) builder_.Fail(absl::ResourceExhaustedError("message too long"));
}

MessageBuilder::Nest::~Nest() {
  if (start_ != nullptr && builder_.status_.ok()) mnl_attr_nest_end(builder_.header(), start_);
}

bool AttributeReader::Next() {
  if (!status_.ok() || rest_.empty()) return false;
  struct nlattr attribute;
  if (rest_.size() < sizeof(attribute)) {
    Fail("cut inside an attribute's header");
    return false;
  }
  std::memcpy(&attribute, rest_.data(), sizeof(attribute));
  type_ = mnl_attr_get_type(&attribute);
  if (attribute.nla_len < sizeof(attribute) || attribute.nla_len > rest_.size()) {
    Fail(absl::StrCat("length ", attribute.nla_len, " where ", rest_.size(), " bytes are left"));
    return false;
  }
  payload_ = rest_.subspan(MNL_ATTR_HDRLEN, attribute.nla_len - MNL_ATTR_HDRLEN);
  rest_.remove_prefix(std::min<size_t>(MNL_ALIGN(attribute.nla_len), rest_.size()));
  return true;
}

void AttributeReader::Fail(absl::string_view what) {
  if (status_.ok()) {
    status_ = absl::InvalidArgumentError(absl::StrCat("netlink attribute ", type_, ": ", what));
  }
}

void AttributeReader::CopyExact(void* out, size_t size) {
  if (!status_.ok()) return;
  if (payload_.size() != size) {
    return Fail(absl::StrCat("has ", payload_.size(), " bytes, not ", size));
  }
  std::memcpy(out, payload_.data(), size);
}

void AttributeReader::CopyAtLeast(void* out, size_t size, size_t at_least) {
  if (!status_.ok()) return;
  if (payload_.size() < at_least) {
    return Fail(absl::StrCat("has ", payload_.size(), " bytes, fewer than ", at_least));
  }
  std::memcpy(out, payload_.data(), std::min(size, payload_.size()));
}

uint16_t AttributeReader::Be16() { return ntohs(U16()); }
uint32_t AttributeReader::Be32() { return ntohl(U32()); }

std::string AttributeReader::String() {
  const auto end = std::find(payload_.begin(), payload_.end(), 0);
  if (end == payload_.end()) {
    Fail("string without its end");
    return "";
  }
  return std::string(payload_.begin(), end);
}

absl::StatusOr<MessageView> TakeMessage(absl::Span<const uint8_t>& datagram) {
  MessageView view;
  if (datagram.size() < sizeof(view.header)) {
    return absl::InvalidArgumentError("netlink message cut inside its header");
  }
  std::memcpy(&view.header, datagram.data(), sizeof(view.header));
  const size_t length = view.header.nlmsg_len;
  if (length < sizeof(view.header) || length > datagram.size()) {
    return absl::InvalidArgumentError(absl::StrCat("netlink message of length ", length, " where ",
                                                   datagram.size(), " bytes are left"));
  }
  view.payload = datagram.subspan(MNL_NLMSG_HDRLEN, length - MNL_NLMSG_HDRLEN);
  datagram.remove_prefix(std::min<size_t>(MNL_ALIGN(length), datagram.size()));
  return view;
}

namespace {

// The text of the extended ack's attributes; `status` is the reader's.
std::string ReadExtendedAck(absl::Span<const uint8_t> attributes, absl::Status& status) {
  std::string text;
  std::string place;
  AttributeReader reader(attributes, status);
  while (reader.Next()) {
    if (reader.type() == NLMSGERR_ATTR_MSG) text = reader.String();
    if (reader.type() == NLMSGERR_ATTR_OFFS) {
      place = absl::StrCat(" (at byte ", reader.U32(), " of the request)");
    }
  }
  return text.empty() ? text : text + place;
}

}  // namespace

absl::StatusOr<ErrorMessage> DecodeError(const MessageView& message) {
  struct nlmsgerr error;
  if (message.payload.size() < sizeof(error)) {
    return absl::InvalidArgumentError("NLMSG_ERROR cut inside nlmsgerr");
  }
  std::memcpy(&error, message.payload.data(), sizeof(error));
  std::string text;
  if (message.header.nlmsg_flags & NLM_F_ACK_TLVS) {
    // Extended-ack attributes follow the request's copy: header alone with CAP_ACK, all of it
    // without.
    const bool whole = error.error != 0 && !(message.header.nlmsg_flags & NLM_F_CAPPED);
    const size_t copied = whole ? size_t{error.msg.nlmsg_len} : sizeof(error.msg);
    const size_t offset = sizeof(error.error) + MNL_ALIGN(copied);
    if (copied < sizeof(error.msg) || offset > message.payload.size()) {
      return absl::InvalidArgumentError("NLMSG_ERROR cut inside the request's copy");
    }
    absl::Status status;
    text = ReadExtendedAck(message.payload.subspan(offset), status);
    if (!status.ok()) return status;
  }
  return ErrorMessage{.status = ErrnoToStatus(error.error, text), .sequence = error.msg.nlmsg_seq};
}

absl::StatusOr<ErrorMessage> DecodeDone(const MessageView& message) {
  int32_t error = 0;
  if (message.payload.size() < sizeof(error)) {
    return absl::InvalidArgumentError("NLMSG_DONE cut inside its errno");
  }
  std::memcpy(&error, message.payload.data(), sizeof(error));
  std::string text;
  if (message.header.nlmsg_flags & NLM_F_ACK_TLVS) {
    absl::Status status;
    text = ReadExtendedAck(message.payload.subspan(sizeof(error)), status);
    if (!status.ok()) return status;
  }
  return ErrorMessage{.status = ErrnoToStatus(error, text), .sequence = message.header.nlmsg_seq};
}

}  // namespace offload::netlink
