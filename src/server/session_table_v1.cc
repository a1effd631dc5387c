#include "server/session_table_v1.h"

#include "server/reactors.h"

namespace offload::server {
namespace {

// A stream that ends at once with a status.
class RefusedStream final : public grpc::ServerWriteReactor<pb::sessionResponse> {
 public:
  explicit RefusedStream(const grpc::Status& status) { Finish(status); }
  void OnDone() override { delete this; }
};

}  // namespace

template <typename Request, typename Response>
grpc::ServerUnaryReactor* SessionTableV1::OnWorker(
    grpc::CallbackServerContext* context,
    grpc::Status (*handler)(const Backend&, const Caller&, const Request&, Response&),
    const Request* request, Response* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  if (!backend_.ready.load()) {
    reactor->Finish(NotReady());
    return reactor;
  }
  backend_.workers.Submit([this, handler, request, response, reactor] {
    reactor->Finish(handler(backend_, caller_, *request, *response));
  });
  return reactor;
}

grpc::ServerReadReactor<pb::sessionRequest>* SessionTableV1::addSession(
    grpc::CallbackServerContext* /*context*/, pb::addSessionResponse* response) {
  return new AddReactor(backend_, caller_, response);
}

grpc::ServerUnaryReactor* SessionTableV1::getSession(grpc::CallbackServerContext* context,
                                                     const pb::sessionId* request,
                                                     pb::sessionResponse* response) {
  return OnWorker(context, &GetSession, request, response);
}

grpc::ServerUnaryReactor* SessionTableV1::deleteSession(grpc::CallbackServerContext* context,
                                                        const pb::sessionId* request,
                                                        pb::sessionResponse* response) {
  return OnWorker(context, &DeleteSession, request, response);
}

grpc::ServerUnaryReactor* SessionTableV1::getAllSessions(grpc::CallbackServerContext* context,
                                                         const pb::sessionRequestArgs* request,
                                                         pb::sessionResponses* response) {
  return OnWorker(context, &GetAllSessions, request, response);
}

grpc::ServerWriteReactor<pb::sessionResponse>* SessionTableV1::getClosedSessions(
    grpc::CallbackServerContext* /*context*/, const pb::sessionRequestArgs* request) {
  if (!backend_.ready.load()) return new RefusedStream(NotReady());
  return new ClosedReactor(backend_, caller_, *request);
}

}  // namespace offload::server
