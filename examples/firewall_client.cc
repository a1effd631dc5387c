// A firewall's side of the OpenOffload API, as short as it gets: adds one session, and with "wait"
// stays until its closed record is there.
//
//   firewall_client SERVER ID IN_LIF OUT_LIF tcp|udp SRC SPORT DST DPORT TIMEOUT [wait]
//   firewall_client unix:/run/offloadd.sock 7 1 2 tcp 10.0.1.1 40000 10.0.2.2 80 10 wait
#include <arpa/inet.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <iostream>
#include <string>
#include <thread>

#include "proto/openoffload_v1.grpc.pb.h"

namespace api = openoffload::v1;

int main(int argc, char** argv) {
  if (argc < 11) {
    std::cerr << "usage: firewall_client SERVER ID IN_LIF OUT_LIF tcp|udp SRC SPORT DST DPORT "
                 "TIMEOUT [wait]\n";
    return 2;
  }
  auto stub =
      api::SessionTable::NewStub(grpc::CreateChannel(argv[1], grpc::InsecureChannelCredentials()));

  api::sessionRequest request;
  request.set_sessionid(std::stoull(argv[2]));
  request.set_inlif(std::stoi(argv[3]));
  request.set_outlif(std::stoi(argv[4]));
  request.set_protocolid(std::string(argv[5]) == "tcp" ? api::_TCP : api::_UDP);
  request.set_sourceip(inet_addr(argv[6]));  // v1: the in_addr as it is
  request.set_sourceport(static_cast<uint32_t>(std::stoul(argv[7])));
  request.set_destinationip(inet_addr(argv[8]));
  request.set_destinationport(static_cast<uint32_t>(std::stoul(argv[9])));
  request.set_cachetimeout(static_cast<uint32_t>(std::stoul(argv[10])));
  request.mutable_action()->set_actiontype(api::_FORWARD);

  grpc::ClientContext add_context;
  api::addSessionResponse answer;
  auto stream = stub->addSession(&add_context, &answer);  // any number of sessions may follow
  stream->Write(request);
  stream->WritesDone();
  const grpc::Status status = stream->Finish();
  if (!status.ok() || answer.responseerror_size() > 0) {
    std::cerr << "not added: " << status.error_message() << answer.ShortDebugString() << "\n";
    return 1;
  }
  std::cout << "added: session " << request.sessionid() << "\n";

  while (argc > 11) {
    grpc::ClientContext context;
    auto closed = stub->getClosedSessions(&context, {});
    for (api::sessionResponse record; closed->Read(&record);) {
      std::cout << "closed: session " << record.sessionid() << " "
                << api::SESSION_CLOSE_CODE_Name(record.sessionclosecode()) << " in "
                << record.inpackets() << " packets " << record.inbytes() << " bytes out "
                << record.outpackets() << " packets " << record.outbytes() << " bytes\n";
      if (record.sessionid() == request.sessionid()) return 0;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
}
