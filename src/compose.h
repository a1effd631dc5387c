// The configuration as the options of the parts, and the daemon's life: what main does not spell
// out.
#pragma once

#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "closed/closed_log.h"
#include "config/config.h"
#include "datapath/datapath.h"
#include "datapath/tc_datapath.h"
#include "engine/engine.h"
#include "server/server.h"

namespace offload {

engine::EngineOptions EngineOptionsOf(const config::Config& config);
datapath::TcDatapathOptions TcOptionsOf(const config::Config& config);
server::ServerOptions ServerOptionsOf(const config::Config& config, absl::string_view version);
server::LifPredicate LifsOf(const config::Config& config);

void SetUpLog(const config::Config& config);

// Blocks SIGTERM, SIGINT and SIGHUP for this thread and all that it starts, and SIGPIPE, so that a
// log that nobody reads any more is no reason to die. Call before any thread.
void BlockSignals();
// Waits for SIGTERM or SIGINT until `timeout`; SIGHUP is logged and ignored. True when one came.
bool WaitForStop(absl::Duration timeout);

// Tries every second until the datapath is ready (true) or the process is told to stop (false).
// Each distinct reason is logged once, and what Start removed. `on_failure` hears of each attempt
// that failed.
bool StartDatapath(datapath::Datapath& datapath,
                   const std::function<void(const absl::Status&)>& on_failure);

// A line of the log for each problem and each warning.
void LogFindings(const std::vector<datapath::Finding>& findings);
// The findings on stdout, as `offloadctl doctor` shows them. Returns the exit status: 1 when there
// is a problem, else 0.
int PrintFindings(const std::vector<datapath::Finding>& findings);

// `ports` is what the server got, listener by listener.
void LogStart(absl::string_view version, const config::Config& config,
              const std::vector<int>& ports);
void LogTotals(const engine::EngineStats& stats, const closed::ClosedLogStats& closed);

}  // namespace offload
