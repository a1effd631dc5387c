#include "server/server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/session_table_v1.h"

namespace offload::server {

struct Server::Listener {
  Listener(const Backend& backend, const Caller& caller) : v1(backend, caller) {}
  SessionTableV1 v1;
  std::unique_ptr<grpc::Server> server;
};

Server::Server(ServerOptions options, engine::Engine& engine, closed::ClosedLog& closed,
               RequestLog& log, LifPredicate has_lif)
    : options_(std::move(options)),
      workers_(options_.workers),
      backend_{engine, closed, log, std::move(has_lif), workers_, ready_} {}

Server::~Server() { Stop(absl::ZeroDuration()); }

absl::Status Server::Start() {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  for (const ListenerOptions& options : options_.listeners) {
    auto listener = std::make_unique<Listener>(backend_, options.caller);
    grpc::ServerBuilder builder;
    int port = 0;
    // Without it a second daemon would share the port and take half of the connections.
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.AddListeningPort(options.address, grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&listener->v1);
    listener->server = builder.BuildAndStart();
    const bool unix_socket = options.address.rfind("unix:", 0) == 0;
    if (listener->server == nullptr || (port == 0 && !unix_socket)) {
      return absl::UnavailableError(absl::StrCat("cannot listen on ", options.address));
    }
    listeners_.push_back(std::move(listener));
    ports_.push_back(unix_socket ? 0 : port);
  }
  SetReady(false);
  return absl::OkStatus();
}

void Server::SetReady(bool ready) {
  ready_.store(ready);
  for (const auto& listener : listeners_) {
    grpc::HealthCheckServiceInterface* health = listener->server->GetHealthCheckService();
    health->SetServingStatus("", ready);
    health->SetServingStatus(pb::SessionTable::service_full_name(), ready);
  }
}

void Server::Stop(absl::Duration deadline) {
  for (const auto& listener : listeners_)
    listener->server->GetHealthCheckService()->SetServingStatus(false);
  const auto until = absl::ToChronoTime(absl::Now() + deadline);
  for (const auto& listener : listeners_) listener->server->Shutdown(until);
  for (const auto& listener : listeners_) listener->server->Wait();
  listeners_.clear();
}

}  // namespace offload::server
