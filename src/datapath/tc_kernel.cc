#include "datapath/tc_kernel.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

#include "absl/time/clock.h"
#include "spdlog/spdlog.h"

namespace offload::datapath {

void SystemTcKernel::LoadModules() {
  std::array<std::string, 8> words = {"modprobe",   "-q",         "-a",       "sch_ingress",
                                      "cls_flower", "act_mirred", "act_gact", "act_vlan"};
  std::array<char*, words.size() + 1> arguments = {};
  for (size_t i = 0; i < words.size(); ++i) arguments[i] = words[i].data();
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
