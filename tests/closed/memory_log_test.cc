// Order, bound, leases, and records by session.
#include "closed_log_fixture.h"

namespace offload::closed {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST_F(ClosedLogTest, RecordsComeInTheOrderOfAppendAndWhole) {
  for (const uint64_t id : {7, 3, 9}) Append(id, 10 * id);
  const std::unique_ptr<ClosedLease> lease = log_->Lease(0, kAll);
  for (const uint64_t id : {7, 3, 9}) {
    ASSERT_NE(lease->Peek(), nullptr);
    EXPECT_EQ(*lease->Peek(), Record(id, 10 * id));
    lease->Commit();
  }
  EXPECT_EQ(lease->Peek(), nullptr);
}

TEST_F(ClosedLogTest, AnEmptyLogGivesAnEmptyLease) {
  const std::unique_ptr<ClosedLease> lease = log_->Lease(0, kAll);
  ASSERT_NE(lease, nullptr);
  EXPECT_EQ(lease->Peek(), nullptr);
  lease->Commit();  // of nothing
  Append(1);
  EXPECT_EQ(lease->Peek(), nullptr) << "a lease is what was there when it was taken";
  EXPECT_THAT(Read(), ElementsAre(1));
}

TEST_F(ClosedLogTest, PeekShowsTheSameRecordUntilItIsCommitted) {
  AppendFrom(1, 2);
  const std::unique_ptr<ClosedLease> lease = log_->Lease(0, kAll);
  const session::ClosedRecord* first = lease->Peek();
  Append(3);
  EXPECT_EQ(lease->Peek(), first);
  EXPECT_EQ(first->key.id, 1U);
  lease->Commit();
  EXPECT_EQ(lease->Peek()->key.id, 2U);
}

TEST_F(ClosedLogTest, ALeaseTakesTheOldestAndNoMoreThanAsked) {
  AppendFrom(1, 4);
  EXPECT_THAT(Drain(*log_->Lease(0, 0)), IsEmpty());
  EXPECT_THAT(Drain(*log_->Lease(0, 3)), ElementsAre(1, 2, 3));
  EXPECT_THAT(Read(), ElementsAre(4));
  EXPECT_THAT(Read(), IsEmpty());
}

TEST_F(ClosedLogTest, WhatWasNotCommittedReturnsToTheFrontInOrder) {
  AppendFrom(1, 4);
  {
    const std::unique_ptr<ClosedLease> lease = log_->Lease(0, 3);
    EXPECT_THAT(Drain(*lease, 1), ElementsAre(1));
    ASSERT_NE(lease->Peek(), nullptr);  // seen, not committed
  }
  EXPECT_THAT(Read(), ElementsAre(2, 3, 4));
}

TEST_F(ClosedLogTest, SeveralLeasesAtOnceHaveDifferentRecordsAndReturnThemInPlace) {
  AppendFrom(1, 4);
  std::unique_ptr<ClosedLease> first = log_->Lease(0, 2);
  std::unique_ptr<ClosedLease> second = log_->Lease(0, 2);
  EXPECT_EQ(first->Peek()->key.id, 1U);
  EXPECT_EQ(second->Peek()->key.id, 3U);
  EXPECT_EQ(log_->Lease(0, 2)->Peek(), nullptr);
  second.reset();
  EXPECT_THAT(Drain(*log_->Lease(0, 1)), ElementsAre(3));
  first.reset();
  EXPECT_THAT(Read(), ElementsAre(1, 2, 4)) << "the later return is the earlier record";
}

TEST_F(ClosedLogTest, TheBoundDropsTheOldestAndCountsThem) {
  AppendFrom(1, 6);
  const ClosedLogStats stats = log_->Stats();
  EXPECT_EQ(stats.appended, 6U);
  EXPECT_EQ(stats.dropped, 2U);
  EXPECT_EQ(stats.pending, 4U);
  EXPECT_EQ(stats.delivered, 0U);
  EXPECT_EQ(log_->Find(Key(1)), std::nullopt);
  EXPECT_THAT(Read(), ElementsAre(3, 4, 5, 6));
  EXPECT_EQ(log_->Stats().delivered, 4U);
  EXPECT_EQ(log_->Stats().pending, 0U);
}

TEST_F(ClosedLogTest, NothingIsDroppedWhileAClientReads) {
  AppendFrom(1, 4);
  const std::unique_ptr<ClosedLease> lease = log_->Lease(0, 1);
  AppendFrom(5, 8);
  EXPECT_EQ(log_->Stats().dropped, 0U);
  EXPECT_THAT(Drain(*lease), ElementsAre(1));
  EXPECT_THAT(Read(), ElementsAre(2, 3, 4, 5, 6, 7, 8));
}

TEST_F(ClosedLogTest, AReaderThatHasStoppedCannotMakeTheLogGrowWithoutEnd) {
  AppendFrom(1, 4);
  const std::unique_ptr<ClosedLease> stopped = log_->Lease(0, 2);
  AppendFrom(5, 100);
  EXPECT_LE(log_->Stats().pending, 2 * kBound + 1);
  EXPECT_EQ(log_->Stats().dropped, 100 - log_->Stats().pending);
  EXPECT_THAT(Drain(*stopped), ElementsAre(1, 2)) << "what it holds is never dropped";
  EXPECT_THAT(Read(), ElementsAre(95, 96, 97, 98, 99, 100));
}

TEST_F(ClosedLogTest, RecordsUnderLeaseAreNeverDropped) {
  AppendFrom(1, 4);
  const std::unique_ptr<ClosedLease> first = log_->Lease(0, kAll);
  AppendFrom(5, 8);
  const std::unique_ptr<ClosedLease> second = log_->Lease(0, kAll);
  AppendFrom(9, 20);
  EXPECT_THAT(Drain(*first), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(Drain(*second), ElementsAre(5, 6, 7, 8));
  EXPECT_THAT(Read(), ElementsAre(20)) << "the newest always has its place";
}

TEST_F(ClosedLogTest, BetweenTwoPagesOneAppendDropsOneRecord) {
  AppendFrom(1, 4);
  {
    const std::unique_ptr<ClosedLease> page = log_->Lease(0, 1);
    AppendFrom(5, 8);
    Drain(*page);
  }
  ASSERT_EQ(log_->Stats().pending, 7U) << "more than the bound, from the time of reading";
  Append(9);
  EXPECT_EQ(log_->Stats().dropped, 1U) << "not the whole excess";
  EXPECT_THAT(Read(), ElementsAre(3, 4, 5, 6, 7, 8, 9));
}

TEST_F(ClosedLogTest, OwnersHaveRecordsAndBoundsOfTheirOwn) {
  AppendFrom(1, 4);
  Append(1, 77, /*owner=*/1);
  EXPECT_EQ(log_->Stats().dropped, 0U);
  EXPECT_EQ(log_->Find(Key(1, 1))->counters.in.packets, 77U);
  EXPECT_EQ(log_->Find(Key(2, 1)), std::nullopt);
  EXPECT_EQ(log_->Take(Key(2, 1)), std::nullopt);
  const std::unique_ptr<ClosedLease> reading = log_->Lease(1, kAll);
  EXPECT_THAT(Read(1), IsEmpty());
  AppendFrom(5, 5);
  EXPECT_EQ(log_->Stats().dropped, 1U) << "the reader is another owner's";
  EXPECT_THAT(Read(0), ElementsAre(2, 3, 4, 5));
  EXPECT_THAT(Drain(*reading), ElementsAre(1));
}

TEST_F(ClosedLogTest, FindShowsAndTakeRemoves) {
  AppendFrom(1, 3);
  EXPECT_EQ(log_->Find(Key(2)), Record(2));
  EXPECT_EQ(log_->Find(Key(2)), Record(2)) << "it is still there";
  EXPECT_EQ(log_->Take(Key(2)), Record(2));
  EXPECT_EQ(log_->Find(Key(2)), std::nullopt);
  EXPECT_EQ(log_->Take(Key(2)), std::nullopt);
  EXPECT_EQ(log_->Stats().delivered, 1U);
  EXPECT_EQ(log_->Stats().pending, 2U);
  EXPECT_THAT(Read(), ElementsAre(1, 3));
}

TEST_F(ClosedLogTest, ALeasedRecordIsFoundButNotTaken) {
  Append(1);
  std::unique_ptr<ClosedLease> lease = log_->Lease(0, kAll);
  EXPECT_EQ(log_->Find(Key(1)), Record(1));
  EXPECT_EQ(log_->Take(Key(1)), std::nullopt);
  lease.reset();
  EXPECT_EQ(log_->Take(Key(1)), Record(1));
}

TEST_F(ClosedLogTest, AnIdUsedAgainWhileItsOldRecordIsPendingHasBoth) {
  Append(1, 10);
  Append(2);
  Append(1, 20);
  EXPECT_EQ(log_->Find(Key(1)), Record(1, 10)) << "the oldest";
  EXPECT_EQ(log_->Take(Key(1)), Record(1, 10));
  EXPECT_EQ(log_->Find(Key(1)), Record(1, 20));
  Append(1, 30);
  const std::unique_ptr<ClosedLease> lease = log_->Lease(0, 2);  // 2 and the second 1
  EXPECT_EQ(log_->Find(Key(1)), Record(1, 20));
  EXPECT_EQ(log_->Take(Key(1)), std::nullopt) << "the oldest is leased: nothing overtakes it";
  EXPECT_THAT(Drain(*lease), ElementsAre(2, 1));
  EXPECT_EQ(log_->Take(Key(1)), Record(1, 30));
}

TEST_F(ClosedLogTest, ADroppedRecordIsForgottenByItsIdTheOthersOfTheIdAreNot) {
  Append(1, 10);
  Append(1, 20);
  AppendFrom(2, 4);  // drops the first
  EXPECT_EQ(log_->Find(Key(1)), Record(1, 20));
  AppendFrom(5, 5);
  EXPECT_EQ(log_->Find(Key(1)), std::nullopt);
}

TEST_F(ClosedLogTest, ALeaseMayOutliveItsLog) {
  AppendFrom(1, 3);
  std::unique_ptr<ClosedLease> lease = log_->Lease(0, kAll);
  log_.reset();
  EXPECT_THAT(Drain(*lease, 2), ElementsAre(1, 2));
  lease.reset();
}

}  // namespace
}  // namespace offload::closed
