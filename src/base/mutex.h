// std::mutex with clang's thread-safety annotations, so that -Wthread-safety checks who holds what.
//
// Why not absl::Mutex: Debian's libabsl is not built for ThreadSanitizer and gives false races;
// std::mutex is intercepted. The macro names follow clang's ThreadSafetyAnalysis documentation.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "absl/base/thread_annotations.h"

#if defined(__clang__)
#define OFFLOAD_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define OFFLOAD_THREAD_ANNOTATION(x)
#endif

#define OFFLOAD_CAPABILITY(x) OFFLOAD_THREAD_ANNOTATION(capability(x))
#define OFFLOAD_SCOPED_CAPABILITY OFFLOAD_THREAD_ANNOTATION(scoped_lockable)
// Debian 12's abseil still defines these three without its prefix, with the same meaning.
#ifndef GUARDED_BY
#define GUARDED_BY(x) OFFLOAD_THREAD_ANNOTATION(guarded_by(x))
#endif
#ifndef PT_GUARDED_BY
#define PT_GUARDED_BY(x) OFFLOAD_THREAD_ANNOTATION(pt_guarded_by(x))
#endif
#ifndef NO_THREAD_SAFETY_ANALYSIS
#define NO_THREAD_SAFETY_ANALYSIS OFFLOAD_THREAD_ANNOTATION(no_thread_safety_analysis)
#endif
#define REQUIRES(...) OFFLOAD_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define ACQUIRE(...) OFFLOAD_THREAD_ANNOTATION(acquire_capability(__VA_ARGS__))
#define RELEASE(...) OFFLOAD_THREAD_ANNOTATION(release_capability(__VA_ARGS__))
#define TRY_ACQUIRE(...) OFFLOAD_THREAD_ANNOTATION(try_acquire_capability(__VA_ARGS__))
#define ASSERT_CAPABILITY(x) OFFLOAD_THREAD_ANNOTATION(assert_capability(x))
#define EXCLUDES(...) OFFLOAD_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))

namespace offload::base {

// A mutual exclusion lock. Not recursive.
class OFFLOAD_CAPABILITY("mutex") Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void Lock() ACQUIRE() { mutex_.lock(); }
  void Unlock() RELEASE() { mutex_.unlock(); }
  // Tells the analysis that the caller holds it, where its caller knows it by another name. Checks
  // nothing.
  void AssertHeld() const ASSERT_CAPABILITY(this) {}

 private:
  friend class CondVar;
  std::mutex mutex_;
};

// Holds a Mutex for a scope.
class OFFLOAD_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) ACQUIRE(mutex) : mutex_(mutex) { mutex_.Lock(); }
  ~MutexLock() RELEASE() { mutex_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// A condition variable for Mutex. Wakes may be spurious: wait in a loop on the condition.
class CondVar {
 public:
  void Wait(Mutex& mutex) REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    condition_.wait(lock);
    lock.release();
  }
  // Returns false when `timeout` passed before a wake. The time is real (monotonic) time: threads
  // use it to pace themselves, never to decide about a session.
  bool WaitFor(Mutex& mutex, std::chrono::nanoseconds timeout) REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    // An absolute deadline on the system clock would jump with it; libstdc++ maps steady_clock to
    // pthread_cond_clockwait, which GCC 12's ThreadSanitizer does intercept.
    const bool woken = condition_.wait_for(lock, timeout) == std::cv_status::no_timeout;
    lock.release();
    return woken;
  }
  void NotifyOne() { condition_.notify_one(); }
  void NotifyAll() { condition_.notify_all(); }

 private:
  std::condition_variable condition_;
};

}  // namespace offload::base
