// Plain values of the domain: what a session is, what was counted for it, how it ended.
//
// No pointers, no I/O, no locks: values are copied freely between threads. Nothing here knows of
// netlink, gRPC or OVS.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/hash/hash.h"
#include "absl/time/time.h"

namespace offload::session {

// Index of an owner in the configuration's list of owners, 0..127 (it travels as 7 bits in the
// action cookie). Owners do not see each other's sessions.
using OwnerId = uint8_t;
inline constexpr OwnerId kMaxOwner = 127;

// A logical interface number as the API gives it (low 16 bits of inLif/outLif).
using LifId = uint16_t;

enum class IpVersion : uint8_t { kIpv4, kIpv6 };

// IANA protocol numbers; the only two that can be offloaded.
enum class Protocol : uint8_t { kTcp = 6, kUdp = 17 };

enum class Action : uint8_t { kForward, kDrop };

// The two rules of a session. kIn is the tuple as given, arriving on in_lif ("in" of the API's
// counters); kOut is the reversed tuple, arriving on out_lif.
enum class Direction : uint8_t { kIn = 0, kOut = 1 };
inline constexpr std::array<Direction, 2> kDirections = {Direction::kIn, Direction::kOut};

// An IP address, bytes in network order. IPv4 uses the first 4 bytes, the rest are zero.
struct IpAddress {
  IpVersion version = IpVersion::kIpv4;
  std::array<uint8_t, 16> bytes = {};

  // `host_order`: 10.0.1.1 is 0x0A000101.
  static IpAddress V4(uint32_t host_order);
  static IpAddress V6(const std::array<uint8_t, 16>& network_order);
  // "10.0.1.1" or "2001:db8::1".
  std::string ToString() const;

  friend bool operator==(const IpAddress&, const IpAddress&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const IpAddress& a) {
    return H::combine(std::move(h), a.version, a.bytes);
  }
};

// A directed five-tuple. Ports in host order. Both addresses have the same version.
struct FiveTuple {
  IpAddress source;
  IpAddress destination;
  uint16_t source_port = 0;
  uint16_t destination_port = 0;
  Protocol protocol = Protocol::kTcp;

  IpVersion version() const { return source.version; }
  FiveTuple Reversed() const;
  // "tcp 10.0.1.1:4000 > 10.0.2.2:80".
  std::string ToString() const;

  friend bool operator==(const FiveTuple&, const FiveTuple&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const FiveTuple& t) {
    return H::combine(std::move(h), t.source, t.destination, t.source_port, t.destination_port,
                      t.protocol);
  }
};

// What names a session: ids of different owners are different sessions. Every id is valid, 0 too.
struct SessionKey {
  OwnerId owner = 0;
  uint64_t id = 0;

  friend auto operator<=>(const SessionKey&, const SessionKey&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const SessionKey& k) {
    return H::combine(std::move(h), k.owner, k.id);
  }
};

// What a firewall asks for.
struct SessionSpec {
  SessionKey key;
  LifId in_lif = 0;
  LifId out_lif = 0;
  FiveTuple tuple;  // as seen arriving on in_lif
  std::optional<uint16_t>
      in_vlan;  // 802.1Q id 1..4094 that packets carry on in_lif; none = untagged
  // The same on out_lif. Another id than in_vlan: packets that are forwarded get the id of the LIF
  // they leave on. Both or none are set.
  std::optional<uint16_t> out_vlan;
  Action action = Action::kForward;
  absl::Duration timeout;  // both directions idle for this long = closed; whole seconds

  // What arrives on a LIF and where: index 0 of a pair is kIn, 1 is kOut.
  LifId IngressLif(Direction d) const { return d == Direction::kIn ? in_lif : out_lif; }
  LifId EgressLif(Direction d) const { return d == Direction::kIn ? out_lif : in_lif; }
  std::optional<uint16_t> IngressVlan(Direction d) const {
    return d == Direction::kIn ? in_vlan : out_vlan;
  }
  std::optional<uint16_t> EgressVlan(Direction d) const {
    return d == Direction::kIn ? out_vlan : in_vlan;
  }
  FiveTuple DirectedTuple(Direction d) const {
    return d == Direction::kIn ? tuple : tuple.Reversed();
  }
  friend bool operator==(const SessionSpec&, const SessionSpec&) = default;
};

// Packets and bytes as the datapath counts them (software TC: without the Ethernet header;
// hardware: with it).
struct Counters {
  uint64_t packets = 0;
  uint64_t bytes = 0;
  friend bool operator==(const Counters&, const Counters&) = default;
};

struct SessionCounters {
  Counters in;   // tuple as given
  Counters out;  // the reverse
  Counters& of(Direction d) { return d == Direction::kIn ? in : out; }
  const Counters& of(Direction d) const { return d == Direction::kIn ? in : out; }
  friend bool operator==(const SessionCounters&, const SessionCounters&) = default;
};

enum class CloseReason : uint8_t {
  kTimeout,    // both directions idle for the timeout
  kDeleted,    // the firewall asked
  kRulesLost,  // the representor or its rules went away, or its link stayed down
};
const char* ToString(CloseReason reason);

// One per closed session, exactly.
struct ClosedRecord {
  SessionKey key;
  SessionCounters counters;
  CloseReason reason = CloseReason::kTimeout;
  absl::Time start;  // wall time; start <= end always
  absl::Time end;
  friend bool operator==(const ClosedRecord&, const ClosedRecord&) = default;
};

enum class SessionState : uint8_t { kInstalling, kEstablished, kClosing, kClosed };

// A whole session as a reader sees it.
struct SessionView {
  SessionSpec spec;
  SessionState state = SessionState::kEstablished;
  SessionCounters counters;
  absl::Time start;
  std::optional<absl::Time> end;            // of a closed one whose record was not fetched yet
  std::optional<CloseReason> close_reason;  // the same
};

}  // namespace offload::session
