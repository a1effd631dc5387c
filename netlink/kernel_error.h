// Kernel errno <-> absl::Status. The number itself travels as a payload, because several errnos map
// to one code and the datapath decides by number (EEXIST, ENOENT, EINVAL after success).
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace offload::netlink {

// `error` is positive (errno) or negative (as nlmsgerr carries it); 0 is OK. The message is `text`,
// the kernel's extended ack, or what strerror says where there is none.
absl::Status ErrnoToStatus(int error, absl::string_view text = "");

// The positive errno of a status made by ErrnoToStatus, 0 for every other status.
int ErrnoOf(const absl::Status& status);

// The same status with `prefix` before its message; code and errno stay.
absl::Status WithPrefix(const absl::Status& status, absl::string_view prefix);

// The same failure with another code and message; the errno stays. OK stays OK. REQUIRES: code is
// not kOk.
absl::Status WithCode(absl::StatusCode code, const absl::Status& status, absl::string_view text);

}  // namespace offload::netlink
