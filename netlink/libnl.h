// Owners and error translation for libnl-3 objects; internal to netlink/.
#pragma once

#include <netlink/netlink.h>
#include <netlink/object.h>
#include <netlink/route/link.h>
#include <netlink/route/qdisc.h>

#include <memory>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "netlink/links.h"

namespace offload::netlink {

struct LibnlDeleter {
  void operator()(struct nl_sock* socket) const { nl_socket_free(socket); }
  void operator()(struct nl_cache* cache) const { nl_cache_free(cache); }
  void operator()(struct rtnl_link* link) const { rtnl_link_put(link); }
  void operator()(struct rtnl_qdisc* qdisc) const { rtnl_qdisc_put(qdisc); }
};
template <typename T>
using LibnlPtr = std::unique_ptr<T, LibnlDeleter>;

// `error` is libnl's negative NLE_*; OK for 0 and above.
absl::Status FromLibnl(int error, absl::string_view what);

Link ToLink(struct rtnl_link* link);

}  // namespace offload::netlink
