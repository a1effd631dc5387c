// When a session of the NIC is idle: sampling, frozen counters, links.
#include <signal.h>

#include <algorithm>
#include <map>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "tests/guest/scenarios/frames.h"
#include "tests/guest/scenarios/nic.h"

namespace offload::guest {
namespace {

using session::Protocol;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class Ageing : public OnNic {
 protected:
  // Records by id, with the time at which each was there to be fetched.
  using Fetched = std::map<uint64_t, std::pair<v1::sessionResponse, absl::Time>>;
  static void Fetch(Firewall& firewall, Fetched& fetched) {
    for (const auto& record : firewall.Closed()) {
      fetched.try_emplace(record.sessionid(), record, absl::Now());
    }
  }
};

TEST_F(Ageing, WithoutSamplingIdleIsClosedHalfASecondAfterItsTimeout) {
  LoadNic();
  Daemon daemon(OnNicConfig());
  daemon.Start();
  Firewall firewall(daemon);
  constexpr uint32_t kSessions = 100, kTimeout = 3;
  std::vector<v1::sessionRequest> requests;
  for (uint32_t i = 0; i < kSessions; ++i) requests.push_back(Request(i, Tuple4(i), kTimeout));
  ASSERT_EQ(firewall.Add(requests).responseerror_size(), 0);
  FrameSender wire0("wire0");
  std::vector<absl::Time> sent(kSessions);
  for (uint32_t i = 0; i < kSessions; ++i) {
    wire0.Send(BuildFrame({.tuple = Tuple4(i)}));
    sent[i] = absl::Now();
  }
  Fetched fetched;
  ASSERT_TRUE(Eventually(absl::Seconds(20), [&] {
    Fetch(firewall, fetched);
    return fetched.size() == kSessions;
  }));
  absl::Duration earliest = absl::Hours(1), latest;
  for (const auto& [id, record] : fetched) {
    const absl::Duration idle = record.second - sent[id];
    earliest = std::min(earliest, idle);
    latest = std::max(latest, idle);
  }
  std::cout << "timeout 3s, no sampling: fetched " << earliest << " to " << latest
            << " after the last packet\n";
  EXPECT_GE(earliest, absl::Seconds(kTimeout) - absl::Milliseconds(20));
  EXPECT_LE(latest, absl::Seconds(kTimeout) + absl::Milliseconds(500));
}

// mlx5 samples once a second, so a rule can look idle for up to a second longer than it is.
TEST_F(Ageing, WithSamplingNoSessionIsClosedThatHadAPacketWithinItsTimeout) {
  LoadNic("personality=mlx5");
  Daemon daemon(UplinkToVfConfig("pf0vf1"));
  daemon.Start();
  Firewall firewall(daemon);
  constexpr uint32_t kAlive = 40, kIdle = 40, kTimeout = 3;
  const absl::Duration period = absl::Milliseconds(2900);
  std::vector<v1::sessionRequest> requests;
  for (uint32_t i = 0; i < kAlive + kIdle; ++i) {
    requests.push_back(Request(i, Tuple4(i, Protocol::kUdp), kTimeout));
  }
  ASSERT_EQ(firewall.Add(requests).responseerror_size(), 0) << daemon.Log();
  const absl::Time start = absl::Now();
  FrameSender wire0("wire0"), vf01("vf01");
  std::vector<absl::Time> last(kAlive + kIdle, start);
  Fetched fetched;
  // Sessions kAlive and above get one packet each within the first second, at different phases of
  // the sampling; those below get one every 2.9 s for 60 s, half of them in either direction.
  std::vector<absl::Time> next(kAlive + kIdle);
  for (uint32_t i = 0; i < next.size(); ++i) {
    next[i] = start + absl::Milliseconds(25) * (i % kAlive);
  }
  const auto send_due = [&] {
    for (uint32_t i = 0; i < next.size(); ++i) {
      if (absl::Now() < next[i]) continue;
      const session::FiveTuple tuple = Tuple4(i, Protocol::kUdp);
      if (i % 2 == 0) {
        wire0.Send(BuildFrame({.tuple = tuple}));
      } else {
        vf01.Send(BuildFrame({.tuple = tuple.Reversed()}));
      }
      last[i] = absl::Now();
      next[i] = i < kAlive ? next[i] + period : absl::InfiniteFuture();
    }
  };
  absl::Duration latest;
  Eventually(start + absl::Seconds(60) - absl::Now(), [&] {
    send_due();
    const size_t before = fetched.size();
    if (absl::Now() - start > absl::Seconds(kTimeout - 1)) Fetch(firewall, fetched);
    return before > fetched.size();
  });
  EXPECT_THAT(fetched, SizeIs(kIdle));
  for (const auto& [id, record] : fetched) {
    EXPECT_GE(id, kAlive) << "closed although it had a packet within its timeout";
    latest = std::max(latest, record.second - last[id]);
  }
  std::cout << "timeout 3s, sampling 1s, grace 1s: idle sessions fetched up to " << latest
            << " after the last packet; " << kAlive << " with a packet every 2.9s lived for 60s\n";
  EXPECT_LE(latest, absl::Seconds(kTimeout + 1 + 1) + absl::Milliseconds(500));
  EXPECT_THAT(firewall.All(), SizeIs(kAlive));
}

TEST_F(Ageing, ACounterThatStandsStillDoesNotCloseALivingSession) {
  LoadNic();
  Daemon daemon(OnNicConfig());
  daemon.Start();
  Firewall firewall(daemon);
  ASSERT_EQ(firewall.Add({Request(1, Tuple4(1), 2), Request(2, Tuple4(2), 2)}).responseerror_size(),
            0);
  Write("counters", "freeze port=p0");
  FrameSender wire0("wire0"), wire1("wire1");
  const absl::Time start = absl::Now();
  Fetched fetched;
  // Session 1 lives in its other direction; session 2's packets are those of the frozen counter.
  Eventually(absl::Seconds(8), [&] {
    wire1.Send(BuildFrame({.tuple = Tuple4(1).Reversed()}));
    wire0.Send(BuildFrame({.tuple = Tuple4(1)}));
    Fetch(firewall, fetched);
    return false;
  });
  ASSERT_THAT(fetched, SizeIs(1));
  EXPECT_EQ(fetched.begin()->first, 2u);
  EXPECT_LE(fetched.begin()->second.second - start, absl::Seconds(2.6));
  EXPECT_TRUE(Eventually(absl::Seconds(2.6), [&] {
    Fetch(firewall, fetched);
    return fetched.contains(1);
  })) << "both directions idle must close it";
}

TEST_F(Ageing, CarrierLossClosesAfterTheHoldAndKeepKeeps) {
  for (const bool close : {true, false}) {
    SCOPED_TRACE(close ? "close" : "keep");
    LoadNic();
    Daemon daemon(absl::StrCat(OnNicConfig(), R"(, "link_down_hold": 0.5, "on_link_down": ")",
                               close ? "close" : "keep", "\""));
    daemon.Start();
    Firewall firewall(daemon);
    ASSERT_EQ(firewall.Add({Request(1, Tuple4(1), 300)}).responseerror_size(), 0);
    FrameSender wire0("wire0");
    wire0.Send(BuildFrame({.tuple = Tuple4(1)}), 5);
    Write("ports/p1/link", "down");
    Fetched fetched;
    const bool closed = Eventually(absl::Seconds(close ? 10 : 3), [&] {
      Fetch(firewall, fetched);
      return !fetched.empty();
    });
    EXPECT_EQ(closed, close) << daemon.Log();
    EXPECT_THAT(SessionRules(), SizeIs(close ? 0 : 2));
    if (close && closed) {
      EXPECT_EQ(fetched[1].first.sessionclosecode(), v1::_UNKNOWN_CLOSE_CODE);
      EXPECT_EQ(fetched[1].first.inpackets(), 5u);
    }
    EXPECT_EQ(daemon.Stop(SIGTERM), 0);
  }
}

TEST_F(Ageing, ARepresentorThatGoesTakesItsSessionsAndServesAgainWhenItIsBack) {
  LoadNic();
  Daemon daemon(OnNicConfig());
  daemon.Start();
  Firewall firewall(daemon);
  ASSERT_EQ(
      firewall.Add({Request(1, Tuple4(1), 300), Request(2, Tuple6(2), 300)}).responseerror_size(),
      0);
  FrameSender wire0("wire0");
  wire0.Send(BuildFrame({.tuple = Tuple4(1)}), 5);
  Write("ports/p1/present", "0");
  Fetched fetched;
  ASSERT_TRUE(Eventually(absl::Seconds(10), [&] {
    Fetch(firewall, fetched);
    return fetched.size() == 2;
  })) << daemon.Log();
  EXPECT_EQ(fetched[1].first.sessionclosecode(), v1::_UNKNOWN_CLOSE_CODE);
  EXPECT_EQ(fetched[1].first.inpackets(), 5u) << "the half on the netdev that stayed was read";
  EXPECT_THAT(SessionRules(), IsEmpty()) << "the halves on the other netdev must go too";
  EXPECT_EQ(firewall.Add({Request(3, Tuple4(3), 300)}).responseerror_size(), 1);

  Write("ports/p1/present", "1");
  Shell("sysctl -q -w net.ipv6.conf.p1.disable_ipv6=1; ip link set p1 arp off up");
  ASSERT_TRUE(Eventually(absl::Seconds(10), [&] {
    return firewall.Add({Request(4, Tuple4(4), 300)}).responseerror_size() == 0;
  })) << daemon.Log();
  const uint64_t at1 = ReceivedPackets("wire1");
  wire0.Send(BuildFrame({.tuple = Tuple4(4)}), 3);
  EXPECT_EQ(ReceivedPackets("wire1") - at1, 3u);
  FrameSender wire1("wire1");
  const uint64_t seen = ReceivedPackets("vf10");
  EXPECT_TRUE(Eventually(absl::Seconds(10),
                         [&] {
                           wire1.Send(BuildFrame({.tuple = Tuple4(9).Reversed()}));
                           return ReceivedPackets("vf10") > seen;
                         }))
      << "the default path of the netdev that is back\n"
      << daemon.Log();
}

}  // namespace
}  // namespace offload::guest
