// The service offloadd.admin.v1.Admin for one listener, over what all listeners share. Nothing
// waits on gRPC's threads.
#pragma once

#include "proto/offloadd_admin_v1.grpc.pb.h"
#include "server/admin.h"
#include "server/examiner.h"
#include "server/worker_pool.h"

namespace offload::server {

class AdminV1 final : public admin::Admin::CallbackService {
 public:
  // All must outlive the calls.
  AdminV1(Admin& admin, Examiner& examiner, WorkerPool& workers)
      : admin_(admin), examiner_(examiner), workers_(workers) {}

  grpc::ServerUnaryReactor* Doctor(grpc::CallbackServerContext* context,
                                   const admin::DoctorRequest* request,
                                   admin::DoctorResponse* response) override;
  grpc::ServerUnaryReactor* Status(grpc::CallbackServerContext* context,
                                   const admin::StatusRequest* request,
                                   admin::StatusResponse* response) override;

 private:
  Admin& admin_;
  Examiner& examiner_;
  WorkerPool& workers_;
};

}  // namespace offload::server
