// The netlink library on a kernel with cls_flower, as root in a fresh network namespace.
#include <linux/if_ether.h>
#include <net/if.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <map>

#include "gmock/gmock.h"
#include "netlink/filter_socket.h"
#include "netlink/kernel_error.h"
#include "netlink/links.h"

namespace offload::netlink {
namespace {

using ::testing::HasSubstr;

constexpr char kProbe[] =
    "ip link add pa type dummy && tc qdisc add dev pa clsact && tc filter add dev pa ingress pref "
    "5 "
    "protocol ip flower ip_proto tcp action drop; s=$?; ip link del pa 2>/dev/null; exit $s";

class TcGuest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (std::system((std::string("(") + kProbe + ") >/dev/null 2>&1").c_str()) != 0) {
      GTEST_SKIP() << "this kernel has no cls_flower, or we are not root";
    }
    ASSERT_EQ(std::system("ip link del va 2>/dev/null; ip link add va type veth peer name vb && ip "
                          "link set va up "
                          "&& ip link set vb up"),
              0);
    va_ = ::if_nametoindex("va");
    vb_ = ::if_nametoindex("vb");
    socket_ = *FilterSocket::Open({});
    ASSERT_TRUE((*Links::Open())->EnsureClsact(va_).ok());
  }

  FilterRequest Add(uint32_t number) const {
    FilterRequest request;
    request.filter.id = {
        .at = {.ifindex = va_}, .priority = 5, .protocol = ETH_P_IP, .handle = number + 1};
    request.filter.key = {
        .eth_type = ETH_P_IP,
        .ip_proto = 6,
        .ipv4_src = {{{10, 0, static_cast<uint8_t>(number >> 8), static_cast<uint8_t>(number)},
                      {255, 255, 255, 255}}},
        .ipv4_dst = {{{10, 1, 0, 1}, {255, 255, 255, 255}}},
        .src_port = {{static_cast<uint16_t>(1000 + number), 0xFFFF}},
        .dst_port = {{80, 0xFFFF}},
        .tcp_flags = {{0, 7}},
        .flags = {{0, 1}}};
    request.filter.flags = kSkipHw;
    request.filter.actions = {{.what = Mirred{.ifindex = vb_}, .cookie = {0x0F, 1, 2}}};
    return request;
  }
  std::vector<FilterReply> Execute(const std::vector<FilterRequest>& requests) {
    std::vector<FilterReply> replies(requests.size());
    socket_->Execute(requests, absl::MakeSpan(replies));
    return replies;
  }
  std::map<uint32_t, FlowerFilter> Dump(bool terse) {
    std::map<uint32_t, FlowerFilter> filters;
    const absl::Status status =
        socket_->Dump({.at = {.ifindex = va_}, .terse = terse}, [&](const FlowerFilter& f) {
          if (f.has_options) filters[f.id.handle] = f;
        });
    EXPECT_TRUE(status.ok()) << status;
    return filters;
  }

  uint32_t va_ = 0, vb_ = 0;
  std::unique_ptr<FilterSocket> socket_;
};

TEST_F(TcGuest, ClsactIsCreatedOnceAndAnIngressQdiscServes) {
  auto links = *Links::Open();
  EXPECT_EQ(*links->EnsureClsact(vb_), ClsactResult::kCreated);
  EXPECT_EQ(*links->EnsureClsact(vb_), ClsactResult::kPresent);
  EXPECT_EQ(*links->EnsureClsact(va_), ClsactResult::kPresent);
  ASSERT_EQ(std::system("tc qdisc del dev vb clsact && tc qdisc add dev vb ingress"), 0);
  EXPECT_EQ(*links->EnsureClsact(vb_), ClsactResult::kPresent);
  EXPECT_EQ(std::system("tc qdisc show dev vb | grep -q 'qdisc ingress'"), 0);
}

