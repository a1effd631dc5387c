// What happened to operations since the start, counted from several threads.
#pragma once

#include <atomic>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "datapath/datapath.h"

namespace offload::datapath {

// Thread-safe.
class TcCounters {
 public:
  // The outcome of every operation. REQUIRES: results.size() == ops.size().
  void Count(absl::Span<const FlowOp> ops, absl::Span<const FlowResult> results) {
    DatapathStats sum;
    for (size_t i = 0; i < ops.size(); ++i) CountOne(ops[i].kind, results[i], sum);
    for (const Field& field : kFields) Raise(this->*field.here, sum.*field.there);
  }
  void BusyRetries(uint64_t count) { Raise(busy_retries_, count); }
  void ReadBack(uint64_t count) { Raise(read_back_, count); }
  void StandingRepairs(uint64_t count) { Raise(standing_repairs_, count); }

  DatapathStats Read() const {
    DatapathStats stats;
    for (const Field& field : kFields) {
      stats.*field.there = (this->*field.here).load(std::memory_order_relaxed);
    }
    return stats;
  }

 private:
  using Counter = std::atomic<uint64_t>;
  struct Field {
    Counter TcCounters::*here;
    uint64_t DatapathStats::*there;
  };

  static void Raise(Counter& counter, uint64_t count) {
    if (count > 0) counter.fetch_add(count, std::memory_order_relaxed);
  }

  static void CountOne(FlowOp::Kind kind, const FlowResult& result, DatapathStats& sum) {
    const absl::Status& status = result.status;
    if (kind == FlowOp::Kind::kDelete) {
      sum.deleted += status.ok();
    } else if (kind == FlowOp::Kind::kQuery) {
      sum.queried += status.ok();
    } else if (status.ok()) {
      ++sum.added;
    } else if (absl::IsUnimplemented(status)) {
      ++sum.refused_unsupported;
    } else if (absl::IsResourceExhausted(status)) {
      ++sum.refused_full;
    } else if (!absl::IsUnknown(status) && !absl::IsUnavailable(status)) {
      ++sum.refused_other;  // of the others nobody knows whether they were refused
    }
  }

  Counter added_ = 0, deleted_ = 0, queried_ = 0;
  Counter refused_unsupported_ = 0, refused_full_ = 0, refused_other_ = 0;
  Counter busy_retries_ = 0, read_back_ = 0, standing_repairs_ = 0;

  static const Field kFields[9];
};

inline constexpr TcCounters::Field TcCounters::kFields[9] = {
    {&TcCounters::added_, &DatapathStats::added},
    {&TcCounters::deleted_, &DatapathStats::deleted},
    {&TcCounters::queried_, &DatapathStats::queried},
    {&TcCounters::refused_unsupported_, &DatapathStats::refused_unsupported},
    {&TcCounters::refused_full_, &DatapathStats::refused_full},
    {&TcCounters::refused_other_, &DatapathStats::refused_other},
    {&TcCounters::busy_retries_, &DatapathStats::busy_retries},
    {&TcCounters::read_back_, &DatapathStats::read_back},
    {&TcCounters::standing_repairs_, &DatapathStats::standing_repairs},
};

}  // namespace offload::datapath
