// The TC datapath on the emulated NIC of tests/eswitch: rules with skip_sw, a table that is full, a
// NIC that refuses. As root in a fresh network namespace of the guest.
#include <atomic>

#include "base/clock.h"
#include "closed/memory_log.h"
#include "engine/engine.h"
#include "tc_guest_world.h"

namespace offload::datapath {
namespace {

using absl::StatusCode;
using session::Direction;
using session::Protocol;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Level = Finding::Level;

constexpr int kKeepAlives = 3;  // on each netdev

class TcNicGuest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    nic_ = std::make_unique<Nic>();
    nic_status_ = nic_->Up();
  }
  static void TearDownTestSuite() { nic_.reset(); }
  // As new: permissive, a table without bound, no rules.
  void SetUp() override {
    if (nic_status_ == 77) GTEST_SKIP() << "no emulated NIC for this kernel (tests/eswitch/build)";
    ASSERT_EQ(nic_status_, 0) << "exit status of tests/eswitch/nic up";
    Shell("for name in p0 pf0vf0 p1; do tc qdisc del dev $name clsact 2>/dev/null; done");
    Nic::Write("personality", "permissive");
    Nic::Write("table_size", "0");
    Nic::Write("refuse", "none");
    Nic::Write("fail_inserts", "0");
    ASSERT_EQ(Nic::Total("rules"), 0U);
  }
  std::unique_ptr<TcDatapath> Start(const std::vector<std::string>& netdevs) {
    auto datapath =
        std::make_unique<TcDatapath>(OptionsOf(OffloadMode::kHardware, netdevs), kernel_);
    const auto report = datapath->Start();
    EXPECT_TRUE(report.ok()) << report.status();
    if (report.ok()) notes_ = report->notes;
    return datapath;
  }

  static std::unique_ptr<Nic> nic_;
  static int nic_status_;
  SystemTcKernel kernel_;
  std::vector<std::string> notes_;
};

std::unique_ptr<Nic> TcNicGuest::nic_;
int TcNicGuest::nic_status_ = 0;

TEST_F(TcNicGuest, Mlx5RefusesUplinkToTheOtherUplinkAndDoctorSaysWhatWorks) {
  Nic::Write("personality", "mlx5");
  const auto datapath = Start({"p0", "p1"});
  const Finding finding = FindingOf(*datapath, "p0 > p1");
  std::printf("%s: %s\n  %s\n", finding.subject.c_str(), finding.text.c_str(),
              finding.advice.c_str());
  EXPECT_EQ(finding.level, Level::kProblem);
  EXPECT_EQ(finding.text,
            "no forward can be offloaded: eswsim: this NIC does not forward from one uplink to the "
            "other uplink (EOPNOTSUPP)");
  EXPECT_THAT(finding.advice,
              AllOf(HasSubstr("VF, SF or host PF representor"), HasSubstr("one-armed"),
                    HasSubstr("esw_multiport"), HasSubstr("eswitch mode legacy")));
  EXPECT_THAT(notes_, Contains(HasSubstr("p1 > p0: no forward can be offloaded")));
  EXPECT_EQ(FindingOf(*datapath, "p0").level, Level::kOk) << "drops";
  const uint64_t refused = Nic::Total("refused");
  const absl::Status status = AddOne(*datapath, 7).status;
  EXPECT_EQ(status.code(), StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("p0 > p1: IPv4 TCP forward cannot be offloaded: eswsim: "));
  EXPECT_EQ(Nic::Total("refused"), refused) << "not asked again";
  EXPECT_EQ(datapath->Stats().refused_unsupported, 1U);
}

TEST_F(TcNicGuest, Mlx5TakesAnUplinkWithItsVfInEveryShape) {
  Nic::Write("personality", "mlx5");
  const auto datapath = Start({"p0", "pf0vf0"});
  for (const char* subject : {"p0 > pf0vf0", "pf0vf0 > p0", "p0", "pf0vf0"}) {
    EXPECT_EQ(FindingOf(*datapath, subject).level, Level::kOk)
        << subject << ": " << FindingOf(*datapath, subject).text;
  }
  const Finding itself = FindingOf(*datapath, "pf0vf0 > pf0vf0");
  EXPECT_EQ(itself.level, Level::kWarning) << "one-armed on a VF: " << itself.text;
  EXPECT_TRUE(AddOne(*datapath, 7).status.ok());
  EXPECT_TRUE(AddOne(*datapath, 7, Direction::kOut).status.ok());
  EXPECT_EQ(Nic::Total("rules"), 2U * kKeepAlives + 2) << "no probe rule is left";
}

TEST_F(TcNicGuest, AShapeThatTheNicRefusesIsTheOnlyOneRefused) {
  Nic::Write("refuse", "ipv6");
  const auto datapath = Start({"p0", "pf0vf0"});
  EXPECT_EQ(FindingOf(*datapath, "p0 > pf0vf0").level, Level::kWarning);
  EXPECT_THAT(FindingOf(*datapath, "p0 > pf0vf0").text,
              AllOf(HasSubstr("IPv6 TCP forward"), HasSubstr("(EOPNOTSUPP)")));
  EXPECT_THAT(notes_, Contains(HasSubstr("p0: no keep-alive at priority 6: ")));
  EXPECT_TRUE(AddOne(*datapath, 7).status.ok());
}

TEST_F(TcNicGuest, ATableWithRoomForOneRuleBesideTheKeepAlivesIsProbed) {
  Nic::Write("table_size", "7");
  const auto datapath = Start({"p0", "pf0vf0"});
  EXPECT_THAT(notes_, IsEmpty());
  EXPECT_THAT(datapath->ProbeFindings(), Each(Field(&Finding::level, Level::kOk)));
  EXPECT_EQ(Nic::Total("rules"), 2U * kKeepAlives);
}

