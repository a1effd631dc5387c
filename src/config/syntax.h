// JSON text -> JSON value, strict: // and /* */ comments are allowed, one key twice in an object is
// not.
#pragma once

#include <optional>

#include "absl/strings/string_view.h"
#include "config/report.h"
#include "nlohmann/json.hpp"

namespace offload::config {

// Nothing when the text is no JSON at all; `report` then says at which line and column. A key that
// stands twice in one object is a complaint with its pointer; the value is returned all the same
// (the last one counts), so that the rest can be checked.
std::optional<nlohmann::json> ParseJson(absl::string_view text, Report& report);

}  // namespace offload::config
