// The checks of the host as a whole.
#include <algorithm>
#include <iterator>
#include <map>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "datapath/tc_verdict.h"

namespace offload::datapath {
namespace {

constexpr int kOldestMajor = 5, kOldestMinor = 15;

std::string Hex(const std::vector<uint8_t>& bytes) {
  return absl::BytesToHexString({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

// Equal ids are necessary, not enough: a NIC may still refuse a pair. The probe tells.
Opinion CheckSwitchId(const DoctorFacts& facts) {
  std::map<std::string, std::vector<std::string>> by_id;
  for (const NetdevFacts& netdev : facts.netdevs) {
    if (netdev.link.ok()) by_id[Hex(netdev.link->switch_id)].push_back(netdev.netdev);
  }
  if (by_id.empty()) return std::nullopt;
  if (by_id.size() == 1) {
    const auto& [id, netdevs] = *by_id.begin();
    if (netdevs.size() == 1) return Fine("only one netdev");
    if (!id.empty()) return Fine(absl::StrCat("all are on switch ", id));
    return NoHardware(facts, "none is on an embedded switch",
                      "the LIFs must be ports of one NIC in mode switchdev");
  }
  std::vector<std::string> parts;
  for (const auto& [id, netdevs] : by_id) {
    const std::string names = absl::StrJoin(netdevs, ", ");
    parts.push_back(id.empty() ? absl::StrCat(names, " on none") : absl::StrCat(names, " on ", id));
  }
  return NoHardware(facts, absl::StrCat("not all on one switch: ", absl::StrJoin(parts, "; ")),
                    "sessions between ports of different switches cannot be offloaded");
}

Opinion CheckKernel(const DoctorFacts& facts) {
  if (!facts.kernel.ok()) return Unreadable(facts.kernel.status());
  const netlink::KernelRelease& kernel = *facts.kernel;
  const std::string text = absl::StrCat("Linux ", kernel.text);
  if (std::pair(kernel.major, kernel.minor) >= std::pair(kOldestMajor, kOldestMinor)) {
    return Fine(text);
  }
  return Problem(absl::StrFormat("%s is older than %d.%d", text, kOldestMajor, kOldestMinor),
                 "use a newer kernel");
}

Opinion CheckModules(const DoctorFacts& facts) {
  using netlink::ModuleState;
  std::map<ModuleState, std::vector<std::string>> by_state;
  for (const auto& [module, state] : facts.modules) by_state[state].push_back(module);
  const auto names = [&](ModuleState state) { return absl::StrJoin(by_state[state], " "); };
  if (by_state.contains(ModuleState::kMissing)) {
    return Problem(absl::StrCat("the kernel has no ", names(ModuleState::kMissing)),
                   "use a kernel with CONFIG_NET_CLS_FLOWER, NET_SCH_INGRESS and the actions");
  }
  // Start loads them, and needs them: what is not known then is there.
  if (by_state.contains(ModuleState::kUnknown) && !facts.started) {
    return Warning(
        absl::StrCat("cannot tell whether the kernel has ", names(ModuleState::kUnknown)), "");
  }
  if (by_state.contains(ModuleState::kLoadable)) {
    const std::string missing = names(ModuleState::kLoadable);
    if (!facts.started) return Fine(absl::StrCat("offloadd loads at its start: ", missing));
    return Warning(absl::StrCat("not loaded: ", missing, "; the first rule to need it waits"),
                   absl::StrCat("modprobe -a ", missing));
  }
  return Fine("are there");
}

std::string Gigabytes(uint64_t bytes) {
  return absl::StrFormat("%.1f GB", static_cast<double>(bytes) / (uint64_t{1} << 30));
}

Opinion CheckMemory(const DoctorFacts& facts) {
  if (!facts.mem_available.ok()) return Unreadable(facts.mem_available.status());
  const uint64_t available = *facts.mem_available;
  const uint64_t per_session =
      facts.mode == OffloadMode::kSoftware ? kSoftwareSessionBytes : kHardwareSessionBytes;
  const uint64_t to_come = facts.table_size - std::min<uint64_t>(facts.rules, facts.table_size);
  const uint64_t need = to_come * (per_session / 2);
  const std::string text =
      absl::StrCat("a full table of ", facts.table_size, " rules takes up to ", Gigabytes(need),
                   facts.rules > 0 ? " more" : "", " of kernel memory (", per_session / 1024,
                   " KB a session); ", Gigabytes(available), " are available");
  const std::string advice = "lower /datapath/table_size, or add memory";
  if (need > available) return Problem(text, advice);
  if (need > available / 2) return Warning(text, advice);
  return Fine(text);
}

Opinion CheckTcListeners(const DoctorFacts& facts) {
  if (!facts.listeners.ok()) return Unreadable(facts.listeners.status());
  if (facts.listeners->empty()) return Fine("nobody listens to changes of filters");
  std::vector<std::string> names;
  bool networkd = false;
  for (const netlink::TcListener& listener : *facts.listeners) {
    // comm has at most 15 characters.
    networkd |= absl::StartsWith(listener.process, "systemd-network");
    names.push_back(listener.pid == 0
                        ? std::string("a process that cannot be seen")
                        : absl::StrCat(listener.process, " (pid ", listener.pid, ")"));
  }
  return Warning(absl::StrCat("told of every change of a filter, which makes each one cost more: ",
                              absl::StrJoin(names, ", ")),
                 networkd ? "systemctl disable --now systemd-networkd, where others can do its work"
                          : "end it");
}

struct HostCheck {
  const char* word;
  bool hardware;  // left out in mode software
  Opinion (*check)(const DoctorFacts& facts);
};

constexpr HostCheck kChecks[] = {
    {"switch-id", true, CheckSwitchId},        {"kernel", false, CheckKernel},
    {"modules", false, CheckModules},          {"memory", false, CheckMemory},
    {"tc-listeners", false, CheckTcListeners},
};

}  // namespace

std::vector<Finding> ExamineHost(const DoctorFacts& facts) {
  std::vector<Finding> findings;
  for (const HostCheck& row : kChecks) {
    if (row.hardware && facts.mode == OffloadMode::kSoftware) continue;
    const Opinion opinion = row.check(facts);
    if (!opinion) continue;
    findings.push_back({.level = opinion->level,
                        .check = row.word,
                        .subject = "host",
                        .text = opinion->text,
                        .advice = opinion->advice});
  }
  return findings;
}

}  // namespace offload::datapath
