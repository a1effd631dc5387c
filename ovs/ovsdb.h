// What Open vSwitch is configured to do, read from its database: whether it offloads, and which
// netdevs are ports of which bridge. One request over the database's unix socket (JSON-RPC,
// RFC 7047), no library of Open vSwitch.
//
// Encoding and decoding are pure. Names: ovs-vswitchd.conf.db(5).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace offload::ovs {

struct OvsPort {
  std::string netdev;  // the interface's name
  std::string bridge;
  std::string port;  // differs from the netdev's name where a port bonds several
  friend bool operator==(const OvsPort&, const OvsPort&) = default;
};

struct OvsConfig {
  bool hw_offload = false;     // other_config:hw-offload
  std::vector<OvsPort> ports;  // by bridge, port and netdev
  friend bool operator==(const OvsConfig&, const OvsConfig&) = default;
};

struct OvsdbOptions {
  std::string socket = "/var/run/openvswitch/db.sock";
  absl::Duration timeout = absl::Seconds(2);  // for all of it
};

// NOT_FOUND: Open vSwitch is not running (no socket, or nobody listens there). DEADLINE_EXCEEDED:
// no answer in time. INTERNAL: the database refused, or its answer is not understood. Otherwise as
// errno says (PERMISSION_DENIED). Blocks; any thread.
absl::StatusOr<OvsConfig> ReadOvsConfig(const OvsdbOptions& options);

// The request; its id is kRequestId.
inline constexpr int kRequestId = 1;
std::string EncodeConfigRequest();

// The answer to it. INTERNAL as above.
absl::StatusOr<OvsConfig> DecodeConfigReply(absl::string_view message);

// A connection's bytes as JSON objects, which RFC 7047 sends one after the other without a frame.
class JsonSplitter {
 public:
  static constexpr size_t kMaxMessage = size_t{64} << 20;

  void Append(absl::string_view bytes) { absl::StrAppend(&buffer_, bytes); }
  // Takes the next whole object into `message`; false when there is none yet. INTERNAL: what
  // arrives is not an object, or longer than kMaxMessage.
  absl::StatusOr<bool> Take(std::string& message);

 private:
  std::string buffer_;
  size_t scanned_ = 0;
  int depth_ = 0;
  bool in_string_ = false;
  bool escaped_ = false;
};

}  // namespace offload::ovs
