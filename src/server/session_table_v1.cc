#include "server/session_table_v1.h"

#include "server/add_stream.h"
#include "server/closed_stream.h"

namespace offload::server {

template <typename Request, typename Response>
grpc::ServerUnaryReactor* SessionTableV1::OnWorker(grpc::CallbackServerContext* context,
                                                   Handler<Request, Response> handler,
                                                   const Request* request, Response* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  // Not `this`: a call that was cancelled at the stop may run after its service is gone.
  shared_.readers.Submit(
      [&handlers = shared_.handlers, caller = caller_, handler, request, response, reactor] {
        reactor->Finish((handlers.*handler)(caller, *request, response));
      });
  return reactor;
}

grpc::ServerReadReactor<api::sessionRequest>* SessionTableV1::addSession(
    grpc::CallbackServerContext* /*context*/, api::addSessionResponse* response) {
  return new AddStream(shared_.handlers, shared_.programmers, caller_, response);
}

grpc::ServerUnaryReactor* SessionTableV1::getSession(grpc::CallbackServerContext* context,
                                                     const api::sessionId* request,
                                                     api::sessionResponse* response) {
  return OnWorker(context, &Handlers::Get, request, response);
}

grpc::ServerUnaryReactor* SessionTableV1::deleteSession(grpc::CallbackServerContext* context,
                                                        const api::sessionId* request,
                                                        api::sessionResponse* response) {
  return OnWorker(context, &Handlers::Delete, request, response);
}

grpc::ServerUnaryReactor* SessionTableV1::getAllSessions(grpc::CallbackServerContext* context,
                                                         const api::sessionRequestArgs* request,
                                                         api::sessionResponses* response) {
  return OnWorker(context, &Handlers::GetAll, request, response);
}

grpc::ServerWriteReactor<api::sessionResponse>* SessionTableV1::getClosedSessions(
    grpc::CallbackServerContext* /*context*/, const api::sessionRequestArgs* request) {
  return new ClosedStream(shared_.handlers, shared_.readers, shared_.followers, caller_, *request);
}

}  // namespace offload::server
