// addSession through real gRPC.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "tests/server/service_fixture.h"

namespace offload::server {
namespace {

using ::testing::ElementsAre;
using Kind = fakes::FakeDatapath::Kind;

using AddSessionTest = ServiceTest;

std::vector<std::pair<uint64_t, int>> Errors(const api::addSessionResponse& response) {
  std::vector<std::pair<uint64_t, int>> errors;
  for (const auto& error : response.responseerror()) {
    errors.emplace_back(error.sessionid(), error.errorstatus());
  }
  return errors;
}

TEST_F(AddSessionTest, InstallsBothRulesOfEachSession) {
  Start({{}});
  const auto response = client().Add(Requests(0, 63));
  EXPECT_EQ(response.requeststatus(), api::_SESSION_ACCEPTED);
  EXPECT_EQ(response.errorstatus(), 0u);
  EXPECT_EQ(response.responseerror_size(), 0);
  EXPECT_EQ(response.starttime().seconds(), absl::ToUnixSeconds(clock_.WallNow()));
  EXPECT_EQ(datapath_.RuleCount(), 128u);
  const auto rule = datapath_.Rule({.owner = 0, .id = 0}, session::Direction::kIn);
  ASSERT_TRUE(rule);
  EXPECT_EQ(rule->tuple.ToString(), "tcp 10.0.1.1:1000 > 10.0.2.2:80");
  EXPECT_EQ(rule->timeout, absl::Seconds(30));
}

TEST_F(AddSessionTest, ARetriedStreamIsHarmless) {
  Start({{}});
  client().Add(Requests(0, 63));
  const auto before = datapath_.Rules().size();
  const size_t adds = datapath_.LoggedOps(Kind::kAdd);
  const auto retry = client().Add(Requests(0, 63));
  EXPECT_EQ(retry.requeststatus(), api::_SESSION_ALREADY_EXISTS);
  EXPECT_EQ(retry.errorstatus(), ~uint64_t{0});
  ASSERT_EQ(retry.responseerror_size(), 64);
  for (int i = 0; i < 64; ++i) {
    EXPECT_EQ(retry.responseerror(i).sessionid(), static_cast<uint64_t>(i));
    EXPECT_EQ(retry.responseerror(i).errorstatus(), grpc::ALREADY_EXISTS);
  }
  EXPECT_EQ(datapath_.Rules().size(), before);
  EXPECT_EQ(datapath_.LoggedOps(Kind::kAdd), adds);
}

TEST_F(AddSessionTest, AnEmptyStreamIsAccepted) {
  Start({{}});
  const auto response = client().Add({});
  EXPECT_EQ(response.requeststatus(), api::_SESSION_ACCEPTED);
  EXPECT_TRUE(response.has_starttime());
}

TEST_F(AddSessionTest, ALongStreamIsProgrammedInBatches) {
  Start({{}});
  std::atomic<size_t> largest = 0;
  datapath_.SetHook([&](absl::Span<const datapath::FlowOp> ops) {
    if (ops.size() > largest) largest = ops.size();
  });
  datapath_.Block(Kind::kAdd);  // the first batch; meanwhile the second fills up
  std::thread adding([&] { client().Add(Requests(0, 999)); });
  datapath_.AwaitBlocked();
  datapath_.Release();
  adding.join();
  EXPECT_EQ(datapath_.RuleCount(), 2000u);
  EXPECT_LE(largest, 128u);
  EXPECT_EQ(datapath_.Overlaps(), 0u);
}

TEST_F(AddSessionTest, ASlowStreamIsProgrammedBeforeItEnds) {
  Start({{}});
  datapath_.Block(Kind::kAdd);
  Context context;
  api::addSessionResponse response;
  auto writer = client().stub().addSession(&context, &response);
  ASSERT_TRUE(writer->Write(Request(1)));
  datapath_.AwaitBlocked();  // and the client has not said that it is done
  datapath_.Release();
  ASSERT_TRUE(writer->Write(Request(2)));
  writer->WritesDone();
  EXPECT_TRUE(writer->Finish().ok());
  EXPECT_EQ(datapath_.RuleCount(), 4u);
}

TEST_F(AddSessionTest, AFailingDirectionFailsThatSessionOnlyAndLeavesNothing) {
  Start({{}});
  for (const auto direction : session::kDirections) {
    datapath_.Inject({.kind = Kind::kAdd,
                      .direction = direction,
                      .key = session::SessionKey{.owner = 0, .id = 2},
                      .status = absl::InternalError("the kernel's words")});
    const auto response = client().Add(Requests(1, 3));
    EXPECT_EQ(response.requeststatus(), api::_SESSION_ACCEPTED);
    EXPECT_EQ(response.errorstatus(), 0b010u);
    EXPECT_THAT(Errors(response), ElementsAre(std::pair(2, grpc::INTERNAL)));
    EXPECT_FALSE(datapath_.Rule({.owner = 0, .id = 2}, session::Direction::kIn));
    EXPECT_FALSE(datapath_.Rule({.owner = 0, .id = 2}, session::Direction::kOut));
    EXPECT_EQ(datapath_.RuleCount(), 4u);
    EXPECT_THAT(request_log_.lines().back(), ::testing::HasSubstr("the kernel's words"));
    api::sessionResponse reply;
    EXPECT_EQ(client().Get(2, &reply).error_code(), grpc::NOT_FOUND);
    for (uint64_t id : {1, 3}) EXPECT_TRUE(client().Delete(id, &reply).ok());
  }
}

TEST_F(AddSessionTest, BadRequestsAreRefusedOneByOneAndNamedInTheLog) {
  Start({{}});
  auto requests = Requests(1, 5);
  requests[0].set_sourceport(70000);
  requests[1].set_inlif(9);
  requests[3].set_encaptype(api::_GTPU);
  requests[4].set_protocolid(api::_HOPOPT);
  const auto response = client().Add(requests);
  EXPECT_EQ(response.requeststatus(), api::_SESSION_ACCEPTED);
  EXPECT_EQ(response.errorstatus(), 0b11011u);
  EXPECT_THAT(Errors(response),
              ElementsAre(std::pair(1, 3), std::pair(2, 3), std::pair(4, 12), std::pair(5, 3)));
  EXPECT_THAT(
      request_log_.lines(),
      ElementsAre("1 sourcePort: 70000 is above 65535", "2 inLif: LIF 9 is not configured",
                  "4 encapType: 1 is not supported", "5 protocolId: 0 is neither TCP nor UDP"));
  EXPECT_EQ(datapath_.RuleCount(), 2u);
}

TEST_F(AddSessionTest, AnUnknownFieldOnTheWireIsRefused) {
  Start({{}});
  api::sessionRequest request = Request(1);
  request.GetReflection()->MutableUnknownFields(&request)->AddVarint(40, 1);
  EXPECT_THAT(Errors(client().Add({request})), ElementsAre(std::pair(1, grpc::UNIMPLEMENTED)));
  EXPECT_EQ(datapath_.RuleCount(), 0u);
}

TEST_F(AddSessionTest, ErrorsAreNumberedByProfile) {
  Start({{}, {.owner = 1, .profile = {.error_codes = ErrorCodes::kAddSessionStatus}}});
  auto requests = Requests(1, 3);
  requests[1].set_sessionid(1);
  requests[2].set_sourceport(70000);
  EXPECT_THAT(Errors(client(0).Add(requests)), ElementsAre(std::pair(1, 6), std::pair(3, 3)));
  for (uint64_t id : {1}) {
    api::sessionResponse reply;
    EXPECT_TRUE(client(0).Delete(id, &reply).ok());
  }
  EXPECT_THAT(Errors(client(1).Add(requests)), ElementsAre(std::pair(1, 4), std::pair(3, 1)));
}

TEST_F(AddSessionTest, WhenTheTableIsFullTheOnesBeforeStay) {
  datapath_.SetRuleCapacity(4);
  Start({{}, {.owner = 1, .profile = {.error_codes = ErrorCodes::kAddSessionStatus}}});
  const auto response = client(0).Add(Requests(1, 3));
  EXPECT_EQ(response.requeststatus(), api::_SESSION_ACCEPTED);
  EXPECT_EQ(Errors(response).size(), 1u);
  EXPECT_EQ(response.responseerror(0).errorstatus(), grpc::RESOURCE_EXHAUSTED);
  EXPECT_EQ(datapath_.RuleCount(), 4u);
  const auto full = client(1).Add(Requests(10, 11));
  EXPECT_EQ(full.requeststatus(), api::_SESSION_TABLE_FULL);
  EXPECT_EQ(full.responseerror(0).errorstatus(), api::_SESSION_TABLE_FULL);
}

TEST_F(AddSessionTest, TimeoutsAreHonouredDefaultedOrClamped) {
  Start({{}});
  auto requests = Requests(1, 3);
  requests[0].set_cachetimeout(0);
  requests[1].set_cachetimeout(9999);
  requests[2].set_cachetimeout(100000);
  client().Add(requests);
  const absl::Duration expected[] = {absl::Seconds(10), absl::Seconds(9999), absl::Seconds(86400)};
  for (uint64_t id : {1, 2, 3}) {
    const auto rule = datapath_.Rule({.owner = 0, .id = id}, session::Direction::kOut);
    ASSERT_TRUE(rule);
    EXPECT_EQ(rule->timeout, expected[id - 1]);
  }
  EXPECT_THAT(request_log_.lines(), ElementsAre("3 clamped 27h46m40s to 24h"));
}

TEST_F(AddSessionTest, BeforeReadyEachRequestIsRefusedAsUnavailable) {
  Start({{}, {.owner = 1, .profile = {.error_codes = ErrorCodes::kAddSessionStatus}}},
        /*ready=*/false);
  const auto response = client(0).Add(Requests(1, 2));
  EXPECT_EQ(response.requeststatus(), api::_SESSION_TABLE_UNAVAILABLE);
  EXPECT_EQ(response.errorstatus(), 0b11u);
  EXPECT_THAT(Errors(response), ElementsAre(std::pair(1, 14), std::pair(2, 14)));
  EXPECT_THAT(Errors(client(1).Add(Requests(1, 1))), ElementsAre(std::pair(1, 3)));
  server_->SetReady(true);
  EXPECT_EQ(client(0).Add(Requests(1, 2)).requeststatus(), api::_SESSION_ACCEPTED);
}

}  // namespace
}  // namespace offload::server
