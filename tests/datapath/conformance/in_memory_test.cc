// The suite over what needs no kernel: the fake datapath that the engine is tested with, and the TC
// datapath over a kernel in memory.
#include <memory>

#include "tests/datapath/conformance/conformance.h"
#include "tests/datapath/conformance/tc_subject.h"
#include "tests/datapath/scripted_kernel.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_datapath.h"

namespace offload::datapath::conformance {
namespace {

constexpr uint64_t kPacketSize = 100;

class FakeSubject final : public Subject {
 public:
  explicit FakeSubject(uint32_t sessions) {
    fake_.SetAttachmentPoint(3, *fake_.AttachmentPoint(1));
    fake_.SetRuleCapacity(2 * size_t{sessions});
  }

  Datapath& datapath() override { return fake_; }
  void Restart() override {}  // its Start is a new life
  session::Counters Send(const FlowRule& rule, uint64_t packets) override {
    EXPECT_TRUE(fake_.Count(rule.slot, rule.direction, packets, kPacketSize * packets));
    return {packets, kPacketSize * packets};
  }
  void Wait(absl::Duration time) override { clock_.Advance(time); }
  void Lose(const FlowRule& rule) override {
    EXPECT_TRUE(fake_.LoseRule(rule.key, rule.direction));
  }
  size_t RuleCount() override { return fake_.RuleCount(); }
  bool refuses_beyond_capacity() const override { return true; }

 private:
  fakes::FakeClock clock_;
  fakes::FakeDatapath fake_{clock_};
};

class ScriptedSubject final : public TcSubject {
 public:
  explicit ScriptedSubject(uint32_t sessions)
      : TcSubject(std::make_unique<ScriptedKernel>(), OffloadMode::kSoftware, sessions) {
    kernel_.AddLink({.ifindex = 4, .name = "p0", .admin_up = true, .running = true});
    kernel_.AddLink({.ifindex = 9, .name = "p1", .admin_up = true, .running = true});
    kernel_.SetTableSize(options().table_size);
    Restart();
  }

  session::Counters Send(const FlowRule& rule, uint64_t packets) override {
    const netlink::FilterId id = IdOf(rule);
    const auto filter = kernel_.Find(id.at.ifindex, id.priority, id.handle);
    EXPECT_TRUE(filter);
    const auto before = filter->actions.front().stats.value_or(netlink::ActionStats{});
    kernel_.Count(id.at.ifindex, id.priority, id.handle, before.packets + packets,
                  before.bytes + kPacketSize * packets, absl::ZeroDuration());
    return {packets, kPacketSize * packets};
  }
  void Wait(absl::Duration time) override { kernel_.PassTime(time); }
  bool refuses_beyond_capacity() const override { return true; }

 private:
  ScriptedKernel& kernel_ = static_cast<ScriptedKernel&>(kernel());
};

template <typename T>
std::unique_ptr<Subject> Make(uint32_t sessions) {
  return std::make_unique<T>(sessions);
}

INSTANTIATE_TEST_SUITE_P(InMemory, ConformanceTest,
                         ::testing::Values(Adapter{"Fake", &Make<FakeSubject>},
                                           Adapter{"TcOverScriptedKernel", &Make<ScriptedSubject>}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace offload::datapath::conformance
