// The API's logic on plain messages, the same for every package and listener.
#pragma once

#include <grpcpp/support/status.h>

#include <atomic>
#include <vector>

#include "closed/closed_log.h"
#include "engine/engine.h"
#include "proto/openoffload_v1.pb.h"
#include "server/profile.h"
#include "server/request_log.h"
#include "server/translate.h"
#include "server/worker_pool.h"

namespace offload::server {

// What all services share; everything outlives them.
struct Backend {
  engine::Engine& engine;
  closed::ClosedLog& closed;
  RequestLog& log;
  LifPredicate has_lif;
  WorkerPool& workers;
  std::atomic<bool>& ready;
};

// Who asks, and in which dialect.
struct Caller {
  session::OwnerId owner = 0;
  ApiProfile profile;
};

// The sessions of one addSession stream and what became of them. Not thread-safe.
class AddCall {
 public:
  AddCall(const Backend& backend, const Caller& caller) : backend_(backend), caller_(caller) {}

  // One more request; refused at once or put into the next batch.
  void Take(const pb::sessionRequest& request);

  struct Batch {
    std::vector<session::SessionSpec> specs;
    std::vector<size_t> indexes;  // of each in the stream
    std::vector<absl::Status> results;
  };
  size_t pending() const { return next_.specs.size(); }
  Batch TakeBatch();
  // Blocks; needs no lock of the call.
  static void Program(const Backend& backend, Batch& batch);
  void Record(const Batch& batch);

  // The answer; the batches must be recorded.
  void Fill(absl::Time now, pb::addSessionResponse& response);

 private:
  struct Failure {
    size_t index;
    uint64_t id;
    absl::Status status;
  };
  void Fail(size_t index, uint64_t id, const absl::Status& status);

  const Backend& backend_;
  const Caller& caller_;
  size_t count_ = 0;
  Batch next_;
  std::vector<Failure> failures_;
};

grpc::Status GetSession(const Backend& backend, const Caller& caller, const pb::sessionId& request,
                        pb::sessionResponse& response);
grpc::Status DeleteSession(const Backend& backend, const Caller& caller,
                           const pb::sessionId& request, pb::sessionResponse& response);
grpc::Status GetAllSessions(const Backend& backend, const Caller& caller,
                            const pb::sessionRequestArgs& request, pb::sessionResponses& response);

// How many records one getClosedSessions call delivers at most.
size_t ClosedLimit(const pb::sessionRequestArgs& request);

grpc::Status NotReady();

}  // namespace offload::server
