#include "datapath/tc_shape.h"

#include "absl/strings/str_cat.h"

namespace offload::datapath {

using session::Action;
using session::IpVersion;
using session::Protocol;

size_t IndexOf(const TcShape& shape) {
  return (shape.action == Action::kDrop ? kShapesPerAction : 0) + (shape.vlan ? 4U : 0U) +
         (shape.version == IpVersion::kIpv6 ? 2U : 0U) +
         (shape.protocol == Protocol::kUdp ? 1U : 0U);
}

TcShape ShapeAt(size_t index) {
  return {.version = index & 2 ? IpVersion::kIpv6 : IpVersion::kIpv4,
          .protocol = index & 1 ? Protocol::kUdp : Protocol::kTcp,
          .vlan = (index & 4) != 0,
          .action = index & kShapesPerAction ? Action::kDrop : Action::kForward};
}

std::array<TcShape, kShapesPerAction> ShapesOf(Action action) {
  std::array<TcShape, kShapesPerAction> shapes;
  const size_t first = IndexOf({.action = action});
  for (size_t i = 0; i < shapes.size(); ++i) shapes[i] = ShapeAt(first + i);
  return shapes;
}

TcShape ShapeOf(const FlowRule& rule) {
  return {.version = rule.tuple.version(),
          .protocol = rule.tuple.protocol,
          .vlan = rule.vlan.has_value(),
          .action = rule.action};
}

std::string Name(const TcShape& shape) {
  return absl::StrCat(shape.version == IpVersion::kIpv6 ? "IPv6" : "IPv4",
                      shape.protocol == Protocol::kUdp ? " UDP" : " TCP", shape.vlan ? " VLAN" : "",
                      shape.action == Action::kDrop ? " drop" : " forward");
}

}  // namespace offload::datapath
