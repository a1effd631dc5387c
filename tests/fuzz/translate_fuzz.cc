// A session request as a client may send it: any bytes that protobuf takes.
#include <cctype>
#include <cstdint>

#include "server/translate.h"
#include "session/types.h"
#include "tests/fuzz/check.h"

namespace offload::server {
namespace {

bool IsConfigured(session::LifId lif) { return lif < 16; }

void CheckSpec(const session::SessionSpec& spec) {
  FUZZ_CHECK(IsConfigured(spec.in_lif) && IsConfigured(spec.out_lif));
  FUZZ_CHECK(spec.tuple.source.version == spec.tuple.destination.version);
  for (const auto& vlan : {spec.in_vlan, spec.out_vlan}) {
    FUZZ_CHECK(!vlan || (*vlan >= 1 && *vlan <= 4094));
  }
  FUZZ_CHECK(spec.timeout >= absl::ZeroDuration());
}

// A refusal begins with the field: "sourcePort: ...".
void CheckRefusal(const absl::Status& status) {
  FUZZ_CHECK(status.code() == absl::StatusCode::kInvalidArgument ||
             status.code() == absl::StatusCode::kUnimplemented);
  const size_t colon = status.message().find(": ");
  FUZZ_CHECK(colon != absl::string_view::npos && colon > 0);
  for (const char c : status.message().substr(0, colon)) {
    FUZZ_CHECK(std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.');
  }
}

void Check(const api::sessionRequest& request, Ipv4Order order) {
  const Caller caller = {.owner = 3, .profile = {.ipv4_order = order}};
  const auto spec = ToSpec(request, caller, IsConfigured);
  if (!spec.ok()) return CheckRefusal(spec.status());
  FUZZ_CHECK(spec->key.owner == 3 && spec->key.id == request.sessionid());
  CheckSpec(*spec);
}

}  // namespace
}  // namespace offload::server

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  offload::server::api::sessionRequest request;
  if (!request.ParseFromArray(data, static_cast<int>(size))) return -1;
  offload::server::Check(request, offload::server::Ipv4Order::kNumber);
  offload::server::Check(request, offload::server::Ipv4Order::kInAddr);
  return 0;
}
