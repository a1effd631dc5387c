// The daemon's life on a real kernel: bad input, death and restart, what belongs to others.
#include <signal.h>

#include <fstream>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "tests/guest/scenarios/frames.h"
#include "tests/guest/scenarios/world.h"

namespace offload::guest {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class Lifecycle : public Scenario {};

struct BadInput {
  const char* field;  // what the log must name
  int code;
  std::function<void(v1::sessionRequest&)> spoil;
};

std::vector<BadInput> BadInputs() {
  constexpr int kInvalid = grpc::StatusCode::INVALID_ARGUMENT;
  constexpr int kUnimplemented = grpc::StatusCode::UNIMPLEMENTED;
  return {
      {"protocolId", kInvalid, [](auto& r) { r.set_protocolid(v1::_HOPOPT); }},
      {"protocolId", kInvalid, [](auto& r) { r.set_protocolid(static_cast<v1::PROTOCOL_ID>(58)); }},
      {"sourcePort", kInvalid, [](auto& r) { r.set_sourceport(65536); }},
      {"destinationPort", kInvalid, [](auto& r) { r.set_destinationport(1 << 20); }},
      {"sourceIpV6", kInvalid, [](auto& r) { r.set_ipversion(v1::_IPV6); }},
      {"inLif", kInvalid, [](auto& r) { r.set_inlif(77); }},
      {"outLif", kInvalid, [](auto& r) { r.set_outlif(0); }},
      {"vlan_inLif", kInvalid,
       [](auto& r) {
         r.set_vlan_inlif(4095);
         r.set_vlan_outlif(4095);
       }},
      {"vlan_outLif", kInvalid, [](auto& r) { r.set_vlan_inlif(5); }},
      {"vlan", kInvalid,
       [](auto& r) {
         r.set_vlan_inlif(5);
         r.set_vlan_outlif(6);
       }},
      {"own reverse", kInvalid,
       [](auto& r) {
         r.set_outlif(1);
         r.set_destinationip(r.sourceip());
         r.set_destinationport(r.sourceport());
       }},
      {"ipVersion", kInvalid, [](auto& r) { r.set_ipversion(static_cast<v1::IP_VERSION>(9)); }},
      {"actionType", kUnimplemented,
       [](auto& r) { r.mutable_action()->set_actiontype(static_cast<v1::ACTION_TYPE>(17)); }},
      {"encapType", kUnimplemented, [](auto& r) { r.set_encaptype(v1::_GTPU); }},
      {"actionParams_inLif", kUnimplemented,
       [](auto& r) {
         r.mutable_action()->mutable_actionparams_inlif()->mutable_snat()->set_ipv4(1);
       }},
  };
}

TEST_F(Lifecycle, BadInputIsRefusedAloneWithItsFieldInTheLog) {
  Daemon daemon;
  daemon.Start();
  Firewall firewall(daemon);
  uint64_t id = 0;
  for (const BadInput& bad : BadInputs()) {
    ++id;
    auto spoiled = Request(id, Tuple4(static_cast<uint32_t>(id)), 30);
    bad.spoil(spoiled);
    const auto good = Request(1000 + id, Tuple4(static_cast<uint32_t>(1000 + id)), 30);
    const size_t log_before = daemon.Log().size();
    const auto response = firewall.Add({spoiled, good});
    ASSERT_EQ(response.responseerror_size(), 1) << bad.field << response.ShortDebugString();
    EXPECT_EQ(response.responseerror(0).sessionid(), id) << bad.field;
    EXPECT_EQ(response.responseerror(0).errorstatus(), bad.code) << bad.field;
    EXPECT_EQ(response.errorstatus(), 1u) << bad.field;
    EXPECT_TRUE(Eventually(
        absl::Seconds(2),
        [&] { return daemon.Log().substr(log_before).find(bad.field) != std::string::npos; }))
        << "the log does not name " << bad.field << ":\n"
        << daemon.Log().substr(log_before);
  }
  EXPECT_THAT(SessionRules("lif1"), SizeIs(BadInputs().size()));
  EXPECT_THAT(firewall.All(), SizeIs(BadInputs().size()));
  EXPECT_EQ(daemon.Stop(SIGTERM), 0);
}

TEST_F(Lifecycle, KillLeavesTrafficFlowingAndTheRestartSaysWhatItRemoved) {
  Daemon daemon;
  daemon.Start();
  {
    Firewall firewall(daemon);
    ASSERT_EQ(
        firewall.Add({Request(41, Tuple4(1), 30), Request(42, Tuple6(2), 30)}).responseerror_size(),
        0);
  }
  EXPECT_EQ(daemon.Stop(SIGKILL), -SIGKILL);
  FrameSender wire1("wire1");
  const uint64_t before = ReceivedPackets("wire2");
  wire1.Send(BuildFrame({.tuple = Tuple4(1)}), 50);
  EXPECT_EQ(ReceivedPackets("wire2") - before, 50u);
  EXPECT_EQ(ReceivedPackets("fw1"), 0u);

  daemon.Start();
  EXPECT_THAT(SessionRules("lif1"), IsEmpty());
  EXPECT_THAT(SessionRules("lif2"), IsEmpty());
  EXPECT_THAT(daemon.Log(), HasSubstr("removed 4 rules of 2 sessions"));
  Firewall firewall(daemon);
  EXPECT_THAT(firewall.All(), IsEmpty());
  ASSERT_EQ(firewall.Add({Request(41, Tuple4(1), 30)}).responseerror_size(), 0);
  EXPECT_THAT(SessionRules("lif1"), SizeIs(1));
  EXPECT_EQ(daemon.Stop(SIGTERM), 0);
}

TEST_F(Lifecycle, StopLeavesOrFlushesAsConfigured) {
  for (const bool flush : {false, true}) {
    Daemon daemon(flush ? R"("on_stop": "flush")" : R"("on_stop": "leave")");
    daemon.Start();
    Firewall firewall(daemon);
    ASSERT_EQ(firewall.Add({Request(1, Tuple4(1), 30)}).responseerror_size(), 0);
    EXPECT_EQ(daemon.Stop(SIGTERM), 0);
    EXPECT_THAT(SessionRules("lif1"), SizeIs(flush ? 0 : 1));
    EXPECT_THAT(SessionRules("lif2"), SizeIs(flush ? 0 : 1));
  }
}

TEST_F(Lifecycle, FiltersOfOthersAreUnchanged) {
  Shell(
      "tc filter add dev lif1 ingress pref 3 handle 3 protocol ip flower skip_hw ip_proto tcp "
      "dst_port 22 action pass");
  Shell("tc filter add dev lif1 ingress pref 50 protocol all u32 match u32 0 0 action pass");
  Shell(
      "tc filter add dev lif1 egress pref 5 handle 1 protocol ip flower skip_hw ip_proto udp "
      "dst_port 53 action pass");
  Shell(
      "tc filter add dev lif2 ingress pref 5 chain 7 handle 1 protocol ip flower skip_hw ip_proto "
      "udp action pass");
  const auto others = [] {
    std::string all;
    for (const char* filter :
         {"dev lif1 ingress pref 3", "dev lif1 ingress pref 50", "dev lif1 ingress pref 100",
          "dev lif1 egress", "dev lif2 ingress chain 7", "dev lif2 ingress pref 100"}) {
      all += Shell(absl::StrCat("tc filter show ", filter));
    }
    return all + Shell("tc qdisc show");
  };
  const std::string before = others();
  EXPECT_THAT(before, HasSubstr("dst_port 22"));
  {
    Daemon daemon(R"("on_stop": "flush")");
    daemon.Start();
    Firewall firewall(daemon);
    std::vector<v1::sessionRequest> requests;
    for (uint32_t i = 0; i < 100; ++i) requests.push_back(Request(i, Tuple4(i), i < 50 ? 1 : 60));
    ASSERT_EQ(firewall.Add(requests).responseerror_size(), 0);
    size_t closed = 0;
    EXPECT_TRUE(Eventually(absl::Seconds(5), [&] {
      closed += firewall.Closed().size();
      return closed == 50;
    }));
    EXPECT_EQ(daemon.Stop(SIGKILL), -SIGKILL);
    daemon.Start();
    EXPECT_EQ(daemon.Stop(SIGTERM), 0);
  }
  EXPECT_EQ(others(), before);
}

TEST_F(Lifecycle, ASecondInstanceInTheNamespaceIsRefused) {
  Daemon daemon;
  daemon.Start();
  Firewall firewall(daemon);
  ASSERT_EQ(firewall.Add({Request(1, Tuple4(1), 30)}).responseerror_size(), 0);
  Daemon second;
  second.Spawn();
  EXPECT_TRUE(Eventually(absl::Seconds(10), [&] {
    return daemon.Log().find("another offloadd runs in this network namespace") !=
           std::string::npos;
  })) << daemon.Log();
  EXPECT_NE(second.Stop(SIGTERM), 0);
  EXPECT_THAT(SessionRules("lif1"), SizeIs(1)) << "the second one touched the first one's rules";
  EXPECT_EQ(daemon.Stop(SIGTERM), 0);
}

TEST_F(Lifecycle, NotReadyUntilTheNetdevIsThere) {
  Shell("ip link set lif2 down; ip link set lif2 name later");
  Daemon daemon;
  daemon.Spawn();
  Firewall firewall(daemon);
  v1::addSessionResponse response;
  ASSERT_TRUE(Eventually(absl::Seconds(10), [&] {
    return daemon.Log().find("lif2") != std::string::npos;
  })) << daemon.Log();
  response = firewall.Add({Request(1, Tuple4(1), 30)});
  EXPECT_EQ(response.requeststatus(), v1::_SESSION_TABLE_UNAVAILABLE);
  ASSERT_EQ(response.responseerror_size(), 1);
  Shell("ip link set later name lif2; ip link set lif2 up");
  daemon.WaitServing();
  EXPECT_EQ(firewall.Add({Request(1, Tuple4(1), 30)}).responseerror_size(), 0);
  EXPECT_THAT(SessionRules("lif2"), SizeIs(1));
}

TEST_F(Lifecycle, ALinkThatStaysDownClosesItsSessions) {
  Daemon daemon(R"("link_down_hold": 0.5)");
  daemon.Start();
  Firewall firewall(daemon);
  ASSERT_EQ(firewall.Add({Request(1, Tuple4(1), 300)}).responseerror_size(), 0);
  FrameSender wire1("wire1");
  wire1.Send(BuildFrame({.tuple = Tuple4(1)}), 5);
  Shell("ip link set wire2 down");
  std::vector<v1::sessionResponse> records;
  ASSERT_TRUE(Eventually(absl::Seconds(10), [&] {
    records = firewall.Closed();
    return !records.empty();
  })) << daemon.Log();
  EXPECT_EQ(records[0].sessionclosecode(), v1::_UNKNOWN_CLOSE_CODE);
  EXPECT_EQ(records[0].inpackets(), 5u);
  EXPECT_THAT(SessionRules("lif1"), IsEmpty());
}

TEST_F(Lifecycle, HardwareModeOnAPortWithoutOffloadTellsTheKernelsReason) {
  Daemon daemon(R"("datapath": {"mode": "hardware"})");
  daemon.Spawn();
  Firewall firewall(daemon);
  EXPECT_TRUE(Eventually(absl::Seconds(10), [&] {
    return daemon.Log().find("lif1: ") != std::string::npos;
  })) << daemon.Log();
  const auto response = firewall.Add({Request(1, Tuple4(1), 30)});
  ASSERT_EQ(response.responseerror_size(), 1);
  EXPECT_THAT(SessionRules("lif1"), IsEmpty());
  EXPECT_EQ(daemon.Stop(SIGTERM), 0) << daemon.Log();
}

}  // namespace
}  // namespace offload::guest
