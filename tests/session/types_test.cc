#include "session/types.h"

#include <gtest/gtest.h>

#include "absl/hash/hash_testing.h"
#include "session/session_table.h"

namespace offload::session {
namespace {

// 2001:db8::1 and ::ffff:10.0.1.1, in network order.
constexpr std::array<uint8_t, 16> kDocumentation = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0,
                                                    0,    0,    0,    0,    0, 0, 0, 1};
constexpr std::array<uint8_t, 16> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 1, 1};

FiveTuple Tuple4() {
  return {.source = IpAddress::V4(0x0A000101),
          .destination = IpAddress::V4(0x0A000202),
          .source_port = 4000,
          .destination_port = 80};
}

FiveTuple Tuple6() {
  return {.source = IpAddress::V6(kDocumentation),
          .destination = IpAddress::V6({}),
          .source_port = 4000,
          .destination_port = 53,
          .protocol = Protocol::kUdp};
}

TEST(IpAddressTest, Ipv4IsInNetworkOrderInTheFirstFourBytes) {
  const IpAddress address = IpAddress::V4(0x0A000101);
  EXPECT_EQ(address.version, IpVersion::kIpv4);
  EXPECT_EQ(address.bytes, (std::array<uint8_t, 16>{10, 0, 1, 1}));
  EXPECT_EQ(address.ToString(), "10.0.1.1");
  EXPECT_EQ(IpAddress::V4(0).ToString(), "0.0.0.0");
  EXPECT_EQ(IpAddress::V4(0xFFFFFFFF).ToString(), "255.255.255.255");
}

TEST(IpAddressTest, Ipv6IsWrittenAsRfc5952Does) {
  EXPECT_EQ(IpAddress::V6(kDocumentation).ToString(), "2001:db8::1");
  EXPECT_EQ(IpAddress::V6({}).ToString(), "::");
  EXPECT_EQ(IpAddress::V6(kMapped).ToString(), "::ffff:10.0.1.1");
}

TEST(IpAddressTest, TheSameBytesInTheOtherVersionAreAnotherAddress) {
  std::array<uint8_t, 16> bytes = {10, 0, 1, 1};
  EXPECT_NE(IpAddress::V6(bytes), IpAddress::V4(0x0A000101));
  EXPECT_EQ(IpAddress::V6(bytes), IpAddress::V6(bytes));
}

TEST(FiveTupleTest, ReversedSwapsAddressesAndPortsAndKeepsTheProtocol) {
  for (const FiveTuple& tuple : {Tuple4(), Tuple6()}) {
    const FiveTuple reversed = tuple.Reversed();
    EXPECT_EQ(reversed.source, tuple.destination);
    EXPECT_EQ(reversed.destination, tuple.source);
    EXPECT_EQ(reversed.source_port, tuple.destination_port);
    EXPECT_EQ(reversed.destination_port, tuple.source_port);
    EXPECT_EQ(reversed.protocol, tuple.protocol);
    EXPECT_EQ(reversed.version(), tuple.version());
    EXPECT_NE(reversed, tuple);
    EXPECT_EQ(reversed.Reversed(), tuple);
  }
}

TEST(FiveTupleTest, IsWrittenWithBracketsAroundIpv6) {
  EXPECT_EQ(Tuple4().ToString(), "tcp 10.0.1.1:4000 > 10.0.2.2:80");
  EXPECT_EQ(Tuple6().ToString(), "udp [2001:db8::1]:4000 > [::]:53");
}

TEST(SessionSpecTest, EachDirectionHasItsLifItsVlanAndItsTuple) {
  const SessionSpec spec = {
      .in_lif = 1, .out_lif = 2, .tuple = Tuple4(), .in_vlan = 100, .out_vlan = std::nullopt};
  EXPECT_EQ(spec.IngressLif(Direction::kIn), 1);
  EXPECT_EQ(spec.EgressLif(Direction::kIn), 2);
  EXPECT_EQ(spec.IngressVlan(Direction::kIn), 100);
  EXPECT_EQ(spec.DirectedTuple(Direction::kIn), Tuple4());
  EXPECT_EQ(spec.IngressLif(Direction::kOut), 2);
  EXPECT_EQ(spec.EgressLif(Direction::kOut), 1);
  EXPECT_EQ(spec.IngressVlan(Direction::kOut), std::nullopt);
  EXPECT_EQ(spec.DirectedTuple(Direction::kOut), Tuple4().Reversed());
}

TEST(HashTest, EqualValuesHashEqualAndEachFieldCounts) {
  FiveTuple udp = Tuple4();
  udp.protocol = Protocol::kUdp;
  EXPECT_TRUE(absl::VerifyTypeImplementsAbslHashCorrectly(
      {Tuple4(), Tuple4().Reversed(), udp, Tuple6(), FiveTuple{}}));
  EXPECT_TRUE(absl::VerifyTypeImplementsAbslHashCorrectly({RuleKey{}, RuleKey{.point = 1},
                                                           RuleKey{.vlan = 0}, RuleKey{.vlan = 1},
                                                           RuleKey{.tuple = Tuple4()}}));
}

TEST(CloseReasonTest, HasAWordForEach) {
  EXPECT_STREQ(ToString(CloseReason::kTimeout), "timeout");
  EXPECT_STREQ(ToString(CloseReason::kDeleted), "deleted");
  EXPECT_STREQ(ToString(CloseReason::kRulesLost), "rules lost");
}

}  // namespace
}  // namespace offload::session
