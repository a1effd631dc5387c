// The real offloadctl as a child process.
#pragma once

#include <string>
#include <vector>

namespace offload::cli {

struct CtlResult {
  int status = -1;  // exit status; -1 when it could not be run or did not end within a minute
  std::string out;  // what it wrote to stdout
  std::string err;  // and to stderr
};

enum class Stdout { kPipe, kTerminal };

// Runs OFFLOADCTL_BINARY to its end. `environment` holds NAME=VALUE; the caller's is not handed on,
// but TERM is set. A terminal turns "\n" into "\r\n".
CtlResult RunCtl(const std::vector<std::string>& arguments,
                 const std::vector<std::string>& environment = {},
                 Stdout stdout_kind = Stdout::kPipe);

}  // namespace offload::cli
