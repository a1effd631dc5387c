#include "server/examiner.h"

#include <utility>

namespace offload::server {

void Examiner::Ask(Done done) {
  {
    base::MutexLock lock(mutex_);
    waiting_.push_back(std::move(done));
    if (std::exchange(running_, true)) return;
  }
  workers_.Submit([this] { Run(); });
}

void Examiner::Run() {
  for (std::vector<Done> asking = Next(); !asking.empty(); asking = Next()) {
    const std::vector<datapath::Finding> findings = engine_.Examine();
    for (const Done& done : asking) done(findings);
  }
}

std::vector<Examiner::Done> Examiner::Next() {
  base::MutexLock lock(mutex_);
  running_ = !waiting_.empty();
  return std::exchange(waiting_, {});
}

}  // namespace offload::server
