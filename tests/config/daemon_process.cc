#include "tests/config/daemon_process.h"

#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/time/clock.h"

namespace offload::config {
namespace {

std::vector<char*> Pointers(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

bool BringUp(const char* netdev) {
  const base::UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request = {};
  std::strncpy(request.ifr_name, netdev, IFNAMSIZ - 1);
  if (::ioctl(socket.get(), SIOCGIFFLAGS, &request) != 0) return false;
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  return ::ioctl(socket.get(), SIOCSIFFLAGS, &request) == 0;
}

}  // namespace

DaemonProcess::DaemonProcess(const std::vector<std::string>& arguments) {
  std::vector<std::string> words = {OFFLOADD_BINARY};
  words.insert(words.end(), arguments.begin(), arguments.end());
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC) != 0) return;
  pipe_.Reset(ends[0]);
  const base::UniqueFd write_end(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, write_end.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, write_end.get(), STDERR_FILENO);
  if (::posix_spawn(&pid_, words[0].c_str(), &actions, nullptr, Pointers(words).data(), environ) !=
      0) {
    pid_ = -1;
  }
  posix_spawn_file_actions_destroy(&actions);
}

DaemonProcess::~DaemonProcess() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

bool DaemonProcess::Read(absl::Time limit) {
  pollfd poll = {.fd = pipe_.get(), .events = POLLIN, .revents = 0};
  const int64_t left = std::max<int64_t>(0, absl::ToInt64Milliseconds(limit - absl::Now()));
  if (::poll(&poll, 1, static_cast<int>(left)) <= 0) return false;
  char buffer[4096];
  const ssize_t size = ::read(pipe_.get(), buffer, sizeof(buffer));
  if (size <= 0) return false;
  output_.append(buffer, size);
  return true;
}

bool DaemonProcess::WaitForOutput(const std::string& text) {
  const absl::Time limit = absl::Now() + kDeadline;
  while (output_.find(text) == output_.npos) {
    if (!Read(limit)) return false;
  }
  return true;
}

std::optional<int> DaemonProcess::WaitForExit() {
  if (pid_ < 0) return std::nullopt;
  const absl::Time limit = absl::Now() + kDeadline;
  while (Read(limit)) {
  }
  // The end of its output is its end, or the deadline has passed: then it is killed.
  if (absl::Now() >= limit) ::kill(pid_, SIGKILL);
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  if (!WIFEXITED(status)) return std::nullopt;
  return WEXITSTATUS(status);
}

bool EnterOwnNetworkNamespace(std::string& why) {
  if (::unshare(CLONE_NEWNET) != 0) {
    why = std::string("unshare(CLONE_NEWNET): ") + std::strerror(errno);
    return false;
  }
  if (BringUp("lo")) return true;
  why = std::string("loopback up: ") + std::strerror(errno);
  return false;
}

}  // namespace offload::config
