#include "tests/process/run_program.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "absl/time/clock.h"
#include "base/unique_fd.h"

namespace offload::process {
namespace {

struct Pipe {
  Pipe() {
    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_CLOEXEC) != 0) return;
    read.Reset(ends[0]);
    write.Reset(ends[1]);
  }
  base::UniqueFd read, write;
};

std::vector<char*> Pointers(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

pid_t Spawn(std::vector<std::string> words, std::vector<std::string> environment, const Pipe& out,
            const Pipe& err) {
  for (char** variable = environ; *variable != nullptr; ++variable) {
    environment.emplace_back(*variable);
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out.write.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err.write.get(), STDERR_FILENO);
  pid_t pid = -1;
  if (::posix_spawn(&pid, words[0].c_str(), &actions, nullptr, Pointers(words).data(),
                    Pointers(environment).data()) != 0) {
    pid = -1;
  }
  posix_spawn_file_actions_destroy(&actions);
  return pid;
}

// Reads both streams to their ends; false when `deadline` came first.
bool ReadAll(int out, int err, absl::Time deadline, Ended& ended) {
  std::array<pollfd, 2> polls = {
      {{.fd = out, .events = POLLIN, .revents = 0}, {.fd = err, .events = POLLIN, .revents = 0}}};
  const std::array<std::string*, 2> texts = {&ended.out, &ended.err};
  while (polls[0].fd >= 0 || polls[1].fd >= 0) {
    const int64_t left = std::max<int64_t>(0, absl::ToInt64Milliseconds(deadline - absl::Now()));
    if (::poll(polls.data(), polls.size(), static_cast<int>(left)) <= 0) return false;
    for (size_t i = 0; i < polls.size(); ++i) {
      if (polls[i].revents == 0) continue;
      std::array<char, 4096> buffer;
      const ssize_t size = ::read(polls[i].fd, buffer.data(), buffer.size());
      if (size > 0) {
        texts[i]->append(buffer.data(), static_cast<size_t>(size));
      } else {
        polls[i].fd = -1;
      }
    }
  }
  return true;
}

}  // namespace

Ended RunProgram(const std::vector<std::string>& words, const std::vector<std::string>& environment,
                 absl::Duration limit) {
  Ended ended;
  Pipe out, err;
  const pid_t pid = Spawn(words, environment, out, err);
  if (pid < 0) {
    ended.err = "cannot start " + words[0];
    return ended;
  }
  out.write.Reset();
  err.write.Reset();
  if (!ReadAll(out.read.get(), err.read.get(), absl::Now() + limit, ended)) ::kill(pid, SIGKILL);
  int status = 0;
  ::waitpid(pid, &status, 0);
  if (WIFEXITED(status)) ended.status = WEXITSTATUS(status);
  return ended;
}

}  // namespace offload::process
