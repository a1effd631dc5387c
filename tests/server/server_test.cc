// Listeners, health, reflection and the end of the server.
#include "server/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

#include "tests/server/service_fixture.h"

namespace offload::server {
namespace {

using grpc::health::v1::HealthCheckResponse;
using ::testing::HasSubstr;
using Kind = fakes::FakeDatapath::Kind;

class ServerTest : public ServiceTest {
 protected:
  static ServerOptions Listen(const std::string& address) {
    return {.listeners = {{.address = address, .owner = 0, .profile = {}}}, .workers = 1};
  }
};

TEST_F(ServerTest, HealthFollowsReadiness) {
  Start({{}}, /*ready=*/false);
  for (bool ready : {false, true, false}) {
    server_->SetReady(ready);
    const auto expected = ready ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING;
    EXPECT_EQ(client().Health(""), expected);
    EXPECT_EQ(client().Health("openoffload.v1.SessionTable"), expected);
  }
}

TEST_F(ServerTest, BeforeReadyCallsAreUnavailable) {
  Start({{}}, /*ready=*/false);
  api::sessionResponse reply;
  EXPECT_EQ(client().Get(1, &reply).error_code(), grpc::UNAVAILABLE);
  EXPECT_EQ(client().Delete(1, &reply).error_code(), grpc::UNAVAILABLE);
  grpc::Status status;
  client().Closed(0, &status);
  EXPECT_EQ(status.error_code(), grpc::UNAVAILABLE);
  Context context;
  api::sessionResponses list;
  EXPECT_EQ(client().stub().getAllSessions(&context, Client::Args(0, 0, 0), &list).error_code(),
            grpc::UNAVAILABLE);
}

TEST_F(ServerTest, ListensOnAUnixSocketAndOnIpv6) {
  const std::string path = absl::StrCat("unix:/tmp/offload_server_test.", ::getpid());
  ServerOptions options = Listen(path);
  options.listeners.push_back({.address = "[::1]:0", .owner = 0, .profile = {}});
  server_ = MakeServer(options);
  ASSERT_EQ(server_->Start(), absl::OkStatus());
  server_->SetReady(true);
  ASSERT_EQ(server_->ports().size(), 2u);
  EXPECT_EQ(server_->ports()[0], 0);
  EXPECT_EQ(Client(path).Add({Request(1)}).responseerror_size(), 0);
  Client v6(absl::StrCat("[::1]:", server_->ports()[1]));
  EXPECT_EQ(v6.List(0, 0, 0).sessioninfo_size(), 1);
}

TEST_F(ServerTest, AnAddressInUseIsNamed) {
  Start({{}});
  const std::string taken = absl::StrCat("127.0.0.1:", server_->ports()[0]);
  ServerOptions options = Listen("127.0.0.1:0");
  options.listeners.push_back({.address = taken, .owner = 0, .profile = {}});
  const auto second = MakeServer(options);
  const absl::Status status = second->Start();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr(taken));
  EXPECT_TRUE(second->ports().empty());
}

TEST_F(ServerTest, ReflectionListsTheService) {
  Start({{}});
  EXPECT_THAT(client().Reflection(), HasSubstr("openoffload.v1.SessionTable"));
}

TEST_F(ServerTest, StopLetsCallsUnderWayFinish) {
  Start({{}});
  datapath_.Block(Kind::kAdd);
  api::addSessionResponse response;
  std::thread adding([&] { response = client().Add({Request(1)}); });
  datapath_.AwaitBlocked();
  std::thread stopping([this] { server_->Stop(absl::Seconds(40)); });
  datapath_.Release();
  adding.join();
  stopping.join();
  EXPECT_EQ(response.requeststatus(), api::_SESSION_ACCEPTED);
  EXPECT_EQ(datapath_.RuleCount(), 2u);
}

TEST_F(ServerTest, StopCancelsAtItsDeadlineAClientThatNeverEnds) {
  Start({{}});
  Context context;
  api::addSessionResponse response;
  auto writer = client().stub().addSession(&context, &response);
  datapath_.Block(Kind::kAdd);
  ASSERT_TRUE(writer->Write(Request(1)));
  datapath_.AwaitBlocked();
  datapath_.Release();
  server_->Stop(absl::Milliseconds(50));
  EXPECT_FALSE(writer->Finish().ok());
  EXPECT_EQ(datapath_.RuleCount(), 2u);  // what was added stays added
  api::sessionResponse reply;
  EXPECT_EQ(client().Get(1, &reply).error_code(), grpc::UNAVAILABLE);
}

}  // namespace
}  // namespace offload::server
