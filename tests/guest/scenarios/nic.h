// The world of the hardware scenarios: the emulated NIC of tests/eswitch with its far ends.
//
//   wire0 ── p0 ┐          ┌ p1 ── wire1      p0, p1: uplinks, the netdevs of LIFs 1 and 2
//               ├ eswitch ─┤                  wire0, wire1: where the test sends and counts
//   vf00 ─ pf0vf0 ┘        └ pf1vf0 ─ vf10     vf00, vf10: the firewall's VFs; the daemon's default
//                                              path leads there, so their counters say what the
//                                              firewall sees
//
// The daemon runs in mode hardware with rules of skip_sw.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/guest/scenarios/world.h"

namespace offload::guest {

// The members of the daemon's configuration that put it on the NIC, as JSON text without braces:
// `lifs` LIF 1 is p0 and LIF 2 is p1, with default paths; `table_size` as given.
std::string OnNicConfig(uint32_t table_size = 8192);
// The same with LIF 2 on `netdev`, a VF's representor, and without default paths.
std::string UplinkToVfConfig(const std::string& netdev);

// One rule as the NIC holds it.
struct NicRule {
  std::string port;
  uint32_t priority = 0;
  uint64_t packets = 0, bytes = 0;  // what the datapath counted, not what was sampled
  std::string cookie;               // in hex digits
  // The session the rule is of, by its cookie.
  uint64_t session_id() const;
  bool is_session() const;
};

class OnNic : public ::testing::Test {
 protected:
  // The test is skipped where the kernel has no module. `parameters`: tests/eswitch/README.md.
  void LoadNic(const std::string& parameters = "");
  void TearDown() override;

  static void Write(const std::string& file, const std::string& text);  // of debugfs
  static std::map<std::string, uint64_t> Totals();
  static std::vector<NicRule> AllRules();
  static std::vector<NicRule> SessionRules();
};

}  // namespace offload::guest
