// What the guest tests of the TC datapath share: shell commands, veth pairs, the emulated NIC.
//
// Each program has the network namespace to itself, which ends with it.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "datapath/tc_datapath.h"
#include "gmock/gmock.h"

namespace offload::datapath {

inline int Shell(const std::string& command) {
  const int status = std::system(command.c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

inline std::string Output(const std::string& command) {
  std::string text;
  FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return text;
  std::array<char, 4096> buffer;
  for (size_t n; (n = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
    text.append(buffer.data(), n);
  }
  ::pclose(pipe);
  return text;
}

inline bool HasFlower() {
  return Shell(
             "(ip link add pa type dummy && tc qdisc add dev pa clsact && tc filter add dev pa "
             "ingress pref 5 protocol ip flower ip_proto tcp action drop; s=$?; ip link del pa; "
             "exit $s) >/dev/null 2>&1") == 0;
}

// Until `done` or ten seconds passed.
inline bool Eventually(const std::function<bool()>& done) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!done()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return true;
}

inline session::SessionSpec SpecOf(uint64_t id, session::Protocol protocol) {
  return {.key = {.owner = 0, .id = id},
          .in_lif = 1,
          .out_lif = 2,
          .tuple = {.source = session::IpAddress::V4(0x0A000000 + static_cast<uint32_t>(id)),
                    .destination = session::IpAddress::V4(0x0A010001),
                    .source_port = 4000,
                    .destination_port = 80,
                    .protocol = protocol},
          .timeout = absl::Seconds(30)};
}

inline FlowResult AddOne(Datapath& datapath, uint64_t id,
                         session::Direction direction = session::Direction::kIn,
                         session::Protocol protocol = session::Protocol::kTcp) {
  const FlowOp op{.rule = MakeRule(SpecOf(id, protocol), static_cast<Slot>(id), 1, direction)};
  FlowResult result;
  datapath.Apply({&op, 1}, {&result, 1});
  return result;
}

// LIF 1 is the first netdev, LIF 2 the second.
inline TcDatapathOptions OptionsOf(OffloadMode mode, const std::vector<std::string>& netdevs) {
  TcDatapathOptions options{.mode = mode, .table_size = 10000};
  for (const std::string& netdev : netdevs) {
    options.lifs.push_back(
        {.lif = static_cast<session::LifId>(options.lifs.size() + 1), .netdev = netdev});
  }
  return options;
}

// Nothing is known of a pair while it is probed again.
inline bool IsOk(const TcDatapath& datapath, const std::string& subject) {
  const std::vector<Finding> findings = datapath.ProbeFindings();
  return std::any_of(findings.begin(), findings.end(), [&](const Finding& finding) {
    return finding.subject == subject && finding.level == Finding::Level::kOk;
  });
}

inline Finding FindingOf(const TcDatapath& datapath, const std::string& subject) {
  for (const Finding& finding : datapath.ProbeFindings()) {
    if (finding.subject == subject) return finding;
  }
  ADD_FAILURE() << "no finding on " << subject;
  return {};
}

// How many filters with our cookie `tc` shows on the ingress of a netdev.
inline int FiltersOn(const std::string& netdev) {
  return std::atoi(
      Output(absl::StrCat("tc filter show dev ", netdev, " ingress | grep -c 'cookie fd'"))
          .c_str());
}

// The emulated NIC (tests/eswitch). Unloaded at the end.
class Nic {
 public:
  Nic() = default;
  ~Nic() {
    if (up_) Shell(absl::StrCat(OFFLOAD_NIC, " down"));
  }
  Nic(const Nic&) = delete;
  Nic& operator=(const Nic&) = delete;

  // Loads it, all ports down. The exit status of tests/eswitch/nic: 77 = not for this kernel.
  int Up() {
    const int status = Shell(absl::StrCat(OFFLOAD_NIC, " up"));
    up_ = status == 0;
    return status;
  }
  static void Write(const std::string& file, const std::string& text) {
    std::ofstream out(absl::StrCat("/sys/kernel/debug/eswsim/", file));
    out << text << std::endl;
    EXPECT_TRUE(out.good()) << file << ": " << text;
  }
  // A number of the file `totals`.
  static uint64_t Total(const std::string& name) {
    std::ifstream in("/sys/kernel/debug/eswsim/totals");
    uint64_t value = 0;
    for (std::string word; in >> word >> value;) {
      if (word == name) return value;
    }
    ADD_FAILURE() << "no total " << name;
    return 0;
  }

 private:
  bool up_ = false;
};

}  // namespace offload::datapath
