// What an errno means for an add. Pure.
//
// netlink/kernel_error.h gives each errno its code; what that leaves open is decided here, from the
// sources of Linux 6.1 (net/sched/cls_api.c, drivers/net/ethernet/mellanox/mlx5/core):
//
//   EOPNOTSUPP         UNIMPLEMENTED        this shape between these netdevs; asking again is no
//   use ENOSPC             RESOURCE_EXHAUSTED   the NIC's table is full ENOMEM RESOURCE_EXHAUSTED
//   counters of the NIC, or kernel memory EINVAL             RESOURCE_EXHAUSTED   in mode hardware,
//   for a shape that the NIC took before: mlx5
//                                           with SMFS says so when its memory for rules is used up
//                      FAILED_PRECONDITION  the qdisc is gone, or the priority is somebody else's
//                      INVALID_ARGUMENT     otherwise
//   EBUSY, EAGAIN      UNAVAILABLE          eswitch mode change, firmware busy: repeated a few
//   times ENODEV             FAILED_PRECONDITION  one of the netdevs is gone EIO INTERNAL a
//   firmware command failed EPERM              PERMISSION_DENIED EEXIST             ALREADY_EXISTS
//   settled by reading back
#pragma once

#include <string>

#include "absl/status/status.h"
#include "datapath/tc_rule.h"

namespace offload::datapath {

// `answer` is the kernel's to an add, as ErrnoToStatus made it; its text and errno stay.
// `worked_before`: the shape was accepted between the same netdevs.
absl::Status MeaningOfAdd(const absl::Status& answer, OffloadMode mode, bool worked_before);

// The kernel or the NIC had something else to do: the operation was not done, repeat it.
bool IsBusy(const absl::Status& answer);

// "EOPNOTSUPP" or "errno 524"; empty when the status carries no errno.
std::string ErrnoName(const absl::Status& status);

// The message and the errno: "TC offload is disabled on net device (EOPNOTSUPP)".
std::string Reason(const absl::Status& status);

}  // namespace offload::datapath
