#include "server/admin_v1.h"

#include <vector>

namespace offload::server {

// What runs on a worker does not hold `this`: a call that was cancelled at the stop may run after
// its service is gone.

grpc::ServerUnaryReactor* AdminV1::Doctor(grpc::CallbackServerContext* context,
                                          const admin::DoctorRequest* /*request*/,
                                          admin::DoctorResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  examiner_.Ask([&admin = admin_, response, reactor](const auto& findings) {
    admin.Doctor(findings, response);
    reactor->Finish(grpc::Status::OK);
  });
  return reactor;
}

grpc::ServerUnaryReactor* AdminV1::Status(grpc::CallbackServerContext* context,
                                          const admin::StatusRequest* request,
                                          admin::StatusResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  workers_.Submit([&admin = admin_, request, response, reactor] {
    reactor->Finish(admin.Status(*request, response));
  });
  return reactor;
}

}  // namespace offload::server
