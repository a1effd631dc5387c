// Gathers the facts of an examination (tc_doctor.h) from the kernel and the host.
#pragma once

#include "datapath/tc_datapath.h"
#include "datapath/tc_doctor.h"
#include "datapath/tc_kernel.h"

namespace offload::datapath {

// `last_handle`: handles 1..last_handle are for sessions. What cannot be read is an error in its
// fact, so that the rest is looked at nevertheless. Blocks; any thread.
DoctorFacts GatherFacts(const TcDatapathOptions& options, uint32_t last_handle, bool started,
                        TcKernel& kernel);

}  // namespace offload::datapath
