// Sessions in hardware: skip_sw rules on an emulated NIC that carries the packets.
#include <signal.h>

#include <algorithm>
#include <map>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "tests/guest/scenarios/frames.h"
#include "tests/guest/scenarios/nic.h"

namespace offload::guest {
namespace {

using session::Protocol;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class Hardware : public OnNic {
 protected:
  // The session once a sampling NIC (mlx5: every second) has counted so many packets.
  static v1::sessionResponse Sampled(Firewall& firewall, uint64_t id, uint64_t in, uint64_t out) {
    v1::sessionResponse live;
    EXPECT_TRUE(Eventually(absl::Seconds(4), [&] {
      EXPECT_TRUE(firewall.Get(id, &live).ok());
      return live.inpackets() == in && live.outpackets() == out;
    })) << live.ShortDebugString();
    return live;
  }
};

// What the NIC counts for a frame: the Ethernet header too.
size_t L2Bytes(const FrameSpec& spec) { return BuildFrame(spec).size(); }

TEST_F(Hardware, PacketsOfASessionBypassTheFirewallAndControlPacketsDoNot) {
  LoadNic();
  Daemon daemon(OnNicConfig());
  daemon.Start();
  Firewall firewall(daemon);
  FrameSender wire0("wire0"), wire1("wire1");
  uint64_t id = 0;
  for (const session::FiveTuple& tuple :
       {Tuple4(1), Tuple4(2, Protocol::kUdp), Tuple6(3), Tuple6(4, Protocol::kUdp)}) {
    SCOPED_TRACE(tuple.ToString());
    const FrameSpec in{.tuple = tuple, .payload = 100};
    const FrameSpec out{.tuple = tuple.Reversed(), .payload = 300};
    const uint64_t seen0 = ReceivedPackets("vf00"), seen1 = ReceivedPackets("vf10");
    wire0.Send(BuildFrame(in), 3);
    wire1.Send(BuildFrame(out), 2);
    EXPECT_EQ(ReceivedPackets("vf00") - seen0, 3u) << "the first packets go to the firewall";
    EXPECT_EQ(ReceivedPackets("vf10") - seen1, 2u);

    ASSERT_EQ(firewall.Add({Request(++id, tuple, 60)}).responseerror_size(), 0);
    const uint64_t at0 = ReceivedPackets("wire0"), at1 = ReceivedPackets("wire1");
    wire0.Send(BuildFrame(in), 20);
    wire1.Send(BuildFrame(out), 10);
    EXPECT_EQ(ReceivedPackets("wire1") - at1, 20u);
    EXPECT_EQ(ReceivedPackets("wire0") - at0, 10u);
    EXPECT_EQ(ReceivedPackets("vf00") - seen0, 3u) << "the firewall saw offloaded packets";
    EXPECT_EQ(ReceivedPackets("vf10") - seen1, 2u);

    if (tuple.protocol == Protocol::kTcp) {
      for (const uint8_t flags : {kSyn, kFin, kRst}) {
        wire0.Send(BuildFrame({.tuple = tuple, .tcp_flags = static_cast<uint8_t>(flags | kAck)}));
        wire1.Send(BuildFrame({.tuple = tuple.Reversed(), .tcp_flags = flags}));
      }
      EXPECT_EQ(ReceivedPackets("vf00") - seen0, 6u);
      EXPECT_EQ(ReceivedPackets("vf10") - seen1, 5u);
    }
    v1::sessionResponse live;
    ASSERT_TRUE(firewall.Get(id, &live).ok());
    EXPECT_EQ(live.inpackets(), 20u);
    EXPECT_EQ(live.inbytes(), 20 * L2Bytes(in));
    EXPECT_EQ(live.outpackets(), 10u);
    EXPECT_EQ(live.outbytes(), 10 * L2Bytes(out));
  }
  EXPECT_THAT(SessionRules(), SizeIs(8));
  const std::string shown = Shell("tc -s filter show dev p0 ingress pref 5");
  EXPECT_THAT(shown, HasSubstr("in_hw in_hw_count 1"));
  EXPECT_THAT(shown, HasSubstr("skip_sw"));
}

TEST_F(Hardware, DropDropsBothWaysAndLetsControlPacketsThrough) {
  LoadNic();
  Daemon daemon(OnNicConfig());
  daemon.Start();
  Firewall firewall(daemon);
  const session::FiveTuple tuple = Tuple4(5);
  auto request = Request(5, tuple, 60);
  request.mutable_action()->set_actiontype(v1::_DROP);
  ASSERT_EQ(firewall.Add({request}).responseerror_size(), 0);
  FrameSender wire0("wire0"), wire1("wire1");
  const uint64_t at0 = ReceivedPackets("wire0"), at1 = ReceivedPackets("wire1");
  wire0.Send(BuildFrame({.tuple = tuple}), 7);
  wire1.Send(BuildFrame({.tuple = tuple.Reversed()}), 4);
  EXPECT_EQ(ReceivedPackets("vf00"), 0u);
  EXPECT_EQ(ReceivedPackets("vf10"), 0u);
  wire0.Send(BuildFrame({.tuple = tuple, .tcp_flags = kRst}));
  wire1.Send(BuildFrame({.tuple = tuple.Reversed(), .tcp_flags = kFin | kAck}));
  EXPECT_EQ(ReceivedPackets("vf00"), 1u);
  EXPECT_EQ(ReceivedPackets("vf10"), 1u);
  EXPECT_EQ(ReceivedPackets("wire0"), at0);
  EXPECT_EQ(ReceivedPackets("wire1"), at1);
  v1::sessionResponse final;
  ASSERT_TRUE(firewall.Delete(5, &final).ok());
  EXPECT_EQ(final.inpackets(), 7u);
  EXPECT_EQ(final.outpackets(), 4u);
  EXPECT_THAT(SessionRules(), IsEmpty());
}

TEST_F(Hardware, FragmentsGoToTheFirewall) {
  LoadNic();
  Daemon daemon(OnNicConfig());
  daemon.Start();
  Firewall firewall(daemon);
  const session::FiveTuple tuple = Tuple4(6, Protocol::kUdp);
  ASSERT_EQ(firewall.Add({Request(6, tuple, 60)}).responseerror_size(), 0);
  FrameSender wire0("wire0");
  wire0.Send(BuildFrame({.tuple = tuple, .payload = 96, .first_fragment = true}), 2);
  EXPECT_EQ(ReceivedPackets("vf00"), 2u);
  wire0.Send(BuildFrame({.tuple = tuple, .payload = 96}), 3);
  EXPECT_EQ(ReceivedPackets("vf00"), 2u);
}

TEST_F(Hardware, VlanSessionsMatchTheirTagOnly) {
  LoadNic();
  Daemon daemon(OnNicConfig());
  daemon.Start();
  Firewall firewall(daemon);
  const session::FiveTuple tuple = Tuple4(7);
  auto request = Request(7, tuple, 60);
  request.set_vlan_inlif(100);
  request.set_vlan_outlif(100);
  ASSERT_EQ(firewall.Add({request, Request(8, Tuple6(8), 60)}).responseerror_size(), 0);
  FrameSender wire0("wire0");
  const FrameSpec tagged{.tuple = tuple, .payload = 40, .vlan = 100};
  const uint64_t at1 = ReceivedPackets("wire1");
  wire0.Send(BuildFrame(tagged), 6);
  EXPECT_EQ(ReceivedPackets("wire1") - at1, 6u);
  wire0.Send(BuildFrame({.tuple = tuple, .vlan = 101}), 2);
  wire0.Send(BuildFrame({.tuple = tuple}), 1);
  wire0.Send(BuildFrame({.tuple = Tuple6(8), .vlan = 100}), 1);
  EXPECT_EQ(ReceivedPackets("vf00"), 4u);
  v1::sessionResponse final;
  ASSERT_TRUE(firewall.Delete(7, &final).ok());
  EXPECT_EQ(final.inpackets(), 6u);
  EXPECT_EQ(final.inbytes(), 6 * L2Bytes(tagged));
}

TEST_F(Hardware, OneArmedSessionsRewriteTheTagInTheNic) {
  LoadNic("personality=mlx5");
  Daemon daemon(R"("lifs": [{"id": 1, "netdev": "p0", "default_path": "pf0vf0"}],
                   "datapath": {"mode": "hardware"})");
  daemon.Start();
  Firewall firewall(daemon);
  const session::FiveTuple tuple = Tuple4(9);
  auto request = Request(9, tuple, 60);
  request.set_outlif(1);
  request.set_vlan_inlif(100);
  request.set_vlan_outlif(200);
  auto without = firewall.Add({request});
  ASSERT_EQ(without.responseerror_size(), 1) << "two tags and nobody asked for a rewrite";
  EXPECT_EQ(without.responseerror(0).errorstatus(), grpc::StatusCode::INVALID_ARGUMENT);
  request.mutable_action()->mutable_actionparams_inlif()->set_vlan(100);
  request.mutable_action()->mutable_actionparams_outlif()->set_vlan(200);
  ASSERT_EQ(firewall.Add({request}).responseerror_size(), 0) << daemon.Log();

  FrameSender wire0("wire0");
  FrameReceiver received("wire0");
  wire0.Send(BuildFrame({.tuple = tuple, .payload = 50, .vlan = 100}), 3);
  EXPECT_EQ(received.Take(3),
            std::vector(3, BuildFrame({.tuple = tuple, .payload = 50, .vlan = 200})));
  wire0.Send(BuildFrame({.tuple = tuple.Reversed(), .payload = 60, .vlan = 200}), 2);
  EXPECT_EQ(received.Take(2),
            std::vector(2, BuildFrame({.tuple = tuple.Reversed(), .payload = 60, .vlan = 100})));
  EXPECT_EQ(ReceivedPackets("vf00"), 0u);
  wire0.Send(BuildFrame({.tuple = tuple, .tcp_flags = kSyn, .vlan = 100}));
  EXPECT_EQ(ReceivedPackets("vf00"), 1u);
  const v1::sessionResponse live = Sampled(firewall, 9, 3, 2);
  EXPECT_EQ(live.inbytes(), 3 * L2Bytes({.tuple = tuple, .payload = 50, .vlan = 100}));
}

TEST_F(Hardware, UplinkToVfWorksWithMlx5) {
  LoadNic("personality=mlx5");
  Daemon daemon(UplinkToVfConfig("pf0vf1"));
  daemon.Start();
  Firewall firewall(daemon);
  const session::FiveTuple tuple = Tuple6(10);
  ASSERT_EQ(firewall.Add({Request(10, tuple, 60)}).responseerror_size(), 0) << daemon.Log();
  FrameSender wire0("wire0"), vf01("vf01");
  wire0.Send(BuildFrame({.tuple = tuple}), 5);
  vf01.Send(BuildFrame({.tuple = tuple.Reversed()}), 6);
  EXPECT_EQ(ReceivedPackets("vf01"), 5u);
  EXPECT_EQ(ReceivedPackets("wire0"), 6u);
  Sampled(firewall, 10, 5, 6);
  v1::sessionResponse final;
  ASSERT_TRUE(firewall.Delete(10, &final).ok());
  EXPECT_EQ(final.inpackets(), 5u);
  EXPECT_EQ(final.outpackets(), 6u);
}

TEST_F(Hardware, TheDoctorSaysWhichPairMlx5RefusesAndWhatWorksInstead) {
  LoadNic("personality=mlx5");
  Daemon daemon(OnNicConfig());
  daemon.Start();
  const auto response = Firewall(daemon).Add({Request(12, Tuple4(12), 60)});
  ASSERT_EQ(response.responseerror_size(), 1);
  EXPECT_EQ(response.responseerror(0).errorstatus(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_THAT(daemon.Log(), HasSubstr("p0 > p1: IPv4 TCP forward cannot be offloaded"));
  const std::string doctor = Shell(
      absl::StrCat(OFFLOADCTL_BINARY " --server ", daemon.address(), " doctor || [ $? = 1 ]"));
  std::cout << doctor;
  for (const char* said : {"p0 > p1", "p1 > p0", "no forward can be offloaded", "(EOPNOTSUPP)",
                           "VF, SF or host PF representor", "one-armed sessions on one uplink",
                           "esw_multiport", "eswitch mode legacy, where mlx5 hairpins p0 to p1"}) {
    EXPECT_THAT(doctor, HasSubstr(said));
  }
}

TEST_F(Hardware, KilledDaemonLeavesEverythingForwarding) {
  LoadNic();
  Daemon daemon(OnNicConfig());
  daemon.Start();
  const session::FiveTuple tuple = Tuple4(11);
  {
    Firewall firewall(daemon);
    ASSERT_EQ(firewall.Add({Request(11, tuple, 60)}).responseerror_size(), 0);
  }
  EXPECT_EQ(daemon.Stop(SIGKILL), -SIGKILL);
  FrameSender wire0("wire0");
  const uint64_t at1 = ReceivedPackets("wire1");
  wire0.Send(BuildFrame({.tuple = tuple}), 9);
  wire0.Send(BuildFrame({.tuple = tuple, .tcp_flags = kFin | kAck}));
  EXPECT_EQ(ReceivedPackets("wire1") - at1, 9u);
  EXPECT_EQ(ReceivedPackets("vf00"), 1u) << "the default path must outlive the daemon";
  daemon.Start();
  EXPECT_THAT(SessionRules(), IsEmpty());
  EXPECT_THAT(daemon.Log(), HasSubstr("removed 2 rules of 1 sessions"));
  wire0.Send(BuildFrame({.tuple = tuple}), 2);
  EXPECT_EQ(ReceivedPackets("vf00"), 3u);
}

// 100 sessions of all kinds with random traffic, counted by what reached the other wire.
TEST_F(Hardware, ClosedRecordsEqualWhatTheWireCounted) {
  LoadNic();
  Daemon daemon(OnNicConfig());
  daemon.Start();
  Firewall firewall(daemon);
  constexpr uint32_t kSessions = 100;
  constexpr uint32_t kTimeout = 4;
  std::mt19937 random(20261125);
  const auto below = [&](uint32_t bound) { return static_cast<uint32_t>(random() % bound); };
  std::vector<session::FiveTuple> tuples;
  std::vector<std::optional<uint16_t>> vlans;
  std::vector<v1::sessionRequest> requests;
  for (uint32_t i = 0; i < kSessions; ++i) {
    const Protocol protocol = below(2) ? Protocol::kTcp : Protocol::kUdp;
    tuples.push_back(below(2) ? Tuple4(i, protocol) : Tuple6(i, protocol));
    vlans.push_back(below(3) ? std::nullopt : std::optional<uint16_t>(1 + below(4094)));
    requests.push_back(Request(i, tuples[i], kTimeout));
    requests[i].set_vlan_inlif(vlans[i].value_or(0));
    requests[i].set_vlan_outlif(vlans[i].value_or(0));
  }
  ASSERT_EQ(firewall.Add(requests).responseerror_size(), 0) << daemon.Log();

  std::vector<std::array<session::Counters, 2>> wire(kSessions);
  std::array<FrameSender, 2> senders = {FrameSender("wire0"), FrameSender("wire1")};
  const std::array<std::string, 2> far_ends = {"wire1", "wire0"};
  for (int burst = 0; burst < 400; ++burst) {
    const uint32_t i = below(kSessions), d = below(2);
    const FrameSpec spec{
        .tuple = d ? tuples[i].Reversed() : tuples[i], .payload = below(1400), .vlan = vlans[i]};
    const uint64_t packets = ReceivedPackets(far_ends[d]);
    senders[d].Send(BuildFrame(spec), 1 + static_cast<int>(below(9)));
    const uint64_t arrived = ReceivedPackets(far_ends[d]) - packets;
    wire[i][d].packets += arrived;
    wire[i][d].bytes += arrived * L2Bytes(spec);
  }
  EXPECT_EQ(ReceivedPackets("vf00") + ReceivedPackets("vf10"), 0u);

  std::map<uint64_t, v1::sessionResponse> closed;
  Eventually(absl::Seconds(kTimeout + 20), [&] {
    for (const auto& record : firewall.Closed()) closed.emplace(record.sessionid(), record);
    return closed.size() == kSessions;
  });
  ASSERT_THAT(closed, SizeIs(kSessions));
  uint64_t total = 0;
  for (uint32_t i = 0; i < kSessions; ++i) {
    EXPECT_EQ(closed[i].inpackets(), wire[i][0].packets) << i;
    EXPECT_EQ(closed[i].inbytes(), wire[i][0].bytes) << i;
    EXPECT_EQ(closed[i].outpackets(), wire[i][1].packets) << i;
    EXPECT_EQ(closed[i].outbytes(), wire[i][1].bytes) << i;
    total += wire[i][0].packets + wire[i][1].packets;
  }
  std::cout << kSessions << " records equal the wire's " << total
            << " packets; bytes are those of the frames, Ethernet header and tag included\n";
}

}  // namespace
}  // namespace offload::guest
