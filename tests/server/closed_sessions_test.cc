// getClosedSessions through real gRPC.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/server/service_fixture.h"

namespace offload::server {
namespace {

class ClosedSessionsTest : public ServiceTest {
 protected:
  void Append(uint64_t id, session::OwnerId owner = 0) {
    const absl::Time start = clock_.WallNow();
    ASSERT_EQ(log_.Append({.key = {.owner = owner, .id = id},
                           .counters = {.in = {.packets = id, .bytes = 60 * id}},
                           .reason = session::CloseReason::kTimeout,
                           .start = start,
                           .end = start + absl::Seconds(10)}),
              absl::OkStatus());
  }
};

TEST_F(ClosedSessionsTest, AnAgedSessionIsDeliveredOnceWithItsCounters) {
  Start({{}});
  client().Add({Request(7)});
  datapath_.Count({.owner = 0, .id = 7}, session::Direction::kOut, 5, 500);
  Expire(absl::Seconds(29));
  grpc::Status status;
  EXPECT_TRUE(client().Closed(64, &status).empty());
  EXPECT_TRUE(status.ok());
  Expire(absl::Seconds(2));
  const auto records = client().Closed(64, &status);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].ShortDebugString(),
            "sessionId: 7 outPackets: 5 outBytes: 500 sessionState: _CLOSED "
            "sessionCloseCode: _TIMEOUT startTime { seconds: 1700000000 } "
            "endTime { seconds: 1700000031 }");
  EXPECT_TRUE(client().Closed(64, &status).empty());
}

TEST_F(ClosedSessionsTest, LostRulesAreOfUnknownCause) {
  Start({{}});
  client().Add({Request(7)});
  datapath_.LoseRule({.owner = 0, .id = 7}, session::Direction::kIn);
  Expire(absl::Seconds(31));
  grpc::Status status;
  const auto records = client().Closed(0, &status);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].sessionclosecode(), api::_UNKNOWN_CLOSE_CODE);
}

TEST_F(ClosedSessionsTest, EmptyIsAnsweredByProfile) {
  Start({{}, {.owner = 1, .profile = {.empty_closed = EmptyClosed::kNotFound}}});
  grpc::Status status;
  client(0).Closed(64, &status);
  EXPECT_TRUE(status.ok());
  client(1).Closed(64, &status);
  EXPECT_EQ(status.error_code(), grpc::NOT_FOUND);
  Append(1, 1);
  EXPECT_EQ(client(1).Closed(64, &status).size(), 1u);
  EXPECT_TRUE(status.ok());
}

TEST_F(ClosedSessionsTest, RepliesAreBounded) {
  Start({{}});
  for (uint64_t id = 1; id <= 300; ++id) Append(id);
  grpc::Status status;
  EXPECT_EQ(client().Closed(10, &status).size(), 10u);
  const auto records = client().Closed(1000, &status);
  ASSERT_EQ(records.size(), 64u);
  EXPECT_EQ(records[0].sessionid(), 11u);
  EXPECT_EQ(client().Closed(0, &status).size(), 226u);
}

TEST_F(ClosedSessionsTest, RecordsSurviveAClientThatCancelsInMidStream) {
  constexpr uint64_t kRecords = 20000;
  Start({{}});
  for (uint64_t id = 1; id <= kRecords; ++id) Append(id);
  {
    Context context;
    auto reader = client().stub().getClosedSessions(&context, Client::Args(0, 0, 0));
    api::sessionResponse record;
    for (uint64_t id = 1; id <= 10; ++id) {
      ASSERT_TRUE(reader->Read(&record));
      EXPECT_EQ(record.sessionid(), id);
    }
    context.TryCancel();
    while (reader->Read(&record)) {
    }
    EXPECT_EQ(reader->Finish().error_code(), grpc::CANCELLED);
  }
  server_->Stop(absl::Seconds(20));  // the call is over on the server's side too
  const closed::ClosedLogStats stats = log_.Stats();
  EXPECT_GE(stats.delivered, 10u);
  EXPECT_EQ(stats.delivered + stats.pending, kRecords);
  ASSERT_GT(stats.pending, 0u);
  const auto lease = log_.Lease(0, kRecords);
  for (uint64_t id = stats.delivered + 1; id <= kRecords; ++id) {
    ASSERT_NE(lease->Peek(), nullptr);
    ASSERT_EQ(lease->Peek()->key.id, id);
    lease->Commit();
  }
  EXPECT_EQ(lease->Peek(), nullptr);
}

constexpr Caller kFollower = {.owner = 0, .profile = {.follow = true}};

TEST_F(ClosedSessionsTest, AFollowerGetsRecordsAsTheyCome) {
  Start({kFollower});
  Append(1);
  Context context;
  auto reader = client().stub().getClosedSessions(&context, Client::Args(0, 0, 0));
  api::sessionResponse record;
  for (uint64_t id = 1; id <= 50; ++id) {
    ASSERT_TRUE(reader->Read(&record));
    EXPECT_EQ(record.sessionid(), id);
    Append(id + 1);
  }
  context.TryCancel();
  while (reader->Read(&record)) {
  }
  EXPECT_EQ(reader->Finish().error_code(), grpc::CANCELLED);
}

TEST_F(ClosedSessionsTest, AFollowerMissesNothingOfAppendsAtTheSameTime) {
  Start({kFollower});
  Context context;
  auto reader = client().stub().getClosedSessions(&context, Client::Args(0, 0, 0));
  std::thread closing([this] {
    for (uint64_t id = 1; id <= 2000; ++id) Append(id);
  });
  api::sessionResponse record;
  for (uint64_t id = 1; id <= 2000; ++id) {
    ASSERT_TRUE(reader->Read(&record));
    ASSERT_EQ(record.sessionid(), id);
  }
  closing.join();
}

TEST_F(ClosedSessionsTest, WithAPageSizeAFollowersStreamEnds) {
  Start({kFollower});
  Append(1);
  grpc::Status status;
  EXPECT_EQ(client().Closed(64, &status).size(), 1u);
  EXPECT_TRUE(status.ok());
}

TEST_F(ClosedSessionsTest, StopEndsFollowersBeforeItsDeadline) {
  Start({kFollower});
  Append(1);
  Context context;
  auto reader = client().stub().getClosedSessions(&context, Client::Args(0, 0, 0));
  api::sessionResponse record;
  ASSERT_TRUE(reader->Read(&record));
  server_->Stop(absl::InfiniteDuration());
  EXPECT_FALSE(reader->Read(&record));
  EXPECT_EQ(reader->Finish().error_code(), grpc::UNAVAILABLE);
}

}  // namespace
}  // namespace offload::server
