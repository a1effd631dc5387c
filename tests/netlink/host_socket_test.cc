// The sockets on whatever kernel the tests run on: no cls_flower needed, only rtnetlink. What needs
// root gets a network namespace of its own and skips aloud without.
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdlib>
#include <set>

#include "gmock/gmock.h"
#include "netlink/devlink.h"
#include "netlink/ethtool.h"
#include "netlink/filter_socket.h"
#include "netlink/kernel_error.h"
#include "netlink/links.h"
#include "netlink/qdisc.h"

namespace offload::netlink {
namespace {

using ::testing::HasSubstr;

constexpr uint32_t kNoSuchIfindex = 0x7FFFFFF0;

class HostNetlink : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::unshare(CLONE_NEWNET) != 0) GTEST_SKIP() << "needs root: unshare(CLONE_NEWNET)";
    if (std::system("ip link add va type veth peer name vb") != 0) {
      GTEST_SKIP() << "cannot make a veth pair";
    }
  }
};

FilterRequest AddTo(uint32_t ifindex) {
  FilterRequest request;
  request.filter.id = {.at = {.ifindex = ifindex}, .priority = 5, .protocol = 0x0800, .handle = 1};
  request.filter.key.eth_type = 0x0800;
  request.filter.actions = {{.what = GactDrop{}}};
  return request;
}

TEST_F(HostNetlink, EveryRequestOfManyChunksGetsItsOwnAnswer) {
  auto socket = FilterSocket::Open({.chunk_bytes = 2000});
  ASSERT_TRUE(socket.ok()) << socket.status();
  std::vector<FilterRequest> requests(1500, AddTo(kNoSuchIfindex));
  for (size_t i = 70; i < requests.size(); i += 100) {
    requests[i].filter.key.vlan_id = 5;  // cannot be encoded
  }
  std::vector<FilterReply> replies(requests.size());
  (*socket)->Execute(requests, absl::MakeSpan(replies));
  for (size_t i = 0; i < replies.size(); ++i) {
    if (i % 100 == 70) {
      EXPECT_EQ(replies[i].status.code(), absl::StatusCode::kInvalidArgument) << i;
      EXPECT_EQ(ErrnoOf(replies[i].status), 0) << i;
    } else {
      EXPECT_EQ(ErrnoOf(replies[i].status), ENODEV) << i << replies[i].status;
      EXPECT_EQ(replies[i].status.code(), absl::StatusCode::kNotFound) << i;
    }
  }
}

// One chunk may hold one request: each is then its own fence.
TEST_F(HostNetlink, AChunkTakesAtLeastOneRequest) {
  auto socket = FilterSocket::Open({.chunk_bytes = 1});
  ASSERT_TRUE(socket.ok()) << socket.status();
  const std::vector<FilterRequest> requests(20, AddTo(kNoSuchIfindex));
  std::vector<FilterReply> replies(requests.size());
  (*socket)->Execute(requests, absl::MakeSpan(replies));
  for (const FilterReply& reply : replies) EXPECT_EQ(ErrnoOf(reply.status), ENODEV);
}

TEST_F(HostNetlink, AnOverrunReceiveBufferMeansUnknown) {
  auto socket = FilterSocket::Open(
      {.chunk_bytes = 100000, .receive_buffer = 1, .reply_timeout = absl::Seconds(5)});
  ASSERT_TRUE(socket.ok()) << socket.status();
  const std::vector<FilterRequest> requests(300, AddTo(kNoSuchIfindex));
  std::vector<FilterReply> replies(requests.size());
  (*socket)->Execute(requests, absl::MakeSpan(replies));
  size_t unknown = 0;
  for (const FilterReply& reply : replies) {
    EXPECT_FALSE(reply.status.ok()) << "the netdev does not exist";
    unknown += reply.status.code() == absl::StatusCode::kUnknown;
  }
  EXPECT_GT(unknown, 0u);
  EXPECT_LT(unknown, replies.size());
  // The socket is as good as before.
  (*socket)->Execute(absl::MakeConstSpan(requests).first(1), absl::MakeSpan(replies).first(1));
  EXPECT_EQ(ErrnoOf(replies[0].status), ENODEV) << replies[0].status;
}

TEST_F(HostNetlink, ADumpOfNothingIsEmpty) {
  auto socket = FilterSocket::Open({});
  ASSERT_TRUE(socket.ok()) << socket.status();
  const absl::Status status = (*socket)->Dump(
      {.at = {.ifindex = kNoSuchIfindex}, .chain = 0, .terse = true},
      [](const FlowerFilter& filter) { ADD_FAILURE() << "handle " << filter.id.handle; });
  EXPECT_TRUE(status.ok()) << status;
}

TEST_F(HostNetlink, LinksAreFoundByNameAndAltogether) {
  auto links = Links::Open();
  ASSERT_TRUE(links.ok()) << links.status();
  const auto va = (*links)->ByName("va");
  ASSERT_TRUE(va.ok()) << va.status();
  EXPECT_EQ(va->kind, "veth");
  EXPECT_FALSE(va->admin_up);
  EXPECT_EQ(va->master, 0u);
  EXPECT_TRUE(va->switch_id.empty());
  const auto all = (*links)->All();
  ASSERT_TRUE(all.ok()) << all.status();
  std::set<std::string> names;
  for (const Link& link : *all) {
    names.insert(link.name);
    if (link.name != "va") continue;
    EXPECT_EQ(link, *va);
  }
  EXPECT_THAT(names, ::testing::IsSupersetOf({"lo", "va", "vb"}));
}

