// Messages captured from iproute2's tc and the kernel (tests/golden/NAME.hex, made by
// tests/golden/capture). Tests run in the repository's folder.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "netlink/message.h"

namespace offload::netlink {

using Bytes = std::vector<uint8_t>;

// The messages of tests/golden/`name`.hex; the test fails when there are none.
std::vector<Bytes> Golden(const std::string& name);
Bytes GoldenOne(const std::string& name);  // the file has exactly one
std::vector<std::string> GoldenNames();

MessageView View(const Bytes& message);

}  // namespace offload::netlink
