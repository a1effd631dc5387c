#include "netlink/message.h"

#include <linux/rtnetlink.h>

#include <cerrno>
#include <cstring>
#include <limits>

#include "gtest/gtest.h"
#include "netlink/kernel_error.h"
#include "tests/netlink/golden.h"

namespace offload::netlink {
namespace {

absl::StatusOr<absl::Span<const uint8_t>> BuildSample(absl::Span<uint8_t> buffer) {
  MessageBuilder builder(buffer, RTM_NEWTFILTER, NLM_F_REQUEST, 7);
  const struct tcmsg header = {};
  builder.PutHeader(&header, sizeof(header));
  builder.PutString(1, "flower");
  {
    MessageBuilder::Nest outer(builder, 2);
    builder.PutU8(3, 0xAB);
    {
      MessageBuilder::Nest inner(builder, 4);
      builder.PutBe16(5, 0x1234);
      builder.PutBe32(6, 0x12345678);
    }
    builder.PutU32(7, 99);
  }
  return builder.Finish();
}

TEST(MessageBuilder, NestsAsTheCodeDoes) {
  alignas(4) uint8_t buffer[256];
  const auto built = BuildSample(absl::MakeSpan(buffer));
  ASSERT_TRUE(built.ok()) << built.status();
  const Bytes message(built->begin(), built->end());
  const MessageView view = View(message);
  EXPECT_EQ(view.header.nlmsg_len, message.size());
  EXPECT_EQ(view.header.nlmsg_seq, 7u);
  absl::Status status;
  AttributeReader reader(view.payload.subspan(sizeof(struct tcmsg)), status);
  ASSERT_TRUE(reader.Next());
  EXPECT_EQ(reader.String(), "flower");
  ASSERT_TRUE(reader.Next());
  EXPECT_EQ(reader.type(), 2);
  AttributeReader outer = reader.Nested();
  ASSERT_TRUE(outer.Next());
  EXPECT_EQ(outer.U8(), 0xAB);
  ASSERT_TRUE(outer.Next());
  AttributeReader inner = outer.Nested();
  ASSERT_TRUE(inner.Next());
  EXPECT_EQ(inner.Be16(), 0x1234);
  EXPECT_EQ(inner.payload()[0], 0x12) << "network order";
  ASSERT_TRUE(inner.Next());
  EXPECT_EQ(inner.Be32(), 0x12345678u);
  EXPECT_FALSE(inner.Next());
  ASSERT_TRUE(outer.Next());
  EXPECT_EQ(outer.U32(), 99u);
  EXPECT_FALSE(outer.Next());
  EXPECT_FALSE(reader.Next());
  EXPECT_TRUE(status.ok());
}

TEST(MessageBuilder, ABufferTooSmallIsAnErrorAtEverySize) {
  alignas(4) uint8_t buffer[256];
  const size_t needed = BuildSample(absl::MakeSpan(buffer))->size();
  for (size_t size = 0; size < needed; ++size) {
    Bytes small(size + 4, 0xEE);
    const auto built = BuildSample(absl::MakeSpan(small.data(), size));
    EXPECT_EQ(built.status().code(), absl::StatusCode::kResourceExhausted) << size;
    for (size_t i = size; i < small.size(); ++i) ASSERT_EQ(small[i], 0xEE) << "wrote past the end";
  }
}

TEST(MessageBuilder, TheFirstErrorStays) {
  alignas(4) uint8_t buffer[64];
  MessageBuilder builder(absl::MakeSpan(buffer), 1, 0, 0);
  builder.Fail(absl::InvalidArgumentError("first"));
  builder.Fail(absl::InternalError("second"));
  builder.PutU32(1, 1);
  EXPECT_EQ(builder.Finish().status().message(), "first");
}

TEST(AttributeReader, DemandsExactLengths) {
  // One attribute of type 9 with 3 bytes of payload, as the kernel would lay it out.
  const Bytes attribute = {7, 0, 9, 0, 1, 2, 3, 0};
  for (const auto& read : std::vector<std::function<void(AttributeReader&)>>{
           [](auto& r) { r.U8(); }, [](auto& r) { r.U16(); }, [](auto& r) { r.U32(); },
           [](auto& r) { r.U64(); }, [](auto& r) { r.String(); }}) {
    absl::Status status;
    AttributeReader reader(attribute, status);
    ASSERT_TRUE(reader.Next());
    read(reader);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(status.message().find("attribute 9"), std::string::npos) << status;
    EXPECT_FALSE(reader.Next()) << "the error is sticky";
  }
}

TEST(AttributeReader, RefusesLengthsThatLie) {
  for (const Bytes& bytes : {Bytes{3, 0, 1, 0}, Bytes{9, 0, 1, 0, 0, 0, 0, 0}, Bytes{4, 0}}) {
    absl::Status status;
    AttributeReader reader(bytes, status);
    EXPECT_FALSE(reader.Next());
    EXPECT_FALSE(status.ok());
  }
}

TEST(AttributeReader, TakesTheLastAttributeWithoutPadding) {
  absl::Status status;
  const Bytes bytes = {5, 0, 1, 0x80, 42};  // NLA_F_NESTED set, 1 byte, no padding behind
  AttributeReader reader(bytes, status);
  ASSERT_TRUE(reader.Next());
  EXPECT_EQ(reader.type(), 1);
  EXPECT_EQ(reader.U8(), 42);
  EXPECT_FALSE(reader.Next());
  EXPECT_TRUE(status.ok());
}

TEST(KernelError, KeepsCodeNumberAndText) {
  const absl::Status exists = ErrnoToStatus(-EEXIST, "Filter already exists");
  EXPECT_EQ(exists.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(exists.message(), "Filter already exists");
  EXPECT_EQ(ErrnoOf(exists), EEXIST);
  EXPECT_EQ(ErrnoOf(WithPrefix(exists, "p0: ")), EEXIST);
  EXPECT_EQ(WithPrefix(exists, "p0: ").message(), "p0: Filter already exists");
  EXPECT_TRUE(ErrnoToStatus(0, "ignored").ok());
  EXPECT_EQ(ErrnoOf(absl::InternalError("ours")), 0);
  EXPECT_FALSE(ErrnoToStatus(-EIO).message().empty());
  EXPECT_FALSE(ErrnoToStatus(std::numeric_limits<int>::min()).ok());
}

TEST(KernelError, MapsEveryErrnoOfTheTable) {
  const std::pair<int, absl::StatusCode> expected[] = {
      {ENOSPC, absl::StatusCode::kResourceExhausted},
      {ENOMEM, absl::StatusCode::kResourceExhausted},
      {EOPNOTSUPP, absl::StatusCode::kUnimplemented},
      {EINVAL, absl::StatusCode::kInvalidArgument},
      {ENOENT, absl::StatusCode::kNotFound},
      {ENODEV, absl::StatusCode::kNotFound},
      {EBUSY, absl::StatusCode::kUnavailable},
      {EPERM, absl::StatusCode::kPermissionDenied},
      {EIO, absl::StatusCode::kInternal},
  };
  for (const auto& [number, code] : expected) {
    EXPECT_EQ(ErrnoToStatus(-number).code(), code) << number;
    EXPECT_EQ(ErrnoToStatus(number).code(), code) << number;
  }
}

TEST(DecodeError, ReadsWhatTheKernelSaid) {
  struct Case {
    const char* file;
    int error;
  };
  for (const Case& c : {Case{"error_handle_exists.reply", EEXIST},
                        {"error_key_exists.reply", EEXIST},
                        {"get_absent.reply", ENOENT},
                        {"delete_absent.reply", ENOENT},
                        {"error_protocol_of_priority.reply", EINVAL}}) {
    int seen = 0;
    for (const Bytes& message : Golden(c.file)) {
      if (View(message).header.nlmsg_type != NLMSG_ERROR) continue;
      const auto error = DecodeError(View(message));
      ASSERT_TRUE(error.ok()) << error.status();
      seen = ErrnoOf(error->status);
    }
    EXPECT_EQ(seen, c.error) << c.file;
  }
}

TEST(DecodeError, TextOfAnExtendedAckAfterTheWholeRequestAndAfterItsHeader) {
  const char text[] = "no offload here";
  for (const bool capped : {true, false}) {
    Bytes message(16 + 4 + 16);
    const uint32_t request_length = 40;
    const int32_t error = -EOPNOTSUPP;
    std::memcpy(&message[16], &error, 4);
    std::memcpy(&message[20], &request_length, 4);
    if (!capped) message.resize(message.size() + request_length - 16, 0x55);
    const uint16_t length = 4 + sizeof(text), type = NLMSGERR_ATTR_MSG;
    const size_t at = message.size();
    message.resize(at + 4 + sizeof(text));
    std::memcpy(&message[at], &length, 2);
    std::memcpy(&message[at + 2], &type, 2);
    std::memcpy(&message[at + 4], text, sizeof(text));
    const uint32_t total = static_cast<uint32_t>(message.size());
    const uint16_t nlmsg_type = NLMSG_ERROR, flags = NLM_F_ACK_TLVS | (capped ? NLM_F_CAPPED : 0);
    std::memcpy(&message[0], &total, 4);
    std::memcpy(&message[4], &nlmsg_type, 2);
    std::memcpy(&message[6], &flags, 2);
    const auto decoded = DecodeError(View(message));
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    EXPECT_EQ(decoded->status.message(), text);
    EXPECT_EQ(ErrnoOf(decoded->status), EOPNOTSUPP);
  }
}

TEST(DecodeError, SaysWhereInTheRequestTheKernelStoppedReading) {
  Bytes message = {60,   0,           0,
                   0,    NLMSG_ERROR, 0,
                   0,    3,           0,
                   0,    0,           0,
                   0,    0,           0,
                   0,  // nlmsghdr
                   0xEA, 0xFF,        0xFF,
                   0xFF,  // -EINVAL
                   40,   0,           0,
                   0,    44,          0,
                   5,    0,           9,
                   0,    0,           0,
                   0,    0,           0,
                   0,  // request
                   8,    0,           NLMSGERR_ATTR_OFFS,
                   0,    36,          0,
                   0,    0,  //
                   13,   0,           NLMSGERR_ATTR_MSG,
                   0,    'b',         'a',
                   'd',  ' ',         'k',
                   'i',  'n',         'd',
                   0,    0,           0,
                   0};
  const auto error = DecodeError(View(message));
  ASSERT_TRUE(error.ok()) << error.status();
  EXPECT_EQ(error->status.message(), "bad kind (at byte 36 of the request)");
  EXPECT_EQ(error->sequence, 9u);
  message[20] = 8;  // a request shorter than its header, in a message that says it holds it all
  message[7] = 2;
  EXPECT_FALSE(DecodeError(View(message)).ok());
}

TEST(DecodeDone, HasTheErrnoOfTheDump) {
  for (const Bytes& message : Golden("dump_terse.reply")) {
    if (View(message).header.nlmsg_type != NLMSG_DONE) continue;
    ASSERT_TRUE(DecodeDone(View(message)).ok());
    EXPECT_TRUE(DecodeDone(View(message))->status.ok());
  }
  const Bytes failed = {20,   0,    0,    0,   NLMSG_DONE, 0, 2, 0,
                        1,    0,    0,    0,   0,          0, 0, 0,  // nlmsghdr
                        0xEA, 0xFF, 0xFF, 0xFF};
  EXPECT_EQ(ErrnoOf(DecodeDone(View(failed))->status), EINVAL);
  const Bytes cut = {18, 0, 0, 0, NLMSG_DONE, 0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xEA, 0xFF};
  EXPECT_FALSE(DecodeDone(View(cut)).ok());
}

}  // namespace
}  // namespace offload::netlink
