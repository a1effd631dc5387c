// Sessions between two VLANs: the tag is rewritten on the way, once in each direction.
#include <net/if.h>
#include <signal.h>

#include "gmock/gmock.h"
#include "tests/guest/scenarios/frames.h"
#include "tests/guest/scenarios/world.h"

namespace offload::guest {
namespace {

using session::Protocol;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr uint16_t kPcp = 3 << 13;  // priority code point 3 of a tag

// A session of LIF 1 and `out_lif` whose packets carry `in` there and `out` here.
v1::sessionRequest Rewriting(uint64_t id, const session::FiveTuple& tuple, int out_lif, uint16_t in,
                             uint16_t out, uint32_t timeout = 30) {
  auto request = Request(id, tuple, timeout);
  request.set_outlif(out_lif);
  request.set_vlan_inlif(in);
  request.set_vlan_outlif(out);
  request.mutable_action()->mutable_actionparams_inlif()->set_vlan(in);
  request.mutable_action()->mutable_actionparams_outlif()->set_vlan(out);
  return request;
}

class VlanRewrite : public Scenario {
 protected:
  // Sends `times` of `spec` at `sender` and expects at `receiver` the same frames with the tag
  // `tci`, and nothing at `firewall`.
  void ExpectRewritten(FrameSender& sender, const FrameSpec& spec, int times,
                       FrameReceiver& receiver, uint16_t tci) {
    sender.Send(BuildFrame(spec), times);
    const auto frames = receiver.Take(static_cast<size_t>(times));
    FrameSpec changed = spec;
    changed.vlan = tci;
    EXPECT_THAT(frames, AllOf(SizeIs(times), Each(BuildFrame(changed))));
    EXPECT_THAT(firewall_.Take(0), IsEmpty());
  }
  // The firewall gets the frame as it was sent; `elsewhere` sees nothing of it.
  void ExpectAtFirewall(FrameSender& sender, const FrameSpec& spec, FrameReceiver& elsewhere) {
    sender.Send(BuildFrame(spec));
    EXPECT_THAT(firewall_.Take(1), AllOf(SizeIs(1), Each(BuildFrame(spec))));
    EXPECT_THAT(elsewhere.Take(0), IsEmpty());
  }

