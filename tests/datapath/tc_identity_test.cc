#include "datapath/tc_identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace offload::datapath {
namespace {

using session::Direction;
using ::testing::ElementsAre;

// timeout 30 = 0x1E, generation 0x1234: 0x1E << 15 | 0x1234 = 0x000F1234.
const RuleCookie kPlain = {.direction = Direction::kIn,
                           .key = {.owner = 0, .id = 0x0102030405060708},
                           .timeout_seconds = 30,
                           .generation = 0x1234};
constexpr CookieBytes kPlainBytes = {0xFD, 0x01, 0x00, 0x00, 0x0F, 0x12, 0x34, 0x01,
                                     0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08};

const RuleCookie kFull = {.direction = Direction::kOut,
                          .key = {.owner = 127, .id = UINT64_MAX},
                          .timeout_seconds = 131071,
                          .generation = 0x7FFF};
constexpr CookieBytes kFullBytes = {0xFD, 0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
                                    0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};

// One day and one bit each of owner and generation: 86400 = 0x15180, << 15 = 0xA8C00000.
const RuleCookie kDay = {.direction = Direction::kOut,
                         .key = {.owner = 1, .id = 7},
                         .timeout_seconds = 86400,
                         .generation = 1};
constexpr CookieBytes kDayBytes = {0xFD, 0x01, 0x81, 0xA8, 0xC0, 0x00, 0x01, 0x00,
                                   0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x07};

TEST(HandleTest, IsTwiceSlotPlusDirectionPlusOne) {
  EXPECT_EQ(HandleOf(0, Direction::kIn), 1U);
  EXPECT_EQ(HandleOf(0, Direction::kOut), 2U);
  EXPECT_EQ(HandleOf(1, Direction::kIn), 3U);
  EXPECT_EQ(HandleOf(1000, Direction::kOut), 2002U);
  EXPECT_EQ(HandleOf(kMaxSlot, Direction::kOut), 0xFFFFFEFEU);
}

TEST(HandleTest, ParsesBack) {
  for (const Slot slot : {0U, 1U, 2U, 65535U, 65536U, 4000000U, kMaxSlot}) {
    for (const Direction direction : session::kDirections) {
      EXPECT_EQ(ParseHandle(HandleOf(slot, direction)), (HandleContent{slot, direction}));
    }
  }
}

TEST(HandleTest, ZeroAndReservedNameNoRule) {
  EXPECT_FALSE(ParseHandle(0));
  EXPECT_FALSE(ParseHandle(kKeepAliveHandle));
  EXPECT_FALSE(ParseHandle(0xFFFFFFFF));
  EXPECT_TRUE(ParseHandle(HandleOf(kMaxSlot, Direction::kOut)));
}

// Found by fuzz_cookie: it came back as a slot above kMaxSlot, whose other handle is reserved.
TEST(HandleTest, TheHandleBelowTheReservedOnesIsOfNoSlot) {
  EXPECT_FALSE(ParseHandle(kFirstReservedHandle - 1));
}

TEST(CookieTest, EncodesFixedBytes) {
  EXPECT_EQ(EncodeCookie(kPlain), kPlainBytes);
  EXPECT_EQ(EncodeCookie(kFull), kFullBytes);
  EXPECT_EQ(EncodeCookie(kDay), kDayBytes);
}

TEST(CookieTest, DecodesFixedBytes) {
  EXPECT_EQ(*DecodeCookie(kPlainBytes), kPlain);
  EXPECT_EQ(*DecodeCookie(kFullBytes), kFull);
  EXPECT_EQ(*DecodeCookie(kDayBytes), kDay);
}

TEST(CookieTest, RefusesEveryOtherLength) {
  const std::vector<uint8_t> bytes(kPlainBytes.begin(), kPlainBytes.end());
  for (size_t length = 0; length < kCookieSize; ++length) {
    EXPECT_EQ(DecodeCookie(absl::MakeSpan(bytes).first(length)).status().code(),
              absl::StatusCode::kInvalidArgument)
        << length;
  }
  std::vector<uint8_t> longer = bytes;
  longer.push_back(0);
  EXPECT_FALSE(DecodeCookie(longer).ok());
}

TEST(CookieTest, RefusesEveryOtherMagicAndVersion) {
  for (size_t at : {0, 1}) {
    for (int value = 0; value < 256; ++value) {
      CookieBytes bytes = kPlainBytes;
      bytes[at] = static_cast<uint8_t>(value);
      EXPECT_EQ(DecodeCookie(bytes).ok(), bytes == kPlainBytes) << at << " " << value;
    }
  }
}

TEST(CookieTest, EveryBitOfTheContentSurvives) {
  for (size_t bit = 16; bit < 8 * kCookieSize; ++bit) {
    CookieBytes bytes = {kCookieMagic, kCookieVersion};
    bytes[bit / 8] = static_cast<uint8_t>(1U << bit % 8);
    const auto cookie = DecodeCookie(bytes);
    ASSERT_TRUE(cookie.ok()) << cookie.status();
    EXPECT_NE(*cookie, RuleCookie{}) << bit;
    EXPECT_EQ(EncodeCookie(*cookie), bytes) << bit;
  }
}

TEST(CookieTest, StandingIsRecognisedAndIsNoSession) {
  EXPECT_THAT(StandingCookie(), ElementsAre(0xFD, 0x81, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
  EXPECT_TRUE(IsStandingCookie(StandingCookie()));
  EXPECT_FALSE(IsStandingCookie(kPlainBytes));
  EXPECT_FALSE(IsStandingCookie({}));
  EXPECT_FALSE(DecodeCookie(StandingCookie()).ok());
}

FlowRule Rule() {
  return {.slot = 3,
          .generation = 0x1234,
          .key = {.owner = 0, .id = 0x0102030405060708},
          .timeout = absl::Seconds(30)};
}

TEST(CookieTest, IsMadeOfTheRule) { EXPECT_EQ(*CookieOf(Rule()), kPlain); }

TEST(CookieTest, RefusesWhatDoesNotFit) {
  const auto refused = [](auto change) {
    FlowRule rule = Rule();
    change(rule);
    return CookieOf(rule).status().code() == absl::StatusCode::kInvalidArgument;
  };
  EXPECT_TRUE(refused([](FlowRule& r) { r.timeout = absl::Seconds(131072); }));
  EXPECT_FALSE(refused([](FlowRule& r) { r.timeout = absl::Seconds(131071); }));
  EXPECT_TRUE(refused([](FlowRule& r) { r.timeout = absl::Milliseconds(1500); }));
  EXPECT_TRUE(refused([](FlowRule& r) { r.timeout = -absl::Seconds(1); }));
  EXPECT_TRUE(refused([](FlowRule& r) { r.timeout = absl::InfiniteDuration(); }));
  EXPECT_TRUE(refused([](FlowRule& r) { r.key.owner = 128; }));
  EXPECT_TRUE(refused([](FlowRule& r) { r.generation = 0x8000; }));
}

}  // namespace
}  // namespace offload::datapath
