// Sessions as a table for people or as one JSON object a line. Pure.
#pragma once

#include <string>
#include <vector>

#include "google/protobuf/timestamp.pb.h"
#include "proto/openoffload_v1.pb.h"

namespace offload::cli {

// UTC, RFC 3339 with milliseconds.
std::string FormatTime(const google::protobuf::Timestamp& time);

// Columns aligned, a header first; counts to the right.
std::string Table(const std::vector<openoffload::v1::sessionResponse>& sessions);

// {"id":7,"state":"closed","close_reason":"timeout","in_packets":1,...,"start":"...","end":"..."}
// without the newline; "end" and "close_reason" of closed sessions only.
std::string Json(const openoffload::v1::sessionResponse& session);

}  // namespace offload::cli
