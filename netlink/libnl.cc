#include "netlink/libnl.h"

#include <linux/if.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <sys/socket.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "netlink/kernel_error.h"

namespace offload::netlink {
namespace {

struct CodeRow {
  int error;
  absl::StatusCode code;
};
// For what libnl finds out itself.
constexpr CodeRow kCodes[] = {
    {NLE_EXIST, absl::StatusCode::kAlreadyExists},
    {NLE_OBJ_NOTFOUND, absl::StatusCode::kNotFound},
    {NLE_NODEV, absl::StatusCode::kNotFound},
    {NLE_PERM, absl::StatusCode::kPermissionDenied},
    {NLE_INVAL, absl::StatusCode::kInvalidArgument},
    {NLE_OPNOTSUPP, absl::StatusCode::kUnimplemented},
    {NLE_NOMEM, absl::StatusCode::kResourceExhausted},
    {NLE_BUSY, absl::StatusCode::kUnavailable},
    {NLE_DUMP_INTR, absl::StatusCode::kAborted},
};

absl::Status FromLibnl(int error) {
  absl::StatusCode code = absl::StatusCode::kInternal;
  for (const CodeRow& row : kCodes) {
    if (row.error == -error) code = row.code;
  }
  return absl::Status(code, nl_geterror(error));
}

// The message that starts at `header`, whose length libnl has checked.
absl::StatusOr<MessageView> ViewOf(const struct nlmsghdr* header) {
  absl::Span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(header), header->nlmsg_len);
  return TakeMessage(bytes);
}

int OnDumped(struct nl_msg* message, void* visit) {
  const auto view = ViewOf(nlmsg_hdr(message));
  if (view.ok()) (*static_cast<const std::function<void(const MessageView&)>*>(visit))(*view);
  return NL_OK;
}

}  // namespace

LibnlSocket::LibnlSocket(LibnlPtr<struct nl_sock> socket) : socket_(std::move(socket)) {
  nl_socket_modify_err_cb(socket_.get(), NL_CB_CUSTOM, &LibnlSocket::OnError, this);
}

absl::StatusOr<std::unique_ptr<LibnlSocket>> LibnlSocket::Open(int protocol) {
  LibnlPtr<struct nl_sock> raw(nl_socket_alloc());
  if (raw == nullptr) return absl::ResourceExhaustedError("no memory for a netlink socket");
  std::unique_ptr<LibnlSocket> socket(new LibnlSocket(std::move(raw)));
  absl::Status status = socket->Check(nl_connect(socket->get(), protocol), "netlink socket");
  if (!status.ok()) return status;
  const int on = 1;
  if (::setsockopt(nl_socket_get_fd(socket->get()), SOL_NETLINK, NETLINK_EXT_ACK, &on,
                   sizeof(on)) != 0) {
    return WithPrefix(ErrnoToStatus(errno), "netlink extended acks: ");
  }
  return socket;
}

// `error` is the payload of a message that libnl has received whole.
int LibnlSocket::OnError(struct sockaddr_nl*, struct nlmsgerr* error, void* self) {
  const auto* header =
      reinterpret_cast<const struct nlmsghdr*>(reinterpret_cast<uint8_t*>(error) - NLMSG_HDRLEN);
  absl::Status& said = static_cast<LibnlSocket*>(self)->said_;
  said = ErrnoToStatus(error->error);
  if (const auto view = ViewOf(header); view.ok()) {
    if (const auto decoded = DecodeError(*view); decoded.ok()) said = decoded->status;
  }
  return NL_STOP;
}

absl::Status LibnlSocket::Check(int result, absl::string_view what) {
  const absl::Status said = std::exchange(said_, absl::OkStatus());
  if (result >= 0) return absl::OkStatus();
  return WithPrefix(said.ok() ? FromLibnl(result) : said, absl::StrCat(what, ": "));
}

absl::Status LibnlSocket::Dump(int type, void* header, size_t size,
                               const std::function<void(const MessageView&)>& visit) {
  return Exchange(type, NLM_F_DUMP, {static_cast<const uint8_t*>(header), size}, visit);
}

absl::Status LibnlSocket::Ask(int type, absl::Span<const uint8_t> body,
                              const std::function<void(const MessageView&)>& visit) {
  absl::Status answered = Exchange(type, 0, body, visit);
  // An error is in the place of the ACK.
  return answered.ok() ? Check(nl_wait_for_ack(get()), "netlink ack") : answered;
}

absl::Status LibnlSocket::Exchange(int type, int flags, absl::Span<const uint8_t> body,
                                   const std::function<void(const MessageView&)>& visit) {
  const LibnlPtr<struct nl_cb> original(nl_socket_get_cb(get()));
  const LibnlPtr<struct nl_cb> callbacks(nl_cb_clone(original.get()));
  if (callbacks == nullptr) return absl::ResourceExhaustedError("no memory for a netlink request");
  nl_cb_set(callbacks.get(), NL_CB_VALID, NL_CB_CUSTOM, &OnDumped,
            const_cast<std::function<void(const MessageView&)>*>(&visit));
  absl::Status sent =
      Check(nl_send_simple(get(), type, flags, const_cast<uint8_t*>(body.data()), body.size()),
            "netlink send");
  if (!sent.ok()) return sent;
  return Check(nl_recvmsgs(get(), callbacks.get()), "netlink request");
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

}  // namespace offload::netlink
