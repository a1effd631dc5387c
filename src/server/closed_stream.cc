#include "server/closed_stream.h"

#include <utility>

#include "server/translate.h"

namespace offload::server {

ClosedStream::ClosedStream(Handlers& handlers, WorkerPool& workers, FollowerSet& followers,
                           const Caller& caller, const api::sessionRequestArgs& request)
    : handlers_(handlers),
      workers_(workers),
      followers_(followers),
      caller_(caller),
      limit_(ClosedLimit(request)),
      follow_(caller.profile.follow && request.pagesize() == 0) {
  if (follow_) {
    if (!followers_.Add(this)) EndFollowing();
    subscription_ =
        handlers_.closed_log().Subscribe(caller_.owner, [this] { Wake(/*end=*/false); });
  }
  workers_.Submit([this] { Continue(); });
}

void ClosedStream::OnWriteDone(bool ok) {
  write_failed_ = !ok;
  workers_.Submit([this] { Continue(); });
}

void ClosedStream::OnCancel() { Wake(/*end=*/true); }

void ClosedStream::EndFollowing() { Wake(/*end=*/true); }

void ClosedStream::OnDone() {
  followers_.Remove(this);
  subscription_.reset();  // waits for notifications that run
  delete this;
}

void ClosedStream::Wake(bool end) {
  bool resume = false;
  {
    base::MutexLock lock(mutex_);
    end_ |= end;
    news_ = true;
    resume = std::exchange(waiting_, false);
  }
  if (resume) workers_.Submit([this] { Continue(); });
}

// After StartWrite, Wait or End another thread may go on with the stream or have deleted it.
void ClosedStream::Continue() {
  if (std::exchange(writing_, false) && !write_failed_) {
    lease_->Commit();
    ++delivered_;
  }
  Next next = Advance();
  while (next == Next::kWait && !Wait()) next = Advance();
  if (next == Next::kWrite) {
    writing_ = true;
    response_.Clear();
    ToResponse(*lease_->Peek(), &response_);
    StartWrite(&response_);
  } else if (next == Next::kEnd) {
    End();
  }
}

ClosedStream::Next ClosedStream::Advance() {
  {
    base::MutexLock lock(mutex_);
    news_ = false;
    if (end_ || write_failed_ || !handlers_.CheckReady().ok()) return Next::kEnd;
  }
  if (lease_ == nullptr) lease_ = handlers_.closed_log().Lease(caller_.owner, limit_);
  if (lease_->Peek() != nullptr) return Next::kWrite;
  if (!follow_) return Next::kEnd;
  lease_ = handlers_.closed_log().Lease(caller_.owner, limit_);
  return lease_->Peek() != nullptr ? Next::kWrite : Next::kWait;
}

bool ClosedStream::Wait() {
  base::MutexLock lock(mutex_);
  waiting_ = !news_;
  return waiting_;
}

void ClosedStream::End() {
  grpc::Status status = ToGrpcStatus(handlers_.CheckReady());
  {
    base::MutexLock lock(mutex_);
    const bool cut_short = end_ || write_failed_;
    if (status.ok() && cut_short) status = {grpc::StatusCode::UNAVAILABLE, "the stream was ended"};
  }
  if (status.ok() && delivered_ == 0 && caller_.profile.empty_closed == EmptyClosed::kNotFound) {
    status = {grpc::StatusCode::NOT_FOUND, "no closed sessions"};
  }
  lease_.reset();
  Finish(status);
}

}  // namespace offload::server
