// Netlink messages: a builder whose nesting in code mirrors the nesting on the wire, and a reader
// that never looks outside its span. On libmnl's attribute functions. Pure.
//
// Both carry one sticky error: after the first one everything is a no-op (reads give zero), so a
// codec is written without checks in between and asks once at the end.
#pragma once

#include <linux/netlink.h>

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace offload::netlink {

// Enough for any filter of ours (an IPv6 rule with two actions takes about 500 bytes).
inline constexpr size_t kMaxMessage = 4096;

class MessageBuilder {
 public:
  // Writes into `buffer`, which must be 4-byte aligned and outlive the builder.
  MessageBuilder(absl::Span<uint8_t> buffer, uint16_t type, uint16_t flags, uint32_t sequence);

  // The fixed header after nlmsghdr, such as tcmsg; before the first attribute.
  void PutHeader(const void* header, size_t size);

  void PutU8(uint16_t type, uint8_t value) { Put(type, &value, sizeof(value)); }
  void PutU16(uint16_t type, uint16_t value) { Put(type, &value, sizeof(value)); }
  void PutU32(uint16_t type, uint32_t value) { Put(type, &value, sizeof(value)); }
  void PutBe16(uint16_t type, uint16_t host_order);
  void PutBe32(uint16_t type, uint32_t host_order);
  void PutBytes(uint16_t type, absl::Span<const uint8_t> value) {
    Put(type, value.data(), value.size());
  }
  void PutString(uint16_t type, absl::string_view value);  // NUL-terminated on the wire
  void Put(uint16_t type, const void* data, size_t size);

  // Opens an attribute for its scope: what is put while it lives is inside.
  class Nest {
   public:
    Nest(MessageBuilder& builder, uint16_t type);
    ~Nest();
    Nest(const Nest&) = delete;
    Nest& operator=(const Nest&) = delete;

   private:
    MessageBuilder& builder_;
    struct nlattr* start_;
  };

  // For codecs: the first error wins.
  void Fail(absl::Status error);

  // The finished message, a part of the buffer; or RESOURCE_EXHAUSTED when it did not fit, or the
  // error that Fail was given.
  absl::StatusOr<absl::Span<const uint8_t>> Finish() const;

 private:
  struct nlmsghdr* header() const {
    return reinterpret_cast<struct nlmsghdr*>(buffer_.data());
  }
  absl::Span<uint8_t> buffer_;
  absl::Status status_;
};

// Walks the attributes of a span: `while (reader.Next()) switch (reader.type()) ...`. Typed reads
// demand the exact length. `status` is shared by nested readers and must outlive them.
class AttributeReader {
 public:
  AttributeReader(absl::Span<const uint8_t> attributes, absl::Status& status)
      : rest_(attributes), status_(status) {}

  bool Next();                             // false at the end and after an error
  uint16_t type() const { return type_; }  // without NLA_F_NESTED and NLA_F_NET_BYTEORDER
  absl::Span<const uint8_t> payload() const { return payload_; }

  uint8_t U8() { return Read<uint8_t>(); }
  uint16_t U16() { return Read<uint16_t>(); }
  uint32_t U32() { return Read<uint32_t>(); }
  uint64_t U64() { return Read<uint64_t>(); }
  uint16_t Be16();
  uint32_t Be32();
  std::string String();  // up to its NUL, which must be there
  AttributeReader Nested() { return AttributeReader(payload_, status_); }
  // A struct of exactly this size.
  template <typename T>
  T Struct() {
    return Read<T>();
  }
  // A struct of which the kernel may know more or less: missing bytes are zero, but `at_least` must
  // be there.
  template <typename T>
  T StructAtLeast(size_t at_least) {
    T value{};
    CopyAtLeast(&value, sizeof(T), at_least);
    return value;
  }
  void Fail(absl::string_view what);

 private:
  template <typename T>
  T Read() {
    T value{};
    CopyExact(&value, sizeof(T));
    return value;
  }
  void CopyExact(void* out, size_t size);
  void CopyAtLeast(void* out, size_t size, size_t at_least);

  absl::Span<const uint8_t> rest_;
  absl::Status& status_;
  uint16_t type_ = 0;
  absl::Span<const uint8_t> payload_;
};

// One message of a received datagram.
struct MessageView {
  struct nlmsghdr header = {};
  absl::Span<const uint8_t> payload;  // after nlmsghdr
};

// Takes the first message off `datagram`. INVALID_ARGUMENT when its length lies (less than a header
// or more than there is). REQUIRES: datagram not empty.
absl::StatusOr<MessageView> TakeMessage(absl::Span<const uint8_t>& datagram);

// How the kernel says that something went: OK for an ACK, else its errno with the extended ack's
// text and, where it names an attribute, " (at byte N of the request)".
struct ErrorMessage {
  absl::Status status;
  uint32_t sequence = 0;  // of the request
};
// The content of NLMSG_ERROR. INVALID_ARGUMENT as the outer status when the message is malformed.
absl::StatusOr<ErrorMessage> DecodeError(const MessageView& message);

// The content of NLMSG_DONE, which ends a dump. INVALID_ARGUMENT as above.
absl::StatusOr<ErrorMessage> DecodeDone(const MessageView& message);

}  // namespace offload::netlink
