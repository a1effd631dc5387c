#include "server/translate.h"

#include <gmock/gmock.h>
#include <google/protobuf/unknown_field_set.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

namespace offload::server {
namespace {

using session::Action;
using session::IpAddress;
using session::SessionSpec;
using ::testing::StartsWith;

// LIFs 1 and 2 are configured.
bool LifExists(session::LifId lif) { return lif == 1 || lif == 2; }

Caller NumberCaller() { return {.owner = 5, .profile = {.ipv4_order = Ipv4Order::kNumber}}; }

api::sessionRequest Request() {
  api::sessionRequest request;
  request.set_sessionid(7);
  request.set_inlif(1);
  request.set_outlif(2);
  request.set_sourceip(0x0A000101);
  request.set_sourceport(4000);
  request.set_destinationip(0x0A000202);
  request.set_destinationport(80);
  request.set_protocolid(api::_TCP);
  request.mutable_action()->set_actiontype(api::_FORWARD);
  request.set_cachetimeout(30);
  return request;
}

using Change = std::function<void(api::sessionRequest&)>;

absl::StatusOr<SessionSpec> Translate(const Change& change) {
  api::sessionRequest request = Request();
  change(request);
  return ToSpec(request, NumberCaller(), LifExists);
}

TEST(ToSpec, KeepsEveryValue) {
  const auto spec = Translate([](auto&) {});
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(*spec, (SessionSpec{.key = {.owner = 5, .id = 7},
                                .in_lif = 1,
                                .out_lif = 2,
                                .tuple = {.source = IpAddress::V4(0x0A000101),
                                          .destination = IpAddress::V4(0x0A000202),
                                          .source_port = 4000,
                                          .destination_port = 80,
                                          .protocol = session::Protocol::kTcp},
                                .action = Action::kForward,
                                .timeout = absl::Seconds(30)}));
}

TEST(ToSpec, ReadsInAddrOrder) {
  api::sessionRequest request = Request();
  request.set_sourceip(0x0101000A);  // 10.0.1.1 as the reference clients send it
  const auto spec = ToSpec(request, Caller{}, LifExists);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->tuple.source.ToString(), "10.0.1.1");
}

TEST(ToSpec, ReadsIpv6) {
  const auto spec = Translate([](auto& r) {
    r.set_ipversion(api::_IPV6);
    r.set_sourceipv6(std::string("\x20\x01\x0d\xb8", 4) + std::string(11, '\0') + '\x01');
    r.set_destinationipv6(std::string(15, '\0') + '\x02');
    r.set_protocolid(api::_UDP);
  });
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->tuple.ToString(), "udp [2001:db8::1]:4000 > [::2]:80");
}

TEST(ToSpec, MissingActionIsDrop) {
  const auto spec = Translate([](auto& r) { r.clear_action(); });
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->action, Action::kDrop);
}

TEST(ToSpec, IgnoresTheNextHopOfForwardAndTheOtherAddressFamily) {
  const auto spec = Translate([](auto& r) {
    r.mutable_action()->set_actionnexthop(0x01020304);
    r.mutable_action()->set_actionnexthopv6("anything");
    r.mutable_action()->mutable_actionparams_inlif();
    r.set_sourceipv6("short");
  });
  EXPECT_TRUE(spec.ok()) << spec.status();
}

TEST(ToSpec, KeepsTimeoutsOutOfRangeForTheEngine) {
  for (uint32_t seconds : {0u, 1u, 3275u, 86400u, 86401u, 0xFFFFFFFFu}) {
    const auto spec = Translate([&](auto& r) { r.set_cachetimeout(seconds); });
    ASSERT_TRUE(spec.ok()) << spec.status();
    EXPECT_EQ(spec->timeout, absl::Seconds(seconds));
  }
}

struct VlanCase {
  int32_t in_lif, out_lif;
  uint32_t in_field, out_field;
  int expected;  // 0 = untagged
};

