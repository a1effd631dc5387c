#include "datapath/tc_errno.h"

#include <cerrno>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "netlink/kernel_error.h"

namespace offload::datapath {
namespace {

// EINVAL of cls_api.c that is about what the filter hangs on, not about the filter.
constexpr absl::string_view kNoPlace[] = {"Parent Qdisc doesn't exist",
                                          "Filter with specified priority/protocol not found"};

}  // namespace

absl::Status MeaningOfAdd(const absl::Status& answer, OffloadMode mode, bool worked_before) {
  const absl::string_view text = answer.message();
  if (absl::IsNotFound(answer)) {
    return netlink::WithCode(absl::StatusCode::kFailedPrecondition, answer, text);
  }
  if (netlink::ErrnoOf(answer) != EINVAL) return answer;
  for (const absl::string_view no_place : kNoPlace) {
    if (absl::StrContains(text, no_place)) {
      return netlink::WithCode(absl::StatusCode::kFailedPrecondition, answer, text);
    }
  }
  if (mode != OffloadMode::kHardware || !worked_before) return answer;
  return netlink::WithCode(
      absl::StatusCode::kResourceExhausted, answer,
      absl::StrCat("taken as full, because a rule like it was accepted before: ", text));
}

bool IsBusy(const absl::Status& answer) { return absl::IsUnavailable(answer); }

std::string ErrnoName(const absl::Status& status) {
  const int error = netlink::ErrnoOf(status);
  if (error == 0) return "";
  const char* name = ::strerrorname_np(error);
  return name != nullptr ? name : absl::StrCat("errno ", error);
}

std::string Reason(const absl::Status& status) {
  const std::string name = ErrnoName(status);
  return name.empty() ? std::string(status.message())
                      : absl::StrCat(status.message(), " (", name, ")");
}

}  // namespace offload::datapath
