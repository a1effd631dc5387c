#include "compose.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "config/schema.h"
#include "doctor/report.h"
#include "spdlog/sinks/stdout_sinks.h"
#include "spdlog/spdlog.h"

namespace offload {
namespace {

constexpr absl::Duration kRetry = absl::Seconds(1);

// Two enums with the same members in the same order, one on each side of an edge.
template <typename To, typename From>
To Same(From value) {
  return static_cast<To>(value);
}

static_assert(static_cast<int>(config::DatapathMode::kAny) ==
              static_cast<int>(datapath::OffloadMode::kAny));
static_assert(static_cast<int>(config::DatapathMode::kSoftware) ==
              static_cast<int>(datapath::OffloadMode::kSoftware));
static_assert(static_cast<int>(config::OnLinkDown::kClose) ==
              static_cast<int>(engine::OnLinkDown::kClose));
static_assert(static_cast<int>(config::DuplicateTuple::kTakeover) ==
              static_cast<int>(engine::DuplicateTuple::kTakeover));
static_assert(static_cast<int>(config::Ipv4Order::kInAddr) ==
              static_cast<int>(server::Ipv4Order::kInAddr));
static_assert(static_cast<int>(config::EmptyClosed::kNotFound) ==
              static_cast<int>(server::EmptyClosed::kNotFound));
static_assert(static_cast<int>(config::ErrorCodes::kAddSessionStatus) ==
              static_cast<int>(server::ErrorCodes::kAddSessionStatus));
static_assert(static_cast<int>(config::DeleteCounters::kClosedRecord) ==
              static_cast<int>(server::DeleteCounters::kClosedRecord));
static_assert(static_cast<int>(config::UnknownId::kOkNonexistent) ==
              static_cast<int>(server::UnknownId::kOkNonexistent));

static_assert(static_cast<int>(datapath::Finding::Level::kOk) ==
              static_cast<int>(doctor::Level::kOk));
static_assert(static_cast<int>(datapath::Finding::Level::kProblem) ==
              static_cast<int>(doctor::Level::kProblem));

static_assert(static_cast<int>(config::LogLevel::kTrace) == SPDLOG_LEVEL_TRACE);
static_assert(static_cast<int>(config::LogLevel::kError) == SPDLOG_LEVEL_ERROR);

server::ApiProfile ProfileOf(const config::Profile& profile) {
  return {.ipv4_order = Same<server::Ipv4Order>(profile.ipv4_order),
          .empty_closed = Same<server::EmptyClosed>(profile.empty_closed),
          .error_codes = Same<server::ErrorCodes>(profile.error_codes),
          .delete_counters = Same<server::DeleteCounters>(profile.delete_counters),
          .unknown_id = Same<server::UnknownId>(profile.unknown_id),
          .follow = profile.follow};
}

sigset_t StopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  return signals;
}

void LogReport(const datapath::StartReport& report) {
  if (report.removed_rules > 0) {
    spdlog::warn("removed {} rules of {} sessions that an earlier instance left behind",
                 report.removed_rules, report.removed_sessions);
  }
  for (const std::string& note : report.notes) spdlog::info("{}", note);
}

std::vector<doctor::Entry> ToEntries(const std::vector<datapath::Finding>& findings) {
  std::vector<doctor::Entry> entries;
  entries.reserve(findings.size());
  for (const datapath::Finding& finding : findings) {
    entries.push_back({.level = Same<doctor::Level>(finding.level),
                       .check = finding.check,
                       .subject = finding.subject,
                       .text = finding.text,
                       .advice = finding.advice});
  }
  return entries;
}

}  // namespace

engine::EngineOptions EngineOptionsOf(const config::Config& config) {
  engine::EngineOptions options;
  options.default_timeout = config.default_timeout;
  options.on_link_down = Same<engine::OnLinkDown>(config.on_link_down);
  options.link_down_hold = config.link_down_hold;
  options.duplicate_tuple = Same<engine::DuplicateTuple>(config.duplicate_tuple);
  return options;
}

datapath::TcDatapathOptions TcOptionsOf(const config::Config& config) {
  datapath::TcDatapathOptions options;
  options.mode = Same<datapath::OffloadMode>(config.datapath.mode);
  options.priority_base = config.datapath.priority_base;
  options.default_path_priority = config.datapath.default_path_priority;
  options.table_size = config.datapath.table_size;
  options.sample_grace = config.datapath.sample_grace;
  options.allow_untrusted_driver = config.datapath.allow_untrusted_driver;
  for (const config::Lif& lif : config.lifs) {
    options.lifs.push_back({.lif = lif.id, .netdev = lif.netdev, .default_path = lif.default_path});
  }
  return options;
}

