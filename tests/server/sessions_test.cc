// getSession, deleteSession and getAllSessions through real gRPC.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/server/service_fixture.h"

namespace offload::server {
namespace {

using session::Direction;
using Kind = fakes::FakeDatapath::Kind;

using SessionsTest = ServiceTest;

constexpr session::SessionKey kKey = {.owner = 0, .id = 7};

TEST_F(SessionsTest, GetReadsLiveCountersInAndOut) {
  Start({{}});
  client().Add({Request(7)});
  datapath_.Count(kKey, Direction::kIn, 3, 300);
  datapath_.Count(kKey, Direction::kOut, 2, 220);
  api::sessionResponse reply;
  ASSERT_TRUE(client().Get(7, &reply).ok());
  EXPECT_EQ(reply.ShortDebugString(),
            "sessionId: 7 inPackets: 3 outPackets: 2 inBytes: 300 outBytes: 220 "
            "startTime { seconds: 1700000000 }");
}

TEST_F(SessionsTest, GetOfAClosedSessionAnswersItsRecordUntilItIsFetched) {
  Start({{}});
  client().Add({Request(7)});
  datapath_.Count(kKey, Direction::kIn, 3, 300);
  Expire(absl::Seconds(31));
  api::sessionResponse reply;
  ASSERT_TRUE(client().Get(7, &reply).ok());
  EXPECT_EQ(reply.sessionstate(), api::_CLOSED);
  EXPECT_EQ(reply.sessionclosecode(), api::_TIMEOUT);
  EXPECT_EQ(reply.inpackets(), 3u);
  EXPECT_EQ(reply.endtime().seconds() - reply.starttime().seconds(), 31);
  grpc::Status status;
  EXPECT_EQ(client().Closed(64, &status).size(), 1u);
  EXPECT_EQ(client().Get(7, &reply).error_code(), grpc::NOT_FOUND);
}

TEST_F(SessionsTest, UnknownIdsAreAnsweredByProfile) {
  Start({{}, {.owner = 1, .profile = {.unknown_id = UnknownId::kOkNonexistent}}});
  api::sessionResponse reply;
  EXPECT_EQ(client(0).Get(5, &reply).error_code(), grpc::NOT_FOUND);
  EXPECT_EQ(client(0).Delete(5, &reply).error_code(), grpc::NOT_FOUND);
  for (auto call : {&Client::Get, &Client::Delete}) {
    ASSERT_TRUE((client(1).*call)(5, &reply).ok());
    EXPECT_EQ(reply.sessionid(), 5u);
    EXPECT_EQ(reply.requeststatus(), api::_REJECTED_SESSION_NONEXISTENT);
  }
}

TEST_F(SessionsTest, DeleteRepliesTheFinalCountersAndLeavesNoRecord) {
  Start({{}});
  client().Add({Request(7)});
  datapath_.Count(kKey, Direction::kOut, 2, 220);
  clock_.Advance(absl::Seconds(4));
  api::sessionResponse reply;
  ASSERT_TRUE(client().Delete(7, &reply).ok());
  EXPECT_EQ(reply.sessionstate(), api::_CLOSED);
  EXPECT_EQ(reply.outbytes(), 220u);
  EXPECT_EQ(reply.endtime().seconds() - reply.starttime().seconds(), 4);
  EXPECT_EQ(datapath_.RuleCount(), 0u);
  grpc::Status status;
  EXPECT_TRUE(client().Closed(0, &status).empty());
}

TEST_F(SessionsTest, DeleteWithClosedRecordLogsTheCounters) {
  Start({{.owner = 0, .profile = {.delete_counters = DeleteCounters::kClosedRecord}}});
  client().Add({Request(7)});
  datapath_.Count(kKey, Direction::kIn, 2, 220);
  api::sessionResponse reply;
  ASSERT_TRUE(client().Delete(7, &reply).ok());
  EXPECT_EQ(reply.sessionid(), 7u);
  EXPECT_EQ(reply.inpackets(), 0u);
  grpc::Status status;
  const auto records = client().Closed(0, &status);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].inbytes(), 220u);
}

