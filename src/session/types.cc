#include "session/types.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include "absl/strings/str_cat.h"

namespace offload::session {
namespace {

const char* NameOf(Protocol protocol) { return protocol == Protocol::kTcp ? "tcp" : "udp"; }

std::string Endpoint(const IpAddress& address, uint16_t port) {
  return address.version == IpVersion::kIpv4 ? absl::StrCat(address.ToString(), ":", port)
                                             : absl::StrCat("[", address.ToString(), "]:", port);
}

}  // namespace

IpAddress IpAddress::V4(uint32_t host_order) {
  IpAddress address;
  for (int i = 0; i < 4; ++i) address.bytes[i] = static_cast<uint8_t>(host_order >> (24 - 8 * i));
  return address;
}

IpAddress IpAddress::V6(const std::array<uint8_t, 16>& network_order) {
  return IpAddress{.version = IpVersion::kIpv6, .bytes = network_order};
}

std::string IpAddress::ToString() const {
  char text[INET6_ADDRSTRLEN] = {};
  ::inet_ntop(version == IpVersion::kIpv4 ? AF_INET : AF_INET6, bytes.data(), text, sizeof(text));
  return text;
}

FiveTuple FiveTuple::Reversed() const {
  return FiveTuple{.source = destination,
                   .destination = source,
                   .source_port = destination_port,
                   .destination_port = source_port,
                   .protocol = protocol};
}

std::string FiveTuple::ToString() const {
  return absl::StrCat(NameOf(protocol), " ", Endpoint(source, source_port), " > ",
                      Endpoint(destination, destination_port));
}

const char* ToString(CloseReason reason) {
  switch (reason) {
    case CloseReason::kTimeout:
      return "timeout";
    case CloseReason::kDeleted:
      return "deleted";
    case CloseReason::kRulesLost:
      return "rules lost";
  }
  return "unknown";
}

}  // namespace offload::session
