// The command line of offloadctl.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/request.h"

namespace offload::cli {

// Exit statuses, as offloadctl(1) lists them.
enum ExitCode { kOk = 0, kRefused = 1, kUsage = 2, kUnreachable = 3 };

enum class Command { kAdd, kGet, kDelete, kList, kClosed, kDoctor, kStatus };

struct Options {
  Command command = Command::kList;
  std::string server = "127.0.0.1:3443";
  double deadline = 5;  // seconds for each call
  bool json = false;
  AddArguments add;           // of kAdd
  std::vector<uint64_t> ids;  // of kGet and kDelete
  uint32_t max = 0;           // of kClosed; 0 = all
};

// How long an examination may take: it asks the kernel for each pair of LIFs.
inline constexpr double kDoctorDeadline = 60;

// Fills `options`. When there is nothing to run (help, version, an error: then it is printed)
// returns the exit status.
std::optional<int> ParseCommandLine(int argc, const char* const* argv, const char* version,
                                    Options& options);

}  // namespace offload::cli