TEST_F(SessionsTest, DeleteOfAClosedSessionReturnsItsPendingRecordInBothModes) {
  Start({{}, {.owner = 1, .profile = {.delete_counters = DeleteCounters::kClosedRecord}}});
  for (uint8_t owner : {0, 1}) {
    client(owner).Add({Request(7 + owner)});
    datapath_.Count({.owner = owner, .id = 7u + owner}, Direction::kIn, 2, 220);
    Expire(absl::Seconds(31));
    api::sessionResponse reply;
    ASSERT_TRUE(client(owner).Delete(7 + owner, &reply).ok());
    EXPECT_EQ(reply.sessionclosecode(), api::_TIMEOUT);
    EXPECT_EQ(reply.inbytes(), 220u);
    EXPECT_EQ(client(owner).Delete(7 + owner, &reply).error_code(), grpc::NOT_FOUND);
  }
  EXPECT_EQ(log_.Stats().pending, 0u);
}

TEST_F(SessionsTest, GetIsAnsweredWhileEveryAddWaitsForTheDatapath) {
  Start({{}});
  client().Add({Request(7)});
  datapath_.Block(Kind::kAdd);
  std::vector<std::thread> adding;  // as many as there are workers
  for (uint64_t id : {100, 200}) {
    adding.emplace_back([this, id] { client().Add({Request(id)}); });
  }
  datapath_.AwaitBlocked(2);
  api::sessionResponse reply;
  EXPECT_TRUE(client().Get(7, &reply).ok());
  EXPECT_EQ(reply.sessionid(), 7u);
  EXPECT_EQ(datapath_.RuleCount(), 2u);
  datapath_.Release();
  for (auto& thread : adding) thread.join();
  EXPECT_EQ(datapath_.RuleCount(), 6u);
}

TEST_F(SessionsTest, TenThousandSessionsAreListedAtOnceByPageAndByCursor) {
  Start({{}});
  EXPECT_EQ(client().Add(Requests(1, 10000)).responseerror_size(), 0);
  const auto all = client().List(0, 0, 0);
  ASSERT_EQ(all.sessioninfo_size(), 10000);
  EXPECT_EQ(all.nextkey(), 10000u);
  const auto page = client().List(300, 2, 0);
  ASSERT_EQ(page.sessioninfo_size(), 300);
  EXPECT_EQ(page.sessioninfo(0).sessionid(), 301u);
  uint64_t cursor = 0xFFFFFFFF, seen = 0;
  while (true) {
    const auto chunk = client().List(100, 0, cursor);
    if (chunk.sessioninfo_size() == 0) {
      EXPECT_EQ(chunk.nextkey(), cursor);
      break;
    }
    ASSERT_LE(chunk.sessioninfo_size(), 64);
    for (const auto& info : chunk.sessioninfo()) ASSERT_EQ(info.sessionid(), ++seen);
    cursor = chunk.nextkey();
  }
  EXPECT_EQ(seen, 10000u);
}

TEST_F(SessionsTest, OwnersDoNotSeeEachOther) {
  Start({{.owner = 0}, {.owner = 1}});
  auto other = Request(7);
  other.set_sourceport(5);
  EXPECT_EQ(client(0).Add({Request(7)}).requeststatus(), api::_SESSION_ACCEPTED);
  EXPECT_EQ(client(1).List(0, 0, 0).sessioninfo_size(), 0);
  api::sessionResponse reply;
  EXPECT_EQ(client(1).Get(7, &reply).error_code(), grpc::NOT_FOUND);
  EXPECT_EQ(client(1).Delete(7, &reply).error_code(), grpc::NOT_FOUND);
  EXPECT_EQ(client(1).Add({other}).requeststatus(), api::_SESSION_ACCEPTED);
  EXPECT_EQ(datapath_.RuleCount(), 4u);
  EXPECT_TRUE(client(1).Delete(7, &reply).ok());
  EXPECT_EQ(client(0).List(0, 0, 0).sessioninfo_size(), 1);
  Expire(absl::Seconds(31));
  grpc::Status status;
  EXPECT_TRUE(client(1).Closed(0, &status).empty());
  EXPECT_EQ(client(0).Closed(0, &status).size(), 1u);
}

}  // namespace
}  // namespace offload::server
