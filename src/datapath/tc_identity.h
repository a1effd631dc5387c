// What names a rule of ours in the kernel: the filter's handle and the cookie of its action.
//
// Pure: values to bytes and back. Together with the rule's key, these two are a whole session, so a
// restarted daemon needs no file to recognise what an earlier instance left.
//
// Handle: 2 x slot + direction + 1. Dense, so that the kernel's IDR stays small, never 0 (the
// kernel would pick one), and different for both directions, which share a netdev in a one-armed
// session. Handles from kFirstReservedHandle up are standing rules.
//
// Cookie, 15 bytes, big endian (16 or more would be read as a UFID by Open vSwitch):
//
//    0       1         2                       3..6                              7..14
//   +-------+---------+-----------------------+---------------------------------+------------+
//   | magic | version | direction 1 | owner 7 | timeout s 17 | generation 15    | session id |
//   +-------+---------+-----------------------+---------------------------------+------------+
//
// A standing rule (keep-alive, default path, probe) has the top bit of the version set and zeros
// from byte 2 on.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "datapath/datapath.h"
#include "session/types.h"

namespace offload::datapath {

inline constexpr uint32_t kFirstReservedHandle = 0xFFFFFF00;
// The keep-alive filter of a priority (one per priority, so they may share the number).
inline constexpr uint32_t kKeepAliveHandle = 0xFFFFFF00;
// The default path's rule on a netdev (tc_standing.h).
inline constexpr uint32_t kDefaultPathHandle = 0xFFFFFF01;
// kProbeHandles handles from here on are of probe rules, which are there for a moment only.
inline constexpr uint32_t kFirstProbeHandle = 0xFFFFFF80;
inline constexpr uint32_t kProbeHandles = 128;
// The highest slot whose two handles are below kFirstReservedHandle.
inline constexpr Slot kMaxSlot = 0x7FFFFF7E;

struct HandleContent {
  Slot slot = 0;
  session::Direction direction = session::Direction::kIn;
  friend bool operator==(const HandleContent&, const HandleContent&) = default;
};

// REQUIRES: slot <= kMaxSlot.
uint32_t HandleOf(Slot slot, session::Direction direction);

// None for 0, for reserved handles and for the one below them, which no slot has.
std::optional<HandleContent> ParseHandle(uint32_t handle);

inline constexpr size_t kCookieSize = 15;
inline constexpr uint8_t kCookieMagic = 0xFD;
inline constexpr uint8_t kCookieVersion = 1;
inline constexpr uint32_t kMaxCookieTimeout = (1U << 17) - 1;  // seconds
using CookieBytes = std::array<uint8_t, kCookieSize>;

struct RuleCookie {
  session::Direction direction = session::Direction::kIn;
  session::SessionKey key;
  uint32_t timeout_seconds = 0;  // at most kMaxCookieTimeout
  Generation generation = 0;     // 15 bits
  friend bool operator==(const RuleCookie&, const RuleCookie&) = default;
};

// The cookie of `rule`. INVALID_ARGUMENT when its timeout is not a whole number of seconds in
// 0..kMaxCookieTimeout, its owner is above kMaxOwner or its generation has more than 15 bits.
absl::StatusOr<RuleCookie> CookieOf(const FlowRule& rule);

// REQUIRES: values in range, as CookieOf makes them.
CookieBytes EncodeCookie(const RuleCookie& cookie);

// INVALID_ARGUMENT for another length, magic or version, standing cookies included: not a session
// rule of ours.
absl::StatusOr<RuleCookie> DecodeCookie(absl::Span<const uint8_t> bytes);

CookieBytes StandingCookie();
bool IsStandingCookie(absl::Span<const uint8_t> bytes);

}  // namespace offload::datapath
