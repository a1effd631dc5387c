// The TC datapath on a real kernel, as root in a fresh network namespace: on veth pairs, which have
// no hardware.
#include "tc_guest_world.h"

namespace offload::datapath {
namespace {

using absl::StatusCode;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Level = Finding::Level;

constexpr int kKeepAlives = 3;  // on each netdev

class TcDatapathGuest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    has_flower_ = HasFlower();
    Shell(
        "ip link add va type veth peer name vb && ip link add vc type veth peer name vd && "
        "for name in va vb vc vd; do ip link set $name up; done");
  }
  void SetUp() override {
    if (!has_flower_) GTEST_SKIP() << "this kernel has no cls_flower, or we are not root";
  }
  static bool has_flower_;
  SystemTcKernel kernel_;
};

bool TcDatapathGuest::has_flower_ = false;

TEST_F(TcDatapathGuest, HardwareOnVethIsRefusedWithTheKernelsReasonForEachPair) {
  TcDatapath datapath(OptionsOf(OffloadMode::kHardware, {"va", "vc"}), kernel_);
  const absl::Status status = datapath.Start().status();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition) << status;
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("nothing can be offloaded: va > va: "), HasSubstr("va > vc: "),
                    HasSubstr("vc > va: "), HasSubstr("(EOPNOTSUPP)")));
  const std::vector<Finding> findings = datapath.ProbeFindings();
  EXPECT_THAT(findings, SizeIs(6)) << "four pairs, and drops on each netdev";
  EXPECT_THAT(findings, Each(Field(&Finding::text, HasSubstr("(EOPNOTSUPP)"))));
  EXPECT_EQ(FindingOf(datapath, "va > vc").level, Level::kProblem);
  EXPECT_THAT(FindingOf(datapath, "va > vc").advice, HasSubstr("switchdev mode"));
  EXPECT_EQ(FiltersOn("va"), 0);
  EXPECT_EQ(FiltersOn("vc"), 0);
}

TEST_F(TcDatapathGuest, SoftwareOnVethTakesEveryShapeKeyByKey) {
  TcDatapath datapath(OptionsOf(OffloadMode::kSoftware, {"va", "vc"}), kernel_);
  const auto report = datapath.Start();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->notes, IsEmpty());
  EXPECT_THAT(datapath.ProbeFindings(), SizeIs(6));
  EXPECT_THAT(datapath.ProbeFindings(), Each(Field(&Finding::level, Level::kOk)));
  EXPECT_EQ(FiltersOn("va"), kKeepAlives);
  EXPECT_TRUE(AddOne(datapath, 7).status.ok());
  EXPECT_EQ(FiltersOn("va"), kKeepAlives + 1);
}

TEST_F(TcDatapathGuest, AnyOnVethSaysThatItIsSoftwareOnly) {
  TcDatapath datapath(OptionsOf(OffloadMode::kAny, {"va", "vc"}), kernel_);
  ASSERT_TRUE(datapath.Start().ok());
  EXPECT_THAT(FindingOf(datapath, "va > vc").text, HasSubstr("in software only"));
  EXPECT_TRUE(AddOne(datapath, 7).status.ok());
}

TEST_F(TcDatapathGuest, SixteenNetdevsAreProbedQuickly) {
  ASSERT_EQ(
      Shell("for i in $(seq 0 15); do ip link add n$i type dummy && ip link set n$i up; done"), 0);
  std::vector<std::string> netdevs;
  for (int i = 0; i < 16; ++i) netdevs.push_back(absl::StrCat("n", i));
  TcDatapath datapath(OptionsOf(OffloadMode::kSoftware, netdevs), kernel_);
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_TRUE(datapath.Start().ok());
  const auto took = std::chrono::steady_clock::now() - begin;
  std::printf(
      "start with 16 netdevs, 2176 probe rules: %lld ms\n",
      static_cast<long long>(std::chrono::duration_cast<std::chrono::milliseconds>(took).count()));
  EXPECT_LT(took, std::chrono::seconds(20));
  EXPECT_THAT(datapath.ProbeFindings(), Each(Field(&Finding::level, Level::kOk)));
}

}  // namespace
}  // namespace offload::datapath
