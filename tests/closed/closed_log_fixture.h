// A closed log of four records per owner, and the records put into it. The tests use the interface
// only, so that another implementation can be put in the place of the one in memory.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <vector>

#include "closed/memory_log.h"

namespace offload::closed {

inline constexpr size_t kAll = std::numeric_limits<size_t>::max();

inline session::SessionKey Key(uint64_t id, session::OwnerId owner = 0) {
  return {.owner = owner, .id = id};
}

// `packets` tells records of one id apart.
inline session::ClosedRecord Record(uint64_t id, uint64_t packets = 1, session::OwnerId owner = 0) {
  return {.key = Key(id, owner),
          .counters = {.in = {.packets = packets, .bytes = 60 * packets}},
          .reason = session::CloseReason::kTimeout,
          .start = absl::FromUnixSeconds(1'700'000'000),
          .end = absl::FromUnixSeconds(1'700'000'010)};
}

class ClosedLogTest : public ::testing::Test {
 protected:
  static constexpr size_t kBound = 4;

  void Append(uint64_t id, uint64_t packets = 1, session::OwnerId owner = 0) {
    const absl::Status status = log_->Append(Record(id, packets, owner));
    ASSERT_TRUE(status.ok()) << status;
  }
  void AppendFrom(uint64_t first, uint64_t last) {
    for (uint64_t id = first; id <= last; ++id) Append(id);
  }

  // Commits up to `max` of the lease's records; returns their ids.
  static std::vector<uint64_t> Drain(ClosedLease& lease, size_t max = kAll) {
    std::vector<uint64_t> ids;
    while (ids.size() < max && lease.Peek() != nullptr) {
      ids.push_back(lease.Peek()->key.id);
      lease.Commit();
    }
    return ids;
  }
  // Everything there is for a reader.
  std::vector<uint64_t> Read(session::OwnerId owner = 0) {
    return Drain(*log_->Lease(owner, kAll));
  }

  std::unique_ptr<ClosedLog> log_ = std::make_unique<MemoryLog>(kBound);
};

}  // namespace offload::closed
