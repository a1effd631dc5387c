#include "ovs/ovsdb.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/unique_fd.h"
#include "ovs/rpc.h"

namespace offload::ovs {
namespace {

using Clock = std::chrono::steady_clock;

absl::Status SystemError(absl::string_view what, int error) {
  const std::string text = absl::StrCat(what, ": ", std::strerror(error));
  if (error == ENOENT || error == ECONNREFUSED) return absl::NotFoundError(text);
  if (error == EACCES || error == EPERM) return absl::PermissionDeniedError(text);
  if (error == EAGAIN) return absl::UnavailableError(text);
  return absl::InternalError(text);
}

// One connection, non-blocking, with a deadline for all that is done on it.
class Connection {
 public:
  static absl::StatusOr<Connection> Open(const OvsdbOptions& options) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    if (options.socket.size() >= sizeof(address.sun_path)) {
      return absl::InvalidArgumentError(absl::StrCat(options.socket, ": the name is too long"));
    }
    std::copy(options.socket.begin(), options.socket.end(), address.sun_path);
    base::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd.valid()) return SystemError("socket", errno);
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
      return SystemError(options.socket, errno);
    }
    return Connection(std::move(fd), Clock::now() + absl::ToChronoMilliseconds(options.timeout));
  }

  absl::Status Send(absl::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent > 0) {
        bytes.remove_prefix(static_cast<size_t>(sent));
      } else if (errno == EAGAIN) {
        if (absl::Status ready = Wait(POLLOUT); !ready.ok()) return ready;
      } else if (errno != EINTR) {
        return SystemError("sending to the database", errno);
      }
    }
    return absl::OkStatus();
  }

  // The next message.
  absl::StatusOr<std::string> Receive() {
    std::string message;
    for (;;) {
      const absl::StatusOr<bool> whole = splitter_.Take(message);
      if (!whole.ok()) return whole.status();
      if (*whole) return message;
      if (absl::Status read = ReadSome(); !read.ok()) return read;
    }
  }

 private:
  Connection(base::UniqueFd fd, Clock::time_point deadline)
      : fd_(std::move(fd)), deadline_(deadline) {}

  absl::Status ReadSome() {
    if (absl::Status ready = Wait(POLLIN); !ready.ok()) return ready;
    std::array<char, 16384> chunk;
    const ssize_t got = ::recv(fd_.get(), chunk.data(), chunk.size(), 0);
    if (got == 0) return absl::InternalError("the database closed the connection");
    if (got > 0) {
      splitter_.Append({chunk.data(), static_cast<size_t>(got)});
    } else if (errno != EAGAIN && errno != EINTR) {
      return SystemError("reading from the database", errno);
    }
    return absl::OkStatus();
  }

  absl::Status Wait(int16_t events) {
    pollfd descriptor = {.fd = fd_.get(), .events = events, .revents = 0};
    for (;;) {
      const auto left =
          std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - Clock::now()).count();
      const int ready = left > 0 ? ::poll(&descriptor, 1, static_cast<int>(left)) : 0;
      if (ready > 0) return absl::OkStatus();
      if (ready == 0) return absl::DeadlineExceededError("no answer from the database in time");
      if (errno != EINTR) return SystemError("waiting for the database", errno);
    }
  }

  base::UniqueFd fd_;
  Clock::time_point deadline_;
  JsonSplitter splitter_;
};

absl::StatusOr<OvsConfig> Ask(const OvsdbOptions& options) {
  absl::StatusOr<Connection> connection = Connection::Open(options);
  if (!connection.ok()) return connection.status();
  if (absl::Status sent = connection->Send(EncodeConfigRequest()); !sent.ok()) return sent;
  for (;;) {
    const absl::StatusOr<std::string> message = connection->Receive();
    if (!message.ok()) return message.status();
    const absl::StatusOr<Incoming> incoming = Classify(*message);
    if (!incoming.ok()) return incoming.status();
    if (incoming->is_reply) return DecodeConfigReply(*message);
    if (incoming->answer.empty()) continue;
    if (absl::Status sent = connection->Send(incoming->answer); !sent.ok()) return sent;
  }
}

}  // namespace

absl::StatusOr<OvsConfig> ReadOvsConfig(const OvsdbOptions& options) {
  absl::StatusOr<OvsConfig> config = Ask(options);
  if (config.ok()) return config;
  return absl::Status(config.status().code(),
                      absl::StrCat("Open vSwitch: ", config.status().message()));
}

absl::StatusOr<bool> JsonSplitter::Take(std::string& message) {
  for (; scanned_ < buffer_.size(); ++scanned_) {
    const char c = buffer_[scanned_];
    if (escaped_) {
      escaped_ = false;
    } else if (in_string_) {
      escaped_ = c == '\\';
      in_string_ = c != '"';
    } else if (c == '{' || c == '[') {
      ++depth_;
    } else if (depth_ == 0 && std::strchr(" \t\r\n", c) == nullptr) {
      return absl::InternalError("the database sends something else than JSON objects");
    } else if (c == '"') {
      in_string_ = true;
    } else if ((c == '}' || c == ']') && --depth_ == 0) {
      message = buffer_.substr(0, scanned_ + 1);
      buffer_.erase(0, scanned_ + 1);
      scanned_ = 0;
      return true;
    }
  }
  if (buffer_.size() > kMaxMessage) return absl::InternalError("the database's answer is too long");
  return false;
}

}  // namespace offload::ovs
