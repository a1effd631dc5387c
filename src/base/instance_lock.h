// One instance per network namespace: the holder of an abstract unix socket's name.
//
// The abstract socket space belongs to the network namespace and the kernel frees the name with the
// process, however it ends, so there is no stale lock. Movable; not thread-safe.
#pragma once

#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"

namespace offload::base {

class InstanceLock {
 public:
  // Takes `name` (1..100 bytes) in the present network namespace until the lock is destroyed.
  // ALREADY_EXISTS: "another NAME runs in this network namespace (pid N)"; N is "unknown" for a
  // process of another pid namespace, or after so many refusals that the holder's queue is full.
  // INVALID_ARGUMENT: the name's length. Other errors are the kernel's.
  static absl::StatusOr<InstanceLock> Acquire(absl::string_view name);

 private:
  explicit InstanceLock(UniqueFd socket) : socket_(std::move(socket)) {}

  UniqueFd socket_;
};

}  // namespace offload::base
