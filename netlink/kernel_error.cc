#include "netlink/kernel_error.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace offload::netlink {
namespace {

constexpr char kPayload[] = "offload/errno";

struct Mapping {
  int error;
  absl::StatusCode code;
};

constexpr Mapping kMappings[] = {
    {EEXIST, absl::StatusCode::kAlreadyExists},     {ENOSPC, absl::StatusCode::kResourceExhausted},
    {ENOMEM, absl::StatusCode::kResourceExhausted}, {EOPNOTSUPP, absl::StatusCode::kUnimplemented},
    {EINVAL, absl::StatusCode::kInvalidArgument},   {ENOENT, absl::StatusCode::kNotFound},
    {ENODEV, absl::StatusCode::kNotFound},          {EBUSY, absl::StatusCode::kUnavailable},
    {EAGAIN, absl::StatusCode::kUnavailable},       {ENOBUFS, absl::StatusCode::kUnavailable},
    {EPERM, absl::StatusCode::kPermissionDenied},   {EACCES, absl::StatusCode::kPermissionDenied},
};

absl::StatusCode CodeOf(int error) {
  for (const Mapping& mapping : kMappings) {
    if (mapping.error == error) return mapping.code;
  }
  return absl::StatusCode::kInternal;
}

}  // namespace

absl::Status ErrnoToStatus(int error, absl::string_view text) {
  // The most negative number has no positive counterpart; the kernel never sends it.
  const int number = std::abs(std::max(error, -std::numeric_limits<int>::max()));
  if (number == 0) return absl::OkStatus();
  absl::Status status(CodeOf(number),
                      text.empty() ? absl::string_view(std::strerror(number)) : text);
  status.SetPayload(kPayload, absl::Cord(absl::StrCat(number)));
  return status;
}

int ErrnoOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kPayload);
  int number = 0;
  if (!payload.has_value() || !absl::SimpleAtoi(std::string(*payload), &number)) return 0;
  return number;
}

absl::Status WithPrefix(const absl::Status& status, absl::string_view prefix) {
  return WithCode(status.code(), status, absl::StrCat(prefix, status.message()));
}

absl::Status WithCode(absl::StatusCode code, const absl::Status& status, absl::string_view text) {
  if (status.ok()) return status;
  absl::Status changed(code, text);
  status.ForEachPayload(
      [&](absl::string_view url, const absl::Cord& value) { changed.SetPayload(url, value); });
  return changed;
}

}  // namespace offload::netlink
