// What a session does on a real kernel: its rules, its packets, its end.
#include <net/if.h>
#include <signal.h>

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "tests/guest/scenarios/frames.h"
#include "tests/guest/scenarios/world.h"

namespace offload::guest {
namespace {

using session::Protocol;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

absl::Time ToTime(const google::protobuf::Timestamp& t) {
  return absl::FromUnixSeconds(t.seconds()) + absl::Nanoseconds(t.nanos());
}

// The match that `tuple` must have become, written out here from the protocol, not from the daemon.
netlink::FlowerKey ExpectedKey(const session::FiveTuple& tuple, std::optional<uint16_t> vlan) {
  const auto& from = tuple.source.bytes;
  const auto& to = tuple.destination.bytes;
  netlink::FlowerKey key;
  if (tuple.version() == session::IpVersion::kIpv4) {
    const netlink::Ipv4Bytes all = {255, 255, 255, 255};
    key.eth_type = 0x0800;
    key.ipv4_src = {{from[0], from[1], from[2], from[3]}, all};
    key.ipv4_dst = {{to[0], to[1], to[2], to[3]}, all};
  } else {
    netlink::Ipv6Bytes all;
    all.fill(255);
    key.eth_type = 0x86DD;
    key.ipv6_src = {from, all};
    key.ipv6_dst = {to, all};
  }
  key.vlan_id = vlan;
  key.ip_proto = static_cast<uint8_t>(tuple.protocol);
  key.src_port = {tuple.source_port, 0xFFFF};
  key.dst_port = {tuple.destination_port, 0xFFFF};
  if (tuple.protocol == Protocol::kTcp) key.tcp_flags = {0, 7};
  key.flags = {0, 1};
  return key;
}

// The rule on `netdev` whose key is that of `tuple`, redirecting to `target`, in software only.
::testing::AssertionResult HasRule(const std::vector<netlink::FlowerFilter>& rules,
                                   const session::FiveTuple& tuple, const std::string& target,
                                   std::optional<uint16_t> vlan = std::nullopt) {
  const netlink::FlowerKey key = ExpectedKey(tuple, vlan);
  const auto found =
      std::find_if(rules.begin(), rules.end(), [&](const auto& rule) { return rule.key == key; });
  if (found == rules.end()) return ::testing::AssertionFailure() << "no rule " << tuple.ToString();
  const auto* mirred = std::get_if<netlink::Mirred>(&found->actions[0].what);
  if (found->actions.size() != 1 || mirred == nullptr ||
      mirred->mode != netlink::Mirred::Mode::kRedirect ||
      mirred->ifindex != ::if_nametoindex(target.c_str())) {
    return ::testing::AssertionFailure() << "wrong action for " << tuple.ToString();
  }
  if ((found->flags & (netlink::kSkipHw | netlink::kSkipSw)) != netlink::kSkipHw) {
    return ::testing::AssertionFailure() << "flags " << found->flags;
  }
  return ::testing::AssertionSuccess();
}

struct Planned {
  session::FiveTuple tuple;
  int in_packets = 0, out_packets = 0;
  FrameSpec in, out;
  absl::Time last_packet;
};

// Every kind of tuple, with packet counts and sizes that differ from session to session.
std::vector<Planned> Plan(uint32_t count) {
  std::vector<Planned> plan(count);
  for (uint32_t i = 0; i < count; ++i) {
    const Protocol protocol = i % 3 == 0 ? Protocol::kUdp : Protocol::kTcp;
    Planned& p = plan[i];
    p.tuple = i % 4 == 3 ? Tuple6(i, protocol) : Tuple4(i, protocol);
    p.in_packets = static_cast<int>(i % 5);
    p.out_packets = static_cast<int>((i + 2) % 4);
    p.in = {.tuple = p.tuple, .payload = 10 + i % 700};
    p.out = {.tuple = p.tuple.Reversed(), .payload = 20 + i % 900};
  }
  return plan;
}

class Sessions : public Scenario {};

TEST_F(Sessions, ThousandInOneStreamAreTwoThousandRulesAndAThousandExactRecords) {
  constexpr uint32_t kCount = 1000;
  constexpr uint32_t kTimeout = 8;
  Daemon daemon;
  daemon.Start();
  Firewall firewall(daemon);
  std::vector<Planned> plan = Plan(kCount);
  std::vector<v1::sessionRequest> requests;
  for (uint32_t i = 0; i < kCount; ++i) requests.push_back(Request(i, plan[i].tuple, kTimeout));

  const absl::Time before = absl::Now();
  const auto response = firewall.Add(requests);
  std::cout << kCount << " sessions in one stream took "
            << absl::FormatDuration(absl::Now() - before) << "\n";
  ASSERT_EQ(response.responseerror_size(), 0) << response.ShortDebugString();

  const auto rules1 = SessionRules("lif1"), rules2 = SessionRules("lif2");
  EXPECT_THAT(rules1, SizeIs(kCount));
  EXPECT_THAT(rules2, SizeIs(kCount));
  FrameSender wire1("wire1"), wire2("wire2");
  for (Planned& p : plan) {
    EXPECT_TRUE(HasRule(rules1, p.tuple, "lif2"));
    EXPECT_TRUE(HasRule(rules2, p.tuple.Reversed(), "lif1"));
    wire1.Send(BuildFrame(p.in), p.in_packets);
    wire2.Send(BuildFrame(p.out), p.out_packets);
    p.last_packet = p.in_packets + p.out_packets > 0 ? absl::Now() : before;
  }
  EXPECT_EQ(ReceivedPackets("fw1"), 0u) << "the firewall saw packets of offloaded sessions";

  std::map<uint64_t, std::pair<v1::sessionResponse, absl::Time>> closed;
  Eventually(absl::Seconds(kTimeout + 20), [&] {
    for (const auto& record : firewall.Closed()) {
      EXPECT_TRUE(closed.try_emplace(record.sessionid(), record, absl::Now()).second)
          << "two records of session " << record.sessionid();
    }
    return closed.size() >= kCount;
  });
  ASSERT_THAT(closed, SizeIs(kCount));
  absl::Duration earliest = absl::Hours(1), latest;
  for (uint32_t i = 0; i < kCount; ++i) {
    const auto& record = closed[i].first;
    const Planned& p = plan[i];
    EXPECT_EQ(record.inpackets(), static_cast<uint64_t>(p.in_packets)) << i;
    EXPECT_EQ(record.outpackets(), static_cast<uint64_t>(p.out_packets)) << i;
    EXPECT_EQ(record.inbytes(), p.in_packets * L3Bytes(p.in)) << i;
    EXPECT_EQ(record.outbytes(), p.out_packets * L3Bytes(p.out)) << i;
    EXPECT_EQ(record.sessionstate(), v1::_CLOSED);
    EXPECT_EQ(record.sessionclosecode(), v1::_TIMEOUT);
    EXPECT_LE(ToTime(record.starttime()), ToTime(record.endtime()));
    if (p.in_packets + p.out_packets == 0) continue;  // counted from the rule's installation
    const absl::Duration idle = ToTime(record.endtime()) - p.last_packet;
    earliest = std::min(earliest, idle);
    latest = std::max(latest, idle);
  }
  std::cout << "closed " << absl::FormatDuration(earliest) << " to " << absl::FormatDuration(latest)
            << " after the last packet, timeout " << kTimeout << " s\n";
  // last_packet is read after the send; the kernel saw the packet up to a scheduling delay before.
  EXPECT_GE(earliest, absl::Seconds(kTimeout) - absl::Milliseconds(50));
  EXPECT_LE(latest, absl::Seconds(kTimeout) + absl::Milliseconds(500));
  EXPECT_THAT(SessionRules("lif1"), IsEmpty());
  EXPECT_THAT(SessionRules("lif2"), IsEmpty());
}

TEST_F(Sessions, TimeoutOfThreeSecondsIsAliveAtTwoAndFetchedAtFour) {
  Daemon daemon;
  daemon.Start();
  Firewall firewall(daemon);
  const absl::Time added = absl::Now();
  ASSERT_EQ(firewall.Add({Request(0, Tuple4(1), 3)}).responseerror_size(), 0);
  const absl::Time installed = absl::Now();
  EXPECT_FALSE(Eventually(added + absl::Seconds(2.5) - absl::Now(),
                          [&] { return !firewall.Closed().empty(); }));
  std::vector<v1::sessionResponse> records;
  EXPECT_TRUE(Eventually(installed + absl::Seconds(3.5) - absl::Now(), [&] {
    records = firewall.Closed();
    return !records.empty();
  }));
  ASSERT_THAT(records, SizeIs(1));
  EXPECT_EQ(records[0].sessionid(), 0u);
  EXPECT_GE(ToTime(records[0].endtime()) - added, absl::Seconds(3));
}

TEST_F(Sessions, ControlPacketsAndFragmentsReachTheFirewall) {
  Daemon daemon;
  daemon.Start();
  Firewall firewall(daemon);
  const session::FiveTuple tuple = Tuple4(1);
  ASSERT_EQ(firewall.Add({Request(7, tuple, 30)}).responseerror_size(), 0);
  FrameSender wire1("wire1"), wire2("wire2");
  const uint64_t delivered = ReceivedPackets("wire2");
  wire1.Send(BuildFrame({.tuple = tuple, .payload = 100}), 20);
  wire2.Send(BuildFrame({.tuple = tuple.Reversed(), .payload = 100}), 10);
  EXPECT_EQ(ReceivedPackets("wire2") - delivered, 20u);
  EXPECT_EQ(ReceivedPackets("fw1"), 0u);
  for (const uint8_t flags : {kSyn, kFin, kRst}) {
    wire1.Send(BuildFrame({.tuple = tuple, .tcp_flags = static_cast<uint8_t>(flags | kAck)}));
    wire2.Send(BuildFrame({.tuple = tuple.Reversed(), .tcp_flags = flags}));
  }
  EXPECT_EQ(ReceivedPackets("fw1"), 6u);
  wire1.Send(BuildFrame({.tuple = tuple, .payload = 96, .first_fragment = true}));
  EXPECT_EQ(ReceivedPackets("fw1"), 7u);
  v1::sessionResponse live;
  ASSERT_TRUE(firewall.Get(7, &live).ok());
  EXPECT_EQ(live.inpackets(), 20u);
  EXPECT_EQ(live.outpackets(), 10u);
  EXPECT_EQ(live.sessionstate(), v1::_ESTABLISHED);
}

TEST_F(Sessions, DropDropsBothWaysButNotControlPackets) {
  Daemon daemon;
  daemon.Start();
  Firewall firewall(daemon);
  const session::FiveTuple tuple = Tuple6(5);
  auto request = Request(8, tuple, 30);
  request.mutable_action()->set_actiontype(v1::_DROP);
  ASSERT_EQ(firewall.Add({request}).responseerror_size(), 0);
  FrameSender wire1("wire1"), wire2("wire2");
  const uint64_t delivered1 = ReceivedPackets("wire1"), delivered2 = ReceivedPackets("wire2");
  wire1.Send(BuildFrame({.tuple = tuple}), 3);
  wire2.Send(BuildFrame({.tuple = tuple.Reversed()}), 4);
  wire1.Send(BuildFrame({.tuple = tuple, .tcp_flags = kRst}));
  EXPECT_EQ(ReceivedPackets("fw1"), 1u);
  EXPECT_EQ(ReceivedPackets("wire1"), delivered1);
  EXPECT_EQ(ReceivedPackets("wire2"), delivered2);
  v1::sessionResponse final;
  ASSERT_TRUE(firewall.Delete(8, &final).ok());
  EXPECT_EQ(final.inpackets(), 3u);
  EXPECT_EQ(final.outpackets(), 4u);
  EXPECT_EQ(final.sessionstate(), v1::_CLOSED);
  EXPECT_THAT(SessionRules("lif1"), IsEmpty());
  EXPECT_THAT(firewall.Closed(), IsEmpty()) << "the reply carried the counters, so no record";
}

TEST_F(Sessions, VlanSessionsMatchTheirTagOnly) {
  Daemon daemon;
  daemon.Start();
  Firewall firewall(daemon);
  const session::FiveTuple tuple = Tuple4(9, Protocol::kUdp);
  auto request = Request(9, tuple, 30);
  request.set_vlan_inlif(100);
  request.set_vlan_outlif(100);
  auto six = Request(10, Tuple6(9), 30);
  six.set_inlif(200 << 16 | 1);
  six.set_outlif(200 << 16 | 2);
  ASSERT_EQ(firewall.Add({request, six}).responseerror_size(), 0);
  EXPECT_TRUE(HasRule(SessionRules("lif1"), tuple, "lif2", 100));
  EXPECT_TRUE(HasRule(SessionRules("lif2"), tuple.Reversed(), "lif1", 100));
  EXPECT_TRUE(HasRule(SessionRules("lif1"), Tuple6(9), "lif2", 200));
  FrameSender wire1("wire1");
  wire1.Send(BuildFrame({.tuple = tuple, .vlan = 100}), 5);
  wire1.Send(BuildFrame({.tuple = tuple, .vlan = 101}), 2);
  wire1.Send(BuildFrame({.tuple = tuple}), 1);
  EXPECT_EQ(ReceivedPackets("fw1"), 3u);
  v1::sessionResponse final;
  ASSERT_TRUE(firewall.Delete(9, &final).ok());
  EXPECT_EQ(final.inpackets(), 5u);
}

TEST_F(Sessions, OneArmedHasBothRulesOnOneNetdev) {
  Daemon daemon;
  daemon.Start();
  Firewall firewall(daemon);
  const session::FiveTuple tuple = Tuple4(2);
  auto request = Request(11, tuple, 30);
  request.set_outlif(1);
  auto own_reverse = Request(12, Tuple4(3), 30);
  own_reverse.set_outlif(1);
  own_reverse.set_destinationip(own_reverse.sourceip());
  own_reverse.set_destinationport(own_reverse.sourceport());
  const auto response = firewall.Add({request, own_reverse});
  ASSERT_EQ(response.responseerror_size(), 1);
  EXPECT_EQ(response.responseerror(0).sessionid(), 12u);
  EXPECT_EQ(response.responseerror(0).errorstatus(), grpc::StatusCode::INVALID_ARGUMENT);
  const auto rules = SessionRules("lif1");
  EXPECT_THAT(rules, SizeIs(2));
  EXPECT_TRUE(HasRule(rules, tuple, "lif1"));
  EXPECT_TRUE(HasRule(rules, tuple.Reversed(), "lif1"));
  const uint64_t back = ReceivedPackets("wire1");
  FrameSender wire1("wire1");
  wire1.Send(BuildFrame({.tuple = tuple}), 4);
  wire1.Send(BuildFrame({.tuple = tuple.Reversed()}), 6);
  EXPECT_EQ(ReceivedPackets("wire1") - back, 10u);
  v1::sessionResponse final;
  ASSERT_TRUE(firewall.Delete(11, &final).ok());
  EXPECT_EQ(final.inpackets(), 4u);
  EXPECT_EQ(final.outpackets(), 6u);
}

TEST_F(Sessions, SeveralLifNumbersOnOneNetdevShareItsKeys) {
  Daemon daemon;
  daemon.Start();
  Firewall firewall(daemon);
  auto by_three = Request(21, Tuple4(4), 30);
  by_three.set_inlif(3);  // lif1, as LIF 1 is
  auto another = Request(22, Tuple4(5), 30);
  another.set_inlif(2);
  another.set_outlif(3);
  auto same_key = Request(23, Tuple4(4), 30);
  const auto response = firewall.Add({by_three, another, same_key});
  ASSERT_EQ(response.responseerror_size(), 1);
  EXPECT_EQ(response.responseerror(0).sessionid(), 23u);
  EXPECT_EQ(response.responseerror(0).errorstatus(), grpc::StatusCode::ALREADY_EXISTS);
  EXPECT_TRUE(HasRule(SessionRules("lif1"), Tuple4(4), "lif2"));
  EXPECT_TRUE(HasRule(SessionRules("lif1"), Tuple4(5).Reversed(), "lif2"));
  EXPECT_THAT(SessionRules("lif2"), SizeIs(2));
}

TEST_F(Sessions, TheSameFlowFromTheOtherSideIsADuplicate) {
  Daemon daemon;
  daemon.Start();
  Firewall firewall(daemon);
  ASSERT_EQ(firewall.Add({Request(31, Tuple4(6), 30)}).responseerror_size(), 0);
  auto reverse = Request(32, Tuple4(6).Reversed(), 30);
  reverse.set_inlif(2);
  reverse.set_outlif(1);
  const auto response = firewall.Add({reverse, Request(31, Tuple4(8), 30)});
  ASSERT_EQ(response.responseerror_size(), 2);
  EXPECT_EQ(response.requeststatus(), v1::_SESSION_ALREADY_EXISTS);
  EXPECT_THAT(SessionRules("lif1"), SizeIs(1));
  EXPECT_TRUE(HasRule(SessionRules("lif1"), Tuple4(6), "lif2")) << "the live session was touched";
}

TEST_F(Sessions, ASlotIsReusedAtOnceAfterADelete) {
  Daemon daemon;
  daemon.Start();
  Firewall firewall(daemon);
  FrameSender wire1("wire1");
  uint32_t handle = 0;
  std::vector<uint8_t> cookie;
  for (uint64_t round = 0; round < 20; ++round) {
    const session::FiveTuple tuple = Tuple4(round);
    ASSERT_EQ(firewall.Add({Request(round, tuple, 30)}).responseerror_size(), 0) << round;
    wire1.Send(BuildFrame({.tuple = tuple}), 1 + static_cast<int>(round));
    const auto rules = SessionRules("lif1");
    ASSERT_THAT(rules, SizeIs(1));
    if (round > 0) {
      EXPECT_EQ(rules[0].id.handle, handle) << "another slot was taken";
      EXPECT_NE(rules[0].actions[0].cookie, cookie);
    }
    handle = rules[0].id.handle;
    cookie = rules[0].actions[0].cookie;
    v1::sessionResponse final;
    ASSERT_TRUE(firewall.Delete(round, &final).ok());
    EXPECT_EQ(final.inpackets(), 1 + round) << "counters of the slot's last session";
  }
}

TEST_F(Sessions, ARuleRefusedInOneDirectionLeavesNothingOfThatSession) {
  Daemon daemon;
  daemon.Start();
  Firewall firewall(daemon);
  // A stranger's filter with the key of one session's reverse rule makes the kernel refuse that
  // one.
  Shell(
      "tc filter add dev lif2 ingress pref 5 handle 0x7000 protocol ip flower skip_hw ip_proto tcp "
      "src_ip 10.2.0.2 dst_ip 10.1.0.2 src_port 443 dst_port 1026 tcp_flags 0/7 ip_flags nofrag "
      "action pass");
  const auto response = firewall.Add(
      {Request(1, Tuple4(1), 30), Request(2, Tuple4(2), 30), Request(3, Tuple4(3), 30)});
  ASSERT_EQ(response.responseerror_size(), 1) << response.ShortDebugString();
  EXPECT_EQ(response.responseerror(0).sessionid(), 2u);
  EXPECT_EQ(response.requeststatus(), v1::_SESSION_ACCEPTED);
  EXPECT_THAT(SessionRules("lif1"), SizeIs(2));
  EXPECT_FALSE(HasRule(SessionRules("lif1"), Tuple4(2), "lif2"));
  EXPECT_THAT(SessionRules("lif2"), SizeIs(2));
  v1::sessionResponse unknown;
  EXPECT_EQ(firewall.Get(2, &unknown).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(Sessions, StreamsOf64AnswerWithinTheClientsDeadline) {
  Daemon daemon(R"("log": {"level": "info"})");
  daemon.Start();
  Firewall firewall(daemon);
  std::vector<absl::Duration> took;
  for (uint32_t stream = 0; stream < 50; ++stream) {
    std::vector<v1::sessionRequest> requests;
    for (uint32_t i = 0; i < 64; ++i) {
      requests.push_back(Request(stream * 64 + i, Tuple4(stream * 64 + i), 120));
    }
    const absl::Time start = absl::Now();
    ASSERT_EQ(firewall.Add(requests).responseerror_size(), 0);
    took.push_back(absl::Now() - start);
  }
  std::sort(took.begin(), took.end());
  std::cout << "50 streams of 64 sessions: p50 " << absl::FormatDuration(took[24]) << ", p99 "
            << absl::FormatDuration(took[49]) << " (the clients' deadline is 100ms)\n";
  // A figure, not a bar: the guest is emulated on a shared machine. What must hold is that all
  // arrived.
  EXPECT_THAT(SessionRules("lif1"), SizeIs(3200));
}

}  // namespace
}  // namespace offload::guest