TEST(ToSpec, VlanOfLifOrField) {
  const VlanCase cases[] = {
      {1, 2, 0, 0, 0},
      {1, 2, 1, 1, 1},
      {1, 2, 4094, 4094, 4094},
      {100 << 16 | 1, 2, 0, 0, 100},
      {1, 100 << 16 | 2, 0, 0, 100},
      {100 << 16 | 1, 100 << 16 | 2, 0, 0, 100},
      {100 << 16 | 1, 100 << 16 | 2, 100, 100, 100},
  };
  for (const VlanCase& c : cases) {
    const auto spec = Translate([&](auto& r) {
      r.set_inlif(c.in_lif);
      r.set_outlif(c.out_lif);
      r.set_vlan_inlif(c.in_field);
      r.set_vlan_outlif(c.out_field);
    });
    ASSERT_TRUE(spec.ok()) << spec.status();
    EXPECT_EQ(spec->in_lif, 1);
    EXPECT_EQ(spec->out_lif, 2);
    EXPECT_EQ(spec->in_vlan.value_or(0), c.expected);
    EXPECT_EQ(spec->out_vlan, spec->in_vlan);
  }
}

struct Refusal {
  const char* message;  // how it begins
  Change change;
};

void ExpectRefused(absl::StatusCode code, const std::vector<Refusal>& refusals) {
  for (const Refusal& refusal : refusals) {
    const absl::Status status = Translate(refusal.change).status();
    EXPECT_EQ(status.code(), code) << refusal.message;
    EXPECT_THAT(std::string(status.message()), StartsWith(refusal.message));
  }
}

TEST(ToSpec, RefusesBadTuples) {
  const auto v6 = [](api::sessionRequest& r, size_t source, size_t destination) {
    r.set_ipversion(api::_IPV6);
    r.set_sourceipv6(std::string(source, 'a'));
    r.set_destinationipv6(std::string(destination, 'b'));
  };
  ExpectRefused(
      absl::StatusCode::kInvalidArgument,
      {{"sourcePort: 70000 is above 65535", [](auto& r) { r.set_sourceport(70000); }},
       {"destinationPort: 65536 is above 65535", [](auto& r) { r.set_destinationport(65536); }},
       {"protocolId: 0 is neither", [](auto& r) { r.set_protocolid(api::_HOPOPT); }},
       {"protocolId: 58 is neither",
        [](auto& r) { r.set_protocolid(static_cast<api::PROTOCOL_ID>(58)); }},
       {"ipVersion: 2 is neither",
        [](auto& r) { r.set_ipversion(static_cast<api::IP_VERSION>(2)); }},
       {"sourceIpV6: 0 bytes", [&](auto& r) { v6(r, 0, 16); }},
       {"sourceIpV6: 4 bytes", [&](auto& r) { v6(r, 4, 16); }},
       {"destinationIpV6: 15 bytes", [&](auto& r) { v6(r, 16, 15); }},
       {"destinationIpV6: 17 bytes", [&](auto& r) { v6(r, 16, 17); }}});
}

