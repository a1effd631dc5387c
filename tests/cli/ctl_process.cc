#include "tests/cli/ctl_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/unique_fd.h"

namespace offload::cli {
namespace {

constexpr absl::Duration kDeadline = absl::Minutes(1);

struct Stream {
  base::UniqueFd ours;
  base::UniqueFd theirs;
};

Stream OpenPipe() {
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC) != 0) return {};
  return {base::UniqueFd(ends[0]), base::UniqueFd(ends[1])};
}

Stream OpenTerminal() {
  base::UniqueFd ours(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!ours.valid() || ::grantpt(ours.get()) != 0 || ::unlockpt(ours.get()) != 0) return {};
  base::UniqueFd theirs(::open(::ptsname(ours.get()), O_RDWR | O_NOCTTY | O_CLOEXEC));
  return {std::move(ours), std::move(theirs)};
}

std::vector<char*> Pointers(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

pid_t Spawn(std::vector<std::string> words, std::vector<std::string> environment, int out,
            int err) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
  pid_t pid = -1;
  if (::posix_spawn(&pid, words[0].c_str(), &actions, nullptr, Pointers(words).data(),
                    Pointers(environment).data()) != 0) {
    pid = -1;
  }
  posix_spawn_file_actions_destroy(&actions);
  return pid;
}

// Reads both until their ends; a terminal ends with EIO. False after the deadline.
bool ReadAll(int out, int err, CtlResult& result) {
  const absl::Time limit = absl::Now() + kDeadline;
  std::array<pollfd, 2> waits = {
      {{.fd = out, .events = POLLIN, .revents = 0}, {.fd = err, .events = POLLIN, .revents = 0}}};
  while (waits[0].fd >= 0 || waits[1].fd >= 0) {
    const int64_t left = absl::ToInt64Milliseconds(limit - absl::Now());
    if (left <= 0 || ::poll(waits.data(), waits.size(), static_cast<int>(left)) <= 0) return false;
    for (pollfd& wait : waits) {
      if (wait.fd < 0 || wait.revents == 0) continue;
      char buffer[4096];
      const ssize_t size = ::read(wait.fd, buffer, sizeof(buffer));
      std::string& text = wait.fd == out ? result.out : result.err;
      if (size > 0) text.append(buffer, static_cast<size_t>(size));
      if (size <= 0) wait.fd = -1;
    }
  }
  return true;
}

}  // namespace

CtlResult RunCtl(const std::vector<std::string>& arguments,
                 const std::vector<std::string>& environment, Stdout stdout_kind) {
  std::vector<std::string> words = {OFFLOADCTL_BINARY};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<std::string> variables = {"TERM=xterm"};
  variables.insert(variables.end(), environment.begin(), environment.end());
  Stream out = stdout_kind == Stdout::kTerminal ? OpenTerminal() : OpenPipe();
  Stream err = OpenPipe();
  CtlResult result;
  if (!out.theirs.valid() || !err.theirs.valid()) return result;
  const pid_t pid =
      Spawn(std::move(words), std::move(variables), out.theirs.get(), err.theirs.get());
  if (pid < 0) return result;
  out.theirs.Reset();
  err.theirs.Reset();
  if (!ReadAll(out.ours.get(), err.ours.get(), result)) ::kill(pid, SIGKILL);
  int status = 0;
  ::waitpid(pid, &status, 0);
  if (WIFEXITED(status)) result.status = WEXITSTATUS(status);
  return result;
}

}  // namespace offload::cli
