// The commands about the daemon itself: doctor, status. They ask offloadd.admin.v1, which not every
// listener serves. Each prints its result and returns the exit status; without an answer that is
// kUnreachable, so that 1 of doctor has one meaning: there is a problem.
#pragma once

#include "cli/options.h"

namespace offload::cli {

int Doctor(const Options& options);
int Status(const Options& options);

}  // namespace offload::cli
