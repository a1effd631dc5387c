// What a NIC may take or refuse: the shape of a rule, without its values. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "datapath/datapath.h"
#include "session/types.h"

namespace offload::datapath {

enum class TcVlan : uint8_t {
  kNone,
  kMatch,    // matches an 802.1Q id
  kRewrite,  // and gives the packets another one; of kForward only
};

struct TcShape {
  session::IpVersion version = session::IpVersion::kIpv4;
  session::Protocol protocol = session::Protocol::kTcp;
  TcVlan vlan = TcVlan::kNone;
  session::Action action = session::Action::kForward;
  friend bool operator==(const TcShape&, const TcShape&) = default;
};

inline constexpr size_t kForwardShapes = 12;
inline constexpr size_t kDropShapes = 8;
inline constexpr size_t kShapes = kForwardShapes + kDropShapes;

// 0..kShapes-1, and back. The shapes of one action are neighbours.
size_t IndexOf(const TcShape& shape);
TcShape ShapeAt(size_t index);
// All of one action, in the order of their indices.
std::vector<TcShape> ShapesOf(session::Action action);

TcShape ShapeOf(const FlowRule& rule);

// "IPv4 TCP forward", "IPv6 UDP VLAN drop", "IPv4 UDP VLAN rewrite forward".
std::string Name(const TcShape& shape);

}  // namespace offload::datapath
