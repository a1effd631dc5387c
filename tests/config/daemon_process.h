// The real offloadd as a child process, its output line by line, with a deadline on every wait.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/unique_fd.h"

namespace offload::config {

class DaemonProcess {
 public:
  static constexpr absl::Duration kDeadline = absl::Seconds(20);

  // Starts OFFLOADD_BINARY with `arguments`; stdout and stderr go into one stream.
  explicit DaemonProcess(const std::vector<std::string>& arguments);
  // Kills it if it still runs.
  ~DaemonProcess();
  DaemonProcess(const DaemonProcess&) = delete;
  DaemonProcess& operator=(const DaemonProcess&) = delete;

  pid_t pid() const { return pid_; }
  const std::string& output() const { return output_; }

  // Reads output until it holds `text`; false at its end or after kDeadline.
  bool WaitForOutput(const std::string& text);
  void Signal(int number) { ::kill(pid_, number); }
  // Reads the rest and returns the exit status; none when it was killed or did not end in time.
  std::optional<int> WaitForExit();

 private:
  // Reads once; false at the end of output or after `limit`.
  bool Read(absl::Time limit);

  pid_t pid_ = -1;
  base::UniqueFd pipe_;
  std::string output_;
};

// Moves the calling process into a network namespace of its own, with its loopback up. False and
// the reason in `why` where that is not permitted.
bool EnterOwnNetworkNamespace(std::string& why);

}  // namespace offload::config
