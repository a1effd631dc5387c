// The keys of the configuration file and what each may hold.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"
#include "config/report.h"
#include "nlohmann/json.hpp"

namespace offload::config {

// Reads and checks the whole of `root`. The result is valid only while `report` is ok.
Config ReadConfig(const nlohmann::json& root, Report& report);

// Every key as a JSON pointer, '*' standing for an index or a name: "/lifs/*/netdev".
std::vector<std::string> KnownKeys();

// The name a mode has in the file.
absl::string_view Name(DatapathMode mode);

}  // namespace offload::config
