// What the daemon says of itself, on plain messages of proto/offloadd_admin_v1.proto.
//
// Thread-safe; does not block.
#pragma once

#include <grpcpp/support/status.h>

#include <atomic>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/mutex.h"
#include "closed/closed_log.h"
#include "engine/engine.h"
#include "proto/offloadd_admin_v1.pb.h"
#include "session/types.h"

namespace offload::server {

namespace admin = offloadd::admin::v1;

// What does not change while the daemon runs.
struct AdminFacts {
  struct Listener {
    std::string address;
    std::string owner;
    bool admin = false;
  };
  struct Lif {
    session::LifId id = 0;
    std::string netdev;
  };
  std::string version;
  std::string mode;
  absl::Time start_time;
  std::vector<Listener> listeners;
  std::vector<Lif> lifs;
};

void ToResponse(const std::vector<datapath::Finding>& findings, admin::DoctorResponse* response);

class Admin {
 public:
  // The references must outlive the object.
  Admin(AdminFacts facts, engine::Engine& engine, closed::ClosedLog& closed_log);

  void SetReady(bool ready) { ready_ = ready; }
  // Why the datapath could not be started the last time. Shown while not ready.
  void SetStartError(std::string reason);
  // The ports that the listeners have, in their order; until then they are shown as 0.
  void SetPorts(std::vector<int> ports);

  grpc::Status Status(const admin::StatusRequest& request, admin::StatusResponse* response);

  // What an examination found, and as a problem (check "start") why the daemon is not ready.
  void Doctor(const std::vector<datapath::Finding>& findings, admin::DoctorResponse* response);

 private:
  void DescribeListeners(admin::StatusResponse& response) const;
  void DescribeLifs(bool ready, admin::StatusResponse& response) const;

  const AdminFacts facts_;
  engine::Engine& engine_;
  closed::ClosedLog& closed_log_;
  std::atomic<bool> ready_ = false;
  mutable base::Mutex mutex_;
  std::string start_error_ GUARDED_BY(mutex_);
  std::vector<int> ports_ GUARDED_BY(mutex_);
};

}  // namespace offload::server
