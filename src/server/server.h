// The gRPC side of the daemon: listeners, health, reflection, and the services on each: the session
// API, and the daemon's own (offloadd.admin.v1) on listeners that are to have it.
//
// Order of calls: Start (listens at once, not ready), SetStartError for each attempt that failed,
// SetReady when the datapath is, Stop. From one thread.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "closed/closed_log.h"
#include "engine/engine.h"
#include "server/admin.h"
#include "server/examiner.h"
#include "server/follower_set.h"
#include "server/handlers.h"
#include "server/profile.h"
#include "server/request_log.h"
#include "server/translate.h"
#include "server/worker_pool.h"
#include "session/types.h"

namespace offload::server {

struct ListenerOptions {
  std::string address;  // "127.0.0.1:3443", "[::]:3443" or "unix:/path"; port 0 = any free one
  session::OwnerId owner = 0;  // whose sessions those are that come in here
  ApiProfile profile;
  std::string owner_name;  // for people
  bool admin = false;      // offloadd.admin.v1 is served here; else it is UNIMPLEMENTED
};

struct ServerOptions {
  std::vector<ListenerOptions> listeners;
  // Threads that wait for the datapath: so many for addSession and as many for all else.
  size_t workers = 4;
  // For the Status of offloadd.admin.v1:
  std::string version;
  std::string mode;
  std::vector<AdminFacts::Lif> lifs;
};

class Server {
 public:
  // The references must outlive the server.
  Server(const ServerOptions& options, engine::Engine& engine, closed::ClosedLog& closed_log,
         RequestLog& request_log, base::Clock& clock, LifPredicate lif_exists);
  // Stops without a delay.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Listens on all addresses or on none. UNAVAILABLE: "cannot listen on ADDRESS"; the server is
  // stopped then and of no further use.
  absl::Status Start();

  // The port of each listener, in order; 0 for a unix socket. Empty before Start.
  const std::vector<int>& ports() const { return ports_; }

  // Not ready, as after Start: health says NOT_SERVING, addSession answers each request with
  // _SESSION_TABLE_UNAVAILABLE, the other calls fail UNAVAILABLE.
  void SetReady(bool ready);

  // Why the datapath could not be started this time: offloadd.admin.v1 tells it until SetReady.
  void SetStartError(const absl::Status& status);

  // Health says NOT_SERVING, no new calls are taken, following streams end. Calls under way have
  // until `deadline`, then they are cancelled; one that waits for the datapath is waited for.
  // After it no thread of the server runs. May be called again.
  void Stop(absl::Duration deadline);

 private:
  struct Listener;

  absl::Status Listen(const ListenerOptions& options);
  void SetServing(bool serving);

  const ServerOptions options_;
  Handlers handlers_;
  Admin admin_;
  FollowerSet followers_;
  WorkerPool programmers_;
  WorkerPool readers_;
  Examiner examiner_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::vector<int> ports_;
};

}  // namespace offload::server
