#include "datapath/tc_shape.h"

#include "absl/strings/str_cat.h"

namespace offload::datapath {

using session::Action;
using session::IpVersion;
using session::Protocol;

size_t IndexOf(const TcShape& shape) {
  return (shape.action == Action::kDrop ? kForwardShapes : 0) +
         4 * static_cast<size_t>(shape.vlan) + (shape.version == IpVersion::kIpv6 ? 2U : 0U) +
         (shape.protocol == Protocol::kUdp ? 1U : 0U);
}

TcShape ShapeAt(size_t index) {
  const bool drop = index >= kForwardShapes;
  const size_t within = drop ? index - kForwardShapes : index;
  return {.version = within & 2 ? IpVersion::kIpv6 : IpVersion::kIpv4,
          .protocol = within & 1 ? Protocol::kUdp : Protocol::kTcp,
          .vlan = static_cast<TcVlan>(within / 4),
          .action = drop ? Action::kDrop : Action::kForward};
}

std::vector<TcShape> ShapesOf(Action action) {
  const bool drop = action == Action::kDrop;
  const size_t first = drop ? kForwardShapes : 0;
  std::vector<TcShape> shapes(drop ? kDropShapes : kForwardShapes);
  for (size_t i = 0; i < shapes.size(); ++i) shapes[i] = ShapeAt(first + i);
  return shapes;
}

TcShape ShapeOf(const FlowRule& rule) {
  const bool rewrites = rule.egress_vlan.has_value() && rule.action == Action::kForward;
  return {.version = rule.tuple.version(),
          .protocol = rule.tuple.protocol,
          .vlan = rewrites    ? TcVlan::kRewrite
                  : rule.vlan ? TcVlan::kMatch
                              : TcVlan::kNone,
          .action = rule.action};
}

std::string Name(const TcShape& shape) {
  constexpr const char* kVlans[] = {"", " VLAN", " VLAN rewrite"};
  return absl::StrCat(shape.version == IpVersion::kIpv6 ? "IPv6" : "IPv4",
                      shape.protocol == Protocol::kUdp ? " UDP" : " TCP",
                      kVlans[static_cast<size_t>(shape.vlan)],
                      shape.action == Action::kDrop ? " drop" : " forward");
}

}  // namespace offload::datapath