TEST_F(HostNetlink, ALinkThatIsNotThereIsNotFound) {
  auto links = Links::Open();
  ASSERT_TRUE(links.ok()) << links.status();
  for (const char* name : {"nosuchdev", "", "a_name_longer_than_fifteen"}) {
    const absl::Status status = (*links)->ByName(name).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kNotFound) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(name));
  }
  EXPECT_TRUE((*links)->ByName("lo").ok()) << "an error must not stay";
  const auto clsact = (*links)->EnsureClsact(kNoSuchIfindex);
  EXPECT_EQ(ErrnoOf(clsact.status()), ENODEV) << clsact.status();
}

TEST_F(HostNetlink, EthtoolNamesTheDriverAndFeatures) {
  EXPECT_EQ(*ReadDriver("va"), "veth");
  const auto offload = ReadFeature("va", kHwTcOffload);
  ASSERT_TRUE(offload.ok()) << offload.status();
  EXPECT_FALSE(offload->active);
  EXPECT_EQ(ReadFeature("va", "no-such-feature").status().code(), absl::StatusCode::kNotFound);
  for (const char* name : {"nosuchdev", "a_name_longer_than_fifteen"}) {
    EXPECT_EQ(ReadDriver(name).status().code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(ReadFeature(name, kHwTcOffload).status().code(), absl::StatusCode::kNotFound);
  }
}

// In a network namespace of its own there is no device, whatever the kernel knows.
TEST_F(HostNetlink, ANamespaceWithoutDevlinkDevicesHasNoPorts) {
  const auto ports = ReadDevlinkPorts();
  ASSERT_TRUE(ports.ok()) << ports.status();
  EXPECT_TRUE(ports->empty());
}

TEST_F(HostNetlink, EachNetdevThatIsUpHasAQdisc) {
  ASSERT_EQ(std::system("ip link set va up && ip link set vb up"), 0);
  const auto qdiscs = ReadQdiscs();
  ASSERT_TRUE(qdiscs.ok()) << qdiscs.status();
  std::set<std::string> kinds;
  for (const Qdisc& qdisc : *qdiscs) kinds.insert(qdisc.kind);
  EXPECT_THAT(kinds, ::testing::Contains("noqueue"));
}

class HostLinkMonitor : public HostNetlink {
 protected:
  void SetUp() override {
    HostNetlink::SetUp();
    if (IsSkipped()) return;
    auto monitor = LinkMonitor::Open();
    ASSERT_TRUE(monitor.ok()) << monitor.status();
    monitor_ = *std::move(monitor);
  }
  std::vector<LinkEvent> Read() {
    std::vector<LinkEvent> events;
    const absl::Status status =
        monitor_->Read([&](const LinkEvent& event) { events.push_back(event); });
    EXPECT_TRUE(status.ok()) << status;
    return events;
  }
  std::unique_ptr<LinkMonitor> monitor_;
};

TEST_F(HostLinkMonitor, SeesANetdevsWholeLife) {
  ASSERT_EQ(std::system("ip link set va up && ip link set vb up"), 0);
  struct pollfd readable = {.fd = monitor_->fd(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(::poll(&readable, 1, 0), 1);
  // The carrier comes with a notification of its own, a moment later.
  bool running = false;
  while (!running && ::poll(&readable, 1, 5000) == 1) {
    for (const LinkEvent& event : Read()) {
      EXPECT_EQ(event.kind, LinkEvent::Kind::kChanged);
      if (event.link.name == "va" && event.link.running) running = true;
    }
  }
  EXPECT_TRUE(running);
  ASSERT_EQ(std::system("ip link del va"), 0);
  std::set<std::string> deleted;
  for (const LinkEvent& event : Read()) {
    if (event.kind == LinkEvent::Kind::kDeleted) deleted.insert(event.link.name);
  }
  EXPECT_EQ(deleted, (std::set<std::string>{"va", "vb"}));
  EXPECT_TRUE(Read().empty());
}

TEST_F(HostLinkMonitor, LostNotificationsAreAResync) {
  const int tiny = 1;
  ASSERT_EQ(::setsockopt(monitor_->fd(), SOL_SOCKET, SO_RCVBUF, &tiny, sizeof(tiny)), 0);
  ASSERT_EQ(std::system("for i in 1 2 3 4 5 6 7 8; do ip link set va mtu 100$i; done"), 0);
  size_t resyncs = 0;
  for (const LinkEvent& event : Read()) resyncs += event.kind == LinkEvent::Kind::kResync;
  EXPECT_EQ(resyncs, 1u);
  ASSERT_EQ(std::system("ip link set va mtu 1400"), 0);
  EXPECT_FALSE(Read().empty()) << "it goes on afterwards";
}

}  // namespace
}  // namespace offload::netlink
