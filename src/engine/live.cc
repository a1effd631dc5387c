#include "engine/live.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace offload::engine {
namespace {

using session::CloseReason;
using session::SessionState;
using session::SessionView;

// Sessions that one reading pins at a time when all are listed.
constexpr size_t kListBatch = 512;
// How soon a session is looked at again whose reading failed or that somebody else was working on.
constexpr absl::Duration kRepeat = absl::Milliseconds(100);

SessionView ViewOf(const Entry& entry) {
  return {
      .spec = entry.spec, .state = entry.state, .counters = entry.counters, .start = entry.start};
}

SessionView ViewOf(const session::ClosedRecord& record) {
  SessionView view = {.spec = {},
                      .state = SessionState::kClosed,
                      .counters = record.counters,
                      .start = record.start,
                      .end = record.end,
                      .close_reason = record.reason};
  view.spec.key = record.key;
  return view;
}

}  // namespace

absl::StatusOr<SessionView> LiveReader::Get(const session::SessionKey& key) {
  Entry* entry = nullptr;
  {
    base::MutexLock lock(core_.mutex);
    entry = AwaitUnpinned(core_, key);
    if (entry != nullptr && entry->state == SessionState::kClosing) return ViewOf(*entry);
    if (entry != nullptr) entry->pinned = true;
  }
  if (entry == nullptr) {
    if (const auto record = core_.log.Find(key)) return ViewOf(*record);
    return absl::NotFoundError(absl::StrCat("no session ", key.id));
  }
  const base::MonotonicTime asked = core_.clock.Now();
  const Reading reading = ReadPinned({entry})[0];
  std::vector<Closer::Job> closes;
  SessionView view;
  {
    base::MutexLock lock(core_.mutex);
    Enter(*entry, reading, asked, /*aging=*/false, closes);
    view = ViewOf(*entry);
  }
  if (!closes.empty()) {
    const auto outcomes = closer_.Run(closes);
    return outcomes[0].status.ok() ? ViewOf(outcomes[0].record) : view;
  }
  if (!reading.status.ok()) return reading.status;
  return view;
}

std::vector<SessionView> LiveReader::List(const ListRequest& request) {
  std::vector<SessionView> views;
  std::optional<uint64_t> after = request.after_id;
  size_t skip = request.skip;
  const size_t limit = request.limit == 0 ? SIZE_MAX : request.limit;
  for (bool more = true; more && views.size() < limit;) {
    Pinned pinned;
    std::vector<Entry*> shown;
    const size_t batch = std::min(kListBatch, limit - views.size());
    {
      base::MutexLock lock(core_.mutex);
      more = false;
      core_.store.Visit(request.owner, after, [&](Entry& entry) REQUIRES(core_.mutex) {
        if (shown.size() == batch) {
          more = true;
          return false;
        }
        after = entry.spec.key.id;
        if (entry.state != SessionState::kEstablished) return true;
        if (skip > 0) {
          --skip;
          return true;
        }
        shown.push_back(&entry);
        if (entry.pinned) {
          views.push_back(
              ViewOf(entry));  // somebody reads it at this moment: the last known counters
        } else {
          entry.pinned = true;
          pinned.push_back(&entry);
        }
        return true;
      });
    }
    const base::MonotonicTime asked = core_.clock.Now();
    const std::vector<Reading> readings = ReadPinned(pinned);
    std::vector<Closer::Job> closes;
    {
      base::MutexLock lock(core_.mutex);
      for (size_t i = 0; i < pinned.size(); ++i) {
        Enter(*pinned[i], readings[i], asked, /*aging=*/false, closes);
        if (!readings[i].lost) views.push_back(ViewOf(*pinned[i]));
      }
    }
    closer_.Run(closes);
  }
  std::sort(views.begin(), views.end(),
            [](const SessionView& a, const SessionView& b) { return a.spec.key < b.spec.key; });
  return views;
}

size_t LiveReader::Age(base::MonotonicTime now) {
  const Pinned due = PinDue(now);
  if (due.empty()) return 0;
  // Before the question is sent: an answer can only be younger than this instant says.
  const base::MonotonicTime asked = core_.clock.Now();
  const std::vector<Reading> readings = ReadPinned(due);
  std::vector<Closer::Job> closes;
  {
    base::MutexLock lock(core_.mutex);
    for (size_t i = 0; i < due.size(); ++i) {
      Enter(*due[i], readings[i], asked, /*aging=*/true, closes);
    }
  }
  const auto outcomes = closer_.Run(closes);
  return static_cast<size_t>(std::count_if(
      outcomes.begin(), outcomes.end(), [](const auto& outcome) { return outcome.status.ok(); }));
}

LiveReader::Pinned LiveReader::PinDue(base::MonotonicTime now) {
  base::MutexLock lock(core_.mutex);
  Pinned due;
  for (const session::Slot slot : core_.store.Due(now, core_.options.tick_batch)) {
    Entry& entry = core_.store.At(slot);
    if (entry.state != SessionState::kEstablished) continue;
    if (entry.pinned) {
      core_.store.Schedule(entry, now + kRepeat);
      continue;
    }
    entry.pinned = true;
    due.push_back(&entry);
  }
  return due;
}

std::vector<Reading> LiveReader::ReadPinned(const Pinned& entries) {
  // What a rule is made of never changes while the session is pinned by us.
  std::vector<RulePair> rules;
  rules.reserve(entries.size());
  for (const Entry* entry : entries) rules.push_back(RulesOf(*entry));
  return Read(core_.datapath, rules);
}

void LiveReader::Enter(Entry& entry, const Reading& reading, base::MonotonicTime asked, bool aging,
                       std::vector<Closer::Job>& closes) {
  Raise(entry.counters, reading.counters);
  const absl::Duration limit = IdleLimit(core_, entry.spec);
  if (reading.lost) {
    closes.push_back(closer_.Begin(entry, CloseReason::kRulesLost, Disposal::kLog));
    return;
  }
  if (!reading.status.ok()) ++core_.stats.query_failures;
  if (aging && reading.status.ok() && reading.idle >= limit) {
    closes.push_back(closer_.Begin(entry, CloseReason::kTimeout, Disposal::kLog));
    return;
  }
  if (aging) {
    const absl::Duration left = reading.status.ok() ? limit - reading.idle : kRepeat;
    core_.store.Schedule(entry, asked + left);
  }
  entry.pinned = false;
  core_.unpinned.NotifyAll();
}

}  // namespace offload::engine
