// What names and addresses may look like. Pure functions.
#pragma once

#include "absl/strings/string_view.h"

namespace offload::config {

// A name the kernel takes for a netdev: 1..15 bytes (IFNAMSIZ with its end), without '/', ':' and
// white space, not "." or "..".
bool IsNetdevName(absl::string_view name);

// "host:port", "[ipv6]:port" or "unix:/absolute/path"; port 0..65535; a path of at most 107 bytes.
bool IsListenAddress(absl::string_view address);

// Whether only this host reaches a listen address: a unix socket, 127.0.0.0/8, ::1 or "localhost".
// REQUIRES: IsListenAddress(address).
bool IsLocalAddress(absl::string_view address);

// 1..63 of letters, digits, '.', '_' and '-'.
bool IsPlainName(absl::string_view name);

}  // namespace offload::config
