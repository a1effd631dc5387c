#include "netlink/proc.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "netlink/kernel_error.h"

namespace offload::netlink {
namespace {

namespace fs = std::filesystem;

absl::StatusOr<std::string> ReadText(const std::string& path) {
  std::ifstream file(path);
  if (!file) return WithPrefix(ErrnoToStatus(errno), absl::StrCat(path, ": "));
  std::ostringstream text;
  if (file.peek() != std::ifstream::traits_type::eof()) text << file.rdbuf();
  if (file.bad() || text.fail()) return absl::InternalError(absl::StrCat(path, ": cannot be read"));
  return text.str();
}

// The lines of a text, without the empty end after the last one.
absl::StatusOr<std::vector<absl::string_view>> Lines(absl::string_view text) {
  if (!text.empty() && !absl::ConsumeSuffix(&text, "\n")) {
    return absl::InvalidArgumentError("the last line is cut");
  }
  if (text.empty()) return std::vector<absl::string_view>();
  return std::vector<absl::string_view>(absl::StrSplit(text, '\n'));
}

std::vector<absl::string_view> Words(absl::string_view line) {
  return absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
}

bool ParseSocket(absl::string_view line, NetlinkSocketLine& out) {
  // sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode
  const std::vector<absl::string_view> words = Words(line);
  return words.size() == 10 && absl::SimpleAtoi(words[1], &out.protocol) &&
         absl::SimpleAtoi(words[2], &out.port_id) && absl::SimpleHexAtoi(words[3], &out.groups) &&
         absl::SimpleAtoi(words[9], &out.inode);
}

// Calls `visit` for each entry of a directory; what cannot be read has none.
template <typename Visit>
void ForEachEntry(const fs::path& directory, Visit visit) {
  std::error_code error;
  fs::directory_iterator entry(directory, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) visit(entry->path());
}

// The process that holds the socket open.
TcListener FindHolder(const std::string& proc, uint64_t inode) {
  const std::string wanted = absl::StrCat("socket:[", inode, "]");
  TcListener found;
  ForEachEntry(proc, [&](const fs::path& process) {
    int pid = 0;
    if (found.pid != 0 || !absl::SimpleAtoi(process.filename().string(), &pid)) return;
    ForEachEntry(process / "fd", [&](const fs::path& descriptor) {
      std::error_code error;
      if (found.pid != 0 || fs::read_symlink(descriptor, error).string() != wanted) return;
      const auto name = ReadText((process / "comm").string());
      found = {.pid = pid,
               .process = name.ok() ? std::string(absl::StripAsciiWhitespace(*name)) : ""};
    });
  });
  return found;
}

// Whether an index of modules has a line "kernel/net/sched/cls_flower.ko[.xz][: ...]".
bool Lists(absl::string_view index, absl::string_view module) {
  for (const absl::string_view line : absl::StrSplit(index, '\n')) {
    const absl::string_view path = line.substr(0, line.find(':'));
    const size_t slash = path.rfind('/');
    const absl::string_view file = slash == path.npos ? path : path.substr(slash + 1);
    const std::string name = absl::StrReplaceAll(file.substr(0, file.find('.')), {{"-", "_"}});
    if (name == module) return true;
  }
  return false;
}

}  // namespace

absl::StatusOr<std::vector<NetlinkSocketLine>> ParseNetlinkSockets(absl::string_view text) {
  const auto lines = Lines(text);
  if (!lines.ok()) return lines.status();
  if (lines->empty()) return absl::InvalidArgumentError("the heading is missing");
  std::vector<NetlinkSocketLine> sockets;
  for (size_t i = 1; i < lines->size(); ++i) {
    NetlinkSocketLine socket;
    if (!ParseSocket((*lines)[i], socket)) {
      return absl::InvalidArgumentError(absl::StrCat("line ", i + 1, " is not understood"));
    }
    sockets.push_back(socket);
  }
  return sockets;
}

absl::StatusOr<std::vector<TcListener>> ReadTcListeners(const std::string& proc) {
  const std::string path = proc + "/self/net/netlink";
  const auto text = ReadText(path);
  if (!text.ok()) return text.status();
  const auto sockets = ParseNetlinkSockets(*text);
  if (!sockets.ok()) return WithPrefix(sockets.status(), absl::StrCat(path, ": "));
  std::vector<TcListener> listeners;
  for (const NetlinkSocketLine& socket : *sockets) {
    const bool hears = (socket.groups & (1U << (RTNLGRP_TC - 1))) != 0;
    if (socket.protocol != NETLINK_ROUTE || !hears) continue;
    listeners.push_back(FindHolder(proc, socket.inode));
  }
  return listeners;
}

absl::StatusOr<uint64_t> ParseMemAvailable(absl::string_view meminfo) {
  const auto lines = Lines(meminfo);
  if (!lines.ok()) return lines.status();
  for (const absl::string_view line : *lines) {
    const std::vector<absl::string_view> words = Words(line);
    uint64_t kilobytes = 0;
    if (words.empty() || words[0] != "MemAvailable:") continue;
    if (words.size() == 3 && words[2] == "kB" && absl::SimpleAtoi(words[1], &kilobytes)) {
      return kilobytes * 1024;
    }
    break;
  }
  return absl::InvalidArgumentError("no line \"MemAvailable: N kB\"");
}

absl::StatusOr<uint64_t> ReadMemAvailable(const std::string& proc) {
  const auto text = ReadText(proc + "/meminfo");
  if (!text.ok()) return text.status();
  return ParseMemAvailable(*text);
}

absl::StatusOr<KernelRelease> ParseKernelRelease(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, '.');
  KernelRelease release{.text = std::string(text)};
  if (parts.size() >= 2) {
    const auto digits = std::find_if_not(parts[1].begin(), parts[1].end(), absl::ascii_isdigit);
    const absl::string_view minor = parts[1].substr(0, digits - parts[1].begin());
    if (absl::SimpleAtoi(parts[0], &release.major) && absl::SimpleAtoi(minor, &release.minor)) {
      return release;
    }
  }
  return absl::InvalidArgumentError(absl::StrCat("kernel release \"", text, "\""));
}

absl::StatusOr<KernelRelease> ReadKernelRelease() {
  struct utsname names;
  if (::uname(&names) != 0) return ErrnoToStatus(errno);
  return ParseKernelRelease(names.release);
}

ModuleState StateOf(absl::string_view module, absl::string_view proc_modules,
                    const std::string* builtin, const std::string* dep) {
  for (const absl::string_view line : absl::StrSplit(proc_modules, '\n')) {
    if (line.substr(0, line.find(' ')) == module) return ModuleState::kLoaded;
  }
  if (builtin != nullptr && Lists(*builtin, module)) return ModuleState::kBuiltIn;
  if (dep != nullptr && Lists(*dep, module)) return ModuleState::kLoadable;
  return builtin == nullptr || dep == nullptr ? ModuleState::kUnknown : ModuleState::kMissing;
}

ModuleState ReadModuleState(absl::string_view module, const KernelRelease& release) {
  const auto loaded = ReadText("/proc/modules");
  if (loaded.ok() && StateOf(module, *loaded, nullptr, nullptr) == ModuleState::kLoaded) {
    return ModuleState::kLoaded;  // the index files are large
  }
  const std::string directory = absl::StrCat("/lib/modules/", release.text);
  const auto builtin = ReadText(directory + "/modules.builtin");
  const auto dep = ReadText(directory + "/modules.dep");
  return StateOf(module, loaded.ok() ? *loaded : "", builtin.ok() ? &*builtin : nullptr,
                 dep.ok() ? &*dep : nullptr);
}

}  // namespace offload::netlink