  FrameReceiver firewall_{"fw1"};
};

// The counters of `record` are those of the packets sent, whatever the number of actions.
void ExpectCounted(const v1::sessionResponse& record, int in_packets, const FrameSpec& in,
                   int out_packets, const FrameSpec& out) {
  EXPECT_EQ(record.inpackets(), static_cast<uint64_t>(in_packets));
  EXPECT_EQ(record.outpackets(), static_cast<uint64_t>(out_packets));
  EXPECT_EQ(record.inbytes(), in_packets * L3Bytes(in));
  EXPECT_EQ(record.outbytes(), out_packets * L3Bytes(out));
}

TEST_F(VlanRewrite, OneArmedBetweenTwoVlansIsExactInTheClosedRecord) {
  Daemon daemon;
  daemon.Start();
  Firewall api(daemon);
  const session::FiveTuple tuples[] = {Tuple4(1), Tuple6(2, Protocol::kUdp)};
  ASSERT_EQ(
      api.Add({Rewriting(0, tuples[0], 1, 100, 200, 3), Rewriting(1, tuples[1], 1, 100, 200, 3)})
          .responseerror_size(),
      0);
  const auto rules = SessionRules("lif1");
  EXPECT_THAT(rules, SizeIs(4));
  for (const auto& rule : rules) {
    ASSERT_THAT(rule.actions, SizeIs(2));
    EXPECT_TRUE(rule.actions[0].no_percpu_stats && rule.actions[1].no_percpu_stats);
  }
  FrameSender wire1("wire1");
  FrameReceiver back("wire1");
  for (const session::FiveTuple& tuple : tuples) {
    const FrameSpec in = {.tuple = tuple, .payload = 111, .vlan = kPcp | 100};
    const FrameSpec out = {.tuple = tuple.Reversed(), .payload = 77, .vlan = kPcp | 200};
    ExpectRewritten(wire1, in, 5, back, kPcp | 200);
    ExpectRewritten(wire1, out, 3, back, kPcp | 100);
    FrameSpec wrong = in;
    for (const std::optional<uint16_t> tag : {std::optional<uint16_t>(200), {300}, {}}) {
      wrong.vlan = tag;
      ExpectAtFirewall(wire1, wrong, back);
    }
  }
  for (const uint8_t flags : {kSyn, kFin, kRst}) {
    ExpectAtFirewall(wire1, {.tuple = tuples[0], .tcp_flags = flags, .vlan = kPcp | 100}, back);
  }
  std::vector<v1::sessionResponse> records;
  EXPECT_TRUE(Eventually(absl::Seconds(10), [&] {
    for (const auto& record : api.Closed()) records.push_back(record);
    return records.size() >= 2;
  }));
  ASSERT_THAT(records, SizeIs(2));
  for (const auto& record : records) {
    const session::FiveTuple& tuple = tuples[record.sessionid()];
    EXPECT_EQ(record.sessionclosecode(), v1::_TIMEOUT);
    ExpectCounted(record, 5, {.tuple = tuple, .payload = 111}, 3,
                  {.tuple = tuple.Reversed(), .payload = 77});
  }
  EXPECT_THAT(SessionRules("lif1"), IsEmpty());
}

TEST_F(VlanRewrite, TwoLifsOfDifferentVlansAndTheRestartRemovesTheirRules) {
  Daemon daemon;
  daemon.Start();
  const session::FiveTuple tuple = Tuple4(3);
  const FrameSpec in = {.tuple = tuple, .payload = 200, .vlan = 5};
  const FrameSpec out = {.tuple = tuple.Reversed(), .payload = 300, .vlan = 4094};
  FrameSender wire1("wire1"), wire2("wire2");
  FrameReceiver at1("wire1"), at2("wire2");
  {
    Firewall api(daemon);
    ASSERT_EQ(api.Add({Rewriting(9, tuple, 2, 5, 4094)}).responseerror_size(), 0);
    ExpectRewritten(wire1, in, 4, at2, 4094);
    ExpectRewritten(wire2, out, 2, at1, 5);
    v1::sessionResponse live;
    ASSERT_TRUE(api.Get(9, &live).ok());
    ExpectCounted(live, 4, in, 2, out);
  }
  EXPECT_EQ(daemon.Stop(SIGKILL), -SIGKILL);
  ExpectRewritten(wire1, in, 1, at2, 4094);
  daemon.Start();
  EXPECT_THAT(daemon.Log(), HasSubstr("removed 2 rules of 1 session"));
  EXPECT_THAT(SessionRules("lif1"), IsEmpty());
  EXPECT_THAT(SessionRules("lif2"), IsEmpty());
  ExpectAtFirewall(wire1, in, at2);
}

TEST_F(VlanRewrite, ADropBetweenTwoVlansNeedsNoRewrite) {
  Daemon daemon;
  daemon.Start();
  Firewall api(daemon);
  const session::FiveTuple tuple = Tuple4(4);
  auto request = Request(1, tuple, 30);
  request.set_outlif(1);
  request.set_vlan_inlif(100);
  request.set_vlan_outlif(200);
  request.mutable_action()->set_actiontype(v1::_DROP);
  ASSERT_EQ(api.Add({request}).responseerror_size(), 0);
  FrameSender wire1("wire1");
  FrameReceiver back("wire1");
  const FrameSpec in = {.tuple = tuple, .vlan = 100};
  const FrameSpec out = {.tuple = tuple.Reversed(), .payload = 9, .vlan = 200};
  wire1.Send(BuildFrame(in), 3);
  wire1.Send(BuildFrame(out), 2);
  ExpectAtFirewall(wire1, {.tuple = tuple, .tcp_flags = kRst, .vlan = 100}, back);
  v1::sessionResponse final;
  ASSERT_TRUE(api.Delete(1, &final).ok());
  ExpectCounted(final, 3, in, 2, out);
}

TEST_F(VlanRewrite, WithoutThePerLinkVlanIsRefusedByName) {
  Daemon daemon;
  daemon.Start();
  Firewall api(daemon);
  auto no_out = Rewriting(1, Tuple4(1), 1, 100, 200);
  no_out.mutable_action()->mutable_actionparams_outlif()->clear_vlan();
  auto no_in = Rewriting(2, Tuple4(2), 1, 100, 200);
  no_in.mutable_action()->clear_actionparams_inlif();
  auto other = Rewriting(3, Tuple4(3), 1, 100, 200);
  other.mutable_action()->mutable_actionparams_outlif()->set_vlan(300);
  auto push = Request(4, Tuple4(4), 30);
  push.mutable_action()->mutable_actionparams_outlif()->set_vlan(200);
  const auto response = api.Add({no_out, no_in, other, push});
  ASSERT_EQ(response.responseerror_size(), 4) << response.ShortDebugString();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(response.responseerror(i).errorstatus(), grpc::StatusCode::INVALID_ARGUMENT) << i;
  }
  EXPECT_EQ(response.responseerror(3).errorstatus(), grpc::StatusCode::UNIMPLEMENTED);
  for (const char* field :
       {"actionParams_outLif.vlan: not set", "actionParams_inLif.vlan: not set",
        "actionParams_outLif.vlan: 300 differs", "actionParams_outLif.vlan: is not supported"}) {
    EXPECT_TRUE(
        Eventually(absl::Seconds(2), [&] { return daemon.Log().find(field) != std::string::npos; }))
        << field << "\n"
        << daemon.Log();
  }
  EXPECT_THAT(SessionRules("lif1"), IsEmpty());
}

}  // namespace
}  // namespace offload::guest