TEST(ToSpec, RefusesBadLifsAndVlans) {
  const auto vlans = [](api::sessionRequest& r, uint32_t in, uint32_t out) {
    r.set_vlan_inlif(in);
    r.set_vlan_outlif(out);
  };
  ExpectRefused(
      absl::StatusCode::kInvalidArgument,
      {{"inLif: LIF 3 is not configured", [](auto& r) { r.set_inlif(3); }},
       {"outLif: LIF 0 is not configured", [](auto& r) { r.set_outlif(0); }},
       {"inLif: -1 has bits above", [](auto& r) { r.set_inlif(-1); }},
       {"outLif: 268435458 has bits above", [](auto& r) { r.set_outlif(1 << 28 | 2); }},
       {"inLif: VLAN 4095 is above 4094", [](auto& r) { r.set_inlif(4095 << 16 | 1); }},
       {"outLif: VLAN 6 differs",
        [](auto& r) { r.set_inlif(5 << 16 | 1), r.set_outlif(6 << 16 | 2); }},
       {"inLif: VLAN 5 differs from vlan_inLif 6",
        [&](auto& r) { r.set_inlif(5 << 16 | 1), vlans(r, 6, 6); }},
       {"outLif: VLAN 5 differs from vlan_inLif 6",
        [&](auto& r) { r.set_outlif(5 << 16 | 2), vlans(r, 6, 6); }},
       {"vlan_inLif: 4095 is above 4094", [&](auto& r) { vlans(r, 4095, 4095); }},
       {"vlan_outLif: 70000 is above 4094", [&](auto& r) { vlans(r, 5, 70000); }},
       {"vlan_inLif: not set", [&](auto& r) { vlans(r, 0, 5); }},
       {"inLif: VLAN 5 differs from vlan_outLif 6",
        [&](auto& r) { r.set_inlif(5 << 16 | 1), vlans(r, 5, 6); }},
       {"outLif: VLAN 6 differs from inLif's 5",
        [&](auto& r) { r.set_inlif(5 << 16 | 1), r.set_outlif(6 << 16 | 2), vlans(r, 5, 6); }},
       {"vlan_outLif: not set", [&](auto& r) { vlans(r, 5, 0); }}});
}

TEST(ToSpec, RefusesAOneArmedSessionEqualToItsOwnReverse) {
  const Change mirrored = [](auto& r) {
    r.set_destinationip(r.sourceip());
    r.set_destinationport(r.sourceport());
  };
  EXPECT_TRUE(Translate(mirrored).ok());
  const absl::Status status = Translate([&](auto& r) {
                                mirrored(r);
                                r.set_outlif(1);
                              }).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("own reverse"));
}

api::perLinkActionParameters& InLink(api::sessionRequest& r) {
  return *r.mutable_action()->mutable_actionparams_inlif();
}

api::perLinkActionParameters& OutLink(api::sessionRequest& r) {
  return *r.mutable_action()->mutable_actionparams_outlif();
}

// A LIF pair's VLANs and the per-link actions' vlan, 0 = not set.
Change Vlans(uint32_t in, uint32_t out, uint32_t in_link, uint32_t out_link,
             api::ACTION_TYPE action = api::_FORWARD) {
  return [=](api::sessionRequest& r) {
    r.set_vlan_inlif(in);
    r.set_vlan_outlif(out);
    r.mutable_action()->set_actiontype(action);
    if (in_link != 0) InLink(r).set_vlan(in_link);
    if (out_link != 0) OutLink(r).set_vlan(out_link);
  };
}

TEST(ToSpec, DifferentVlansAreARewriteWhenBothLinksSaySo) {
  struct Pair {
    uint16_t in, out;
  };
  for (const int out_lif : {1, 2}) {
    for (const Pair vlans : {Pair{100, 200}, Pair{1, 4094}, Pair{4094, 1}}) {
      const auto spec = Translate([&](auto& r) {
        Vlans(vlans.in, vlans.out, vlans.in, vlans.out)(r);
        r.set_outlif(out_lif);
      });
      ASSERT_TRUE(spec.ok()) << spec.status();
      EXPECT_EQ(spec->in_vlan, vlans.in);
      EXPECT_EQ(spec->out_vlan, vlans.out);
      EXPECT_EQ(spec->action, Action::kForward);
    }
  }
}

TEST(ToSpec, ALinkMayRepeatTheVlanThatPacketsKeep) {
  for (const Change& change : {Vlans(5, 5, 0, 0), Vlans(5, 5, 5, 0), Vlans(5, 5, 0, 5),
                               Vlans(5, 5, 5, 5), Vlans(5, 5, 5, 5, api::_DROP)}) {
    const auto spec = Translate(change);
    ASSERT_TRUE(spec.ok()) << spec.status();
    EXPECT_EQ(spec->in_vlan, 5);
    EXPECT_EQ(spec->out_vlan, 5);
  }
}

