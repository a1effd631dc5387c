// The dialect that a client speaks: where the published packages and the clients in the field
// disagree, one value each. docs/protocol.md says who needs which.
//
// Plain values, set per listener. The defaults are those of package openoffload.v1.
#pragma once

#include <cstdint>

#include "session/types.h"

namespace offload::server {

// How sourceIp and destinationIp carry an IPv4 address: the plain number (10.0.1.1 = 0x0A000101),
// or a raw in_addr read as an integer on a little-endian host (0x0101000A).
enum class Ipv4Order : uint8_t { kNumber, kInAddr };
// The status of getClosedSessions when there is no record.
enum class EmptyClosed : uint8_t { kOk, kNotFound };
// The numbering of responseError.errorStatus: gRPC status codes or the enum ADD_SESSION_STATUS.
enum class ErrorCodes : uint8_t { kGrpc, kAddSessionStatus };
// Where the final counters of deleteSession go: into the reply, or into a closed record.
enum class DeleteCounters : uint8_t { kReply, kClosedRecord };
// getSession and deleteSession for an unknown id: status NOT_FOUND, or status OK with requestStatus
// _REJECTED_SESSION_NONEXISTENT.
enum class UnknownId : uint8_t { kNotFound, kOkNonexistent };

struct ApiProfile {
  Ipv4Order ipv4_order = Ipv4Order::kInAddr;
  EmptyClosed empty_closed = EmptyClosed::kOk;
  ErrorCodes error_codes = ErrorCodes::kGrpc;
  DeleteCounters delete_counters = DeleteCounters::kReply;
  UnknownId unknown_id = UnknownId::kNotFound;
  bool follow = false;  // getClosedSessions with pageSize 0 stays open and pushes records
  friend bool operator==(const ApiProfile&, const ApiProfile&) = default;
};

// Who is on the other end of a connection and how it speaks.
struct Caller {
  session::OwnerId owner = 0;
  ApiProfile profile;
};

}  // namespace offload::server
