// Calls that meet each other, an ageing session or a client that has given up, through real gRPC.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/server/service_fixture.h"

namespace offload::server {
namespace {

using session::Direction;
using Kind = fakes::FakeDatapath::Kind;

constexpr session::SessionKey kKey = {.owner = 0, .id = 7};
constexpr Caller kByRecord = {.owner = 0,
                              .profile = {.delete_counters = DeleteCounters::kClosedRecord}};

class AtTheSameTimeTest : public ServiceTest {
 protected:
  std::vector<api::sessionResponse> Records() {
    grpc::Status status;
    return client().Closed(0, &status);
  }
  bool Retried(uint64_t id) {
    for (const auto& line : request_log_.lines()) {
      if (line == absl::StrCat(id, " sessionId: in use")) return true;
    }
    return false;
  }
};

// The session closes by itself while its delete waits: its record must come by one of the two ways.
// It was in neither when the delete took it out of the log and answered the id alone.
TEST_F(AtTheSameTimeTest, ADeleteThatMeetsAnAgeingSessionLosesNoRecord) {
  Start({kByRecord, {.owner = 1, .profile = {}}});
  for (size_t listener : {0, 1}) {
    const auto owner = static_cast<session::OwnerId>(listener);
    for (uint64_t round = 0; round < 20; ++round) {
      ASSERT_EQ(client(listener).Add({Request(7)}).responseerror_size(), 0);
      ASSERT_TRUE(datapath_.Count({.owner = owner, .id = 7}, Direction::kIn, 3, 180));
      datapath_.Block(Kind::kDelete);
      std::thread ageing([this] { Expire(absl::Seconds(31)); });
      datapath_.AwaitBlocked();
      api::sessionResponse reply;
      std::thread deleting([&] { EXPECT_TRUE(client(listener).Delete(7, &reply).ok()); });
      datapath_.Release();
      ageing.join();
      deleting.join();
      grpc::Status status;
      const auto records = client(listener).Closed(0, &status);
      const size_t in_reply = reply.inpackets() == 3 ? 1 : 0;
      ASSERT_EQ(in_reply + records.size(), 1u) << "round " << round;
    }
  }
}

TEST_F(AtTheSameTimeTest, ADeleteEndsTheLiveSessionAndNotTheRecordOfTheIdsFormerOne) {
  Start({{}, kByRecord});
  for (size_t listener : {0, 1}) {
    client(listener).Add({Request(7)});
    datapath_.Count(kKey, Direction::kIn, 1, 60);
    Expire(absl::Seconds(31));
    client(listener).Add({Request(7)});
    datapath_.Count(kKey, Direction::kIn, 2, 120);
    api::sessionResponse reply;
    ASSERT_TRUE(client(listener).Delete(7, &reply).ok());
    EXPECT_EQ(datapath_.RuleCount(), 0u);
    std::vector<uint64_t> packets;
    if (reply.inpackets() != 0) packets.push_back(reply.inpackets());
    for (const auto& record : Records()) packets.push_back(record.inpackets());
    EXPECT_THAT(packets, ::testing::UnorderedElementsAre(1, 2));
  }
}

TEST_F(AtTheSameTimeTest, ARecordThatIsBeingDeliveredCannotBeDeletedAndIsStillShown) {
  Start({{}});
  client().Add({Request(7)});
  Expire(absl::Seconds(31));
  api::sessionResponse reply;
  {
    const auto lease = log_.Lease(0, 10);
    EXPECT_EQ(client().Delete(7, &reply).error_code(), grpc::NOT_FOUND);
    ASSERT_TRUE(client().Get(7, &reply).ok());
    EXPECT_EQ(reply.sessionstate(), api::_CLOSED);
  }
  EXPECT_EQ(Records().size(), 1u) << "the reader went away without taking it";
}

// The C client library gives up after 100 ms and sends the same again.
TEST_F(AtTheSameTimeTest, AClientThatGivesUpFindsItsSessionsWhenItTriesAgain) {
  Start({{}});
  datapath_.Block(Kind::kAdd);
  {
    Context context;
    api::addSessionResponse response;
    auto writer = client().stub().addSession(&context, &response);
    ASSERT_TRUE(writer->Write(Request(7)));
    datapath_.AwaitBlocked();
    context.TryCancel();
    EXPECT_EQ(writer->Finish().error_code(), grpc::CANCELLED);
  }
  api::addSessionResponse response;  // of the second try, which waits for the first
  std::thread retry([&] { response = client().Add({Request(7), Request(8)}); });
  datapath_.Release();
  retry.join();
  EXPECT_EQ(response.requeststatus(), api::_SESSION_ACCEPTED);
  EXPECT_EQ(response.errorstatus(), 0b01u);
  EXPECT_EQ(response.responseerror(0).errorstatus(), grpc::ALREADY_EXISTS);
  EXPECT_EQ(datapath_.RuleCount(), 4u);
  EXPECT_EQ(datapath_.Overlaps(), 0u);
  EXPECT_TRUE(Retried(7));
}

TEST_F(AtTheSameTimeTest, OfTwoStreamsWithOneIdOneGetsIt) {
  Start({{}, {}});
  for (const bool first_fails : {false, true}) {
    if (first_fails) datapath_.Inject({.kind = Kind::kAdd, .status = absl::InternalError("no")});
    datapath_.Block(Kind::kAdd);
    api::addSessionResponse responses[2];
    std::thread one([&] { responses[0] = client(0).Add({Request(7)}); });
    datapath_.AwaitBlocked();
    std::thread two([&] { responses[1] = client(1).Add({Request(7)}); });
    datapath_.Release();
    one.join();
    two.join();
    const int expected = first_fails ? grpc::INTERNAL : grpc::ALREADY_EXISTS;
    const size_t loser = first_fails ? 0 : 1;
    EXPECT_EQ(responses[1 - loser].responseerror_size(), 0);
    ASSERT_EQ(responses[loser].responseerror_size(), 1);
    EXPECT_EQ(responses[loser].responseerror(0).errorstatus(), expected);
    EXPECT_EQ(datapath_.RuleCount(), 2u);
    api::sessionResponse reply;
    ASSERT_TRUE(client().Delete(7, &reply).ok());
  }
}

TEST_F(AtTheSameTimeTest, ARewriteBetweenTwoVlansReachesTheRules) {
  Start({{}});
  auto request = Request(7);
  request.set_outlif(1);
  request.set_vlan_inlif(100);
  request.set_vlan_outlif(200);
  EXPECT_EQ(client().Add({request}).responseerror(0).errorstatus(), grpc::INVALID_ARGUMENT);
  EXPECT_THAT(request_log_.lines().back(), ::testing::HasSubstr("actionParams_outLif.vlan"));
  request.mutable_action()->mutable_actionparams_outlif()->set_vlan(200);
  request.mutable_action()->mutable_actionparams_inlif()->set_vlan(100);
  EXPECT_EQ(client().Add({request}).responseerror_size(), 0);
  const auto out = datapath_.Rule(kKey, Direction::kOut);
  ASSERT_TRUE(out);
  EXPECT_EQ(out->vlan, 200);
  EXPECT_EQ(out->egress_vlan, 100);
}

}  // namespace
}  // namespace offload::server
