#include "tests/datapath/conformance/conformance.h"

namespace offload::datapath::conformance {

session::SessionSpec Spec(uint64_t id) {
  return {.key = {.owner = 3, .id = id},
          .in_lif = 1,
          .out_lif = 2,
          .tuple = {.source = session::IpAddress::V4(0x0A000000 + static_cast<uint32_t>(id)),
                    .destination = session::IpAddress::V4(0x0A010001),
                    .source_port = 4000,
                    .destination_port = 80},
          .timeout = absl::Seconds(30)};
}

void ConformanceTest::Begin(uint32_t sessions) {
  subject_.reset();  // before the next: both may use the same names
  subject_ = GetParam().make(sessions);
  const auto report = datapath().Start();
  ASSERT_TRUE(report.ok()) << report.status();
}

std::vector<FlowResult> ConformanceTest::Apply(const std::vector<FlowOp>& ops) {
  // What was in the results before must not matter.
  const FlowResult stale = {.status = absl::DataLossError("not written"),
                            .existed = true,
                            .counters = {77, 77},
                            .idle = absl::Hours(77)};
  std::vector<FlowResult> results(ops.size(), stale);
  datapath().Apply(ops, absl::MakeSpan(results));
  return results;
}

void ConformanceTest::ExpectThere(const FlowRule& rule, const session::Counters& counters) {
  const FlowResult result = Query(rule);
  EXPECT_TRUE(result.status.ok()) << result.status;
  EXPECT_TRUE(result.existed);
  EXPECT_EQ(result.counters.packets, counters.packets);
  EXPECT_EQ(result.counters.bytes, counters.bytes);
}

void ConformanceTest::ExpectAbsent(const FlowRule& rule) {
  const FlowResult result = Query(rule);
  EXPECT_EQ(result.status.code(), absl::StatusCode::kNotFound) << result.status;
  EXPECT_FALSE(result.existed);
}

void ConformanceTest::ExpectGone(const FlowResult& result) {
  EXPECT_TRUE(result.status.ok()) << result.status;
  EXPECT_FALSE(result.existed);
  EXPECT_EQ(result.counters, session::Counters{});
}

}  // namespace offload::datapath::conformance
