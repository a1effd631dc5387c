// The service openoffload.v1.SessionTable for one listener, over the shared handlers.
//
// Nothing waits on gRPC's threads: calls that install sessions run on one worker pool, all others
// on another, so that reading goes on while sessions are being programmed.
#pragma once

#include "proto/openoffload_v1.grpc.pb.h"
#include "server/follower_set.h"
#include "server/handlers.h"
#include "server/profile.h"
#include "server/worker_pool.h"

namespace offload::server {

// What the services of all listeners share.
struct Shared {
  Handlers& handlers;
  WorkerPool& programmers;  // for addSession
  WorkerPool& readers;      // for the rest
  FollowerSet& followers;
};

class SessionTableV1 final : public api::SessionTable::CallbackService {
 public:
  // What `shared` refers to must outlive the calls.
  SessionTableV1(const Shared& shared, const Caller& caller) : shared_(shared), caller_(caller) {}

  grpc::ServerReadReactor<api::sessionRequest>* addSession(
      grpc::CallbackServerContext* context, api::addSessionResponse* response) override;
  grpc::ServerUnaryReactor* getSession(grpc::CallbackServerContext* context,
                                       const api::sessionId* request,
                                       api::sessionResponse* response) override;
  grpc::ServerUnaryReactor* deleteSession(grpc::CallbackServerContext* context,
                                          const api::sessionId* request,
                                          api::sessionResponse* response) override;
  grpc::ServerUnaryReactor* getAllSessions(grpc::CallbackServerContext* context,
                                           const api::sessionRequestArgs* request,
                                           api::sessionResponses* response) override;
  grpc::ServerWriteReactor<api::sessionResponse>* getClosedSessions(
      grpc::CallbackServerContext* context, const api::sessionRequestArgs* request) override;

 private:
  template <typename Request, typename Response>
  using Handler = grpc::Status (Handlers::*)(const Caller&, const Request&, Response*);

  template <typename Request, typename Response>
  grpc::ServerUnaryReactor* OnWorker(grpc::CallbackServerContext* context,
                                     Handler<Request, Response> handler, const Request* request,
                                     Response* response);

  const Shared shared_;
  const Caller caller_;
};

}  // namespace offload::server
