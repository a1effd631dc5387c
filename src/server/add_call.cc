#include "server/add_call.h"

#include <algorithm>
#include <utility>

#include "server/translate.h"

namespace offload::server {
namespace {

// Bits of errorStatus.
constexpr size_t kErrorBits = 64;

}  // namespace

void AddCall::Put(uint64_t id, const absl::StatusOr<session::SessionSpec>& spec) {
  const size_t position = requests_++;
  if (!spec.ok()) {
    failures_.push_back({position, id, spec.status()});
    return;
  }
  waiting_.specs.push_back(*spec);
  waiting_.positions.push_back(position);
}

AddBatch AddCall::Take() { return std::exchange(waiting_, {}); }

void AddCall::Record(const AddBatch& batch, absl::Span<const absl::Status> results) {
  for (size_t i = 0; i < results.size(); ++i) {
    if (!results[i].ok()) {
      failures_.push_back({batch.positions[i], batch.specs[i].key.id, results[i]});
    }
  }
}

void AddCall::Fill(api::addSessionResponse* response) {
  std::sort(failures_.begin(), failures_.end(),
            [](const Failure& a, const Failure& b) { return a.position < b.position; });
  uint64_t bits = 0;
  bool one_reason = true;
  for (const Failure& failure : failures_) {
    if (failure.position < kErrorBits) bits |= uint64_t{1} << failure.position;
    one_reason &= ToAddSessionStatus(failure.status) == ToAddSessionStatus(failures_[0].status);
    api::sessionResponseError* error = response->add_responseerror();
    error->set_sessionid(failure.id);
    error->set_errorstatus(ToErrorNumber(failure.status, codes_));
  }
  response->set_errorstatus(bits);
  if (failures_.empty() || failures_.size() < requests_) return;  // _SESSION_ACCEPTED
  response->set_requeststatus(one_reason ? ToAddSessionStatus(failures_[0].status)
                                         : api::_SESSION_REJECTED);
}

}  // namespace offload::server
