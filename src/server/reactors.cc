#include "server/reactors.h"

#include "absl/time/clock.h"

namespace offload::server {
namespace {

// Sessions that may wait for their batch before reading pauses.
constexpr size_t kMaxPending = 256;

}  // namespace

AddReactor::AddReactor(const Backend& backend, const Caller& caller,
                       pb::addSessionResponse* response)
    : backend_(backend), caller_(caller), response_(response), call_(backend_, caller_) {
  StartRead(&request_);
}

void AddReactor::OnReadDone(bool ok) {
  bool read = false, program = false, finish = false;
  {
    base::MutexLock lock(mutex_);
    if (ok) {
      call_.Take(request_);
      read = call_.pending() < kMaxPending;
      paused_ = !read;
    } else {
      at_end_ = true;
    }
    if (!programming_) {
      programming_ = program = call_.pending() > 0;
      finish = at_end_ && !program;
      if (finish) call_.Fill(absl::Now(), *response_);
    }
  }
  // Nothing after Finish, nor after the last job was submitted: the reactor may be gone by then.
  if (finish) return Finish(grpc::Status::OK);
  if (read) StartRead(&request_);
  if (program) backend_.workers.Submit([this] { Program(); });
}

void AddReactor::Program() {
  AddCall::Batch batch;
  for (;;) {
    bool resume = false;
    {
      base::MutexLock lock(mutex_);
      call_.Record(batch);
      batch = call_.TakeBatch();
      std::swap(resume, paused_);
      if (batch.specs.empty()) {
        programming_ = false;
        if (!at_end_) break;
        call_.Fill(absl::Now(), *response_);
      }
    }
    if (batch.specs.empty()) return Finish(grpc::Status::OK);
    if (resume) StartRead(&request_);
    AddCall::Program(backend_, batch);
  }
}

ClosedReactor::ClosedReactor(const Backend& backend, const Caller& caller,
                             const pb::sessionRequestArgs& request)
    : log_(backend.closed),
      caller_(caller),
      limit_(ClosedLimit(request)),
      follow_(caller.profile.follow && request.pagesize() == 0),
      link_(std::make_shared<Link>()) {
  if (follow_) {
    {
      base::MutexLock lock(link_->mutex);
      link_->reactor = this;
    }
    subscription_ = log_.Subscribe(caller_.owner, [link = link_] {
      base::MutexLock lock(link->mutex);
      if (link->reactor != nullptr) link->reactor->OnAppended();
    });
  }
  base::MutexLock lock(mutex_);
  Next();
}

void ClosedReactor::Next() {
  if (writing_ || ended_) return;
  if (cancelled_) return End(grpc::Status::CANCELLED);
  const session::ClosedRecord* record = lease_ == nullptr ? nullptr : lease_->Peek();
  if (record == nullptr && (follow_ || lease_ == nullptr)) {
    lease_ = log_.Lease(caller_.owner, limit_);
    record = lease_->Peek();
  }
  if (record != nullptr) {
    message_.Clear();
    FillClosed(*record, message_);
    writing_ = true;
    return StartWrite(&message_);
  }
  if (follow_) return;
  const bool empty = written_ == 0 && caller_.profile.empty_closed == EmptyClosed::kNotFound;
  End(empty ? grpc::Status(grpc::StatusCode::NOT_FOUND, "no closed sessions") : grpc::Status::OK);
}

void ClosedReactor::End(const grpc::Status& status) {
  ended_ = true;
  lease_.reset();  // before the client hears of the end: its next call finds what was not delivered
  Finish(status);
}

void ClosedReactor::OnWriteDone(bool ok) {
  base::MutexLock lock(mutex_);
  writing_ = false;
  if (!ok) {
    if (!ended_) End(grpc::Status::CANCELLED);
    return;
  }
  lease_->Commit();
  ++written_;
  Next();
}

void ClosedReactor::OnCancel() {
  base::MutexLock lock(mutex_);
  cancelled_ = true;
  Next();
}

void ClosedReactor::OnAppended() {
  base::MutexLock lock(mutex_);
  Next();
}

void ClosedReactor::OnDone() {
  {
    base::MutexLock lock(link_->mutex);
    link_->reactor = nullptr;
  }
  delete this;
}

}  // namespace offload::server
