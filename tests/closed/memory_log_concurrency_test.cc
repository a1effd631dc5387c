// Many threads at one log: each record is delivered once, to one reader. Meant for ThreadSanitizer
// too.
#include <atomic>
#include <random>
#include <set>
#include <thread>

#include "base/mutex.h"
#include "closed_log_fixture.h"

namespace offload::closed {
namespace {

constexpr uint64_t kRecords = 3000;  // by each appending thread
constexpr uint64_t kAppenders = 3;   // the last one's records are of owner 1

session::OwnerId OwnerOf(uint64_t appender) { return appender == kAppenders - 1 ? 1 : 0; }

class Delivered {
 public:
  void Add(const session::ClosedRecord& record) {
    base::MutexLock lock(mutex_);
    EXPECT_TRUE(keys_.emplace(record.key.owner, record.key.id).second)
        << record.key.id << " was delivered twice";
  }
  size_t size() const {
    base::MutexLock lock(mutex_);
    return keys_.size();
  }

 private:
  mutable base::Mutex mutex_;
  std::set<std::pair<session::OwnerId, uint64_t>> keys_ GUARDED_BY(mutex_);
};

class ClosedLogConcurrencyTest : public ::testing::Test {
 protected:
  void AppendAll(uint64_t appender) {
    for (uint64_t i = 0; i < kRecords; ++i) {
      EXPECT_TRUE(log_.Append(Record(appender * kRecords + i, 1, OwnerOf(appender))).ok());
    }
    --appending_;
  }

  // Leases of random length, of which a random part is committed, until nothing is left.
  void ReadAll(session::OwnerId owner, uint32_t seed) {
    std::mt19937 random(seed);
    bool last_round = false;
    while (!last_round) {
      last_round = appending_ == 0;
      const std::unique_ptr<ClosedLease> lease = log_.Lease(owner, 1 + random() % 64);
      size_t commits = last_round ? kAll : random() % 64;
      for (; commits > 0 && lease->Peek() != nullptr; --commits, last_round = false) {
        delivered_.Add(*lease->Peek());
        lease->Commit();
      }
      std::this_thread::yield();
    }
  }

  void TakeSome(uint32_t seed) {
    std::mt19937 random(seed);
    while (appending_ > 0) {
      const uint64_t id = random() % (kRecords * kAppenders);
      log_.Find(Key(id));
      if (const auto record = log_.Take(Key(id))) delivered_.Add(*record);
      std::this_thread::yield();
    }
  }

  MemoryLog log_{kRecords * kAppenders};
  Delivered delivered_;
  std::atomic<uint64_t> appending_ = kAppenders;
};

TEST_F(ClosedLogConcurrencyTest, EachRecordIsDeliveredOnce) {
  std::vector<std::thread> threads;
  for (uint64_t i = 0; i < kAppenders; ++i) threads.emplace_back([this, i] { AppendAll(i); });
  for (uint32_t seed = 1; seed <= 3; ++seed) {
    threads.emplace_back([this, seed] { ReadAll(seed == 3 ? 1 : 0, seed); });
  }
  threads.emplace_back([this] { TakeSome(4); });
  for (std::thread& thread : threads) thread.join();
  // A reader's last look may have come before another gave back what it did not commit.
  for (const session::OwnerId owner : {0, 1}) {
    const std::unique_ptr<ClosedLease> lease = log_.Lease(owner, kAll);
    for (; lease->Peek() != nullptr; lease->Commit()) delivered_.Add(*lease->Peek());
  }
  EXPECT_EQ(delivered_.size(), kRecords * kAppenders);
  const ClosedLogStats stats = log_.Stats();
  EXPECT_EQ(stats.appended, kRecords * kAppenders);
  EXPECT_EQ(stats.delivered, kRecords * kAppenders);
  EXPECT_EQ(stats.dropped, 0U);
  EXPECT_EQ(stats.pending, 0U);
}

TEST_F(ClosedLogConcurrencyTest, AReaderThatWaitsForNewsMissesNothing) {
  base::Mutex mutex;
  base::CondVar news_came;
  bool news = false;
  const std::shared_ptr<void> handle = log_.Subscribe(0, [&] {
    base::MutexLock lock(mutex);
    news = true;
    news_came.NotifyAll();
  });
  std::vector<std::thread> threads;
  for (uint64_t i = 0; i + 1 < kAppenders; ++i) threads.emplace_back([this, i] { AppendAll(i); });
  // Takes records away and gives all of them back.
  threads.emplace_back([this] {
    while (appending_ > 1) log_.Lease(0, 100).reset();
  });
  while (delivered_.size() < kRecords * (kAppenders - 1)) {
    {
      base::MutexLock lock(mutex);
      while (!news) news_came.Wait(mutex);
      news = false;
    }
    const std::unique_ptr<ClosedLease> lease = log_.Lease(0, kAll);
    for (; lease->Peek() != nullptr; lease->Commit()) delivered_.Add(*lease->Peek());
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(ClosedLogConcurrencyTest, SubscriptionsComeAndGoWhileRecordsAreAppended) {
  std::vector<std::thread> threads;
  for (uint64_t i = 0; i < kAppenders; ++i) threads.emplace_back([this, i] { AppendAll(i); });
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([this] {
      while (appending_ > 0) {
        auto told = std::make_unique<std::atomic<int>>(0);
        std::shared_ptr<void> handle = log_.Subscribe(0, [&told] { ++*told; });
        std::this_thread::yield();
        handle.reset();
        told.reset();  // a call that came or ran now would be a use after free
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(log_.Stats().pending, kRecords * kAppenders);
}

}  // namespace
}  // namespace offload::closed
