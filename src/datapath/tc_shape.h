// What a NIC may take or refuse: the shape of a rule, without its values. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "datapath/datapath.h"
#include "session/types.h"

namespace offload::datapath {

struct TcShape {
  session::IpVersion version = session::IpVersion::kIpv4;
  session::Protocol protocol = session::Protocol::kTcp;
  bool vlan = false;  // matches an 802.1Q id
  session::Action action = session::Action::kForward;
  friend bool operator==(const TcShape&, const TcShape&) = default;
};

inline constexpr size_t kShapes = 16;
inline constexpr size_t kShapesPerAction = kShapes / 2;

// 0..kShapes-1, and back. The shapes of one action are neighbours.
size_t IndexOf(const TcShape& shape);
TcShape ShapeAt(size_t index);
// All of one action, in the order of their indices.
std::array<TcShape, kShapesPerAction> ShapesOf(session::Action action);

TcShape ShapeOf(const FlowRule& rule);

// "IPv4 TCP forward", "IPv6 UDP VLAN drop".
std::string Name(const TcShape& shape);

}  // namespace offload::datapath
