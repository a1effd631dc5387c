// What the scenarios share: three veth pairs, the daemon as a process, and a gRPC client.
//
//   wire1 ── lif1 ┐                 lif1, lif2: the netdevs of LIFs 1 and 2 (LIF 3 is lif1 too)
//                 ├ tc flower      wire1, wire2: their far ends, where the test sends and counts
//   wire2 ── lif2 ┘
//   fw0 ── fw1     what no session rule takes goes to fw0 by a default rule (priority 100), so that
//                   fw1's receive counter says what the firewall would have seen
//
// Each scenario runs in network and PID namespaces of its own (tests/guest/suite).
#pragma once

#include <grpcpp/channel.h>
#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "netlink/filter_socket.h"
#include "proto/openoffload_v1.grpc.pb.h"
#include "session/types.h"

namespace offload::guest {

namespace v1 = openoffload::v1;

// Runs a shell command and returns its standard output; the test fails when the command does.
std::string Shell(const std::string& command);

// Polls `condition` every 10 ms until it holds (true) or `limit` has passed (false).
bool Eventually(absl::Duration limit, const std::function<bool()>& condition);

uint64_t ReceivedPackets(const std::string& netdev);

// The daemon under test. Its log is TMPDIR/offloadd.log over all its lives.
class Daemon {
 public:
  // `overrides`: members that replace those of the scenario's configuration, as JSON text without
  // braces.
  explicit Daemon(const std::string& overrides = "");
  ~Daemon();
  void Start();  // returns when it serves
  void Spawn();  // returns at once
  void WaitServing();
  int Stop(int signal);  // returns the exit status, or minus the signal that ended it
  std::string Log() const;
  std::string address() const { return "unix:" + directory_ + "/offloadd.sock"; }
  pid_t pid() const { return pid_; }
  std::shared_ptr<grpc::Channel> channel() const { return channel_; }

 private:
  std::string directory_;
  std::shared_ptr<grpc::Channel> channel_;
  pid_t pid_ = -1;
};

// The API as a firewall uses it, one call each; every RPC has a deadline of 10 s.
class Firewall {
 public:
  explicit Firewall(const Daemon& daemon) : stub_(v1::SessionTable::NewStub(daemon.channel())) {}
  v1::addSessionResponse Add(const std::vector<v1::sessionRequest>& requests);
  grpc::Status Get(uint64_t id, v1::sessionResponse* response);
  grpc::Status Delete(uint64_t id, v1::sessionResponse* response);
  std::vector<v1::sessionResponse> Closed();
  std::vector<v1::sessionResponse> All();

 private:
  std::unique_ptr<v1::SessionTable::Stub> stub_;
};

// A FORWARD session between LIF 1 and LIF 2 whose tuple is `tuple`.
v1::sessionRequest Request(uint64_t id, const session::FiveTuple& tuple, uint32_t timeout_seconds);
session::FiveTuple Tuple4(uint32_t number, session::Protocol protocol = session::Protocol::kTcp);
session::FiveTuple Tuple6(uint32_t number, session::Protocol protocol = session::Protocol::kTcp);

// Session rules (those with a cookie of ours and a handle below the reserved ones) on a netdev.
std::vector<netlink::FlowerFilter> SessionRules(const std::string& netdev);

class Scenario : public ::testing::Test {
 protected:
  Scenario();
};

}  // namespace offload::guest
