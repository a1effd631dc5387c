// What ThreadSanitizer must be told of Debian's libgrpc, which is not built for it: linked into
// every program of the tsan preset.
//
// libgrpc's locks (absl::Mutex, on futexes) and lock-free queues are invisible to TSan, so whatever
// a reactor hands from one gRPC thread to the next looks like a race. No suppression tells these
// from races of ours: a reactor's callbacks have gRPC's frames on their stack too. Instead each
// function below takes the place of the library's of that name (the dynamic linker prefers the
// program's), calls it, and says what it guarantees: what came before the release happens before
// what comes after the acquire. Only edges that are really there are told, so a race of ours is
// still found.
//
// Interceptors called from libraries that are not built for TSan (memcpy, free) are ignored.
#include <dlfcn.h>
#include <grpc/grpc.h>
#include <grpcpp/support/server_callback.h>
#include <sanitizer/tsan_interface.h>

#include <atomic>
#include <cstdint>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace {

using Mutex = absl::Mutex;
using CondVar = absl::CondVar;
using ServerCall = grpc::internal::ServerCallbackCall;

// The count of what must end before a reactor's OnDone is private. Explicit instantiation may name
// it, and the friend hands it out.
std::atomic_int& OutstandingOf(ServerCall& call);
template <std::atomic_int ServerCall::*count>
struct Outstanding {
  friend std::atomic_int& OutstandingOf(ServerCall& call) { return call.*count; }
};
template struct Outstanding<&ServerCall::callbacks_outstanding_>;

template <typename F>
F* Library(const char* symbol) {
  return reinterpret_cast<F*>(::dlsym(RTLD_NEXT, symbol));
}

}  // namespace

// The names are Debian 12's: its abseil has the inline namespace debian3.
#define LOCK "_ZN4absl7debian35Mutex4LockEv"
#define TRY_LOCK "_ZN4absl7debian35Mutex7TryLockEv"
#define UNLOCK "_ZN4absl7debian35Mutex6UnlockEv"
#define WAIT "_ZN4absl7debian37CondVar4WaitEPNS0_5MutexE"
#define WAIT_WITH_TIMEOUT "_ZN4absl7debian37CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE"
#define WAIT_WITH_DEADLINE "_ZN4absl7debian37CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE"
#define STATUS_UNREF "_ZN4absl7debian36Status15UnrefNonInlinedEm"
#define SCHEDULE_ON_DONE "_ZN4grpc8internal18ServerCallbackCall14ScheduleOnDoneEb"

extern "C" {

void Lock(Mutex* mutex) __asm__(LOCK);
bool TryLock(Mutex* mutex) __asm__(TRY_LOCK);
void Unlock(Mutex* mutex) __asm__(UNLOCK);
void Wait(CondVar* condition, Mutex* mutex) __asm__(WAIT);
bool WaitWithTimeout(CondVar* condition, Mutex* mutex, absl::Duration) __asm__(WAIT_WITH_TIMEOUT);
bool WaitWithDeadline(CondVar* condition, Mutex* mutex, absl::Time) __asm__(WAIT_WITH_DEADLINE);
void StatusUnref(uintptr_t rep) __asm__(STATUS_UNREF);
void ScheduleOnDone(ServerCall* call, bool inline_ondone) __asm__(SCHEDULE_ON_DONE);

void Lock(Mutex* mutex) {
  static auto* const lock = Library<decltype(Lock)>(LOCK);
  lock(mutex);
  __tsan_acquire(mutex);
}

bool TryLock(Mutex* mutex) {
  static auto* const try_lock = Library<decltype(TryLock)>(TRY_LOCK);
  const bool locked = try_lock(mutex);
  if (locked) __tsan_acquire(mutex);
  return locked;
}

void Unlock(Mutex* mutex) {
  static auto* const unlock = Library<decltype(Unlock)>(UNLOCK);
  __tsan_release(mutex);
  unlock(mutex);
}

void Wait(CondVar* condition, Mutex* mutex) {
  static auto* const wait = Library<decltype(Wait)>(WAIT);
  __tsan_release(mutex);
  wait(condition, mutex);
  __tsan_acquire(mutex);
}

bool WaitWithTimeout(CondVar* condition, Mutex* mutex, absl::Duration timeout) {
  static auto* const wait = Library<decltype(WaitWithTimeout)>(WAIT_WITH_TIMEOUT);
  __tsan_release(mutex);
  const bool timed_out = wait(condition, mutex, timeout);
  __tsan_acquire(mutex);
  return timed_out;
}

bool WaitWithDeadline(CondVar* condition, Mutex* mutex, absl::Time deadline) {
  static auto* const wait = Library<decltype(WaitWithDeadline)>(WAIT_WITH_DEADLINE);
  __tsan_release(mutex);
  const bool timed_out = wait(condition, mutex, deadline);
  __tsan_acquire(mutex);
  return timed_out;
}

// The count of the copies of one absl::Status: who frees it comes after all who gave up theirs.
void StatusUnref(uintptr_t rep) {
  static auto* const unref = Library<decltype(StatusUnref)>(STATUS_UNREF);
  __tsan_release(reinterpret_cast<void*>(rep));
  __tsan_acquire(reinterpret_cast<void*>(rep));
  unref(rep);
}

// A batch begins before its tag comes out of the completion queue, whatever thread takes it.
grpc_call_error grpc_call_start_batch(grpc_call* call, const grpc_op* ops, size_t count, void* tag,
                                      void* reserved) {
  static auto* const start = Library<decltype(grpc_call_start_batch)>("grpc_call_start_batch");
  __tsan_release(tag);
  return start(call, ops, count, tag, reserved);
}

grpc_event grpc_completion_queue_next(grpc_completion_queue* queue, gpr_timespec deadline,
                                      void* reserved) {
  static auto* const next =
      Library<decltype(grpc_completion_queue_next)>("grpc_completion_queue_next");
  const grpc_event event = next(queue, deadline, reserved);
  if (event.type == GRPC_OP_COMPLETE) __tsan_acquire(event.tag);
  return event;
}

grpc_event grpc_completion_queue_pluck(grpc_completion_queue* queue, void* tag,
                                       gpr_timespec deadline, void* reserved) {
  static auto* const pluck =
      Library<decltype(grpc_completion_queue_pluck)>("grpc_completion_queue_pluck");
  const grpc_event event = pluck(queue, tag, deadline, reserved);
  if (event.type == GRPC_OP_COMPLETE) __tsan_acquire(tag);
  return event;
}

// OnDone comes after all that was counted down; the last one down may be libgrpc++'s own, whose
// access to the count TSan does not see.
void ScheduleOnDone(ServerCall* call, bool inline_ondone) {
  static auto* const schedule = Library<decltype(ScheduleOnDone)>(SCHEDULE_ON_DONE);
  __tsan_acquire(&OutstandingOf(*call));
  schedule(call, inline_ondone);
}

// TSan asks for these.
const char* __tsan_default_options() { return "ignore_noninstrumented_modules=1"; }

// libgrpc++'s own handler of methods that no service has: it is instantiated in the library, where
// a call's last count down cannot be wrapped, and has no code of ours on it.
const char* __tsan_default_suppressions() {
  return "race:grpc::internal::CallbackBidiHandler<grpc::ByteBuffer, grpc::ByteBuffer>\n";
}

}  // extern "C"
