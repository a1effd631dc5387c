#include "datapath/tc_identity.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace offload::datapath {
namespace {

constexpr uint8_t kStandingBit = 0x80;
constexpr unsigned kGenerationBits = 15;
constexpr size_t kOwnerOffset = 2;
constexpr size_t kTimeoutOffset = 3;
constexpr size_t kIdOffset = 7;

template <typename T>
void PutBigEndian(T value, absl::Span<uint8_t> out) {
  for (size_t i = 0; i < sizeof(T); ++i) {
    out[i] = static_cast<uint8_t>(value >> (8 * (sizeof(T) - 1 - i)));
  }
}

template <typename T>
T GetBigEndian(absl::Span<const uint8_t> in) {
  T value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) value = static_cast<T>(value << 8 | in[i]);
  return value;
}

}  // namespace

uint32_t HandleOf(Slot slot, session::Direction direction) {
  return 2 * slot + static_cast<uint32_t>(direction) + 1;
}

std::optional<HandleContent> ParseHandle(uint32_t handle) {
  if (handle == 0 || handle > HandleOf(kMaxSlot, session::Direction::kOut)) return std::nullopt;
  return HandleContent{.slot = (handle - 1) / 2,
                       .direction = static_cast<session::Direction>((handle - 1) % 2)};
}

absl::StatusOr<RuleCookie> CookieOf(const FlowRule& rule) {
  const int64_t seconds = absl::ToInt64Seconds(rule.timeout);
  if (rule.timeout < absl::ZeroDuration() || seconds > kMaxCookieTimeout ||
      absl::Seconds(seconds) != rule.timeout) {
    return absl::InvalidArgumentError(absl::StrCat("timeout ", absl::FormatDuration(rule.timeout),
                                                   ": not whole seconds up to ",
                                                   kMaxCookieTimeout));
  }
  if (rule.key.owner > session::kMaxOwner) {
    return absl::InvalidArgumentError(absl::StrCat("owner ", rule.key.owner, ": more than 7 bits"));
  }
  if (rule.generation > kGenerationMask) {
    return absl::InvalidArgumentError(
        absl::StrCat("generation ", rule.generation, ": more than 15 bits"));
  }
  return RuleCookie{.direction = rule.direction,
                    .key = rule.key,
                    .timeout_seconds = static_cast<uint32_t>(seconds),
                    .generation = rule.generation};
}

CookieBytes EncodeCookie(const RuleCookie& cookie) {
  CookieBytes bytes = {kCookieMagic, kCookieVersion};
  bytes[kOwnerOffset] =
      static_cast<uint8_t>(static_cast<unsigned>(cookie.direction) << 7 | cookie.key.owner);
  const absl::Span<uint8_t> all = absl::MakeSpan(bytes);
  PutBigEndian<uint32_t>(cookie.timeout_seconds << kGenerationBits | cookie.generation,
                         all.subspan(kTimeoutOffset));
  PutBigEndian<uint64_t>(cookie.key.id, all.subspan(kIdOffset));
  return bytes;
}

absl::StatusOr<RuleCookie> DecodeCookie(absl::Span<const uint8_t> bytes) {
  if (bytes.size() != kCookieSize) {
    return absl::InvalidArgumentError(
        absl::StrCat("cookie of ", bytes.size(), " bytes, not ", kCookieSize));
  }
  if (bytes[0] != kCookieMagic || bytes[1] != kCookieVersion) {
    return absl::InvalidArgumentError(absl::StrCat("cookie starts with 0x",
                                                   absl::Hex(bytes[0], absl::kZeroPad2), " 0x",
                                                   absl::Hex(bytes[1], absl::kZeroPad2)));
  }
  const auto packed = GetBigEndian<uint32_t>(bytes.subspan(kTimeoutOffset));
  return RuleCookie{
      .direction = static_cast<session::Direction>(bytes[kOwnerOffset] >> 7),
      .key = {.owner = static_cast<session::OwnerId>(bytes[kOwnerOffset] & session::kMaxOwner),
              .id = GetBigEndian<uint64_t>(bytes.subspan(kIdOffset))},
      .timeout_seconds = packed >> kGenerationBits,
      .generation = static_cast<Generation>(packed & kGenerationMask)};
}

CookieBytes StandingCookie() { return {kCookieMagic, kStandingBit | kCookieVersion}; }

bool IsStandingCookie(absl::Span<const uint8_t> bytes) {
  const CookieBytes standing = StandingCookie();
  return std::equal(bytes.begin(), bytes.end(), standing.begin(), standing.end());
}

}  // namespace offload::datapath
