#include "cli/request.h"

#include <arpa/inet.h>

#include "absl/strings/str_cat.h"

namespace offload::cli {
namespace {

namespace api = openoffload::v1;

struct Address {
  bool v6 = false;
  uint32_t v4 = 0;  // network order, as in_addr has it
  std::string bytes;
};

absl::StatusOr<Address> ParseAddress(const char* option, const std::string& text) {
  Address address;
  in_addr v4;
  in6_addr v6;
  if (::inet_pton(AF_INET, text.c_str(), &v4) == 1) {
    address.v4 = v4.s_addr;
    return address;
  }
  if (::inet_pton(AF_INET6, text.c_str(), &v6) == 1) {
    address.v6 = true;
    address.bytes.assign(reinterpret_cast<const char*>(v6.s6_addr), sizeof(v6.s6_addr));
    return address;
  }
  return absl::InvalidArgumentError(absl::StrCat(option, ": '", text, "' is no IP address"));
}

// Packets that change their VLAN need a per-link action that says so for each LIF they leave on.
void SetVlans(const AddArguments& arguments, api::sessionRequest& request) {
  request.set_vlan_inlif(arguments.in_vlan);
  request.set_vlan_outlif(arguments.out_vlan);
  if (arguments.in_vlan == arguments.out_vlan || arguments.action == "drop") return;
  api::actionParameters& action = *request.mutable_action();
  action.mutable_actionparams_inlif()->set_vlan(arguments.in_vlan);
  action.mutable_actionparams_outlif()->set_vlan(arguments.out_vlan);
}

}  // namespace

absl::StatusOr<api::sessionRequest> ToRequest(const AddArguments& arguments) {
  const auto source = ParseAddress("--src", arguments.source);
  if (!source.ok()) return source.status();
  const auto destination = ParseAddress("--dst", arguments.destination);
  if (!destination.ok()) return destination.status();
  if (source->v6 != destination->v6) {
    return absl::InvalidArgumentError("--dst: not the IP version of --src");
  }
  const auto order = [&](uint32_t v4) { return arguments.ipv4_order == "number" ? ntohl(v4) : v4; };
  api::sessionRequest request;
  request.set_sessionid(arguments.id);
  request.set_inlif(arguments.in_lif);
  request.set_outlif(arguments.out_lif);
  request.set_ipversion(source->v6 ? api::_IPV6 : api::_IPV4);
  if (source->v6) {
    request.set_sourceipv6(source->bytes);
    request.set_destinationipv6(destination->bytes);
  } else {
    request.set_sourceip(order(source->v4));
    request.set_destinationip(order(destination->v4));
  }
  request.set_sourceport(arguments.source_port);
  request.set_destinationport(arguments.destination_port);
  request.set_protocolid(arguments.protocol == "udp" ? api::_UDP : api::_TCP);
  SetVlans(arguments, request);
  request.mutable_action()->set_actiontype(arguments.action == "drop" ? api::_DROP : api::_FORWARD);
  request.set_cachetimeout(arguments.timeout);
  return request;
}

}  // namespace offload::cli