TEST(ToSpec, ADropBetweenTwoVlansNeedsNoLink) {
  for (const Change& change : {Vlans(5, 6, 0, 0, api::_DROP), Vlans(5, 6, 5, 6, api::_DROP)}) {
    const auto spec = Translate(change);
    ASSERT_TRUE(spec.ok()) << spec.status();
    EXPECT_EQ(spec->in_vlan, 5);
    EXPECT_EQ(spec->out_vlan, 6);
    EXPECT_EQ(spec->action, Action::kDrop);
  }
}

TEST(ToSpec, RefusesARewriteThatTheLinksDoNotAskFor) {
  ExpectRefused(absl::StatusCode::kInvalidArgument,
                {{"actionParams_outLif.vlan: not set, but vlan_inLif 5 and vlan_outLif 6 differ",
                  Vlans(5, 6, 0, 0)},
                 {"actionParams_outLif.vlan: not set", Vlans(5, 6, 5, 0)},
                 {"actionParams_inLif.vlan: not set", Vlans(5, 6, 0, 6)},
                 {"actionParams_outLif.vlan: 5 differs from the LIF's VLAN 6", Vlans(5, 6, 6, 5)},
                 {"actionParams_outLif.vlan: 7 differs", Vlans(5, 6, 5, 7)},
                 {"actionParams_inLif.vlan: 7 differs", Vlans(5, 6, 7, 6)},
                 {"actionParams_outLif.vlan: 6 differs", Vlans(5, 5, 0, 6)},
                 {"actionParams_inLif.vlan: 6 differs", Vlans(5, 5, 6, 5)},
                 {"actionParams_inLif.vlan: 7 differs", Vlans(5, 6, 7, 0, api::_DROP)},
                 {"actionParams_outLif.vlan: 4095 is above 4094", Vlans(5, 6, 5, 4095)},
                 {"actionParams_inLif.vlan: 65541 is above 4094", Vlans(5, 6, 65541, 6)},
                 {"actionParams_outLif.vlan: 4095 is above 4094", Vlans(0, 0, 0, 4095)},
                 {"vlan_outLif: not set", Vlans(5, 0, 5, 6)},
                 {"vlan_inLif: not set", Vlans(0, 6, 5, 6)}});
}

// A pushed tag would be a translation that is not done.
TEST(ToSpec, RefusesALinkVlanForUntaggedPackets) {
  for (const api::ACTION_TYPE action : {api::_FORWARD, api::_DROP}) {
    ExpectRefused(absl::StatusCode::kUnimplemented,
                  {{"actionParams_outLif.vlan: is not", Vlans(0, 0, 0, 6, action)},
                   {"actionParams_inLif.vlan: is not", Vlans(0, 0, 5, 0, action)}});
  }
}

TEST(ToSpec, AOneArmedSessionBetweenTwoVlansIsNotItsOwnReverse) {
  const auto spec = Translate([](auto& r) {
    Vlans(5, 6, 5, 6)(r);
    r.set_outlif(1);
    r.set_destinationip(r.sourceip());
    r.set_destinationport(r.sourceport());
  });
  EXPECT_TRUE(spec.ok()) << spec.status();
}

TEST(ToSpec, RefusesWhatItDoesNotDo) {
  const auto action = [](api::sessionRequest& r, int type) {
    r.mutable_action()->set_actiontype(static_cast<api::ACTION_TYPE>(type));
  };
  ExpectRefused(
      absl::StatusCode::kUnimplemented,
      {{"actionType: _MIRROR", [&](auto& r) { action(r, api::_MIRROR); }},
       {"actionType: _SNOOP", [&](auto& r) { action(r, api::_SNOOP); }},
       {"actionType: 9", [&](auto& r) { action(r, 9); }},
       {"encapType: 1", [](auto& r) { r.set_encaptype(api::_GTPU); }},
       {"actionParams_inLif.snat", [](auto& r) { InLink(r).mutable_snat(); }},
       {"actionParams_inLif.dnat", [](auto& r) { InLink(r).mutable_dnat()->set_port(1); }},
       {"actionParams_inLif.nextHopId", [](auto& r) { InLink(r).set_nexthopid(1); }},
       {"actionParams_inLif.vlan", [](auto& r) { InLink(r).set_vlan(5); }},
       {"actionParams_outLif.snat", [](auto& r) { OutLink(r).mutable_snat(); }},
       {"actionParams_outLif.vlan", [](auto& r) { OutLink(r).set_vlan(5); }}});
}

