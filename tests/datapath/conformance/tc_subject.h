// TcDatapath over some TcKernel as a conformance subject. The kernel has two netdevs, p0 and p1.
#pragma once

#include <memory>

#include "datapath/tc_datapath.h"
#include "datapath/tc_kernel.h"
#include "tests/datapath/conformance/conformance.h"

namespace offload::datapath::conformance {

class TcSubject : public Subject {
 public:
  Datapath& datapath() override { return *datapath_; }
  void Restart() override;
  // As somebody else, over a socket of its own.
  void Lose(const FlowRule& rule) override;
  size_t RuleCount() override;

 protected:
  // Makes no datapath before Restart: the kernel may have to be prepared first.
  TcSubject(std::unique_ptr<TcKernel> kernel, OffloadMode mode, uint32_t sessions);

  static const char* NetdevOf(session::LifId lif) { return lif == 2 ? "p1" : "p0"; }
  uint32_t IfindexOf(session::LifId lif);
  TcKernel& kernel() { return *kernel_; }
  const TcDatapathOptions& options() const { return options_; }
  netlink::FilterId IdOf(const FlowRule& rule);

 private:
  const std::unique_ptr<TcKernel> kernel_;
  const TcDatapathOptions options_;
  std::unique_ptr<TcDatapath> datapath_;
};

}  // namespace offload::datapath::conformance
