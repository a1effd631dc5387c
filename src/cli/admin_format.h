// Answers of offloadd.admin.v1 as text for people or as one JSON object a line. Pure.
#pragma once

#include <string>
#include <vector>

#include "doctor/report.h"
#include "proto/offloadd_admin_v1.pb.h"

namespace offload::cli {

// In the order of the response. A level that this version does not know is a warning.
std::vector<doctor::Entry> ToEntries(const offloadd::admin::v1::DoctorResponse& response);

// {"level":"problem","check":"switchdev","subject":"p0","text":"...","advice":"..."} without the
// newline.
std::string Json(const doctor::Entry& entry);

// A block of about ten lines, one subject each.
std::string Text(const offloadd::admin::v1::StatusResponse& status);

// The message with its field names, without the newline; time as RFC 3339 in UTC, link states as
// "up", "down", "gone", "unknown".
std::string Json(const offloadd::admin::v1::StatusResponse& status);

}  // namespace offload::cli
