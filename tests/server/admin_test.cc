// The daemon's own API, offloadd.admin.v1, through real gRPC.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <string>
#include <thread>
#include <vector>

#include "proto/offloadd_admin_v1.grpc.pb.h"
#include "tests/server/service_fixture.h"

namespace offload::server {
namespace {

namespace admin = offloadd::admin::v1;
using datapath::Finding;
using datapath::LifState;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kService[] = "offloadd.admin.v1.Admin";

class AdminTest : public ServiceTest {
 protected:
  // A listener that serves Admin and one that does not.
  void StartDaemon() {
    ServerOptions options;
    options.listeners = {{.address = "127.0.0.1:0", .owner_name = "a", .admin = true},
                         {.address = "127.0.0.1:0", .owner = 1, .owner_name = "b"}};
    options.workers = 2;
    options.version = "1.2.3";
    options.mode = "software";
    options.lifs = {{.id = 1, .netdev = "p0"}, {.id = 2, .netdev = "pf0vf0"}};
    server_ = MakeServer(options);
    ASSERT_EQ(server_->Start(), absl::OkStatus());
    for (int port : server_->ports()) clients_.emplace_back(absl::StrCat("127.0.0.1:", port));
  }

  grpc::Status Doctor(admin::DoctorResponse* response, size_t listener = 0) {
    Context context;
    return admin::Admin::NewStub(client(listener).channel())->Doctor(&context, {}, response);
  }
  grpc::Status AskStatus(admin::StatusResponse* response, size_t listener = 0) {
    Context context;
    return admin::Admin::NewStub(client(listener).channel())->Status(&context, {}, response);
  }
  admin::StatusResponse GetStatus() {
    admin::StatusResponse response;
    const grpc::Status status = AskStatus(&response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
};

TEST_F(AdminTest, DoctorTellsEveryFindingBeforeTheDatapathIsReadyToo) {
  StartDaemon();
  datapath_.SetFindings({{.level = Finding::Level::kProblem,
                          .check = "switchdev",
                          .subject = "p0",
                          .text = "mode legacy",
                          .advice = "devlink"},
                         {.level = Finding::Level::kWarning, .check = "b"},
                         {.level = Finding::Level::kOk, .check = "c"}});
  for (const bool ready : {false, true}) {
    server_->SetReady(ready);
    admin::DoctorResponse response;
    const grpc::Status status = Doctor(&response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    ASSERT_EQ(response.findings_size(), 3);
    EXPECT_EQ(response.findings(0).level(), admin::Finding::PROBLEM);
    EXPECT_EQ(response.findings(0).check(), "switchdev");
    EXPECT_EQ(response.findings(0).subject(), "p0");
    EXPECT_EQ(response.findings(0).text(), "mode legacy");
    EXPECT_EQ(response.findings(0).advice(), "devlink");
    EXPECT_EQ(response.findings(1).level(), admin::Finding::WARNING);
    EXPECT_EQ(response.findings(2).level(), admin::Finding::OK);
  }
}

TEST_F(AdminTest, StatusTellsWhyTheLastStartFailed) {
  StartDaemon();
  admin::StatusResponse status = GetStatus();
  EXPECT_FALSE(status.ready());
  EXPECT_EQ(status.not_ready_reason(), "");
  EXPECT_EQ(status.lifs(0).link_state(), admin::Lif::LINK_STATE_UNSPECIFIED);

  server_->SetStartError(absl::FailedPreconditionError("first"));
  server_->SetStartError(absl::FailedPreconditionError("LIF 1: netdev p0 does not exist"));
  EXPECT_EQ(GetStatus().not_ready_reason(), "LIF 1: netdev p0 does not exist");

  server_->SetReady(true);
  status = GetStatus();
  EXPECT_TRUE(status.ready());
  EXPECT_EQ(status.not_ready_reason(), "");
}

TEST_F(AdminTest, StatusDescribesTheDaemon) {
  const absl::Time started = clock_.WallNow();
  clock_.Advance(absl::Milliseconds(1500));
  StartDaemon();
  clock_.Advance(absl::Hours(1));
  server_->SetReady(true);
  engine_.OnLifState(2, LifState::kDown);
  const admin::StatusResponse status = GetStatus();
  EXPECT_EQ(status.version(), "1.2.3");
  EXPECT_EQ(status.mode(), "software");
  EXPECT_EQ(absl::FromUnixSeconds(status.start_time().seconds()) +
                absl::Nanoseconds(status.start_time().nanos()),
            started + absl::Milliseconds(1500));
  ASSERT_EQ(status.listeners_size(), 2);
  EXPECT_EQ(status.listeners(0).address(), "127.0.0.1:0");
  EXPECT_EQ(status.listeners(0).port(), static_cast<uint32_t>(server_->ports()[0]));
  EXPECT_EQ(status.listeners(0).owner(), "a");
  EXPECT_TRUE(status.listeners(0).admin());
  EXPECT_EQ(status.listeners(1).owner(), "b");
  EXPECT_FALSE(status.listeners(1).admin());
  ASSERT_EQ(status.lifs_size(), 2);
  EXPECT_EQ(status.lifs(0).id(), 1u);
  EXPECT_EQ(status.lifs(0).netdev(), "p0");
  EXPECT_EQ(status.lifs(0).link_state(), admin::Lif::UP);
  EXPECT_EQ(status.lifs(1).link_state(), admin::Lif::DOWN);
  engine_.OnLifState(2, LifState::kLost);
  EXPECT_EQ(GetStatus().lifs(1).link_state(), admin::Lif::GONE);
}

TEST_F(AdminTest, StatusCountsOverAllOwners) {
  StartDaemon();
  server_->SetReady(true);
  client(0).Add({Request(1), Request(2)});
  client(1).Add({Request(3)});
  datapath_.Inject({.status = absl::UnimplementedError("shape")});
  client(1).Add({Request(4)});
  admin::StatusResponse status = GetStatus();
  EXPECT_EQ(status.sessions(), 3u);
  EXPECT_EQ(status.capacity(), datapath_.SessionCapacity());
  EXPECT_EQ(status.session_counters().added(), 3u);
  EXPECT_EQ(status.session_counters().rejected(), 1u);
  EXPECT_EQ(status.datapath_counters().added(), 7u) << "pairs, and the half that was undone";
  EXPECT_EQ(status.datapath_counters().refused_unsupported(), 1u);

  api::sessionResponse reply;
  ASSERT_TRUE(client(0).Delete(1, &reply).ok());
  Expire(absl::Minutes(1));
  status = GetStatus();
  EXPECT_EQ(status.sessions(), 0u);
  EXPECT_EQ(status.session_counters().closed_deleted(), 1u);
  EXPECT_EQ(status.session_counters().closed_timeout(), 2u);
  EXPECT_EQ(status.closed_log_counters().appended(), 2u);
  EXPECT_EQ(status.closed_log_counters().pending(), 2u);
}

TEST_F(AdminTest, AListenerWithoutAdminDoesNotKnowTheService) {
  StartDaemon();
  admin::DoctorResponse doctor;
  EXPECT_EQ(Doctor(&doctor, 1).error_code(), grpc::UNIMPLEMENTED);
  admin::StatusResponse status;
  EXPECT_EQ(AskStatus(&status, 1).error_code(), grpc::UNIMPLEMENTED);
  EXPECT_THAT(client(1).Reflection(), Not(HasSubstr(kService)));
  EXPECT_THAT(client(0).Reflection(), HasSubstr(kService));
  EXPECT_THAT(client(1).Reflection(), HasSubstr("openoffload.v1.SessionTable"));
}

// An examination takes seconds on a real NIC.
TEST_F(AdminTest, SessionsAreAddedAndReadDuringAnExamination) {
  StartDaemon();
  server_->SetReady(true);
  std::promise<void> begun;
  std::promise<void> may_end;
  datapath_.SetExamination([&] {
    begun.set_value();
    may_end.get_future().wait();
    return std::vector<Finding>(1);
  });
  admin::DoctorResponse response;
  std::thread asking([&] { EXPECT_TRUE(Doctor(&response).ok()); });
  begun.get_future().wait();
  EXPECT_THAT(client(1).Add({Request(1)}).responseerror(), IsEmpty());
  api::sessionResponse session;
  EXPECT_TRUE(client(1).Get(1, &session).ok());
  EXPECT_EQ(GetStatus().sessions(), 1u);
  may_end.set_value();
  asking.join();
  EXPECT_EQ(response.findings_size(), 1);
}

}  // namespace
}  // namespace offload::server
