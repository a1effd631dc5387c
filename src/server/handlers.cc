#include "server/handlers.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/paging.h"

namespace offload::server {
namespace {

constexpr size_t kErrorBits = 64;
constexpr size_t kMaxClosedPage = 64;
// pageSize 0 asks for all that is queued; one call delivers so many and the next goes on.
constexpr size_t kMaxClosedRecords = 16384;

grpc::Status ToGrpc(const absl::Status& status) {
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message()));
}

// An id that is not in the table, as the caller's dialect has it.
grpc::Status Unknown(const Caller& caller, uint64_t id, pb::sessionResponse& response) {
  if (caller.profile.unknown_id == UnknownId::kNotFound) {
    return grpc::Status(grpc::StatusCode::NOT_FOUND, absl::StrCat("no session ", id));
  }
  response.set_sessionid(id);
  response.set_requeststatus(pb::_REJECTED_SESSION_NONEXISTENT);
  response.set_sessionstate(pb::_UNKNOWN_STATE);
  return grpc::Status::OK;
}

}  // namespace

grpc::Status NotReady() {
  return grpc::Status(grpc::StatusCode::UNAVAILABLE, "the datapath is not ready yet");
}

void AddCall::Take(const pb::sessionRequest& request) {
  const size_t index = count_++;
  if (!backend_.ready.load()) {
    return Fail(index, request.sessionid(),
                absl::UnavailableError("the datapath is not ready yet"));
  }
  auto spec = ToSpec(request, caller_.owner, caller_.profile, backend_.has_lif);
  if (!spec.ok()) return Fail(index, request.sessionid(), spec.status());
  if (request.cachetimeout() > kMaxCacheTimeout) {
    backend_.log.Changed(spec->key, absl::StrCat("cacheTimeout: ", request.cachetimeout(),
                                                 " is above 86400 and was clamped"));
  }
  next_.specs.push_back(*std::move(spec));
  next_.indexes.push_back(index);
}

AddCall::Batch AddCall::TakeBatch() {
  Batch batch;
  std::swap(batch, next_);
  return batch;
}

void AddCall::Program(const Backend& backend, Batch& batch) {
  batch.results.resize(batch.specs.size());
  backend.engine.Add(batch.specs, absl::MakeSpan(batch.results));
}

void AddCall::Record(const Batch& batch) {
  for (size_t i = 0; i < batch.results.size(); ++i) {
    if (!batch.results[i].ok()) Fail(batch.indexes[i], batch.specs[i].key.id, batch.results[i]);
  }
}

void AddCall::Fail(size_t index, uint64_t id, const absl::Status& status) {
  failures_.push_back({index, id, status});
  backend_.log.Rejected({.owner = caller_.owner, .id = id}, status);
}

void AddCall::Fill(absl::Time now, pb::addSessionResponse& response) {
  std::sort(failures_.begin(), failures_.end(),
            [](const Failure& a, const Failure& b) { return a.index < b.index; });
  uint64_t bits = 0;
  bool same_reason = true;
  for (const Failure& failure : failures_) {
    if (failure.index < kErrorBits) bits |= uint64_t{1} << failure.index;
    same_reason = same_reason && AddStatus(failure.status) == AddStatus(failures_[0].status);
    pb::sessionResponseError& error = *response.add_responseerror();
    error.set_sessionid(failure.id);
    error.set_errorstatus(ErrorNumber(failure.status, caller_.profile.error_codes));
  }
  response.set_errorstatus(bits);
  if (count_ > 0 && failures_.size() == count_) {
    response.set_requeststatus(same_reason ? AddStatus(failures_[0].status)
                                           : pb::_SESSION_REJECTED);
  }
  FillTime(now, *response.mutable_starttime());
}

grpc::Status GetSession(const Backend& backend, const Caller& caller, const pb::sessionId& request,
                        pb::sessionResponse& response) {
  const auto view = backend.engine.Get({.owner = caller.owner, .id = request.sessionid()});
  if (absl::IsNotFound(view.status())) return Unknown(caller, request.sessionid(), response);
  if (!view.ok()) return ToGrpc(view.status());
  FillLive(*view, response);
  return grpc::Status::OK;
}

grpc::Status DeleteSession(const Backend& backend, const Caller& caller,
                           const pb::sessionId& request, pb::sessionResponse& response) {
  const bool in_reply = caller.profile.delete_counters == DeleteCounters::kReply;
  const auto record = backend.engine.Delete(
      {.owner = caller.owner, .id = request.sessionid()},
      in_reply ? engine::DeleteMode::kReply : engine::DeleteMode::kClosedRecord);
  if (absl::IsNotFound(record.status())) return Unknown(caller, request.sessionid(), response);
  if (!record.ok()) return ToGrpc(record.status());
  if (in_reply) {
    FillClosed(*record, response);
  } else {
    response.set_sessionid(request.sessionid());
    response.set_sessionstate(pb::_CLOSED);
  }
  return grpc::Status::OK;
}

grpc::Status GetAllSessions(const Backend& backend, const Caller& caller,
                            const pb::sessionRequestArgs& request, pb::sessionResponses& response) {
  const Page page = ReadPage(backend.engine, caller.owner, request);
  for (const session::SessionView& view : page.sessions)
    FillLive(view, *response.add_sessioninfo());
  response.set_nextkey(page.next_key);
  return grpc::Status::OK;
}

size_t ClosedLimit(const pb::sessionRequestArgs& request) {
  if (request.pagesize() == 0) return kMaxClosedRecords;
  return std::min<size_t>(request.pagesize(), kMaxClosedPage);
}

}  // namespace offload::server
