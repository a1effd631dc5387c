// Command-line words as a sessionRequest. Pure.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "proto/openoffload_v1.pb.h"

namespace offload::cli {

struct AddArguments {
  uint64_t id = 0;
  uint16_t in_lif = 0, out_lif = 0;
  std::string source, destination;  // IPv4 or IPv6 text, both the same
  uint16_t source_port = 0, destination_port = 0;
  std::string protocol = "tcp";        // tcp | udp
  uint16_t in_vlan = 0, out_vlan = 0;  // two different ones: the tag is rewritten
  std::string action = "forward";      // forward | drop
  uint32_t timeout = 0;                // seconds, 0 = the daemon's default
  std::string ipv4_order = "in_addr";  // in_addr | number
};

// INVALID_ARGUMENT names the option.
absl::StatusOr<openoffload::v1::sessionRequest> ToRequest(const AddArguments& arguments);

}  // namespace offload::cli
