// How sessions are numbered inside the daemon. Rules in the datapath are named by these numbers.
#pragma once

#include <cstdint>

namespace offload::session {

// Number of a session in the table, dense from 0. Reused only after the session's rules are
// confirmed gone.
using Slot = uint32_t;

// Which use of the slot: 15 bits, incremented (mod 2^15) each time the slot is taken.
using Generation = uint16_t;
inline constexpr Generation kGenerationMask = 0x7FFF;

}  // namespace offload::session
