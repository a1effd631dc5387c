#include "server/add_stream.h"

#include <utility>
#include <vector>

#include "server/translate.h"

namespace offload::server {

AddStream::AddStream(Handlers& handlers, WorkerPool& workers, const Caller& caller,
                     api::addSessionResponse* response)
    : handlers_(handlers),
      workers_(workers),
      caller_(caller),
      response_(response),
      call_(caller.profile.error_codes) {
  StartRead(&request_);
}

// Once the last read and the last Program are on their way the reactor may be deleted at any
// moment, so what to do is decided under the lock and done with nothing but locals after it.
void AddStream::OnReadDone(bool ok) {
  WorkerPool& workers = workers_;
  bool read = false, program = false, answer = false;
  absl::StatusOr<session::SessionSpec> spec = absl::UnknownError("");
  if (ok) spec = handlers_.Check(caller_, request_);
  {
    base::MutexLock lock(mutex_);
    if (ok) call_.Put(request_.sessionid(), spec);
    ended_ = !ok;
    paused_ = ok && call_.waiting() >= kMaxBatch;
    read = ok && !paused_;
    program = !programming_ && call_.waiting() > 0;
    answer = ended_ && !programming_ && !program;
    programming_ |= program;
  }
  if (answer) return Answer();
  if (read) StartRead(&request_);
  if (program) workers.Submit([this] { Program(); });
}

void AddStream::Program() {
  AddBatch batch;
  bool read = false;
  {
    base::MutexLock lock(mutex_);
    batch = call_.Take();
    read = std::exchange(paused_, false);
  }
  if (read) StartRead(&request_);
  std::vector<absl::Status> results(batch.specs.size());
  handlers_.Add(batch.specs, absl::MakeSpan(results));
  bool again = false, answer = false;
  {
    base::MutexLock lock(mutex_);
    call_.Record(batch, results);
    again = call_.waiting() > 0;
    answer = ended_ && !again;
    programming_ = again;
  }
  if (answer) return Answer();
  if (again) workers_.Submit([this] { Program(); });
}

void AddStream::Answer() {
  {
    base::MutexLock lock(mutex_);
    call_.Fill(response_);
  }
  *response_->mutable_starttime() = ToTimestamp(handlers_.WallNow());
  Finish(grpc::Status::OK);
}

}  // namespace offload::server
