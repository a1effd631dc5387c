// The only place where API messages and session values meet.
//
// Pure functions: no socket, clock, log or lock. All messages are those of openoffload.v1, whose
// numbers the other packages share.
#pragma once

#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/openoffload_v1.pb.h"
#include "server/profile.h"
#include "session/types.h"

namespace offload::server {

namespace api = openoffload::v1;

// Whether a LIF is configured. Called from several threads.
using LifPredicate = std::function<bool(session::LifId)>;

// What the client asks for, checked. Timeout 0 is kept (the engine's default) and so is one that
// the engine will clamp.
//
// INVALID_ARGUMENT or UNIMPLEMENTED with a message that begins with the API field as the .proto
// spells it: "sourcePort: 70000 is above 65535". What is not understood, unknown protobuf fields
// included, is UNIMPLEMENTED: a packet must not be forwarded without the translation that was
// asked for.
absl::StatusOr<session::SessionSpec> ToSpec(const api::sessionRequest& request,
                                            const Caller& caller, const LifPredicate& lif_exists);

// A live or closed session; requestStatus _ACCEPTED.
void ToResponse(const session::SessionView& view, api::sessionResponse* response);
// A closed session: state _CLOSED, with both times.
void ToResponse(const session::ClosedRecord& record, api::sessionResponse* response);
// For a session that does not exist: the id and _REJECTED_SESSION_NONEXISTENT.
void ToNonexistent(uint64_t id, api::sessionResponse* response);

// ALREADY_EXISTS, RESOURCE_EXHAUSTED and UNAVAILABLE have their own value, all other errors are
// _SESSION_REJECTED.
api::ADD_SESSION_STATUS ToAddSessionStatus(const absl::Status& status);
// The number of responseError.errorStatus.
int32_t ToErrorNumber(const absl::Status& status, ErrorCodes codes);

google::protobuf::Timestamp ToTimestamp(absl::Time time);

}  // namespace offload::server
