#include "cli/connection.h"

#include <chrono>
#include <iostream>

namespace offload::cli {

void Connection::Prepare(grpc::ClientContext& context) const {
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::milliseconds(static_cast<int64_t>(1000 * deadline_)));
}

bool IsUnreachable(const grpc::Status& status) {
  return status.error_code() == grpc::StatusCode::UNAVAILABLE ||
         status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED;
}

int Complain(const std::string& what, const grpc::Status& status) {
  std::cerr << "offloadctl: " << what << ": " << status.error_message() << " (code "
            << status.error_code() << ")\n";
  return IsUnreachable(status) ? kUnreachable : kRefused;
}

}  // namespace offload::cli
