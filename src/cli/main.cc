// offloadctl: the daemon's APIs on a command line.
#include "cli/admin_commands.h"
#include "cli/options.h"
#include "cli/session_commands.h"

namespace offload::cli {
namespace {

int Run(const Options& options) {
  switch (options.command) {
    case Command::kAdd:
      return Add(options);
    case Command::kGet:
      return Get(options);
    case Command::kDelete:
      return Delete(options);
    case Command::kList:
      return List(options);
    case Command::kClosed:
      return Closed(options);
    case Command::kDoctor:
      return Doctor(options);
    case Command::kStatus:
      return Status(options);
  }
  return kUsage;
}

int Main(int argc, char** argv) {
  Options options;
  if (const auto done = ParseCommandLine(argc, argv, OFFLOAD_VERSION, options)) return *done;
  return Run(options);
}

}  // namespace
}  // namespace offload::cli

int main(int argc, char** argv) { return offload::cli::Main(argc, argv); }
