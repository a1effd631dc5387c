// The gRPC side of the daemon: listeners, health, reflection, and the services over one backend.
//
// Order of calls: Start (listens at once, not ready), SetReady when the datapath is, Stop. All from
// one thread.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "closed/closed_log.h"
#include "engine/engine.h"
#include "server/handlers.h"
#include "server/profile.h"
#include "server/request_log.h"

namespace offload::server {

struct ListenerOptions {
  std::string address;  // "127.0.0.1:3443", "[::]:3443" or "unix:/path"; port 0 = any free one
  Caller caller;
};

struct ServerOptions {
  std::vector<ListenerOptions> listeners;
  size_t workers = 4;  // threads for calls that wait for the datapath
};

class Server {
 public:
  // The references must outlive the server.
  Server(ServerOptions options, engine::Engine& engine, closed::ClosedLog& closed, RequestLog& log,
         LifPredicate has_lif);
  ~Server();

  // Listens on all addresses; health says NOT_SERVING. UNAVAILABLE names the address that failed.
  absl::Status Start();

  // The port of each listener, in order; 0 for a unix socket.
  const std::vector<int>& ports() const { return ports_; }

  // From now on requests are answered from the datapath, and health says so.
  void SetReady(bool ready);

  // Says NOT_SERVING, takes no new calls, gives those under way until `deadline`, then cancels
  // them.
  void Stop(absl::Duration deadline);

 private:
  struct Listener;
  const ServerOptions options_;
  std::atomic<bool> ready_{false};
  WorkerPool workers_;
  Backend backend_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::vector<int> ports_;
};

}  // namespace offload::server
