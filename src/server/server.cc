#include "server/server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/admin_v1.h"
#include "server/session_table_v1.h"

namespace offload::server {

struct Server::Listener {
  Listener(const Shared& shared, const Caller& caller, Admin& admin, Examiner& examiner)
      : v1(shared, caller), admin_v1(admin, examiner, shared.readers) {}
  SessionTableV1 v1;
  AdminV1 admin_v1;
  std::unique_ptr<grpc::Server> server;
};

namespace {

AdminFacts FactsOf(const ServerOptions& options, absl::Time start_time) {
  AdminFacts facts = {.version = options.version,
                      .mode = options.mode,
                      .start_time = start_time,
                      .listeners = {},
                      .lifs = options.lifs};
  for (const ListenerOptions& listener : options.listeners) {
    facts.listeners.push_back(
        {.address = listener.address, .owner = listener.owner_name, .admin = listener.admin});
  }
  return facts;
}

}  // namespace

Server::Server(const ServerOptions& options, engine::Engine& engine, closed::ClosedLog& closed_log,
               RequestLog& request_log, base::Clock& clock, LifPredicate lif_exists)
    : options_(options),
      handlers_(engine, closed_log, request_log, clock, std::move(lif_exists)),
      admin_(FactsOf(options, clock.WallNow()), engine, closed_log),
      programmers_(options.workers),
      readers_(options.workers),
      examiner_(engine, readers_) {}

Server::~Server() { Stop(absl::ZeroDuration()); }

absl::Status Server::Start() {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  for (const ListenerOptions& options : options_.listeners) {
    if (absl::Status status = Listen(options); !status.ok()) {
      Stop(absl::ZeroDuration());
      return status;
    }
  }
  admin_.SetPorts(ports_);
  return absl::OkStatus();
}

absl::Status Server::Listen(const ListenerOptions& options) {
  auto listener =
      std::make_unique<Listener>(Shared{.handlers = handlers_,
                                        .programmers = programmers_,
                                        .readers = readers_,
                                        .followers = followers_},
                                 Caller{options.owner, options.profile}, admin_, examiner_);
  grpc::ServerBuilder builder;
  int port = 0;
  // With SO_REUSEPORT, gRPC's default, a second daemon would get half of the connections.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddListeningPort(options.address, grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&listener->v1);
  if (options.admin) builder.RegisterService(&listener->admin_v1);
  listener->server = builder.BuildAndStart();
  if (listener->server == nullptr) {
    return absl::UnavailableError(absl::StrCat("cannot listen on ", options.address));
  }
  listeners_.push_back(std::move(listener));
  ports_.push_back(absl::StartsWith(options.address, "unix:") ? 0 : port);
  SetServing(false);
  return absl::OkStatus();
}

void Server::SetReady(bool ready) {
  handlers_.SetReady(ready);
  admin_.SetReady(ready);
  SetServing(ready);
}

void Server::SetStartError(const absl::Status& status) {
  admin_.SetStartError(std::string(status.message()));
}

void Server::SetServing(bool serving) {
  for (const auto& listener : listeners_) {
    grpc::HealthCheckServiceInterface* health = listener->server->GetHealthCheckService();
    health->SetServingStatus("", serving);
    health->SetServingStatus(api::SessionTable::service_full_name(), serving);
  }
}

void Server::Stop(absl::Duration deadline) {
  SetServing(false);
  followers_.EndAll();
  const auto until = absl::ToChronoTime(absl::Now() + deadline);
  std::vector<std::thread> shutdowns;  // at once: else the last ones would go on taking calls
  for (const auto& listener : listeners_) {
    shutdowns.emplace_back([&listener, until] { listener->server->Shutdown(until); });
  }
  for (std::thread& shutdown : shutdowns) shutdown.join();
  listeners_.clear();
  ports_.clear();
  programmers_.Stop();
  readers_.Stop();
}

}  // namespace offload::server