TEST(ToSpec, RefusesFieldsItDoesNotKnow) {
  const auto add = [](google::protobuf::Message& m) {
    m.GetReflection()->MutableUnknownFields(&m)->AddVarint(99, 1);
  };
  ExpectRefused(absl::StatusCode::kUnimplemented,
                {{"sessionRequest: field 99", [&](auto& r) { add(r); }},
                 {"action: field 99", [&](auto& r) { add(*r.mutable_action()); }},
                 {"actionParams_inLif: field 99", [&](auto& r) { add(InLink(r)); }},
                 {"actionParams_outLif: field 99", [&](auto& r) { add(OutLink(r)); }}});
}

session::ClosedRecord Record(session::CloseReason reason) {
  return {.key = {.owner = 1, .id = 9},
          .counters = {.in = {.packets = 1, .bytes = 2}, .out = {.packets = 3, .bytes = 4}},
          .reason = reason,
          .start = absl::FromUnixMillis(1500),
          .end = absl::FromUnixMillis(2750)};
}

TEST(ToResponse, ClosedRecord) {
  api::sessionResponse response;
  ToResponse(Record(session::CloseReason::kTimeout), &response);
  EXPECT_EQ(response.ShortDebugString(),
            "sessionId: 9 inPackets: 1 outPackets: 3 inBytes: 2 outBytes: 4 sessionState: _CLOSED "
            "sessionCloseCode: _TIMEOUT startTime { seconds: 1 nanos: 500000000 } "
            "endTime { seconds: 2 nanos: 750000000 }");
}

TEST(ToResponse, OnlyAgingIsATimeout) {
  for (auto reason : {session::CloseReason::kDeleted, session::CloseReason::kRulesLost}) {
    api::sessionResponse response;
    ToResponse(Record(reason), &response);
    EXPECT_EQ(response.sessionclosecode(), api::_UNKNOWN_CLOSE_CODE);
  }
}

TEST(ToResponse, LiveSession) {
  session::SessionView view = {.spec = {.key = {.owner = 1, .id = 9}},
                               .counters = {.in = {.packets = 1, .bytes = 60}},
                               .start = absl::FromUnixSeconds(5)};
  api::sessionResponse response;
  ToResponse(view, &response);
  EXPECT_EQ(response.ShortDebugString(),
            "sessionId: 9 inPackets: 1 inBytes: 60 startTime { seconds: 5 }");
}

TEST(ToErrorNumber, BothNumberings) {
  const struct {
    absl::Status status;
    int grpc, add_session;
  } cases[] = {{absl::AlreadyExistsError(""), 6, 4},     {absl::ResourceExhaustedError(""), 8, 2},
               {absl::UnavailableError(""), 14, 3},      {absl::InvalidArgumentError(""), 3, 1},
               {absl::UnimplementedError(""), 12, 1},    {absl::InternalError(""), 13, 1},
               {absl::FailedPreconditionError(""), 9, 1}};
  for (const auto& c : cases) {
    EXPECT_EQ(ToErrorNumber(c.status, ErrorCodes::kGrpc), c.grpc) << c.status;
    EXPECT_EQ(ToErrorNumber(c.status, ErrorCodes::kAddSessionStatus), c.add_session) << c.status;
  }
}

}  // namespace
}  // namespace offload::server
