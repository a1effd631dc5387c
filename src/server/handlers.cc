#include "server/handlers.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/paging.h"

namespace offload::server {
namespace {

using session::SessionKey;
using session::SessionSpec;
using session::SessionView;

constexpr size_t kMaxClosedPage = 64;
constexpr size_t kMaxClosedRecords = 100000;

}  // namespace

grpc::Status ToGrpcStatus(const absl::Status& status) {
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message()));
}

size_t ClosedLimit(const api::sessionRequestArgs& request) {
  if (request.pagesize() == 0) return kMaxClosedRecords;
  return std::min<size_t>(request.pagesize(), kMaxClosedPage);
}

absl::Status Handlers::CheckReady() const {
  if (ready_) return absl::OkStatus();
  return absl::UnavailableError("the datapath is not ready");
}

absl::StatusOr<SessionSpec> Handlers::Check(const Caller& caller,
                                            const api::sessionRequest& request) {
  if (absl::Status ready = CheckReady(); !ready.ok()) return ready;
  auto spec = ToSpec(request, caller, lif_exists_);
  const SessionKey key = {.owner = caller.owner, .id = request.sessionid()};
  if (!spec.ok()) {
    request_log_.Rejected(key, spec.status());
    return spec;
  }
  const absl::Duration longest = engine::EngineOptions{}.max_timeout;
  if (spec->timeout > longest) request_log_.Clamped(key, spec->timeout, longest);
  return spec;
}

void Handlers::Add(absl::Span<const SessionSpec> specs, absl::Span<absl::Status> results) {
  engine_.Add(specs, results);
  for (size_t i = 0; i < specs.size(); ++i) {
    if (!results[i].ok()) request_log_.Rejected(specs[i].key, results[i]);
  }
}

grpc::Status Handlers::Get(const Caller& caller, const api::sessionId& request,
                           api::sessionResponse* response) {
  if (absl::Status ready = CheckReady(); !ready.ok()) return ToGrpcStatus(ready);
  const auto view = engine_.Get({.owner = caller.owner, .id = request.sessionid()});
  if (absl::IsNotFound(view.status())) return Unknown(caller, request.sessionid(), response);
  if (!view.ok()) return ToGrpcStatus(view.status());
  ToResponse(*view, response);
  return grpc::Status::OK;
}

grpc::Status Handlers::Delete(const Caller& caller, const api::sessionId& request,
                              api::sessionResponse* response) {
  if (absl::Status ready = CheckReady(); !ready.ok()) return ToGrpcStatus(ready);
  const SessionKey key = {.owner = caller.owner, .id = request.sessionid()};
  const bool in_reply = caller.profile.delete_counters == DeleteCounters::kReply;
  bool taken = false;
  const auto record = engine_.Delete(
      key, in_reply ? engine::DeleteMode::kReply : engine::DeleteMode::kClosedRecord, &taken);
  if (absl::IsNotFound(record.status())) return Unknown(caller, request.sessionid(), response);
  if (!record.ok()) return ToGrpcStatus(record.status());
  // A record that was taken has left the log with this call: nobody else will deliver it.
  if (in_reply || taken) {
    ToResponse(*record, response);
  } else {
    response->set_sessionid(key.id);
    response->set_sessionstate(api::_CLOSED);
  }
  return grpc::Status::OK;
}

grpc::Status Handlers::GetAll(const Caller& caller, const api::sessionRequestArgs& request,
                              api::sessionResponses* response) {
  if (absl::Status ready = CheckReady(); !ready.ok()) return ToGrpcStatus(ready);
  const ListPlan plan = PlanList(request);
  const std::vector<SessionView> views = engine_.List(
      {.owner = caller.owner, .after_id = plan.after_id, .skip = plan.skip, .limit = plan.fetch});
  std::vector<uint64_t> ids;
  ids.reserve(views.size());
  for (const SessionView& view : views) ids.push_back(view.spec.key.id);
  response->set_nextkey(request.startsession());
  for (size_t i : ArrangeList(plan, ids)) {
    ToResponse(views[i], response->add_sessioninfo());
    response->set_nextkey(ids[i]);
  }
  return grpc::Status::OK;
}

grpc::Status Handlers::Unknown(const Caller& caller, uint64_t id, api::sessionResponse* response) {
  if (caller.profile.unknown_id == UnknownId::kNotFound) {
    return {grpc::StatusCode::NOT_FOUND, absl::StrCat("no session ", id)};
  }
  ToNonexistent(id, response);
  return grpc::Status::OK;
}

}  // namespace offload::server
