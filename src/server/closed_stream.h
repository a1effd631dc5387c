// getClosedSessions as a gRPC reactor: leases records from the closed log and writes them one by
// one. A record leaves the log when gRPC has accepted its write; the others go back to the front of
// the log, before the client learns that the stream has ended.
//
// With the profile's `follow`, a request of pageSize 0 stays open and gets records as they come.
//
// Deletes itself when gRPC is done with it.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <cstddef>
#include <memory>

#include "base/mutex.h"
#include "closed/closed_log.h"
#include "proto/openoffload_v1.pb.h"
#include "server/follower_set.h"
#include "server/handlers.h"
#include "server/profile.h"
#include "server/worker_pool.h"

namespace offload::server {

class ClosedStream final : public grpc::ServerWriteReactor<api::sessionResponse>, private Follower {
 public:
  // All references must outlive the call.
  ClosedStream(Handlers& handlers, WorkerPool& workers, FollowerSet& followers,
               const Caller& caller, const api::sessionRequestArgs& request);

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  enum class Next { kWrite, kWait, kEnd };

  void EndFollowing() override;
  // Someone has news for a stream that may be waiting: a record, or (`end`) that it must end.
  void Wake(bool end);
  // Goes on where the last write or wait ended; on a worker. At most one runs or waits to run.
  void Continue();
  // Leads to the next record to write, or says that there is none.
  Next Advance();
  // False when there is news already.
  bool Wait();
  void End();

  Handlers& handlers_;
  WorkerPool& workers_;
  FollowerSet& followers_;
  const Caller caller_;
  const size_t limit_;
  const bool follow_;
  std::shared_ptr<void> subscription_;

  // Of the one Continue or write that is under way:
  std::unique_ptr<closed::ClosedLease> lease_;
  api::sessionResponse response_;
  bool writing_ = false;       // response_ is the lease's first record
  bool write_failed_ = false;  // the client is gone
  size_t delivered_ = 0;

  base::Mutex mutex_;
  bool waiting_ GUARDED_BY(mutex_) = false;  // no Continue and no write is under way
  bool news_ GUARDED_BY(mutex_) = false;     // since the log was last looked at
  bool end_ GUARDED_BY(mutex_) = false;
};

}  // namespace offload::server
