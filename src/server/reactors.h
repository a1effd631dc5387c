// The streaming calls of the API as gRPC callback reactors; each deletes itself when gRPC is done
// with it.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <memory>

#include "base/mutex.h"
#include "server/handlers.h"

namespace offload::server {

// addSession. Requests are read into one message. What has arrived is programmed as one batch on a
// worker; what arrives meanwhile is the next batch. So a slow stream is programmed at once, and a
// fast one in large batches.
class AddReactor final : public grpc::ServerReadReactor<pb::sessionRequest> {
 public:
  AddReactor(const Backend& backend, const Caller& caller, pb::addSessionResponse* response);
  void OnReadDone(bool ok) override;
  void OnDone() override { delete this; }

 private:
  void Program();  // on a worker

  const Backend& backend_;
  const Caller caller_;
  pb::addSessionResponse* const response_;
  pb::sessionRequest request_;  // the one message that reads go into
  base::Mutex mutex_;
  AddCall call_ GUARDED_BY(mutex_);
  bool programming_ GUARDED_BY(mutex_) = false;
  bool paused_ GUARDED_BY(mutex_) = false;  // no read is outstanding until a batch is done
  bool at_end_ GUARDED_BY(mutex_) = false;
};

// getClosedSessions. A record leaves the log when its write was accepted; the rest returns to the
// front when the reactor goes.
class ClosedReactor final : public grpc::ServerWriteReactor<pb::sessionResponse> {
 public:
  ClosedReactor(const Backend& backend, const Caller& caller,
                const pb::sessionRequestArgs& request);
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  // Outlives the reactor for a notification that is under way.
  struct Link {
    base::Mutex mutex;
    ClosedReactor* reactor GUARDED_BY(mutex) = nullptr;
  };
  void Next() REQUIRES(mutex_);
  void End(const grpc::Status& status) REQUIRES(mutex_);
  void OnAppended();

  closed::ClosedLog& log_;
  const Caller caller_;
  const size_t limit_;
  const bool follow_;
  const std::shared_ptr<Link> link_;
  std::shared_ptr<void> subscription_;
  base::Mutex mutex_;
  std::unique_ptr<closed::ClosedLease> lease_ GUARDED_BY(mutex_);
  pb::sessionResponse message_ GUARDED_BY(mutex_);
  bool writing_ GUARDED_BY(mutex_) = false;
  bool cancelled_ GUARDED_BY(mutex_) = false;
  bool ended_ GUARDED_BY(mutex_) = false;
  size_t written_ GUARDED_BY(mutex_) = 0;
};

}  // namespace offload::server
