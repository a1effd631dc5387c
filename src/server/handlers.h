// The API's answers on plain messages: what all packages and listeners share.
//
// Each call takes the caller, whose owner bounds what it sees and whose profile shapes the answer.
// Thread-safe. All calls but Check block until the datapath has answered.
#pragma once

#include <grpcpp/support/status.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/clock.h"
#include "closed/closed_log.h"
#include "engine/engine.h"
#include "proto/openoffload_v1.pb.h"
#include "server/profile.h"
#include "server/request_log.h"
#include "server/translate.h"
#include "session/types.h"

namespace offload::server {

class Handlers {
 public:
  // The references must outlive the handlers.
  Handlers(engine::Engine& engine, closed::ClosedLog& closed_log, RequestLog& request_log,
           base::Clock& clock, LifPredicate lif_exists)
      : engine_(engine),
        closed_log_(closed_log),
        request_log_(request_log),
        clock_(clock),
        lif_exists_(std::move(lif_exists)) {}

  // Until it is set to true all sessions and calls are refused UNAVAILABLE.
  void SetReady(bool ready) { ready_ = ready; }
  absl::Status CheckReady() const;

  // The session that one addSession request asks for, or why not (logged). Does not block.
  absl::StatusOr<session::SessionSpec> Check(const Caller& caller,
                                             const api::sessionRequest& request);
  // Installs sessions; one status each, failures are logged. REQUIRES: equal sizes.
  void Add(absl::Span<const session::SessionSpec> specs, absl::Span<absl::Status> results);

  grpc::Status Get(const Caller& caller, const api::sessionId& request,
                   api::sessionResponse* response);
  grpc::Status Delete(const Caller& caller, const api::sessionId& request,
                      api::sessionResponse* response);
  grpc::Status GetAll(const Caller& caller, const api::sessionRequestArgs& request,
                      api::sessionResponses* response);

  closed::ClosedLog& closed_log() { return closed_log_; }
  absl::Time WallNow() { return clock_.WallNow(); }

 private:
  // The answer for an id that names nothing.
  static grpc::Status Unknown(const Caller& caller, uint64_t id, api::sessionResponse* response);

  engine::Engine& engine_;
  closed::ClosedLog& closed_log_;
  RequestLog& request_log_;
  base::Clock& clock_;
  const LifPredicate lif_exists_;
  std::atomic<bool> ready_ = false;
};

grpc::Status ToGrpcStatus(const absl::Status& status);

// How many records one getClosedSessions call delivers at most (when it does not follow).
size_t ClosedLimit(const api::sessionRequestArgs& request);

}  // namespace offload::server
