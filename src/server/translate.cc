#include "server/translate.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/field_error.h"
#include "server/lif_fields.h"

namespace offload::server {
namespace {

using session::FiveTuple;
using session::IpAddress;
using session::SessionSpec;

constexpr uint32_t kMaxPort = 65535;

// `name`: what the message is called in the request.
absl::Status CheckKnownFields(const google::protobuf::Message& message, absl::string_view name) {
  const auto& unknown = message.GetReflection()->GetUnknownFields(message);
  if (unknown.empty()) return absl::OkStatus();
  return Unsupported(name, absl::StrCat("field ", unknown.field(0).number(), " is not known"));
}

absl::Status CheckLinkParameters(const api::perLinkActionParameters& link, absl::string_view name) {
  if (absl::Status status = CheckKnownFields(link, name); !status.ok()) return status;
  const std::pair<bool, const char*> asked[] = {
      {link.has_snat(), "snat"}, {link.has_dnat(), "dnat"}, {link.nexthopid() != 0, "nextHopId"}};
  for (const auto& [is_set, field] : asked) {
    if (is_set) return Unsupported(absl::StrCat(name, ".", field), "is not supported");
  }
  return absl::OkStatus();
}

// Forwarding, with or without a VLAN rewrite (lif_fields.h), and dropping is all that is done;
// the next hop that clients always send is ignored.
absl::Status CheckSupported(const api::sessionRequest& request) {
  const api::actionParameters& action = request.action();
  if (absl::Status status = CheckKnownFields(request, "sessionRequest"); !status.ok()) {
    return status;
  }
  if (absl::Status status = CheckKnownFields(action, "action"); !status.ok()) return status;
  if (action.actiontype() != api::_DROP && action.actiontype() != api::_FORWARD) {
    const std::string& name = api::ACTION_TYPE_Name(action.actiontype());
    return Unsupported(
        "actionType",
        absl::StrCat(name.empty() ? absl::StrCat(action.actiontype()) : name, " is not supported"));
  }
  if (request.encaptype() != api::_NO_ENCAP) {
    return Unsupported("encapType", absl::StrCat(request.encaptype(), " is not supported"));
  }
  if (absl::Status status = CheckLinkParameters(action.actionparams_inlif(), "actionParams_inLif");
      !status.ok()) {
    return status;
  }
  return CheckLinkParameters(action.actionparams_outlif(), "actionParams_outLif");
}

// One end of the connection as the API gives it.
struct Endpoint {
  const char* address_field;
  const char* address_v6_field;
  const char* port_field;
  uint32_t address;
  const std::string& address_v6;
  uint32_t port;
};

absl::StatusOr<IpAddress> ToAddress(const Endpoint& end, api::IP_VERSION version, Ipv4Order order) {
  if (version == api::_IPV4) {
    return IpAddress::V4(order == Ipv4Order::kNumber ? end.address
                                                     : __builtin_bswap32(end.address));
  }
  std::array<uint8_t, 16> bytes;
  if (end.address_v6.size() != bytes.size()) {
    return Invalid(end.address_v6_field,
                   absl::StrCat(end.address_v6.size(), " bytes where 16 are expected"));
  }
  std::copy(end.address_v6.begin(), end.address_v6.end(), bytes.begin());
  return IpAddress::V6(bytes);
}

absl::Status FillEnd(const Endpoint& end, api::IP_VERSION version, Ipv4Order order,
                     IpAddress* address, uint16_t* port) {
  if (end.port > kMaxPort) {
    return Invalid(end.port_field, absl::StrCat(end.port, " is above ", kMaxPort));
  }
  auto translated = ToAddress(end, version, order);
  if (!translated.ok()) return translated.status();
  *address = *translated;
  *port = static_cast<uint16_t>(end.port);
  return absl::OkStatus();
}

absl::Status FillTuple(const api::sessionRequest& request, Ipv4Order order, FiveTuple* tuple) {
  if (request.protocolid() != api::_TCP && request.protocolid() != api::_UDP) {
    return Invalid("protocolId", absl::StrCat(request.protocolid(), " is neither TCP nor UDP"));
  }
  if (request.ipversion() != api::_IPV4 && request.ipversion() != api::_IPV6) {
    return Invalid("ipVersion", absl::StrCat(request.ipversion(), " is neither _IPV4 nor _IPV6"));
  }
  tuple->protocol = static_cast<session::Protocol>(request.protocolid());
  const Endpoint source = {"sourceIp",         "sourceIpV6",         "sourcePort",
                           request.sourceip(), request.sourceipv6(), request.sourceport()};
  const Endpoint destination = {"destinationIp",           "destinationIpV6",
                                "destinationPort",         request.destinationip(),
                                request.destinationipv6(), request.destinationport()};
  if (absl::Status status =
          FillEnd(source, request.ipversion(), order, &tuple->source, &tuple->source_port);
      !status.ok()) {
    return status;
  }
  return FillEnd(destination, request.ipversion(), order, &tuple->destination,
                 &tuple->destination_port);
}

api::SESSION_STATE ToState(session::SessionState state) {
  switch (state) {
    case session::SessionState::kInstalling:
      return api::_UNKNOWN_STATE;
    case session::SessionState::kEstablished:
      return api::_ESTABLISHED;
    case session::SessionState::kClosing:
      return api::_CLOSING_1;
    case session::SessionState::kClosed:
      return api::_CLOSED;
  }
  return api::_UNKNOWN_STATE;
}

api::SESSION_CLOSE_CODE ToCloseCode(std::optional<session::CloseReason> reason) {
  if (!reason) return api::_NOT_CLOSED;
  return *reason == session::CloseReason::kTimeout ? api::_TIMEOUT : api::_UNKNOWN_CLOSE_CODE;
}

void SetCounters(const session::SessionCounters& counters, api::sessionResponse* response) {
  response->set_inpackets(counters.in.packets);
  response->set_outpackets(counters.out.packets);
  response->set_inbytes(counters.in.bytes);
  response->set_outbytes(counters.out.bytes);
}

}  // namespace

absl::StatusOr<SessionSpec> ToSpec(const api::sessionRequest& request, const Caller& caller,
                                   const LifPredicate& lif_exists) {
  SessionSpec spec = {.key = {.owner = caller.owner, .id = request.sessionid()},
                      .timeout = absl::Seconds(request.cachetimeout())};
  if (absl::Status status = CheckSupported(request); !status.ok()) return status;
  spec.action = request.action().actiontype() == api::_FORWARD ? session::Action::kForward
                                                               : session::Action::kDrop;
  if (absl::Status status = FillTuple(request, caller.profile.ipv4_order, &spec.tuple);
      !status.ok()) {
    return status;
  }
  if (absl::Status status = FillLifs(request, lif_exists, &spec); !status.ok()) return status;
  if (spec.in_lif == spec.out_lif && spec.in_vlan == spec.out_vlan &&
      spec.tuple == spec.tuple.Reversed()) {
    return Invalid("outLif", "a one-armed session whose tuple is its own reverse");
  }
  return spec;
}

void ToResponse(const session::SessionView& view, api::sessionResponse* response) {
  response->set_sessionid(view.spec.key.id);
  SetCounters(view.counters, response);
  response->set_sessionstate(ToState(view.state));
  response->set_sessionclosecode(ToCloseCode(view.close_reason));
  response->set_requeststatus(api::_ACCEPTED);
  *response->mutable_starttime() = ToTimestamp(view.start);
  if (view.end) *response->mutable_endtime() = ToTimestamp(*view.end);
}

void ToResponse(const session::ClosedRecord& record, api::sessionResponse* response) {
  response->set_sessionid(record.key.id);
  SetCounters(record.counters, response);
  response->set_sessionstate(api::_CLOSED);
  response->set_sessionclosecode(ToCloseCode(record.reason));
  response->set_requeststatus(api::_ACCEPTED);
  *response->mutable_starttime() = ToTimestamp(record.start);
  *response->mutable_endtime() = ToTimestamp(record.end);
}

void ToNonexistent(uint64_t id, api::sessionResponse* response) {
  response->set_sessionid(id);
  response->set_sessionstate(api::_UNKNOWN_STATE);
  response->set_requeststatus(api::_REJECTED_SESSION_NONEXISTENT);
}

api::ADD_SESSION_STATUS ToAddSessionStatus(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return api::_SESSION_ACCEPTED;
    case absl::StatusCode::kAlreadyExists:
      return api::_SESSION_ALREADY_EXISTS;
    case absl::StatusCode::kResourceExhausted:
      return api::_SESSION_TABLE_FULL;
    case absl::StatusCode::kUnavailable:
      return api::_SESSION_TABLE_UNAVAILABLE;
    default:
      return api::_SESSION_REJECTED;
  }
}

int32_t ToErrorNumber(const absl::Status& status, ErrorCodes codes) {
  return codes == ErrorCodes::kGrpc ? static_cast<int32_t>(status.code())
                                    : static_cast<int32_t>(ToAddSessionStatus(status));
}

google::protobuf::Timestamp ToTimestamp(absl::Time time) {
  const timespec spec = absl::ToTimespec(time);
  google::protobuf::Timestamp timestamp;
  timestamp.set_seconds(spec.tv_sec);
  timestamp.set_nanos(static_cast<int32_t>(spec.tv_nsec));
  return timestamp;
}

}  // namespace offload::server
