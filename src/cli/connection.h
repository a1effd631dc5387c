// The daemon at the other end: one channel, a deadline on each call, and what a failed call means.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "cli/options.h"

namespace offload::cli {

class Connection {
 public:
  explicit Connection(const Options& options)
      : deadline_(options.deadline),
        channel_(grpc::CreateChannel(options.server, grpc::InsecureChannelCredentials())) {}

  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }
  // Gives one call its deadline.
  void Prepare(grpc::ClientContext& context) const;

 private:
  const double deadline_;
  const std::shared_ptr<grpc::Channel> channel_;
};

// Nobody answered, or not in time.
bool IsUnreachable(const grpc::Status& status);

// Prints "offloadctl: WHAT: MESSAGE (code N)"; returns kUnreachable or kRefused.
int Complain(const std::string& what, const grpc::Status& status);

}  // namespace offload::cli
