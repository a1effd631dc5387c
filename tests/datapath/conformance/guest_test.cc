// The suite over the TC datapath on a real kernel, mode software: p0 and p1 are ends of veth pairs,
// packets are sent at their far ends. Run as root in a network namespace of its own.
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/datapath/conformance/conformance.h"
#include "tests/datapath/conformance/tc_subject.h"
#include "tests/guest/scenarios/frames.h"

namespace offload::datapath::conformance {
namespace {

void Run(const std::string& command) { EXPECT_EQ(std::system(command.c_str()), 0) << command; }

// The netdevs are there for all tests: making and deleting them takes the kernel seconds. What a
// test leaves behind the next one's Start removes.
class Veths final : public ::testing::Environment {
 public:
  void SetUp() override {
    for (const char* port : {"p0", "p1"}) {
      Run(absl::StrCat("ip link add ", port, " type veth peer name far-", port, " && ip link set ",
                       port, " up && ip link set far-", port, " up"));
    }
  }
};

class VethSubject final : public TcSubject {
 public:
  explicit VethSubject(uint32_t sessions)
      : TcSubject(std::make_unique<SystemTcKernel>(), OffloadMode::kSoftware, sessions) {
    Restart();
  }

  session::Counters Send(const FlowRule& rule, uint64_t packets) override {
    const guest::FrameSpec spec = {.tuple = rule.tuple, .payload = 100, .vlan = rule.vlan};
    guest::FrameSender(absl::StrCat("far-", NetdevOf(rule.ingress)))
        .Send(guest::BuildFrame(spec), static_cast<int>(packets));
    return {packets, packets * guest::L3Bytes(spec)};
  }
  // Real time: the kernel's own clock says how long a rule was idle.
  void Wait(absl::Duration time) override { absl::SleepFor(time); }
  bool refuses_beyond_capacity() const override { return false; }
};

std::unique_ptr<Subject> Make(uint32_t sessions) { return std::make_unique<VethSubject>(sessions); }

[[maybe_unused]] const ::testing::Environment* const kVeths =
    ::testing::AddGlobalTestEnvironment(new Veths);

INSTANTIATE_TEST_SUITE_P(Kernel, ConformanceTest, ::testing::Values(Adapter{"TcSoftware", &Make}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace offload::datapath::conformance
