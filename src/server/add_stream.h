// addSession as a gRPC reactor: reads requests into one message and programs what has arrived in
// batches on a worker, while it reads on. A stream that comes slowly is programmed at once, a fast
// one in batches of up to kMaxBatch.
//
// Deletes itself when gRPC is done with it.
#pragma once

#include <grpcpp/support/server_callback.h>

#include "base/mutex.h"
#include "proto/openoffload_v1.pb.h"
#include "server/add_call.h"
#include "server/handlers.h"
#include "server/profile.h"
#include "server/worker_pool.h"

namespace offload::server {

class AddStream final : public grpc::ServerReadReactor<api::sessionRequest> {
 public:
  static constexpr size_t kMaxBatch = 64;

  // `handlers` and `workers` must outlive the call; `response` is gRPC's.
  AddStream(Handlers& handlers, WorkerPool& workers, const Caller& caller,
            api::addSessionResponse* response);

  void OnReadDone(bool ok) override;
  void OnDone() override { delete this; }

 private:
  // Programs one batch; on a worker. At most one runs or waits to run.
  void Program();
  // REQUIRES: nothing is waiting, being programmed or being read.
  void Answer();

  Handlers& handlers_;
  WorkerPool& workers_;
  const Caller caller_;
  api::addSessionResponse* const response_;
  api::sessionRequest request_;
  base::Mutex mutex_;
  AddCall call_ GUARDED_BY(mutex_);
  bool programming_ GUARDED_BY(mutex_) = false;  // a Program runs or will
  bool paused_ GUARDED_BY(mutex_) = false;       // no read until a batch was taken
  bool ended_ GUARDED_BY(mutex_) = false;        // the client has sent all
};

}  // namespace offload::server