server::ServerOptions ServerOptionsOf(const config::Config& config, absl::string_view version) {
  server::ServerOptions options;
  options.version = std::string(version);
  options.mode = std::string(config::Name(config.datapath.mode));
  for (const config::Lif& lif : config.lifs) {
    options.lifs.push_back({.id = lif.id, .netdev = lif.netdev});
  }
  for (const config::Listener& listener : config.listeners) {
    options.listeners.push_back({.address = listener.address,
                                 .owner = listener.owner_id,
                                 .profile = ProfileOf(listener.profile),
                                 .owner_name = listener.owner,
                                 .admin = listener.admin});
  }
  return options;
}

server::LifPredicate LifsOf(const config::Config& config) {
  absl::flat_hash_set<session::LifId> lifs;
  for (const config::Lif& lif : config.lifs) lifs.insert(lif.id);
  return [lifs = std::move(lifs)](session::LifId id) { return lifs.contains(id); };
}

void SetUpLog(const config::Config& config) {
  auto logger = std::make_shared<spdlog::logger>("offloadd",
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e %l %v");
  logger->flush_on(spdlog::level::trace);
  logger->set_level(Same<spdlog::level::level_enum>(config.log.level));
  spdlog::set_default_logger(std::move(logger));
}

void BlockSignals() {
  sigset_t signals = StopSignals();
  sigaddset(&signals, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

bool WaitForStop(absl::Duration timeout) {
  const sigset_t signals = StopSignals();
  for (;;) {
    int signal = 0;
    if (timeout == absl::InfiniteDuration()) {
      if (sigwait(&signals, &signal) != 0) continue;
    } else {
      const timespec limit = absl::ToTimespec(timeout);
      signal = sigtimedwait(&signals, nullptr, &limit);
      if (signal < 0) return false;
    }
    if (signal == SIGTERM || signal == SIGINT) {
      spdlog::info("stopping on {}", signal == SIGTERM ? "SIGTERM" : "SIGINT");
      return true;
    }
    spdlog::info("SIGHUP: the configuration is read at the start only");
  }
}

bool StartDatapath(datapath::Datapath& datapath,
                   const std::function<void(const absl::Status&)>& on_failure) {
  std::set<std::string> told;
  for (int attempt = 1;; ++attempt) {
    const auto report = datapath.Start();
    if (report.ok()) {
      LogReport(*report);
      return true;
    }
    on_failure(report.status());
    const auto [reason, is_new] = told.emplace(report.status().message());
    if (is_new) spdlog::warn("not ready, trying again every second: {}", *reason);
    spdlog::debug("attempt {} failed", attempt);
    if (WaitForStop(kRetry)) return false;
  }
}

void LogFindings(const std::vector<datapath::Finding>& findings) {
  for (const doctor::Entry& entry : ToEntries(findings)) {
    if (entry.level == doctor::Level::kOk) continue;
    const bool problem = entry.level == doctor::Level::kProblem;
    spdlog::log(problem ? spdlog::level::err : spdlog::level::warn, "doctor: {}",
                doctor::Line(entry));
  }
}

int PrintFindings(const std::vector<datapath::Finding>& findings) {
  const std::vector<doctor::Entry> entries = ToEntries(findings);
  const doctor::Color color = doctor::ChooseColor(::isatty(STDOUT_FILENO) == 1,
                                                  std::getenv("NO_COLOR"), std::getenv("TERM"));
  std::fputs(doctor::Report(entries, color).c_str(), stdout);
  return doctor::ExitStatus(entries);
}

void LogStart(absl::string_view version, const config::Config& config,
              const std::vector<int>& ports) {
  spdlog::info("offloadd {}: {}", std::string(version), config::Summary(config));
  for (size_t i = 0; i < ports.size(); ++i) {
    const config::Listener& listener = config.listeners[i];
    const std::string port = ports[i] == 0 ? "" : absl::StrCat(", port ", ports[i]);
    spdlog::info("listening on {}{} for owner {}", listener.address, port, listener.owner);
  }
}

void LogTotals(const engine::EngineStats& stats, const closed::ClosedLogStats& closed) {
  spdlog::info(
      "{} sessions added, {} rejected; closed {} by timeout, {} by delete, {} lost; "
      "{} open; closed records: {} delivered, {} dropped, {} not fetched",
      stats.added, stats.rejected, stats.closed_timeout, stats.closed_deleted, stats.closed_lost,
      stats.sessions, closed.delivered, closed.dropped, closed.pending);
}

}  // namespace offload
