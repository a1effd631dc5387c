// The life of the real daemon where its datapath cannot become ready: a netdev is missing. It
// listens, says so, and stops cleanly. In a network namespace of its own.
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/health.grpc.pb.h"
#include "proto/openoffload_v1.grpc.pb.h"
#include "tests/config/daemon_process.h"

namespace offload::config {
namespace {

using ::grpc::health::v1::HealthCheckRequest;
using ::grpc::health::v1::HealthCheckResponse;
using ::testing::HasSubstr;

class DaemonTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    std::string why;
    if (!EnterOwnNetworkNamespace(why)) *skip_reason_ = why;
  }
  void SetUp() override {
    if (!skip_reason_->empty()) {
      GTEST_SKIP() << "needs a network namespace of its own: " << *skip_reason_;
    }
  }

  std::string Socket() const {
    return absl::StrCat("unix:", ::testing::TempDir(), "offloadd_", getpid(), ".sock");
  }
  // What the daemon is started with: a LIF on a netdev that is not there.
  std::vector<std::string> Arguments() const {
    return {"--lif", "1=absent0", "--mode", "software", "--listen", Socket()};
  }
  std::shared_ptr<grpc::Channel> Connect(const std::string& address) const {
    return grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
  }
  static void SetDeadline(grpc::ClientContext& context) {
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    context.set_wait_for_ready(true);
  }
  static HealthCheckResponse::ServingStatus Health(const std::shared_ptr<grpc::Channel>& channel) {
    grpc::ClientContext context;
    SetDeadline(context);
    HealthCheckResponse response;
    const grpc::Status status = grpc::health::v1::Health::NewStub(channel)->Check(
        &context, HealthCheckRequest(), &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.status();
  }
  static openoffload::v1::ADD_SESSION_STATUS AddOne(const std::shared_ptr<grpc::Channel>& channel) {
    grpc::ClientContext context;
    SetDeadline(context);
    openoffload::v1::addSessionResponse response;
    const auto stub = openoffload::v1::SessionTable::NewStub(channel);
    const auto writer = stub->addSession(&context, &response);
    writer->Write(openoffload::v1::sessionRequest());
    writer->WritesDone();
    const grpc::Status status = writer->Finish();
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.requeststatus();
  }

 private:
  static inline std::string* const skip_reason_ = new std::string;
};

constexpr char kNotReady[] = "not ready, trying again every second";

TEST_F(DaemonTest, ServesNotServingUntilItsDatapathIsReady) {
  DaemonProcess offloadd(Arguments());
  ASSERT_TRUE(offloadd.WaitForOutput(kNotReady)) << offloadd.output();
  EXPECT_THAT(offloadd.output(), HasSubstr("absent0"));
  EXPECT_EQ(Health(Connect(Socket())), HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(AddOne(Connect(Socket())), openoffload::v1::_SESSION_TABLE_UNAVAILABLE);

  offloadd.Signal(SIGTERM);
  EXPECT_EQ(offloadd.WaitForExit(), 0) << offloadd.output();
  EXPECT_THAT(offloadd.output(), HasSubstr("stopping on SIGTERM"));
  EXPECT_THAT(offloadd.output(), HasSubstr("0 sessions added"));
}

TEST_F(DaemonTest, TheSameReasonIsLoggedOnce) {
  DaemonProcess offloadd([this] {
    std::vector<std::string> arguments = Arguments();
    arguments.insert(arguments.end(), {"--log-level", "debug"});
    return arguments;
  }());
  ASSERT_TRUE(offloadd.WaitForOutput("attempt 3 failed")) << offloadd.output();
  const size_t first = offloadd.output().find(kNotReady);
  ASSERT_NE(first, std::string::npos);
  EXPECT_EQ(offloadd.output().find(kNotReady, first + 1), std::string::npos) << offloadd.output();
}

TEST_F(DaemonTest, ASecondInstanceIsRefusedAndTheFirstGoesOn) {
  DaemonProcess first(Arguments());
  ASSERT_TRUE(first.WaitForOutput(kNotReady)) << first.output();
  DaemonProcess second({"--lif", "1=absent0", "--listen", "127.0.0.1:0"});
  EXPECT_EQ(second.WaitForExit(), 1);
  EXPECT_THAT(second.output(),
              HasSubstr(absl::StrCat("another offloadd runs in this network namespace (pid ",
                                     first.pid(), ")")));
  EXPECT_EQ(Health(Connect(Socket())), HealthCheckResponse::NOT_SERVING);
}

TEST_F(DaemonTest, AKilledInstanceDoesNotKeepTheNextFromStarting) {
  {
    DaemonProcess first(Arguments());
    ASSERT_TRUE(first.WaitForOutput(kNotReady)) << first.output();
    first.Signal(SIGKILL);
    EXPECT_EQ(first.WaitForExit(), std::nullopt);
  }
  DaemonProcess second(Arguments());
  EXPECT_TRUE(second.WaitForOutput(kNotReady)) << second.output();
}

TEST_F(DaemonTest, SighupIsLoggedAndIgnored) {
  DaemonProcess offloadd(Arguments());
  ASSERT_TRUE(offloadd.WaitForOutput(kNotReady)) << offloadd.output();
  offloadd.Signal(SIGHUP);
  EXPECT_TRUE(offloadd.WaitForOutput("SIGHUP")) << offloadd.output();
  EXPECT_EQ(Health(Connect(Socket())), HealthCheckResponse::NOT_SERVING);
  offloadd.Signal(SIGINT);
  EXPECT_EQ(offloadd.WaitForExit(), 0) << offloadd.output();
  EXPECT_THAT(offloadd.output(), HasSubstr("stopping on SIGINT"));
}

TEST_F(DaemonTest, AFreePortIsNamedInTheLog) {
  DaemonProcess offloadd({"--lif", "1=absent0", "--listen", "127.0.0.1:0"});
  const std::string start = "listening on 127.0.0.1:0, port ";
  ASSERT_TRUE(offloadd.WaitForOutput(kNotReady)) << offloadd.output();
  const size_t at = offloadd.output().find(start);
  ASSERT_NE(at, std::string::npos) << offloadd.output();
  const int port = std::stoi(offloadd.output().substr(at + start.size()));
  EXPECT_EQ(Health(Connect(absl::StrCat("127.0.0.1:", port))), HealthCheckResponse::NOT_SERVING);
}

TEST_F(DaemonTest, AnAddressThatCannotBeHadIsNamed) {
  DaemonProcess offloadd({"--lif", "1=absent0", "--listen", "192.0.2.1:3443"});
  EXPECT_EQ(offloadd.WaitForExit(), 1);
  EXPECT_THAT(offloadd.output(), HasSubstr("cannot listen on 192.0.2.1:3443"));
}

}  // namespace
}  // namespace offload::config
