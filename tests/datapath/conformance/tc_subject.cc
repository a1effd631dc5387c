#include "tests/datapath/conformance/tc_subject.h"

#include <utility>

#include "datapath/tc_identity.h"

namespace offload::datapath::conformance {

// Two netdevs with a keep-alive in each of their priorities.
TcSubject::TcSubject(std::unique_ptr<TcKernel> kernel, OffloadMode mode, uint32_t sessions)
    : kernel_(std::move(kernel)),
      options_{.mode = mode,
               .table_size = static_cast<uint32_t>(2 * sessions + 2 * kRuleClasses.size()),
               .lifs = {{.lif = 1, .netdev = "p0"},
                        {.lif = 2, .netdev = "p1"},
                        {.lif = 3, .netdev = "p0"}}} {}

void TcSubject::Restart() {
  datapath_.reset();
  datapath_ = std::make_unique<TcDatapath>(options_, *kernel_);
}

uint32_t TcSubject::IfindexOf(session::LifId lif) {
  const auto links = kernel_->OpenLinks();
  EXPECT_TRUE(links.ok()) << links.status();
  const auto link = (*links)->ByName(NetdevOf(lif));
  EXPECT_TRUE(link.ok()) << link.status();
  return link->ifindex;
}

netlink::FilterId TcSubject::IdOf(const FlowRule& rule) {
  return FilterIdOf(rule, IfindexOf(rule.ingress),
                    {.mode = options_.mode, .priority_base = options_.priority_base});
}

void TcSubject::Lose(const FlowRule& rule) {
  const auto socket = kernel_->OpenFilterSocket();
  ASSERT_TRUE(socket.ok()) << socket.status();
  const netlink::FilterRequest request = {.op = netlink::FilterRequest::Op::kDelete,
                                          .filter = {.id = IdOf(rule)}};
  netlink::FilterReply reply;
  (*socket)->Execute({&request, 1}, {&reply, 1});
  ASSERT_TRUE(reply.status.ok()) << reply.status;
}

size_t TcSubject::RuleCount() {
  const auto socket = kernel_->OpenFilterSocket();
  EXPECT_TRUE(socket.ok()) << socket.status();
  size_t count = 0;
  for (const session::LifId lif : {1, 2}) {
    const absl::Status status = (*socket)->Dump(
        {.at = {.ifindex = IfindexOf(lif)}, .chain = 0}, [&](const netlink::FlowerFilter& filter) {
          count += filter.has_options && ParseHandle(filter.id.handle).has_value();
        });
    EXPECT_TRUE(status.ok()) << status;
  }
  return count;
}

}  // namespace offload::datapath::conformance
