#include "netlink/links.h"

#include <linux/if.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <netlink/route/tc.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "netlink/kernel_error.h"
#include "netlink/libnl.h"
#include "netlink/qdisc.h"

namespace offload::netlink {
namespace {

class LibnlLinks final : public Links {
 public:
  explicit LibnlLinks(std::unique_ptr<LibnlSocket> socket) : socket_(std::move(socket)) {}
  absl::StatusOr<std::vector<Link>> All() override;
  absl::StatusOr<Link> ByName(const std::string& name) override;
  absl::StatusOr<ClsactResult> EnsureClsact(uint32_t ifindex) override;

 private:
  absl::Status AddClsact(uint32_t ifindex);
  std::unique_ptr<LibnlSocket> socket_;
};

absl::StatusOr<std::vector<Link>> LibnlLinks::All() {
  struct nl_cache* raw = nullptr;
  const int result = rtnl_link_alloc_cache(socket_->get(), AF_UNSPEC, &raw);
  const LibnlPtr<struct nl_cache> cache(raw);
  if (auto status = socket_->Check(result, "reading links"); !status.ok()) return status;
  std::vector<Link> links;
  for (struct nl_object* object = nl_cache_get_first(raw); object != nullptr;
       object = nl_cache_get_next(object)) {
    links.push_back(ToLink(reinterpret_cast<struct rtnl_link*>(object)));
  }
  return links;
}

absl::StatusOr<Link> LibnlLinks::ByName(const std::string& name) {
  const absl::Status absent = absl::NotFoundError(absl::StrCat("no netdev ", name));
  // The kernel would answer ERANGE to a longer name.
  if (name.empty() || name.size() >= IFNAMSIZ) return absent;
  struct rtnl_link* raw = nullptr;
  const int result = rtnl_link_get_kernel(socket_->get(), 0, name.c_str(), &raw);
  const LibnlPtr<struct rtnl_link> link(raw);
  const absl::Status status = socket_->Check(result, absl::StrCat("reading link ", name));
  if (absl::IsNotFound(status)) return absent;
  if (!status.ok()) return status;
  return ToLink(raw);
}

// EXCL: what is there is never replaced.
absl::Status LibnlLinks::AddClsact(uint32_t ifindex) {
  const LibnlPtr<struct rtnl_qdisc> qdisc(rtnl_qdisc_alloc());
  if (qdisc == nullptr) return absl::ResourceExhaustedError("no memory for a qdisc");
  rtnl_tc_set_ifindex(TC_CAST(qdisc.get()), static_cast<int>(ifindex));
  rtnl_tc_set_parent(TC_CAST(qdisc.get()), TC_H_CLSACT);
  rtnl_tc_set_handle(TC_CAST(qdisc.get()), TC_H_MAKE(TC_H_CLSACT, 0));
  rtnl_tc_set_kind(TC_CAST(qdisc.get()), "clsact");
  return socket_->Check(rtnl_qdisc_add(socket_->get(), qdisc.get(), NLM_F_CREATE | NLM_F_EXCL),
                        "creating clsact");
}

// The qdisc at the netdev's ingress hook; of no kind when there is none.
absl::StatusOr<Qdisc> ReadIngress(uint32_t ifindex) {
  const auto qdiscs = ReadQdiscs();
  if (!qdiscs.ok()) return qdiscs.status();
  for (const Qdisc& qdisc : *qdiscs) {
    if (qdisc.ifindex == ifindex && qdisc.AtIngress()) return qdisc;
  }
  return Qdisc{};
}

absl::StatusOr<ClsactResult> LibnlLinks::EnsureClsact(uint32_t ifindex) {
  const absl::Status added = AddClsact(ifindex);
  if (added.ok()) return ClsactResult::kCreated;
  if (ErrnoOf(added) != EEXIST) return added;
  const auto present = ReadIngress(ifindex);
  if (!present.ok()) return present.status();
  if (present->ingress_block != 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "qdisc ", present->kind, " is bound to shared block ", present->ingress_block));
  }
  if (present->kind == "clsact" || present->kind == "ingress") return ClsactResult::kPresent;
  return added;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Links>> Links::Open() {
  auto socket = LibnlSocket::Open();
  if (!socket.ok()) return socket.status();
  return std::make_unique<LibnlLinks>(*std::move(socket));
}

}  // namespace offload::netlink
