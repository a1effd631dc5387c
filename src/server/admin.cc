#include "server/admin.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace offload::server {
namespace {

using datapath::LifState;

admin::Finding::Level ToLevel(datapath::Finding::Level level) {
  switch (level) {
    case datapath::Finding::Level::kOk:
      return admin::Finding::OK;
    case datapath::Finding::Level::kWarning:
      return admin::Finding::WARNING;
    case datapath::Finding::Level::kProblem:
      return admin::Finding::PROBLEM;
  }
  return admin::Finding::LEVEL_UNSPECIFIED;
}

admin::Lif::LinkState ToLinkState(LifState state) {
  switch (state) {
    case LifState::kUp:
      return admin::Lif::UP;
    case LifState::kDown:
      return admin::Lif::DOWN;
    case LifState::kLost:
      return admin::Lif::GONE;
  }
  return admin::Lif::LINK_STATE_UNSPECIFIED;
}

void ToMessage(const datapath::Finding& finding, admin::Finding& out) {
  out.set_level(ToLevel(finding.level));
  out.set_check(finding.check);
  out.set_subject(finding.subject);
  out.set_text(finding.text);
  out.set_advice(finding.advice);
}

void ToMessage(const engine::EngineStats& stats, admin::SessionCounters& out) {
  out.set_added(stats.added);
  out.set_rejected(stats.rejected);
  out.set_closed_timeout(stats.closed_timeout);
  out.set_closed_deleted(stats.closed_deleted);
  out.set_closed_lost(stats.closed_lost);
  out.set_undone(stats.undone);
  out.set_delete_retries(stats.delete_retries);
  out.set_query_failures(stats.query_failures);
}

void ToMessage(const datapath::DatapathStats& stats, admin::DatapathCounters& out) {
  out.set_added(stats.added);
  out.set_deleted(stats.deleted);
  out.set_queried(stats.queried);
  out.set_refused_unsupported(stats.refused_unsupported);
  out.set_refused_full(stats.refused_full);
  out.set_refused_other(stats.refused_other);
  out.set_busy_retries(stats.busy_retries);
  out.set_read_back(stats.read_back);
  out.set_standing_repairs(stats.standing_repairs);
}

void ToMessage(const closed::ClosedLogStats& stats, admin::ClosedLogCounters& out) {
  out.set_appended(stats.appended);
  out.set_delivered(stats.delivered);
  out.set_dropped(stats.dropped);
  out.set_pending(stats.pending);
}

void ToMessage(absl::Time time, google::protobuf::Timestamp& out) {
  const int64_t seconds = absl::ToUnixSeconds(time);
  out.set_seconds(seconds);
  out.set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
}

}  // namespace

void ToResponse(const std::vector<datapath::Finding>& findings, admin::DoctorResponse* response) {
  for (const datapath::Finding& finding : findings) ToMessage(finding, *response->add_findings());
}

Admin::Admin(AdminFacts facts, engine::Engine& engine, closed::ClosedLog& closed_log)
    : facts_(std::move(facts)), engine_(engine), closed_log_(closed_log) {}

void Admin::SetStartError(std::string reason) {
  base::MutexLock lock(mutex_);
  start_error_ = std::move(reason);
}

void Admin::SetPorts(std::vector<int> ports) {
  base::MutexLock lock(mutex_);
  ports_ = std::move(ports);
}

void Admin::Doctor(const std::vector<datapath::Finding>& findings,
                   admin::DoctorResponse* response) {
  ToResponse(findings, response);
  if (ready_) return;
  base::MutexLock lock(mutex_);
  if (start_error_.empty()) return;
  ToMessage({.level = datapath::Finding::Level::kProblem,
             .check = "start",
             .subject = "daemon",
             .text = absl::StrCat("not ready: ", start_error_),
             .advice = "mend this, or what else is found; the start is tried again every second"},
            *response->add_findings());
}

grpc::Status Admin::Status(const admin::StatusRequest& /*request*/,
                           admin::StatusResponse* response) {
  const bool ready = ready_;
  response->set_version(facts_.version);
  response->set_ready(ready);
  if (!ready) {
    base::MutexLock lock(mutex_);
    response->set_not_ready_reason(start_error_);
  }
  ToMessage(facts_.start_time, *response->mutable_start_time());
  response->set_mode(facts_.mode);
  const engine::EngineStats stats = engine_.Stats();
  response->set_sessions(stats.sessions);
  response->set_capacity(stats.capacity);
  ToMessage(stats, *response->mutable_session_counters());
  ToMessage(engine_.DatapathStats(), *response->mutable_datapath_counters());
  ToMessage(closed_log_.Stats(), *response->mutable_closed_log_counters());
  DescribeListeners(*response);
  DescribeLifs(ready, *response);
  return grpc::Status::OK;
}

void Admin::DescribeListeners(admin::StatusResponse& response) const {
  base::MutexLock lock(mutex_);
  for (size_t i = 0; i < facts_.listeners.size(); ++i) {
    const AdminFacts::Listener& listener = facts_.listeners[i];
    admin::Listener& out = *response.add_listeners();
    out.set_address(listener.address);
    out.set_port(i < ports_.size() ? static_cast<uint32_t>(ports_[i]) : 0);
    out.set_owner(listener.owner);
    out.set_admin(listener.admin);
  }
}

void Admin::DescribeLifs(bool ready, admin::StatusResponse& response) const {
  for (const AdminFacts::Lif& lif : facts_.lifs) {
    admin::Lif& out = *response.add_lifs();
    out.set_id(lif.id);
    out.set_netdev(lif.netdev);
    out.set_link_state(ready ? ToLinkState(engine_.LinkState(lif.id))
                             : admin::Lif::LINK_STATE_UNSPECIFIED);
  }
}

}  // namespace offload::server