TEST_F(TcGuest, AThousandFiltersComeBackKeyByKey) {
  std::vector<FilterRequest> requests;
  for (uint32_t i = 0; i < 1000; ++i) requests.push_back(Add(i));
  for (const auto& reply : Execute(requests)) ASSERT_TRUE(reply.status.ok()) << reply.status;
  const auto full = Dump(false), terse = Dump(true);
  ASSERT_EQ(full.size(), 1000u);
  ASSERT_EQ(terse.size(), 1000u);
  for (const FilterRequest& request : requests) {
    const FlowerFilter& seen = full.at(request.filter.id.handle);
    EXPECT_EQ(seen.id, request.filter.id);
    EXPECT_EQ(seen.key, request.filter.key);
    EXPECT_EQ(seen.actions[0].what, request.filter.actions[0].what);
    EXPECT_EQ(seen.actions[0].cookie, request.filter.actions[0].cookie);
    EXPECT_TRUE(seen.actions[0].no_percpu_stats);
    EXPECT_TRUE(seen.actions[0].times.has_value());
    EXPECT_EQ(terse.at(request.filter.id.handle).actions[0].cookie,
              request.filter.actions[0].cookie);
  }
}

TEST_F(TcGuest, ErrorsComeToTheRequestThatCausedThem) {
  FilterRequest same_handle = Add(2), same_key = Add(1), absent, gone;
  same_handle.filter.id.handle = 2;
  same_key.filter.id.handle = 77;
  absent = {.op = FilterRequest::Op::kGet, .filter = Add(500).filter};
  gone = {.op = FilterRequest::Op::kDelete, .filter = Add(501).filter};
  const auto replies = Execute({Add(0), Add(1), same_handle, same_key, absent, gone, Add(3)});
  const int expected[] = {0, 0, EEXIST, EEXIST, ENOENT, ENOENT, 0};
  for (size_t i = 0; i < replies.size(); ++i) {
    EXPECT_EQ(ErrnoOf(replies[i].status), expected[i]) << i << replies[i].status;
  }
  EXPECT_EQ(Dump(false).size(), 3u);
}

TEST_F(TcGuest, TheKernelsTextArrives) {
  FilterRequest other_kind = Add(9);
  other_kind.filter.id.protocol = ETH_P_IPV6;
  other_kind.filter.key = {.eth_type = ETH_P_IPV6, .ip_proto = 6};
  FilterRequest skip_sw = Add(10);
  skip_sw.filter.flags = kSkipSw | kVerbose;
  const auto replies = Execute({Add(0), other_kind, skip_sw});
  EXPECT_EQ(ErrnoOf(replies[1].status), EINVAL);
  EXPECT_THAT(std::string(replies[1].status.message()), HasSubstr("priority/protocol"));
  EXPECT_FALSE(replies[2].status.ok());
  std::cout << "skip_sw on a veth: " << replies[2].status << "\n";
}

TEST_F(TcGuest, ADeleteWithEchoBringsTheLastCounters) {
  ASSERT_EQ(ErrnoOf(Execute({Add(0)})[0].status), 0);
  const auto replies =
      Execute({{.op = FilterRequest::Op::kDelete, .filter = Add(0).filter, .echo = true}});
  ASSERT_TRUE(replies[0].status.ok()) << replies[0].status;
  ASSERT_TRUE(replies[0].filter.has_value());
  EXPECT_EQ(replies[0].filter->actions[0].cookie, Add(0).filter.actions[0].cookie);
  ASSERT_TRUE(replies[0].filter->actions[0].stats.has_value());
  EXPECT_TRUE(Dump(false).empty());
}

TEST_F(TcGuest, DroppedAnswersAreUnknownNeverSuccess) {
  auto tiny = *FilterSocket::Open(
      {.chunk_bytes = 100000, .receive_buffer = 1, .reply_timeout = absl::Seconds(1)});
  std::vector<FilterRequest> requests;
  for (uint32_t i = 0; i < 300; ++i) {
    requests.push_back({.op = FilterRequest::Op::kDelete, .filter = Add(5000 + i).filter});
  }
  std::vector<FilterReply> replies(requests.size());
  tiny->Execute(requests, absl::MakeSpan(replies));
  size_t unknown = 0;
  for (const auto& reply : replies) {
    EXPECT_FALSE(reply.status.ok()) << "nothing was there to delete";
    unknown += reply.status.code() == absl::StatusCode::kUnknown;
  }
  EXPECT_GT(unknown, 0u) << "the receive buffer was not small enough to overrun";
}

}  // namespace
}  // namespace offload::netlink
