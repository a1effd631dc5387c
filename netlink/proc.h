// What /proc and the modules' index say about the running kernel. Parsing is pure; a text must end
// with a line's end, so that one that was cut is refused instead of read wrongly.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace offload::netlink {

// A line of /proc/net/netlink (net/netlink/af_netlink.c:netlink_seq_show).
struct NetlinkSocketLine {
  int protocol = 0;      // NETLINK_ROUTE is 0
  uint32_t port_id = 0;  // often, but not always, the process id
  uint32_t groups = 0;   // the first 32: group n is bit n - 1
  uint64_t inode = 0;
  friend bool operator==(const NetlinkSocketLine&, const NetlinkSocketLine&) = default;
};
absl::StatusOr<std::vector<NetlinkSocketLine>> ParseNetlinkSockets(absl::string_view text);

// Who listens to RTNLGRP_TC: while anybody does, every change of a filter is encoded in full and
// copied to them.
struct TcListener {
  int pid = 0;          // 0 = not found: of another PID namespace, or gone meanwhile
  std::string process;  // /proc/PID/comm, "" = not found
  friend bool operator==(const TcListener&, const TcListener&) = default;
};
// Of the process's network namespace. `proc` is where procfs is mounted.
absl::StatusOr<std::vector<TcListener>> ReadTcListeners(const std::string& proc = "/proc");

// MemAvailable of /proc/meminfo, in bytes.
absl::StatusOr<uint64_t> ParseMemAvailable(absl::string_view meminfo);
absl::StatusOr<uint64_t> ReadMemAvailable(const std::string& proc = "/proc");

struct KernelRelease {
  int major = 0;
  int minor = 0;
  std::string text;  // as uname -r prints it
  friend bool operator==(const KernelRelease&, const KernelRelease&) = default;
};
absl::StatusOr<KernelRelease> ParseKernelRelease(absl::string_view text);
absl::StatusOr<KernelRelease> ReadKernelRelease();

enum class ModuleState : uint8_t {
  kLoaded,    // in /proc/modules
  kBuiltIn,   // in modules.builtin
  kLoadable,  // in modules.dep
  kMissing,   // in none of them
  kUnknown,   // not loaded, and this system has no index of the running kernel's modules
};
// `builtin` and `dep`: the index files, null where they cannot be read.
ModuleState StateOf(absl::string_view module, absl::string_view proc_modules,
                    const std::string* builtin, const std::string* dep);
ModuleState ReadModuleState(absl::string_view module, const KernelRelease& release);

}  // namespace offload::netlink
