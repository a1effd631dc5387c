#include "base/instance_lock.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <string>

#include "absl/strings/str_cat.h"

namespace offload::base {
namespace {

constexpr size_t kLongestName = 100;

// An abstract address: a zero byte, the name, and a length that ends with the name.
struct Address {
  sockaddr_un storage = {};
  socklen_t length = 0;

  explicit Address(absl::string_view name) {
    storage.sun_family = AF_UNIX;
    name.copy(storage.sun_path + 1, name.size());
    length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

UniqueFd NewSocket() {
  return UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

// The process that listens on `address`, or "unknown".
std::string HolderPid(const Address& address) {
  const UniqueFd client = NewSocket();
  ucred holder = {};
  socklen_t length = sizeof(holder);
  const bool known = ::connect(client.get(), address.get(), address.length) == 0 &&
                     ::getsockopt(client.get(), SOL_SOCKET, SO_PEERCRED, &holder, &length) == 0 &&
                     holder.pid > 0;
  return known ? absl::StrCat(holder.pid) : "unknown";
}

}  // namespace

absl::StatusOr<InstanceLock> InstanceLock::Acquire(absl::string_view name) {
  if (name.empty() || name.size() > kLongestName) {
    return absl::InvalidArgumentError(absl::StrCat("instance name of ", name.size(), " bytes"));
  }
  const Address address(name);
  UniqueFd socket = NewSocket();
  if (!socket.valid()) return absl::ErrnoToStatus(errno, "socket(AF_UNIX)");
  if (::bind(socket.get(), address.get(), address.length) != 0) {
    if (errno != EADDRINUSE) return absl::ErrnoToStatus(errno, absl::StrCat("bind @", name));
    return absl::AlreadyExistsError(absl::StrCat(
        "another ", name, " runs in this network namespace (pid ", HolderPid(address), ")"));
  }
  // Nobody accepts: listening is what makes the holder's pid readable to others.
  if (::listen(socket.get(), SOMAXCONN) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("listen @", name));
  }
  return InstanceLock(std::move(socket));
}

}  // namespace offload::base
