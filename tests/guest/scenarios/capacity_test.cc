// How many sessions the NIC's table takes: exactly as many as fit, whoever asks for them at once.
#include <signal.h>

#include <algorithm>
#include <mutex>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "tests/guest/scenarios/nic.h"

namespace offload::guest {
namespace {

using ::testing::SizeIs;

constexpr uint32_t kTable = 1000;
// Three keep-alives for each of p0 and p1, the default path's rule on each of p0, p1, pf0vf0 and
// pf1vf0.
constexpr uint32_t kStanding = 2 * 3 + 4;
constexpr uint32_t kFits = (kTable - kStanding) / 2;

class Capacity : public OnNic {
 protected:
  // Asks for sessions `first` to `first + count - 1` in four streams at once; returns the ids that
  // were accepted. Every other one must be refused because the table is full.
  std::set<uint64_t> AddInStreams(const Daemon& daemon, uint32_t first, uint32_t count) {
    constexpr uint32_t kStreams = 4;
    std::set<uint64_t> accepted;
    std::mutex mutex;
    std::vector<std::thread> streams;
    for (uint32_t stream = 0; stream < kStreams; ++stream) {
      streams.emplace_back([&, stream] {
        std::vector<v1::sessionRequest> requests;
        for (uint32_t i = stream; i < count; i += kStreams) {
          requests.push_back(Request(first + i, Tuple4(first + i), 300));
        }
        const auto response = Firewall(daemon).Add(requests);
        const std::lock_guard lock(mutex);
        for (const auto& request : requests) accepted.insert(request.sessionid());
        for (const auto& error : response.responseerror()) {
          EXPECT_EQ(error.errorstatus(), grpc::StatusCode::RESOURCE_EXHAUSTED);
          accepted.erase(error.sessionid());
        }
      });
    }
    for (std::thread& stream : streams) stream.join();
    return accepted;
  }

  std::set<uint64_t> InHardware() {
    std::multiset<uint64_t> ids;
    for (const NicRule& rule : SessionRules()) ids.insert(rule.session_id());
    for (const uint64_t id : ids) EXPECT_EQ(ids.count(id), 2u) << "half of session " << id;
    return {ids.begin(), ids.end()};
  }

  void Delete(const Daemon& daemon, const std::set<uint64_t>& ids) {
    Firewall firewall(daemon);
    v1::sessionResponse response;
    for (const uint64_t id : ids) EXPECT_TRUE(firewall.Delete(id, &response).ok()) << id;
  }

  // `daemons_table`: what the daemon believes the table takes.
  void RunTenTimes(uint32_t daemons_table) {
    LoadNic(absl::StrCat("table_size=", kTable));
    Daemon daemon(OnNicConfig(daemons_table) + R"(, "log": {"level": "warning"})");
    daemon.Start();
    ASSERT_THAT(AllRules(), SizeIs(kStanding));
    for (int run = 0; run < 10; ++run) {
      SCOPED_TRACE(absl::StrCat("run ", run));
      std::set<uint64_t> accepted = AddInStreams(daemon, 0, 600);
      ASSERT_THAT(accepted, SizeIs(kFits));
      EXPECT_EQ(InHardware(), accepted);
      EXPECT_EQ(Totals()["rules"], kTable);
      const std::set<uint64_t> gone(accepted.begin(), std::next(accepted.begin(), 50));
      Delete(daemon, gone);
      for (const uint64_t id : gone) accepted.erase(id);
      accepted.merge(AddInStreams(daemon, 1000, 60));
      EXPECT_THAT(accepted, SizeIs(kFits)) << "exactly 50 more fit";
      EXPECT_EQ(InHardware(), accepted);
      // The quickest way to an empty table: the next life removes what this one leaves.
      daemon.Stop(SIGKILL);
      daemon.Start();
      EXPECT_EQ(Totals()["rules"], kStanding);
    }
  }
};

TEST_F(Capacity, IsExactWhenTheDaemonKnowsTheTable) { RunTenTimes(kTable); }

TEST_F(Capacity, IsExactWhenTheNicSaysThatItIsFull) { RunTenTimes(5 * kTable); }

}  // namespace
}  // namespace offload::guest
