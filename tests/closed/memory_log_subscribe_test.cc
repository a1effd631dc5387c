// Who is told of records, and until when.
#include <atomic>
#include <thread>

#include "base/mutex.h"
#include "closed_log_fixture.h"

namespace offload::closed {
namespace {

using ::testing::ElementsAre;

// A gate that threads wait at until it is opened.
class Gate {
 public:
  void Open() {
    base::MutexLock lock(mutex_);
    open_ = true;
    opened_.NotifyAll();
  }
  void Pass() {
    base::MutexLock lock(mutex_);
    while (!open_) opened_.Wait(mutex_);
  }

 private:
  base::Mutex mutex_;
  base::CondVar opened_;
  bool open_ GUARDED_BY(mutex_) = false;
};

class SubscribeTest : public ClosedLogTest {};

TEST_F(SubscribeTest, EachAppendOfTheOwnerIsTold) {
  int told = 0;
  const std::shared_ptr<void> handle = log_->Subscribe(1, [&] { ++told; });
  Append(1, 1, /*owner=*/1);
  Append(2, 1, /*owner=*/0);
  EXPECT_EQ(told, 1);
  for (uint64_t id = 3; id < 13; ++id) Append(id, 1, /*owner=*/1);
  EXPECT_EQ(told, 11) << "also when an older record is dropped for it";
}

TEST_F(SubscribeTest, TheRecordIsThereWhenItIsTold) {
  std::vector<uint64_t> read;
  const std::shared_ptr<void> handle = log_->Subscribe(0, [&] { read = Read(); });
  Append(7);
  EXPECT_THAT(read, ElementsAre(7));
}

TEST_F(SubscribeTest, NobodyIsToldAfterTheHandleIsGone) {
  int first = 0, second = 0;
  std::shared_ptr<void> handle = log_->Subscribe(0, [&] { ++first; });
  const std::shared_ptr<void> other = log_->Subscribe(0, [&] { ++second; });
  Append(1);
  handle.reset();
  Append(2);
  EXPECT_EQ(first, 1);
  EXPECT_EQ(second, 2);
}

TEST_F(SubscribeTest, DestroyingTheHandleWaitsForANotifyThatRuns) {
  Gate running, destroying;
  std::atomic<bool> destroyed = false;
  std::shared_ptr<void> handle = log_->Subscribe(0, [&] {
    running.Open();
    destroying.Pass();
    for (int i = 0; i < 100; ++i) std::this_thread::yield();
    EXPECT_FALSE(destroyed);
  });
  std::thread appending([&] { Append(1); });
  running.Pass();
  destroying.Open();
  handle.reset();
  destroyed = true;
  appending.join();
}

TEST_F(SubscribeTest, TheHandleMayBeDestroyedInsideNotify) {
  int told = 0;
  std::shared_ptr<void> handle;
  handle = log_->Subscribe(0, [&] {
    ++told;
    handle.reset();
  });
  Append(1);
  Append(2);
  EXPECT_EQ(told, 1);
}

TEST_F(SubscribeTest, NotifyMayUseTheLog) {
  int told = 0;
  const std::shared_ptr<void> handle = log_->Subscribe(0, [&] {
    if (++told == 1) Append(2);
    EXPECT_TRUE(log_->Find(Key(1)));
    EXPECT_GE(log_->Stats().pending, 1U);
  });
  Append(1);
  EXPECT_EQ(told, 2);
}

TEST_F(SubscribeTest, AHandleMayOutliveTheLog) {
  const std::shared_ptr<void> handle = log_->Subscribe(0, [] {});
  log_.reset();
}

// A reader that waits sees an empty log while another has the records under lease; when that one
// goes without committing nobody woke the first, and the records lay there until the next close.
TEST_F(SubscribeTest, RecordsThatReturnFromALeaseAreTold) {
  AppendFrom(1, 3);
  std::unique_ptr<ClosedLease> of_one_that_goes = log_->Lease(0, kAll);
  std::vector<uint64_t> read;
  const std::shared_ptr<void> handle = log_->Subscribe(0, [&] {
    const std::vector<uint64_t> more = Read();
    read.insert(read.end(), more.begin(), more.end());
  });
  const std::shared_ptr<void> other_owner = log_->Subscribe(1, [] { ADD_FAILURE(); });
  ASSERT_EQ(log_->Lease(0, kAll)->Peek(), nullptr);
  Drain(*of_one_that_goes, 1);
  of_one_that_goes.reset();
  EXPECT_THAT(read, ElementsAre(2, 3));
}

TEST_F(SubscribeTest, ALeaseThatReturnsNothingIsNotTold) {
  Append(1);
  const std::shared_ptr<void> handle = log_->Subscribe(0, [] { ADD_FAILURE(); });
  EXPECT_THAT(Read(), ElementsAre(1));
  log_->Lease(0, kAll).reset();
}

}  // namespace
}  // namespace offload::closed
