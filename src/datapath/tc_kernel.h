// What the TC datapath needs from the kernel, as one seam: the real one, or a scripted one in
// tests.
#pragma once

#include <array>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "datapath/tc_host.h"
#include "netlink/filter_socket.h"
#include "netlink/links.h"

namespace offload::datapath {

// Thread-safe; what it opens is for one thread at a time.
class TcKernel {
 public:
  virtual ~TcKernel() = default;

  // Loads what filters need, so that no later request finds a module missing and repeats itself
  // under RTNL. Best effort: where modules cannot be loaded (a container, a static kernel) they are
  // there already or the first filter says what is missing.
  virtual void LoadModules() = 0;

  // Lets so much time pass before something that was busy is asked again.
  virtual void Pause(absl::Duration time) = 0;

  virtual absl::StatusOr<std::unique_ptr<netlink::FilterSocket>> OpenFilterSocket() = 0;
  virtual absl::StatusOr<std::unique_ptr<netlink::Links>> OpenLinks() = 0;
  virtual absl::StatusOr<std::unique_ptr<netlink::LinkMonitor>> OpenLinkMonitor() = 0;

  // For examinations; lives as long as this.
  virtual TcHost& Host() = 0;
};

// What LoadModules loads.
inline constexpr std::array<const char*, 5> kTcModules = {"sch_ingress", "cls_flower", "act_mirred",
                                                          "act_gact", "act_vlan"};

// The kernel of the calling process's network namespace. LoadModules runs
// `modprobe -q -a` with kTcModules from PATH and waits for it.
class SystemTcKernel final : public TcKernel {
 public:
  void LoadModules() override;
  void Pause(absl::Duration time) override;
  absl::StatusOr<std::unique_ptr<netlink::FilterSocket>> OpenFilterSocket() override;
  absl::StatusOr<std::unique_ptr<netlink::Links>> OpenLinks() override;
  absl::StatusOr<std::unique_ptr<netlink::LinkMonitor>> OpenLinkMonitor() override;
  TcHost& Host() override { return host_; }

 private:
  SystemTcHost host_;
};

}  // namespace offload::datapath
