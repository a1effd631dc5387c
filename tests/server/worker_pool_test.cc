#include "server/worker_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <vector>

namespace offload::server {
namespace {

TEST(WorkerPool, OneThreadKeepsTheOrder) {
  std::vector<int> done;
  WorkerPool pool(1);
  for (int i = 0; i < 100; ++i) pool.Submit([&done, i] { done.push_back(i); });
  pool.Stop();
  ASSERT_EQ(done.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(done[i], i);
}

TEST(WorkerPool, StopDoesWhatJobsSubmit) {
  std::atomic<int> done = 0;
  WorkerPool pool(2);
  pool.Submit([&] { pool.Submit([&] { pool.Submit([&] { ++done; }); }); });
  pool.Stop();
  pool.Stop();
  EXPECT_EQ(done, 1);
}

TEST(WorkerPool, AJobThatWaitsDoesNotHoldUpTheOthers) {
  std::promise<void> release, reached;
  WorkerPool pool(2);
  pool.Submit([&] { release.get_future().wait(); });
  pool.Submit([&] { reached.set_value(); });
  reached.get_future().wait();
  release.set_value();
  pool.Stop();
}

}  // namespace
}  // namespace offload::server
