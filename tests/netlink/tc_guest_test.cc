// The netlink library on a kernel with cls_flower, as root in a fresh network namespace.
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "base/unique_fd.h"
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

  // What `command` prints.
  static std::string Output(const char* command) {
    std::string text;
    FILE* pipe = ::popen(command, "r");
    EXPECT_NE(pipe, nullptr);
    std::array<char, 4096> part;
    while (pipe != nullptr && std::fgets(part.data(), part.size(), pipe)) text += part.data();
    EXPECT_EQ(::pclose(pipe), 0) << command;
    return text;
  }
  // Frames into va's ingress: TCP of Add(number)'s flow with `flags`, 7 bytes of payload.
  void SendTcp(uint32_t number, uint8_t flags, int times) const {
    const uint16_t port = static_cast<uint16_t>(1000 + number);
    const std::vector<uint8_t> frame = {0x02,
                                        0,
                                        0,
                                        0,
                                        0,
                                        1,
                                        0x02,
                                        0,
                                        0,
                                        0,
                                        0,
                                        2,
                                        0x08,
                                        0x00,  // Ethernet
                                        0x45,
                                        0,
                                        0,
                                        47,
                                        0,
                                        0,
                                        0x40,
                                        0,
                                        64,
                                        6,
                                        0,
                                        0,  // IPv4
                                        10,
                                        0,
                                        static_cast<uint8_t>(number >> 8),
                                        static_cast<uint8_t>(number),
                                        10,
                                        1,
                                        0,
                                        1,
                                        static_cast<uint8_t>(port >> 8),
                                        static_cast<uint8_t>(port),
                                        0,
                                        80,  // TCP
                                        0,
                                        0,
                                        0,
                                        1,
                                        0,
                                        0,
                                        0,
                                        1,
                                        0x50,
                                        flags,
                                        1,
                                        0,
                                        0,
                                        0,
                                        0,
                                        0,
                                        'p',
                                        'a',
                                        'y',
                                        'l',
                                        'o',
                                        'a',
                                        'd'};
    const base::UniqueFd out(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)));
    ASSERT_TRUE(out.valid());
    struct sockaddr_ll to = {};
    to.sll_family = AF_PACKET;
    to.sll_ifindex = static_cast<int>(vb_);  // va's peer
    for (int i = 0; i < times; ++i) {
      ASSERT_EQ(::sendto(out.get(), frame.data(), frame.size(), 0,
                         reinterpret_cast<const struct sockaddr*>(&to), sizeof(to)),
                static_cast<ssize_t>(frame.size()));
    }
  }
  // Reads filter `number` until it has counted `packets`; what it reads last.
  ActionStats AwaitPackets(uint32_t number, uint64_t packets) {
    ActionStats stats;
    for (int i = 0; i < 5000 && stats.packets < packets; ++i) {
      const auto reply =
          Execute({{.op = FilterRequest::Op::kGet, .filter = Add(number).filter}})[0];
      EXPECT_TRUE(reply.status.ok()) << reply.status;
      if (!reply.filter || !reply.filter->actions.at(0).stats) return stats;
      stats = *reply.filter->actions[0].stats;
    }
    return stats;
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

// 7 segments of 47 bytes hit the filter, a SYN and a FIN do not; software counts from the IP
// header.
TEST_F(TcGuest, ADeleteWithEchoBringsTheLastCounters) {
  FilterRequest add = Add(0);
  add.filter.actions[0].what = GactDrop{};
  ASSERT_TRUE(Execute({add})[0].status.ok());
  SendTcp(0, 0x02, 1);
  SendTcp(0, 0x10, 7);
  SendTcp(0, 0x11, 1);
  const ActionStats expected = {.packets = 7, .bytes = 7 * 47, .drops = 7};
  EXPECT_EQ(AwaitPackets(0, 7), expected);
  const std::string shown = Output("tc -s filter show dev va ingress");
  EXPECT_THAT(shown, HasSubstr("Sent 329 bytes 7 pkt (dropped 7"));
  const auto terse = Dump(true);
  EXPECT_EQ(terse.at(1).actions[0].stats, expected);
  const auto replies =
      Execute({{.op = FilterRequest::Op::kDelete, .filter = add.filter, .echo = true}});
  ASSERT_TRUE(replies[0].status.ok()) << replies[0].status;
  ASSERT_TRUE(replies[0].filter.has_value());
  EXPECT_EQ(replies[0].filter->id, add.filter.id);
  EXPECT_EQ(replies[0].filter->key, add.filter.key);
  EXPECT_EQ(replies[0].filter->actions[0].cookie, add.filter.actions[0].cookie);
  EXPECT_EQ(replies[0].filter->actions[0].stats, expected);
  EXPECT_TRUE(Dump(false).empty());
}

TEST_F(TcGuest, TcShowsWhatWasAsked) {
  ASSERT_TRUE(Execute({Add(258)})[0].status.ok());
  const std::string shown = Output("tc -s filter show dev va ingress");
  for (const char* part :
       {"filter protocol ip pref 5 flower chain 0 handle 0x103", "eth_type ipv4", "ip_proto tcp",
        "src_ip 10.0.1.2", "dst_ip 10.1.0.1", "src_port 1258", "dst_port 80", "tcp_flags 0x0/7",
        "ip_flags nofrag", "skip_hw", "not_in_hw", "mirred (Egress Redirect to device vb) stolen",
        "cookie 0f0102", "no_percpu"}) {
    EXPECT_THAT(shown, HasSubstr(part));
  }
}

// Requests may be executed while a dump is running.
TEST_F(TcGuest, AVisitorMayDeleteWhatItSees) {
  std::vector<FilterRequest> requests;
  for (uint32_t i = 0; i < 500; ++i) requests.push_back(Add(i));
  for (const auto& reply : Execute(requests)) ASSERT_TRUE(reply.status.ok()) << reply.status;
  size_t seen = 0;
  const absl::Status status =
      socket_->Dump({.at = {.ifindex = va_}, .terse = true}, [&](const FlowerFilter& filter) {
        if (!filter.has_options) return;
        ++seen;
        const auto replies = Execute({{.op = FilterRequest::Op::kDelete, .filter = filter}});
        EXPECT_TRUE(replies[0].status.ok()) << replies[0].status;
      });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(seen, 500u);
  EXPECT_TRUE(Dump(false).empty());
}

TEST_F(TcGuest, ADumpIsLimitedToThePriorityAskedFor) {
  FilterRequest six = Add(1);
  six.filter.id.priority = 6;
  for (const auto& reply : Execute({Add(0), six})) ASSERT_TRUE(reply.status.ok()) << reply.status;
  std::vector<FilterId> seen;
  const absl::Status status =
      socket_->Dump({.at = {.ifindex = va_}, .chain = 0, .priority = 6, .protocol = ETH_P_IP},
                    [&](const FlowerFilter& f) {
                      if (f.has_options) seen.push_back(f.id);
                    });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(seen, std::vector<FilterId>{six.filter.id});
}

TEST_F(TcGuest, ASharedBlockIsNotTakenForAClsactOfItsOwn) {
  ASSERT_EQ(std::system("tc qdisc add dev vb ingress_block 22 clsact"), 0);
  const auto result = (*Links::Open())->EnsureClsact(vb_);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kFailedPrecondition) << result.status();
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("22"));
  FilterRequest request = Add(0);
  request.filter.id.at = {.block = 22};
  const auto replies =
      Execute({request, {.op = FilterRequest::Op::kGet, .filter = request.filter}});
  ASSERT_TRUE(replies[0].status.ok()) << replies[0].status;
  ASSERT_TRUE(replies[1].status.ok()) << replies[1].status;
  EXPECT_EQ(replies[1].filter->id, request.filter.id);
}

// A bridge says RTM_DELLINK about a port that leaves it, which is still there.
TEST_F(TcGuest, LeavingABridgeIsNotADeletion) {
  if (std::system("ip link add br0 type bridge") != 0) GTEST_SKIP() << "no bridges here";
  auto monitor = *LinkMonitor::Open();
  ASSERT_EQ(std::system("ip link set va master br0"), 0);
  const Link port = *(*Links::Open())->ByName("va");
  EXPECT_EQ(port.master, ::if_nametoindex("br0"));
  ASSERT_EQ(std::system("ip link set va nomaster"), 0);
  size_t changes = 0;
  ASSERT_TRUE(monitor
                  ->Read([&](const LinkEvent& event) {
                    EXPECT_EQ(event.kind, LinkEvent::Kind::kChanged) << event.link.name;
                    changes += event.link.name == "va";
                  })
                  .ok());
  EXPECT_GE(changes, 2u);
  EXPECT_EQ(std::system("ip link del br0"), 0);
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
