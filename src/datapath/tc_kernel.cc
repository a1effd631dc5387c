#include "datapath/tc_kernel.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "spdlog/spdlog.h"

namespace offload::datapath {

void SystemTcKernel::LoadModules() {
  std::vector<std::string> words = {"modprobe", "-q", "-a"};
  words.insert(words.end(), kTcModules.begin(), kTcModules.end());
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_t child = 0;
  const int error =
      ::posix_spawnp(&child, words[0].c_str(), nullptr, nullptr, arguments.data(), environ);
  if (error != 0) {
    spdlog::debug("modprobe: errno {}; taking TC modules as loaded", error);
    return;
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  if (status != 0) spdlog::debug("modprobe of TC modules ended with wait status {}", status);
}

void SystemTcKernel::Pause(absl::Duration time) { absl::SleepFor(time); }

absl::StatusOr<std::unique_ptr<netlink::FilterSocket>> SystemTcKernel::OpenFilterSocket() {
  return netlink::FilterSocket::Open({});
}

absl::StatusOr<std::unique_ptr<netlink::Links>> SystemTcKernel::OpenLinks() {
  return netlink::Links::Open();
}

absl::StatusOr<std::unique_ptr<netlink::LinkMonitor>> SystemTcKernel::OpenLinkMonitor() {
  return netlink::LinkMonitor::Open();
}

}  // namespace offload::datapath
