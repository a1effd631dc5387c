// offloadd: composes the parts, in the order in which they need each other.
#include <cstdio>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/instance_lock.h"
#include "closed/memory_log.h"
#include "compose.h"
#include "config/flags.h"
#include "config/load.h"
#include "datapath/tc_datapath.h"
#include "datapath/tc_kernel.h"
#include "engine/ager.h"
#include "engine/engine.h"
#include "server/server.h"
#include "server/spdlog_request_log.h"
#include "spdlog/spdlog.h"

namespace offload {
namespace {

constexpr int kCannotStart = 1;
constexpr int kWrongUsage = 2;

int Refuse(const absl::Status& status) {
  std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
  return kWrongUsage;
}

int GiveUp(const absl::Status& status) {
  spdlog::error("{}", std::string(status.message()));
  return kCannotStart;
}

int Run(const config::Config& config) {
  const auto lock = base::InstanceLock::Acquire("offloadd");
  if (!lock.ok()) return GiveUp(lock.status());
  base::SystemClock clock;
  closed::MemoryLog closed(config.closed_log.max_records);
  datapath::SystemTcKernel kernel;
  datapath::TcDatapath datapath(TcOptionsOf(config), kernel);
  engine::Engine engine(EngineOptionsOf(config), clock, datapath, closed);
  datapath.SetObserver(&engine);
  server::SpdlogRequestLog request_log(spdlog::default_logger(), clock);
  server::Server server(ServerOptionsOf(config, OFFLOAD_VERSION), engine, closed, request_log,
                        clock, LifsOf(config));
  if (absl::Status status = server.Start(); !status.ok()) return GiveUp(status);
  LogStart(OFFLOAD_VERSION, config, server.ports());
  std::optional<engine::Ager> ager;
  if (StartDatapath(datapath, [&](const absl::Status& why) { server.SetStartError(why); })) {
    ager.emplace(engine, clock);
    server.SetReady(true);
    spdlog::info("ready for {} sessions", datapath.SessionCapacity());
    LogFindings(datapath.Examine());
    WaitForStop(absl::InfiniteDuration());
  }
  server.Stop(config.stop_deadline);
  ager.reset();
  if (config.on_stop == config::OnStop::kFlush) engine.CloseAll(session::CloseReason::kDeleted);
  datapath.SetObserver(nullptr);
  LogTotals(engine.Stats(), closed.Stats());
  spdlog::info("stopped");
  return 0;
}

int Doctor(const config::Config& config) {
  datapath::SystemTcKernel kernel;
  return PrintFindings(datapath::TcDatapath(TcOptionsOf(config), kernel).Examine());
}

int Main(int argc, char** argv) {
  const auto command = config::ParseCommandLine(argc, argv, OFFLOAD_VERSION);
  if (!command.ok()) return Refuse(command.status());
  if (command->answer) {
    std::fputs(command->answer->c_str(), stdout);
    return 0;
  }
  const auto config = config::Load(command->config_file, command->overrides);
  if (!config.ok()) return Refuse(config.status());
  if (command->check_config) {
    std::printf("configuration ok: %s\n", config::Summary(*config).c_str());
    return 0;
  }
  SetUpLog(*config);
  if (command->doctor) return Doctor(*config);
  BlockSignals();
  return Run(*config);
}

}  // namespace
}  // namespace offload

int main(int argc, char** argv) { return offload::Main(argc, argv); }
