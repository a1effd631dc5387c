// The command line of offloadd.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "config/load.h"

namespace offload::config {

struct CommandLine {
  std::string config_file;  // --config; empty = no file
  bool check_config = false;
  bool doctor = false;  // examine the host for this configuration; not with check_config
  Overrides overrides;
  std::optional<std::string> answer;  // --help or --version: print this and exit with 0
};

// `version` is what --version prints. INVALID_ARGUMENT with the reason for a command line that is
// not understood; values are checked later, with the file's (config/load.h).
absl::StatusOr<CommandLine> ParseCommandLine(int argc, const char* const* argv,
                                             absl::string_view version);

}  // namespace offload::config
