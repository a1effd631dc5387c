// The sockets on whatever kernel the tests run on: no cls_flower needed, only rtnetlink.
#include <sched.h>

#include <cstdlib>
#include <set>

#include "gtest/gtest.h"
#include "netlink/filter_socket.h"
#include "netlink/kernel_error.h"
#include "netlink/links.h"

namespace offload::netlink {
namespace {

TEST(FilterSocket, EveryRequestOfManyChunksGetsItsOwnAnswer) {
  auto socket = FilterSocket::Open({.chunk_bytes = 2000});
  ASSERT_TRUE(socket.ok()) << socket.status();
  std::vector<FilterRequest> requests(1500);
  for (size_t i = 0; i < requests.size(); ++i) {
    FlowerFilter& filter = requests[i].filter;
    filter.id = {.at = {.ifindex = 0x7FFFFFF0}, .priority = 5, .protocol = 0x0800, .handle = 1};
    filter.key.eth_type = 0x0800;
    filter.actions = {{.what = GactDrop{}}};
    if (i % 100 == 50) filter.key.eth_type.reset();  // not refused: nothing depends on it
    if (i % 100 == 70) filter.key.vlan_id = 5;       // cannot be encoded
  }
  std::vector<FilterReply> replies(requests.size());
  (*socket)->Execute(requests, absl::MakeSpan(replies));
  for (size_t i = 0; i < replies.size(); ++i) {
    if (i % 100 == 70) {
      EXPECT_EQ(replies[i].status.code(), absl::StatusCode::kInvalidArgument) << i;
      EXPECT_EQ(ErrnoOf(replies[i].status), 0) << i;
    } else {
      // ENODEV as root, EPERM without the right to change filters; never silence.
      EXPECT_NE(ErrnoOf(replies[i].status), 0) << i << replies[i].status;
    }
  }
}

TEST(Links, KnowLoopback) {
  auto links = Links::Open();
  ASSERT_TRUE(links.ok()) << links.status();
  const auto lo = (*links)->ByName("lo");
  ASSERT_TRUE(lo.ok()) << lo.status();
  const auto all = (*links)->All();
  ASSERT_TRUE(all.ok());
  std::set<std::string> names;
  for (const Link& link : *all) names.insert(link.name);
  EXPECT_TRUE(names.contains("lo"));
  EXPECT_EQ((*links)->ByName("nosuchdev").status().code(), absl::StatusCode::kNotFound);
}

TEST(LinkMonitor, SeesANetdevsWholeLife) {
  if (::unshare(CLONE_NEWNET) != 0) GTEST_SKIP() << "needs root: unshare(CLONE_NEWNET)";
  auto monitor = LinkMonitor::Open();
  ASSERT_TRUE(monitor.ok()) << monitor.status();
  ASSERT_EQ(std::system(
                "ip link add va type veth peer name vb && ip link set va up && ip link set vb up"),
            0);
  std::vector<LinkEvent> events;
  const auto collect = [&] {
    ASSERT_TRUE((*monitor)->Read([&](const LinkEvent& event) { events.push_back(event); }).ok());
  };
  collect();
  bool running = false;
  for (const LinkEvent& event : events) {
    if (event.link.name == "va" && event.link.running) running = true;
  }
  EXPECT_TRUE(running);
  events.clear();
  ASSERT_EQ(std::system("ip link del va"), 0);
  collect();
  std::set<std::string> deleted;
  for (const LinkEvent& event : events) {
    if (event.kind == LinkEvent::Kind::kDeleted) deleted.insert(event.link.name);
  }
  EXPECT_EQ(deleted, (std::set<std::string>{"va", "vb"}));
}

}  // namespace
}  // namespace offload::netlink
