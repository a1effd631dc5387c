#include "cli/session_commands.h"

#include <algorithm>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "cli/connection.h"
#include "cli/format.h"
#include "cli/request.h"
#include "proto/openoffload_v1.grpc.pb.h"

namespace offload::cli {
namespace {

namespace api = openoffload::v1;

constexpr uint64_t kFromTheStart = ~uint64_t{0};
constexpr uint32_t kPage = 64;

class Client {
 public:
  explicit Client(const Options& options)
      : options_(options),
        connection_(options),
        stub_(api::SessionTable::NewStub(connection_.channel())) {}

  int Add();
  int Get() { return ForEachId(&api::SessionTable::Stub::getSession); }
  int Delete() { return ForEachId(&api::SessionTable::Stub::deleteSession); }
  int List();
  int Closed();

 private:
  using UnaryCall = grpc::Status (api::SessionTable::Stub::*)(grpc::ClientContext*,
                                                              const api::sessionId&,
                                                              api::sessionResponse*);
  int ForEachId(UnaryCall call);
  void Print(const std::vector<api::sessionResponse>& sessions) const;

  const Options& options_;
  const Connection connection_;
  const std::unique_ptr<api::SessionTable::Stub> stub_;
};

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
  connection_.Prepare(context);
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
    const bool not_ready = response.requeststatus() == api::_SESSION_TABLE_UNAVAILABLE;
    return not_ready ? kUnreachable : kRefused;
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
    connection_.Prepare(context);
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
    connection_.Prepare(context);
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
    connection_.Prepare(context);
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

}  // namespace

int Add(const Options& options) { return Client(options).Add(); }
int Get(const Options& options) { return Client(options).Get(); }
int Delete(const Options& options) { return Client(options).Delete(); }
int List(const Options& options) { return Client(options).List(); }
int Closed(const Options& options) { return Client(options).Closed(); }

}  // namespace offload::cli
