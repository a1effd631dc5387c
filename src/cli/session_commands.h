// The commands on sessions: add, get, delete, list, closed. Each prints its result and returns the
// exit status.
#pragma once

#include "cli/options.h"

namespace offload::cli {

int Add(const Options& options);
int Get(const Options& options);
int Delete(const Options& options);
int List(const Options& options);
int Closed(const Options& options);

}  // namespace offload::cli
