// offloadctl: the API on a command line.
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <functional>
#include <iostream>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "cli/format.h"
#include "cli/request.h"
#include "proto/openoffload_v1.grpc.pb.h"

namespace offload::cli {
namespace {

namespace api = openoffload::v1;

enum ExitCode { kOk = 0, kRefused = 1, kUsage = 2, kUnreachable = 3 };
constexpr uint64_t kFromTheStart = ~uint64_t{0};
constexpr uint32_t kPage = 64;

struct Options {
  std::string server = "127.0.0.1:3443";
  double deadline = 5;
  bool json = false;
  AddArguments add;
  std::vector<uint64_t> ids;
  uint32_t max = 0;
};

class Client {
 public:
  explicit Client(const Options& options)
      : options_(options),
        stub_(api::SessionTable::NewStub(
            grpc::CreateChannel(options.server, grpc::InsecureChannelCredentials()))) {}

  int Add();
  int Get() { return ForEachId(&api::SessionTable::Stub::getSession); }
  int Delete() { return ForEachId(&api::SessionTable::Stub::deleteSession); }
  int List();
  int Closed();

 private:
  using UnaryCall = grpc::Status (api::SessionTable::Stub::*)(grpc::ClientContext*,
                                                              const api::sessionId&,
                                                              api::sessionResponse*);
  void Prepare(grpc::ClientContext& context) const {
    context.set_deadline(std::chrono::system_clock::now() +
                         std::chrono::milliseconds(static_cast<int64_t>(1000 * options_.deadline)));
  }
  int ForEachId(UnaryCall call);
  void Print(const std::vector<api::sessionResponse>& sessions) const;
  int Complain(const std::string& what, const grpc::Status& status) const;

