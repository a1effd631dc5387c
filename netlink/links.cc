#include "netlink/links.h"

#include <linux/if.h>
#include <linux/pkt_sched.h>
#include <netlink/errno.h>
#include <netlink/route/tc.h>

#include "absl/strings/str_cat.h"
#include "netlink/libnl.h"

namespace offload::netlink {
namespace {

struct CodeRow {
  int error;
  absl::StatusCode code;
};
constexpr CodeRow kCodes[] = {
    {NLE_EXIST, absl::StatusCode::kAlreadyExists},
    {NLE_OBJ_NOTFOUND, absl::StatusCode::kNotFound},
    {NLE_NODEV, absl::StatusCode::kNotFound},
    {NLE_PERM, absl::StatusCode::kPermissionDenied},
    {NLE_INVAL, absl::StatusCode::kInvalidArgument},
    {NLE_OPNOTSUPP, absl::StatusCode::kUnimplemented},
    {NLE_NOMEM, absl::StatusCode::kResourceExhausted},
    {NLE_BUSY, absl::StatusCode::kUnavailable},
};

class LibnlLinks final : public Links {
 public:
  explicit LibnlLinks(LibnlPtr<struct nl_sock> socket) : socket_(std::move(socket)) {}
  absl::StatusOr<std::vector<Link>> All() override;
  absl::StatusOr<Link> ByName(const std::string& name) override;
  absl::StatusOr<ClsactResult> EnsureClsact(uint32_t ifindex) override;

 private:
  absl::StatusOr<std::string> IngressKind(uint32_t ifindex);
  LibnlPtr<struct nl_sock> socket_;
};

absl::StatusOr<std::vector<Link>> LibnlLinks::All() {
  struct nl_cache* raw = nullptr;
  const int error = rtnl_link_alloc_cache(socket_.get(), AF_UNSPEC, &raw);
  if (error < 0) return FromLibnl(error, "reading links");
  const LibnlPtr<struct nl_cache> cache(raw);
  std::vector<Link> links;
  for (struct nl_object* object = nl_cache_get_first(raw); object != nullptr;
       object = nl_cache_get_next(object)) {
    links.push_back(ToLink(reinterpret_cast<struct rtnl_link*>(object)));
  }
  return links;
}

absl::StatusOr<Link> LibnlLinks::ByName(const std::string& name) {
  struct rtnl_link* raw = nullptr;
  const int error = rtnl_link_get_kernel(socket_.get(), 0, name.c_str(), &raw);
  if (error == -NLE_OBJ_NOTFOUND || error == -NLE_NODEV) {
    return absl::NotFoundError(absl::StrCat("no netdev ", name));
  }
  if (error < 0) return FromLibnl(error, absl::StrCat("reading link ", name));
  const LibnlPtr<struct rtnl_link> link(raw);
  return ToLink(raw);
}

// The kind of the qdisc at the ingress hook, empty when there is none.
absl::StatusOr<std::string> LibnlLinks::IngressKind(uint32_t ifindex) {
  struct nl_cache* raw = nullptr;
  const int error = rtnl_qdisc_alloc_cache(socket_.get(), &raw);
  if (error < 0) return FromLibnl(error, "reading qdiscs");
  const LibnlPtr<struct nl_cache> cache(raw);
  const LibnlPtr<struct rtnl_qdisc> qdisc(
      rtnl_qdisc_get_by_parent(raw, static_cast<int>(ifindex), TC_H_INGRESS));
  if (qdisc == nullptr) return std::string();
  return std::string(rtnl_tc_get_kind(TC_CAST(qdisc.get())));
}

absl::StatusOr<ClsactResult> LibnlLinks::EnsureClsact(uint32_t ifindex) {
  auto kind = IngressKind(ifindex);
  if (!kind.ok()) return kind.status();
  if (*kind == "clsact" || *kind == "ingress") return ClsactResult::kPresent;
  if (!kind->empty()) {
    return absl::FailedPreconditionError(absl::StrCat("qdisc ", *kind, " at the ingress hook"));
  }
  const LibnlPtr<struct rtnl_qdisc> qdisc(rtnl_qdisc_alloc());
  if (qdisc == nullptr) return absl::ResourceExhaustedError("no memory for a qdisc");
  rtnl_tc_set_ifindex(TC_CAST(qdisc.get()), static_cast<int>(ifindex));
  rtnl_tc_set_parent(TC_CAST(qdisc.get()), TC_H_CLSACT);
  rtnl_tc_set_handle(TC_CAST(qdisc.get()), TC_H_MAKE(TC_H_CLSACT, 0));
  rtnl_tc_set_kind(TC_CAST(qdisc.get()), "clsact");
  // EXCL: another process may be first, and its qdisc is never replaced.
  const int error = rtnl_qdisc_add(socket_.get(), qdisc.get(), NLM_F_CREATE | NLM_F_EXCL);
  if (error == -NLE_EXIST) return ClsactResult::kPresent;
  if (error < 0) return FromLibnl(error, "creating clsact");
  return ClsactResult::kCreated;
}

}  // namespace

absl::Status FromLibnl(int error, absl::string_view what) {
  if (error >= 0) return absl::OkStatus();
  absl::StatusCode code = absl::StatusCode::kInternal;
  for (const CodeRow& row : kCodes) {
    if (row.error == -error) code = row.code;
  }
  return absl::Status(code, absl::StrCat(what, ": ", nl_geterror(error)));
}

Link ToLink(struct rtnl_link* link) {
  Link out;
  out.ifindex = static_cast<uint32_t>(rtnl_link_get_ifindex(link));
  if (const char* name = rtnl_link_get_name(link)) out.name = name;
  const unsigned int flags = rtnl_link_get_flags(link);
  out.admin_up = flags & IFF_UP;
  out.running = flags & IFF_RUNNING;
  out.master = static_cast<uint32_t>(rtnl_link_get_master(link));
  if (const char* port = rtnl_link_get_phys_port_name(link)) out.phys_port_name = port;
  if (struct nl_data* id = rtnl_link_get_phys_switch_id(link)) {
    const auto* bytes = static_cast<const uint8_t*>(nl_data_get(id));
    out.switch_id.assign(bytes, bytes + nl_data_get_size(id));
  }
  if (const char* kind = rtnl_link_get_type(link)) out.kind = kind;
  return out;
}

absl::StatusOr<std::unique_ptr<Links>> Links::Open() {
  LibnlPtr<struct nl_sock> socket(nl_socket_alloc());
  if (socket == nullptr) return absl::ResourceExhaustedError("no memory for a netlink socket");
  const int error = nl_connect(socket.get(), NETLINK_ROUTE);
  if (error < 0) return FromLibnl(error, "netlink socket");
  return std::make_unique<LibnlLinks>(std::move(socket));
}

}  // namespace offload::netlink
