// The whole server on real sockets over an engine whose datapath, clock and log the test owns.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "closed/memory_log.h"
#include "engine/engine.h"
#include "proto/health.grpc.pb.h"
#include "proto/openoffload_v1.grpc.pb.h"
#include "server/server.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_datapath.h"

namespace offload::server {

class RecordingLog final : public RequestLog {
 public:
  void Rejected(const session::SessionKey& key, const absl::Status& status) override {
    Append(absl::StrCat(key.id, " ", status.message()));
  }
  void Clamped(const session::SessionKey& key, absl::Duration asked, absl::Duration kept) override {
    Append(absl::StrCat(key.id, " clamped ", absl::FormatDuration(asked), " to ",
                        absl::FormatDuration(kept)));
  }
  std::vector<std::string> lines() const {
    base::MutexLock lock(mutex_);
    return lines_;
  }

 private:
  void Append(std::string line) {
    base::MutexLock lock(mutex_);
    lines_.push_back(std::move(line));
  }
  mutable base::Mutex mutex_;
  std::vector<std::string> lines_ GUARDED_BY(mutex_);
};

// With a deadline, so that a test that fails does not hang.
class Context : public grpc::ClientContext {
 public:
  Context() { set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(50)); }
};

class Client {
 public:
  explicit Client(const std::string& target)
      : channel_(Channel(target)), stub_(api::SessionTable::NewStub(channel_)) {}

  api::SessionTable::Stub& stub() { return *stub_; }
  const std::shared_ptr<grpc::Channel>& channel() { return channel_; }

  // One addSession stream; the RPC itself must succeed.
  api::addSessionResponse Add(const std::vector<api::sessionRequest>& requests) {
    Context context;
    api::addSessionResponse response;
    auto writer = stub_->addSession(&context, &response);
    for (const auto& request : requests) writer->Write(request);
    writer->WritesDone();
    const grpc::Status status = writer->Finish();
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  grpc::Status Get(uint64_t id, api::sessionResponse* response) {
    Context context;
    return stub_->getSession(&context, Id(id), response);
  }
  grpc::Status Delete(uint64_t id, api::sessionResponse* response) {
    Context context;
    return stub_->deleteSession(&context, Id(id), response);
  }
  api::sessionResponses List(uint32_t size, uint32_t page, uint64_t start) {
    Context context;
    api::sessionResponses responses;
    const grpc::Status status =
        stub_->getAllSessions(&context, Args(size, page, start), &responses);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return responses;
  }
  std::vector<api::sessionResponse> Closed(uint32_t size, grpc::Status* status) {
    Context context;
    auto reader = stub_->getClosedSessions(&context, Args(size, 0, 0));
    std::vector<api::sessionResponse> records;
    for (api::sessionResponse record; reader->Read(&record);) records.push_back(record);
    *status = reader->Finish();
    return records;
  }
  grpc::health::v1::HealthCheckResponse::ServingStatus Health(const std::string& service) {
    Context context;
    grpc::health::v1::HealthCheckRequest request;
    grpc::health::v1::HealthCheckResponse response;
    request.set_service(service);
    const grpc::Status status =
        grpc::health::v1::Health::NewStub(channel_)->Check(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.status();
  }
  // What server reflection answers to "list all services", as it is on the wire: their names are in
  // it. (Debian has no stub of that service.)
  std::string Reflection() {
    Context context;
    grpc::CompletionQueue queue;
    grpc::GenericStub stub(channel_);
    auto call = stub.PrepareCall(
        &context, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &queue);
    const auto done = [&queue] {
      void* tag = nullptr;
      bool ok = false;
      return queue.Next(&tag, &ok) && ok;
    };
    call->StartCall(nullptr);
    EXPECT_TRUE(done());
    const grpc::Slice list_services("\x3a\x00", 2);  // field 7, an empty string
    call->Write(grpc::ByteBuffer(&list_services, 1), nullptr);
    EXPECT_TRUE(done());
    grpc::ByteBuffer reply;
    call->Read(&reply, nullptr);
    EXPECT_TRUE(done());
    grpc::Slice text;
    EXPECT_TRUE(reply.TrySingleSlice(&text).ok());
    context.TryCancel();
    grpc::Status status;
    call->Finish(&status, nullptr);
    done();
    return std::string(text.begin(), text.end());
  }

  static api::sessionRequestArgs Args(uint32_t size, uint32_t page, uint64_t start) {
    api::sessionRequestArgs args;
    args.set_pagesize(size);
    args.set_page(page);
    args.set_startsession(start);
    return args;
  }

 private:
  static api::sessionId Id(uint64_t id) {
    api::sessionId message;
    message.set_sessionid(id);
    return message;
  }
  // gRPC shares connections between equal channels; clients of a test are independent.
  static std::shared_ptr<grpc::Channel> Channel(const std::string& target) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), arguments);
  }

  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<api::SessionTable::Stub> stub_;
};

// A TCP session from LIF 1 to LIF 2 with its own tuple.
inline api::sessionRequest Request(uint64_t id) {
  api::sessionRequest request;
  request.set_sessionid(id);
  request.set_inlif(1);
  request.set_outlif(2);
  request.set_sourceip(0x0101000A);
  request.set_sourceport(1000 + static_cast<uint32_t>(id % 50000));
  request.set_destinationip(0x0202000A);
  request.set_destinationport(80 + static_cast<uint32_t>(id / 50000));
  request.set_protocolid(api::_TCP);
  request.mutable_action()->set_actiontype(api::_FORWARD);
  request.set_cachetimeout(30);
  return request;
}

inline std::vector<api::sessionRequest> Requests(uint64_t from, uint64_t to) {
  std::vector<api::sessionRequest> requests;
  for (uint64_t id = from; id <= to; ++id) requests.push_back(Request(id));
  return requests;
}

class ServiceTest : public ::testing::Test {
 protected:
  // Listeners on free ports of loopback, one for each caller; ready.
  void Start(const std::vector<Caller>& callers, bool ready = true) {
    ServerOptions options = {.workers = 2};
    for (const Caller& caller : callers) {
      options.listeners.push_back(
          {.address = "127.0.0.1:0", .owner = caller.owner, .profile = caller.profile});
    }
    server_ = MakeServer(options);
    ASSERT_EQ(server_->Start(), absl::OkStatus());
    server_->SetReady(ready);
    for (int port : server_->ports()) clients_.emplace_back(absl::StrCat("127.0.0.1:", port));
  }

  std::unique_ptr<Server> MakeServer(const ServerOptions& options) {
    return std::make_unique<Server>(
        options, engine_, log_, request_log_, clock_,
        [this](session::LifId lif) { return datapath_.AttachmentPoint(lif).ok(); });
  }

  Client& client(size_t listener = 0) { return clients_[listener]; }

  // Lets all idle sessions run out.
  void Expire(absl::Duration idle) {
    clock_.Advance(idle);
    engine_.Tick(clock_.Now());
  }

  fakes::FakeClock clock_;
  fakes::FakeDatapath datapath_{clock_};
  closed::MemoryLog log_{100000};
  engine::Engine engine_{{}, clock_, datapath_, log_};
  RecordingLog request_log_;
  std::unique_ptr<Server> server_;
  std::vector<Client> clients_;
};

}  // namespace offload::server
