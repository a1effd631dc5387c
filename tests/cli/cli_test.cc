#include "cli/format.h"
#include "cli/request.h"
#include "gmock/gmock.h"

namespace offload::cli {
namespace {

namespace api = openoffload::v1;
using ::testing::HasSubstr;

AddArguments Example() {
  AddArguments a;
  a.id = 7;
  a.in_lif = 1;
  a.out_lif = 2;
  a.source = "10.0.1.1";
  a.destination = "10.0.2.2";
  a.source_port = 40000;
  a.destination_port = 80;
  return a;
}

TEST(Request, BothByteOrdersOfIpv4) {
  AddArguments a = Example();
  EXPECT_EQ(ToRequest(a)->sourceip(), 0x0101000Au);
  a.ipv4_order = "number";
  EXPECT_EQ(ToRequest(a)->sourceip(), 0x0A000101u);
  EXPECT_EQ(ToRequest(a)->destinationip(), 0x0A000202u);
}

TEST(Request, Ipv6IsSixteenBytes) {
  AddArguments a = Example();
  a.source = "2001:db8::1";
  a.destination = "2001:db8::2";
  const auto request = ToRequest(a);
  ASSERT_TRUE(request.ok());
  EXPECT_EQ(request->ipversion(), api::_IPV6);
  EXPECT_EQ(request->sourceipv6(), std::string("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16));
}

TEST(Request, TwoDifferentVlansImplyTheRewrite) {
  AddArguments a = Example();
  a.in_vlan = 100;
  a.out_vlan = 200;
  const auto request = ToRequest(a);
  EXPECT_EQ(request->vlan_inlif(), 100u);
  EXPECT_EQ(request->vlan_outlif(), 200u);
  EXPECT_EQ(request->action().actionparams_inlif().vlan(), 100u);
  EXPECT_EQ(request->action().actionparams_outlif().vlan(), 200u);
  EXPECT_EQ(request->action().actiontype(), api::_FORWARD);
  a.out_vlan = 100;
  EXPECT_FALSE(ToRequest(a)->action().has_actionparams_outlif()) << "nothing to rewrite";
  a.out_vlan = 200;
  a.action = "drop";
  EXPECT_FALSE(ToRequest(a)->action().has_actionparams_inlif()) << "nothing leaves";
}

TEST(Request, NamesTheOptionThatIsWrong) {
  AddArguments a = Example();
  a.destination = "10.0.0";
  EXPECT_THAT(std::string(ToRequest(a).status().message()), HasSubstr("--dst"));
  a.destination = "::1";
  EXPECT_THAT(std::string(ToRequest(a).status().message()), HasSubstr("IP version"));
}

api::sessionResponse Closed() {
  api::sessionResponse s;
  s.set_sessionid(7);
  s.set_inpackets(12);
  s.set_inbytes(3400);
  s.set_sessionstate(api::_CLOSED);
  s.set_sessionclosecode(api::_TIMEOUT);
  s.mutable_starttime()->set_seconds(1700000000);
  s.mutable_endtime()->set_seconds(1700000010);
  s.mutable_endtime()->set_nanos(250000000);
  return s;
}

TEST(Format, TableIsAligned) {
  EXPECT_EQ(Table({Closed()}),
            "ID  STATE   REASON   IN PACKETS  IN BYTES  OUT PACKETS  OUT BYTES  START              "
            "       END\n"
            " 7  closed  timeout          12      3400            0          0  "
            "2023-11-14T22:13:20.000Z  "
            "2023-11-14T22:13:30.250Z\n");
}

TEST(Format, JsonHasStableNames) {
  EXPECT_EQ(
      Json(Closed()),
      R"({"id":7,"state":"closed","in_packets":12,"in_bytes":3400,"out_packets":0,"out_bytes":0,)"
      R"("start":"2023-11-14T22:13:20.000Z","end":"2023-11-14T22:13:30.250Z","close_reason":"timeout"})");
}

}  // namespace
}  // namespace offload::cli
