// The LIFs and VLANs of a sessionRequest: inLif, outLif, vlan_inLif, vlan_outLif and the vlan of
// both per-link actions. docs/vlan.md says what goes together.
//
// Pure.
#pragma once

#include "absl/status/status.h"
#include "server/translate.h"
#include "session/types.h"

namespace offload::server {

// Fills the LIFs and VLANs of `spec`. REQUIRES: spec->action is that of the request.
// INVALID_ARGUMENT or UNIMPLEMENTED as ToSpec says; `spec` is then not to be used.
absl::Status FillLifs(const api::sessionRequest& request, const LifPredicate& lif_exists,
                      session::SessionSpec* spec);

}  // namespace offload::server