TEST_F(TcNicGuest, EachErrnoHasItsMeaning) {
  const auto datapath = Start({"p0", "pf0vf0"});
  struct Case {
    const char* fault;
    StatusCode code;
  };
  uint64_t id = 1;
  for (const Case& c : {Case{"28 1", StatusCode::kResourceExhausted},  // ENOSPC
                        Case{"12 1", StatusCode::kResourceExhausted},  // ENOMEM
                        Case{"22 1", StatusCode::kResourceExhausted},  // EINVAL, worked before
                        Case{"5 1", StatusCode::kInternal},            // EIO
                        Case{"16 3", StatusCode::kOk},                 // EBUSY, for a moment
                        Case{"16 6", StatusCode::kUnavailable}}) {     // EBUSY, for long
    Nic::Write("fail_inserts", c.fault);
    EXPECT_EQ(AddOne(*datapath, ++id).status.code(), c.code) << c.fault;
    Nic::Write("fail_inserts", "0");
  }
  const DatapathStats stats = datapath->Stats();
  EXPECT_EQ(stats.refused_full, 3U);
  EXPECT_EQ(stats.refused_other, 1U);
  EXPECT_EQ(stats.busy_retries, 3U + 5U);
  EXPECT_EQ(stats.added, 1U);
  EXPECT_EQ(Nic::Total("rules"), 2U * kKeepAlives + 1);
  // EOPNOTSUPP is remembered for the shape, and only for it.
  Nic::Write("fail_inserts", "95 1");
  EXPECT_EQ(AddOne(*datapath, 20).status.code(), StatusCode::kUnimplemented);
  EXPECT_EQ(AddOne(*datapath, 20).status.code(), StatusCode::kUnimplemented);
  EXPECT_TRUE(AddOne(*datapath, 21, Direction::kIn, Protocol::kUdp).status.ok());
  EXPECT_EQ(datapath->Stats().refused_unsupported, 2U);
}

TEST_F(TcNicGuest, ARepresentorThatComesBackIsProbedAgain) {
  Nic::Write("refuse", "redirect");
  const auto datapath = Start({"p0", "pf0vf0"});
  EXPECT_EQ(AddOne(*datapath, 7).status.code(), StatusCode::kUnimplemented);
  Nic::Write("refuse", "none");
  Nic::Write("ports/pf0vf0/present", "0");
  EXPECT_TRUE(Eventually(
      [&] { return AddOne(*datapath, 7).status.code() == StatusCode::kFailedPrecondition; }));
  Nic::Write("ports/pf0vf0/present", "1");
  EXPECT_TRUE(Eventually([&] { return IsOk(*datapath, "p0 > pf0vf0"); }));
  EXPECT_TRUE(AddOne(*datapath, 7).status.ok());
}

struct Answers {
  std::atomic<uint32_t> accepted = 0, full = 0, other = 0;
};

// Asks for the sessions 1..count from four streams, in batches of 30.
void AskInStreams(engine::Engine& engine, uint64_t count, Answers& answers) {
  constexpr uint64_t kBatch = 30;
  std::atomic<uint64_t> next = 1;
  std::vector<std::thread> streams;
  for (int i = 0; i < 4; ++i) {
    streams.emplace_back([&] {
      for (uint64_t at = next.fetch_add(kBatch); at <= count; at = next.fetch_add(kBatch)) {
        std::vector<session::SessionSpec> specs;
        for (uint64_t id = at; id < at + kBatch; ++id) {
          specs.push_back(SpecOf(id, Protocol::kTcp));
        }
        std::vector<absl::Status> results(specs.size());
        engine.Add(specs, absl::MakeSpan(results));
        for (const absl::Status& result : results) {
          ++(result.ok()                         ? answers.accepted
             : absl::IsResourceExhausted(result) ? answers.full
                                                 : answers.other);
        }
      }
    });
  }
  for (std::thread& stream : streams) stream.join();
}

// Of 600 sessions that are asked from several streams, for a table that takes fewer, exactly as
// many as fit are accepted on every run, and each other one is told that it is full.
TEST_F(TcNicGuest, CapacityIsExactWithBothWritersRacing) {
  constexpr uint32_t kTable = 1000, kAsked = 600, kFit = (kTable - 2 * kKeepAlives) / 2;
  Nic::Write("table_size", absl::StrCat(kTable));
  for (int run = 0; run < 20; ++run) {
    // The table that is configured is the NIC's, or larger: then the NIC says that it is full.
    const uint32_t configured = run % 2 == 0 ? kTable : kTable + 400;
    TcDatapathOptions options = OptionsOf(OffloadMode::kHardware, {"p0", "pf0vf0"});
    options.table_size = configured;
    TcDatapath datapath(options, kernel_);
    ASSERT_TRUE(datapath.Start().ok());
    base::SystemClock clock;
    closed::MemoryLog log(1000);
    engine::Engine engine({}, clock, datapath, log);
    Answers answers;
    AskInStreams(engine, kAsked, answers);
    EXPECT_EQ(answers.accepted, kFit) << "run " << run;
    EXPECT_EQ(answers.full, kAsked - kFit) << "run " << run;
    EXPECT_EQ(answers.other, 0U) << "run " << run;
    EXPECT_EQ(engine.Stats().sessions, kFit);
    EXPECT_EQ(Nic::Total("rules"), 2 * kFit + 2 * kKeepAlives) << "run " << run;
    engine.CloseAll(session::CloseReason::kDeleted);
    EXPECT_EQ(Nic::Total("rules"), 2U * kKeepAlives) << "run " << run;
  }
}

}  // namespace
}  // namespace offload::datapath