  const Options& options_;
  std::unique_ptr<api::SessionTable::Stub> stub_;
};

int Client::Complain(const std::string& what, const grpc::Status& status) const {
  std::cerr << "offloadctl: " << what << ": " << status.error_message() << " (code "
            << status.error_code() << ")\n";
  const bool unreachable = status.error_code() == grpc::StatusCode::UNAVAILABLE ||
                           status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED;
  return unreachable ? kUnreachable : kRefused;
}

void Client::Print(const std::vector<api::sessionResponse>& sessions) const {
  if (!options_.json) {
    std::cout << Table(sessions);
    return;
  }
  for (const auto& session : sessions) std::cout << Json(session) << "\n";
}

int Client::Add() {
  const auto request = ToRequest(options_.add);
  if (!request.ok()) {
    std::cerr << "offloadctl: " << request.status().message() << "\n";
    return kUsage;
  }
  grpc::ClientContext context;
  Prepare(context);
  api::addSessionResponse response;
  auto stream = stub_->addSession(&context, &response);
  stream->Write(*request);
  stream->WritesDone();
  const grpc::Status status = stream->Finish();
  const std::string name = "session " + std::to_string(options_.add.id);
  if (!status.ok()) return Complain(name, status);
  if (response.responseerror_size() > 0) {
    std::cerr << "offloadctl: " << name << ": "
              << api::ADD_SESSION_STATUS_Name(response.requeststatus()) << " (error "
              << response.responseerror(0).errorstatus() << "); the daemon's log has the reason\n";
    return kRefused;
  }
  if (options_.json) {
    std::cout << "{\"id\":" << options_.add.id << ",\"status\":\"accepted\"}\n";
  } else {
    std::cout << name << " added\n";
  }
  return kOk;
}

int Client::ForEachId(UnaryCall call) {
  std::vector<api::sessionResponse> sessions;
  int result = kOk;
  for (const uint64_t id : options_.ids) {
    grpc::ClientContext context;
    Prepare(context);
    api::sessionId request;
    request.set_sessionid(id);
    api::sessionResponse response;
    const grpc::Status status = (stub_.get()->*call)(&context, request, &response);
    if (status.ok()) {
      sessions.push_back(response);
    } else {
      result = Complain("session " + std::to_string(id), status);
    }
  }
  if (!sessions.empty()) Print(sessions);
  return result;
}

int Client::List() {
  std::vector<api::sessionResponse> sessions;
  api::sessionRequestArgs request;
  request.set_pagesize(kPage);
  request.set_startsession(kFromTheStart);
  for (;;) {
    grpc::ClientContext context;
    Prepare(context);
    api::sessionResponses page;
    const grpc::Status status = stub_->getAllSessions(&context, request, &page);
    if (!status.ok()) return Complain("list", status);
    if (page.sessioninfo_size() == 0) break;
    sessions.insert(sessions.end(), page.sessioninfo().begin(), page.sessioninfo().end());
    if (page.nextkey() == request.startsession()) break;
    request.set_startsession(page.nextkey());
  }
  Print(sessions);
  return kOk;
}

int Client::Closed() {
  std::vector<api::sessionResponse> records;
  for (;;) {
    grpc::ClientContext context;
    Prepare(context);
    api::sessionRequestArgs request;
    const size_t left = options_.max == 0 ? kPage : options_.max - records.size();
    request.set_pagesize(static_cast<uint32_t>(std::min<size_t>(left, kPage)));
    auto stream = stub_->getClosedSessions(&context, request);
    size_t read = 0;
    for (api::sessionResponse record; stream->Read(&record); ++read) records.push_back(record);
    const grpc::Status status = stream->Finish();
    if (!status.ok() && status.error_code() != grpc::StatusCode::NOT_FOUND) {
      Print(records);  // they have left the daemon
      return Complain("closed", status);
    }
    if (read == 0 || (options_.max != 0 && records.size() >= options_.max)) break;
  }
  Print(records);
  return kOk;
}

void DefineAdd(CLI::App& add, AddArguments& a) {
  add.add_option("--id", a.id, "session id")->required();
  add.add_option("--in-lif", a.in_lif, "LIF that the tuple arrives on")->required();
  add.add_option("--out-lif", a.out_lif, "LIF that it leaves from")->required();
  add.add_option("--src", a.source, "source address, IPv4 or IPv6")->required();
  add.add_option("--dst", a.destination, "destination address")->required();
  add.add_option("--sport", a.source_port, "source port")->required();
  add.add_option("--dport", a.destination_port, "destination port")->required();
  add.add_option("--proto", a.protocol, "tcp or udp")
      ->check(CLI::IsMember({"tcp", "udp"}))
      ->capture_default_str();
  add.add_option("--in-vlan", a.in_vlan, "802.1Q id on the in-LIF")->check(CLI::Range(1, 4094));
  add.add_option("--out-vlan", a.out_vlan, "802.1Q id on the out-LIF")->check(CLI::Range(1, 4094));
  add.add_option("--action", a.action, "forward or drop")
      ->check(CLI::IsMember({"forward", "drop"}))
      ->capture_default_str();
  add.add_option("--timeout", a.timeout, "idle seconds until it closes (0: the daemon's default)");
  add.add_option("--ipv4-order", a.ipv4_order, "how the daemon's listener takes IPv4 addresses")
      ->check(CLI::IsMember({"in_addr", "number"}))
      ->capture_default_str();
}

int Main(int argc, char** argv) {
  Options options;
  CLI::App app("Adds, shows and removes the sessions of an offloadd over its gRPC API.",
               "offloadctl");
  app.set_version_flag("--version", OFFLOAD_VERSION);
  app.require_subcommand(1);
  app.add_option("--server", options.server, "address of the daemon's listener")
      ->envname("OFFLOADCTL_SERVER")
      ->capture_default_str();
  app.add_option("--deadline", options.deadline, "seconds for each call")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_flag("--json", options.json, "one JSON object a line instead of a table");
  app.fallthrough();
  CLI::App* add = app.add_subcommand("add", "add one session");
  DefineAdd(*add, options.add);
  CLI::App* get = app.add_subcommand("get", "show sessions with their live counters");
  get->add_option("id", options.ids, "session ids")->required();
  CLI::App* remove = app.add_subcommand("delete", "remove sessions, show their final counters");
  remove->add_option("id", options.ids, "session ids")->required();
  CLI::App* list = app.add_subcommand("list", "show all sessions");
  CLI::App* closed = app.add_subcommand("closed", "fetch closed sessions; they leave the daemon");
  closed->add_option("--max", options.max, "at most so many (0: all)");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kOk : kUsage;
  }
  Client client(options);
  if (add->parsed()) return client.Add();
  if (get->parsed()) return client.Get();
  if (remove->parsed()) return client.Delete();
  if (list->parsed()) return client.List();
  return client.Closed();
}

}  // namespace
}  // namespace offload::cli

int main(int argc, char** argv) { return offload::cli::Main(argc, argv); }
