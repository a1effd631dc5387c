// Errors of a request's fields. The message begins with the field as the .proto spells it.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace offload::server {

inline absl::Status Invalid(absl::string_view field, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", what));
}

inline absl::Status Unsupported(absl::string_view field, absl::string_view what) {
  return absl::UnimplementedError(absl::StrCat(field, ": ", what));
}

}  // namespace offload::server
