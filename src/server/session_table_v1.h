// openoffload.v1.SessionTable over the shared handlers. One object per listener (a listener has an
// owner). Calls that may wait for the datapath run on the backend's workers.
#pragma once

#include "proto/openoffload_v1.grpc.pb.h"
#include "server/handlers.h"

namespace offload::server {

class SessionTableV1 final : public pb::SessionTable::CallbackService {
 public:
  // `backend` must outlive the service.
  SessionTableV1(const Backend& backend, const Caller& caller)
      : backend_(backend), caller_(caller) {}

  grpc::ServerReadReactor<pb::sessionRequest>* addSession(
      grpc::CallbackServerContext* context, pb::addSessionResponse* response) override;
  grpc::ServerUnaryReactor* getSession(grpc::CallbackServerContext* context,
                                       const pb::sessionId* request,
                                       pb::sessionResponse* response) override;
  grpc::ServerUnaryReactor* deleteSession(grpc::CallbackServerContext* context,
                                          const pb::sessionId* request,
                                          pb::sessionResponse* response) override;
  grpc::ServerUnaryReactor* getAllSessions(grpc::CallbackServerContext* context,
                                           const pb::sessionRequestArgs* request,
                                           pb::sessionResponses* response) override;
  grpc::ServerWriteReactor<pb::sessionResponse>* getClosedSessions(
      grpc::CallbackServerContext* context, const pb::sessionRequestArgs* request) override;

 private:
  template <typename Request, typename Response>
  grpc::ServerUnaryReactor* OnWorker(grpc::CallbackServerContext* context,
                                     grpc::Status (*handler)(const Backend&, const Caller&,
                                                             const Request&, Response&),
                                     const Request* request, Response* response);

  const Backend& backend_;
  const Caller caller_;
};

}  // namespace offload::server
