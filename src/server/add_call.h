// What became of the requests of one addSession call.
//
// Order of calls: Put for each request as it comes, Take and Record in turns for what is to be
// installed, Fill when all that was taken is recorded. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "proto/openoffload_v1.pb.h"
#include "server/profile.h"
#include "session/types.h"

namespace offload::server {

// Accepted sessions in the order of their requests.
struct AddBatch {
  std::vector<session::SessionSpec> specs;
  std::vector<size_t> positions;  // of their requests in the stream, from 0
};

class AddCall {
 public:
  explicit AddCall(ErrorCodes codes) : codes_(codes) {}

  // One more request: its session, or why it is refused.
  void Put(uint64_t id, const absl::StatusOr<session::SessionSpec>& spec);

  // Sessions that wait to be taken.
  size_t waiting() const { return waiting_.specs.size(); }
  AddBatch Take();

  // One status for each session of the batch.
  void Record(const AddBatch& batch, absl::Span<const absl::Status> results);

  // requestStatus, errorStatus and responseError.
  void Fill(openoffload::v1::addSessionResponse* response);

 private:
  struct Failure {
    size_t position;
    uint64_t id;
    absl::Status status;
  };

  const ErrorCodes codes_;
  size_t requests_ = 0;
  AddBatch waiting_;
  std::vector<Failure> failures_;
};

}  // namespace offload::server
