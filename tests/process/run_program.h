// A program run to its end as a user would: what it wrote and how it ended.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace offload::process {

struct Ended {
  std::optional<int> status;  // none: killed, by a signal or at the deadline
  std::string out, err;
};

// Runs `words` (the program's path first) with an empty stdin and `environment` ("NAME=value")
// added to this process's. Killed when it has not ended after `limit`. Threads: any, also several
// at once.
Ended RunProgram(const std::vector<std::string>& words,
                 const std::vector<std::string>& environment = {},
                 absl::Duration limit = absl::Seconds(40));

}  // namespace offload::process
