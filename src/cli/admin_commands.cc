#include "cli/admin_commands.h"

#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <vector>

#include "cli/admin_format.h"
#include "cli/connection.h"
#include "doctor/report.h"
#include "proto/offloadd_admin_v1.grpc.pb.h"

namespace offload::cli {
namespace {

namespace admin = offloadd::admin::v1;

int NoAnswer(const Options& options, const std::string& what, const grpc::Status& status) {
  if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED) {
    std::cerr << "offloadctl: " << what << ": the listener at " << options.server
              << " does not serve offloadd.admin.v1: its configuration has \"admin\": false, or is "
                 "for a remote address and does not say true\n";
  } else {
    Complain(what, status);
  }
  return kUnreachable;
}

doctor::Color ColorOfOutput() {
  return doctor::ChooseColor(::isatty(STDOUT_FILENO) == 1, std::getenv("NO_COLOR"),
                             std::getenv("TERM"));
}

}  // namespace

int Doctor(const Options& options) {
  const Connection connection(options);
  grpc::ClientContext context;
  connection.Prepare(context);
  admin::DoctorResponse response;
  const grpc::Status status =
      admin::Admin::NewStub(connection.channel())->Doctor(&context, {}, &response);
  if (!status.ok()) {
    NoAnswer(options, "doctor", status);
    std::cerr << "offloadctl: `offloadd --doctor`, with the daemon's --config, examines its host "
                 "without a running daemon\n";
    return kUnreachable;
  }
  const std::vector<doctor::Entry> entries = ToEntries(response);
  if (options.json) {
    for (const doctor::Entry& entry : entries) std::cout << Json(entry) << "\n";
  } else {
    std::cout << doctor::Report(entries, ColorOfOutput());
  }
  return doctor::ExitStatus(entries);
}

int Status(const Options& options) {
  const Connection connection(options);
  grpc::ClientContext context;
  connection.Prepare(context);
  admin::StatusResponse response;
  const grpc::Status status =
      admin::Admin::NewStub(connection.channel())->Status(&context, {}, &response);
  if (!status.ok()) return NoAnswer(options, "status", status);
  if (options.json) {
    std::cout << Json(response) << "\n";
  } else {
    std::cout << Text(response);
  }
  return kOk;
}

}  // namespace offload::cli
