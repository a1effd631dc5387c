// A TcDatapath over a ScriptedKernel with two netdevs: p0 (ifindex 4; LIFs 1 and 3) and p1 (ifindex
// 9; LIF 2).
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "datapath/tc_datapath.h"
#include "netlink/kernel_error.h"
#include "scripted_kernel.h"

namespace offload::datapath {

inline constexpr uint32_t kP0 = 4, kP1 = 9;

inline netlink::Link LinkOf(const std::string& name, uint32_t ifindex, bool running = true) {
  return {.ifindex = ifindex, .name = name, .admin_up = true, .running = running};
}

inline session::SessionSpec Spec(uint64_t id) {
  return {.key = {.owner = 0, .id = id},
          .in_lif = 1,
          .out_lif = 2,
          .tuple = {.source = session::IpAddress::V4(0x0A000000 + static_cast<uint32_t>(id)),
                    .destination = session::IpAddress::V4(0x0A010001),
                    .source_port = 4000,
                    .destination_port = 80},
          .timeout = absl::Seconds(30)};
}

inline FlowOp Make(FlowOp::Kind kind, uint64_t id,
                   session::Direction direction = session::Direction::kIn) {
  return {.kind = kind, .rule = MakeRule(Spec(id), static_cast<Slot>(id), 1, direction)};
}

// Remembers what it heard, in order.
class Listener final : public LifObserver {
 public:
  void OnLifState(session::LifId lif, LifState state) override {
    base::MutexLock lock(mutex_);
    heard_.emplace_back(lif, state);
    changed_.NotifyAll();
  }
  // What was heard when it is `count` long, or what there is after ten seconds.
  std::vector<std::pair<session::LifId, LifState>> Await(size_t count) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    base::MutexLock lock(mutex_);
    while (heard_.size() < count && std::chrono::steady_clock::now() < deadline) {
      changed_.WaitFor(mutex_, std::chrono::milliseconds(100));
    }
    return heard_;
  }

 private:
  base::Mutex mutex_;
  base::CondVar changed_;
  std::vector<std::pair<session::LifId, LifState>> heard_ GUARDED_BY(mutex_);
};

// Polls `condition` until it holds (true) or ten seconds have passed (false): the watch is a
// thread.
inline bool Eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

class TcDatapathTest : public ::testing::Test {
 protected:
  using Kind = FlowOp::Kind;
  using Op = netlink::FilterRequest::Op;

  TcDatapathTest() {
    kernel_.AddLink(LinkOf("p0", kP0));
    kernel_.AddLink(LinkOf("p1", kP1));
  }

  static TcDatapathOptions Options() {
    return {
        .mode = OffloadMode::kSoftware,
        .table_size = 2006,
        .lifs = {
            {.lif = 1, .netdev = "p0"}, {.lif = 2, .netdev = "p1"}, {.lif = 3, .netdev = "p0"}}};
  }

  void Start() {
    const auto report = datapath_.Start();
    ASSERT_TRUE(report.ok()) << report.status();
  }

  std::vector<FlowResult> Apply(const std::vector<FlowOp>& ops) {
    std::vector<FlowResult> results(ops.size());
    datapath_.Apply(ops, absl::MakeSpan(results));
    return results;
  }
  FlowResult Do(const FlowOp& op) { return Apply({op}).front(); }

  void Answer(Op op, absl::Status status, bool takes_effect = false) {
    kernel_.Expect({.op = op, .status = std::move(status), .takes_effect = takes_effect});
  }

  // Session rules, keep-alives not counted.
  size_t Rules() {
    size_t count = 0;
    for (const netlink::FlowerFilter& filter : kernel_.Filters()) {
      count += ParseHandle(filter.id.handle).has_value();
    }
    return count;
  }

  ScriptedKernel kernel_;
  TcDatapath datapath_{Options(), kernel_};
};

}  // namespace offload::datapath
