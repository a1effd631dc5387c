#include "tests/guest/scenarios/world.h"

#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <net/if.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "nlohmann/json.hpp"
#include "proto/health.grpc.pb.h"

namespace offload::guest {
namespace {

std::string Scratch() {
  const char* directory = std::getenv("TMPDIR");
  return directory == nullptr ? "/tmp" : directory;
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

constexpr char kConfig[] = R"({
  "lifs": [{"id": 1, "netdev": "lif1"}, {"id": 2, "netdev": "lif2"}, {"id": 3, "netdev": "lif1"}],
  "datapath": {"mode": "software", "table_size": 8192},
  "log": {"level": "debug"}
})";

void SetDeadline(grpc::ClientContext& context) {
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
}

}  // namespace

std::string Shell(const std::string& command) {
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  std::string output;
  std::array<char, 4096> chunk;
  while (const size_t n = std::fread(chunk.data(), 1, chunk.size(), pipe)) {
    output.append(chunk.data(), n);
  }
  const int status = ::pclose(pipe);
  EXPECT_EQ(status, 0) << command << "\n" << output;
  return output;
}

bool Eventually(absl::Duration limit, const std::function<bool()>& condition) {
  const absl::Time end = absl::Now() + limit;
  while (!condition()) {
    if (absl::Now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return true;
}

uint64_t ReceivedPackets(const std::string& netdev) {
  // Not from /sys/class/net: sysfs shows the namespace in which it was mounted.
  std::istringstream lines(ReadFile("/proc/self/net/dev"));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string name;
    uint64_t bytes = 0, packets = 0;
    fields >> name >> bytes >> packets;
    if (name == netdev + ":") return packets;
  }
  ADD_FAILURE() << "no netdev " << netdev;
  return 0;
}

Daemon::Daemon(const std::string& overrides) : directory_(Scratch()) {
  auto config = nlohmann::json::parse(kConfig);
  config["listeners"] = {{{"address", absl::StrCat("unix:", directory_, "/offloadd.sock")}}};
  if (!overrides.empty()) config.merge_patch(nlohmann::json::parse("{" + overrides + "}"));
  std::ofstream(directory_ + "/offloadd.json") << config.dump(2);
  channel_ = grpc::CreateChannel("unix:" + directory_ + "/offloadd.sock",
                                 grpc::InsecureChannelCredentials());
}

Daemon::~Daemon() {
  if (pid_ > 0) Stop(SIGKILL);
}

void Daemon::Spawn() {
  const std::string log = directory_ + "/offloadd.log";
  const std::string config = directory_ + "/offloadd.json";
  pid_ = ::fork();
  ASSERT_GE(pid_, 0);
  if (pid_ == 0) {
    const int fd = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    ::dup2(fd, 1);
    ::dup2(fd, 2);
    ::execl(OFFLOADD_BINARY, "offloadd", "--config", config.c_str(), nullptr);
    ::_exit(127);
  }
}

void Daemon::WaitServing() {
  auto health = grpc::health::v1::Health::NewStub(channel_);
  const bool serving = Eventually(absl::Seconds(20), [&] {
    grpc::ClientContext context;
    SetDeadline(context);
    context.set_wait_for_ready(true);
    grpc::health::v1::HealthCheckResponse response;
    return health->Check(&context, {}, &response).ok() &&
           response.status() == grpc::health::v1::HealthCheckResponse::SERVING;
  });
  ASSERT_TRUE(serving) << Log();
}

void Daemon::Start() {
  Spawn();
  WaitServing();
}

int Daemon::Stop(int signal) {
  if (pid_ <= 0) return 0;
  ::kill(pid_, signal);
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

std::string Daemon::Log() const { return ReadFile(directory_ + "/offloadd.log"); }

v1::addSessionResponse Firewall::Add(const std::vector<v1::sessionRequest>& requests) {
  grpc::ClientContext context;
  SetDeadline(context);
  v1::addSessionResponse response;
  auto writer = stub_->addSession(&context, &response);
  for (const auto& request : requests) {
    if (!writer->Write(request)) break;
  }
  writer->WritesDone();
  const grpc::Status status = writer->Finish();
  EXPECT_TRUE(status.ok()) << status.error_message();
  return response;
}

grpc::Status Firewall::Get(uint64_t id, v1::sessionResponse* response) {
  grpc::ClientContext context;
  SetDeadline(context);
  v1::sessionId request;
  request.set_sessionid(id);
  return stub_->getSession(&context, request, response);
}

grpc::Status Firewall::Delete(uint64_t id, v1::sessionResponse* response) {
  grpc::ClientContext context;
  SetDeadline(context);
  v1::sessionId request;
  request.set_sessionid(id);
  return stub_->deleteSession(&context, request, response);
}

std::vector<v1::sessionResponse> Firewall::Closed() {
  grpc::ClientContext context;
  SetDeadline(context);
  auto reader = stub_->getClosedSessions(&context, {});
  std::vector<v1::sessionResponse> records;
  for (v1::sessionResponse record; reader->Read(&record);) records.push_back(record);
  const grpc::Status status = reader->Finish();
  EXPECT_TRUE(status.ok()) << status.error_message();
  return records;
}

std::vector<v1::sessionResponse> Firewall::All() {
  grpc::ClientContext context;
  SetDeadline(context);
  v1::sessionResponses response;
  const grpc::Status status = stub_->getAllSessions(&context, {}, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return {response.sessioninfo().begin(), response.sessioninfo().end()};
}

v1::sessionRequest Request(uint64_t id, const session::FiveTuple& tuple, uint32_t timeout_seconds) {
  v1::sessionRequest request;
  request.set_sessionid(id);
  request.set_inlif(1);
  request.set_outlif(2);
  if (tuple.version() == session::IpVersion::kIpv4) {
    // The reference client's order: the in_addr's bytes read as a little-endian integer.
    const auto number = [](const session::IpAddress& address) {
      const auto& b = address.bytes;
      return static_cast<uint32_t>(b[0] | b[1] << 8 | b[2] << 16) | static_cast<uint32_t>(b[3])
                                                                        << 24;
    };
    request.set_ipversion(v1::_IPV4);
    request.set_sourceip(number(tuple.source));
    request.set_destinationip(number(tuple.destination));
  } else {
    request.set_ipversion(v1::_IPV6);
    request.set_sourceipv6(tuple.source.bytes.data(), 16);
    request.set_destinationipv6(tuple.destination.bytes.data(), 16);
  }
  request.set_sourceport(tuple.source_port);
  request.set_destinationport(tuple.destination_port);
  request.set_protocolid(tuple.protocol == session::Protocol::kTcp ? v1::_TCP : v1::_UDP);
  request.mutable_action()->set_actiontype(v1::_FORWARD);
  request.set_cachetimeout(timeout_seconds);
  return request;
}

session::FiveTuple Tuple4(uint32_t number, session::Protocol protocol) {
  return {.source = session::IpAddress::V4(0x0A010000 + number),
          .destination = session::IpAddress::V4(0x0A020000 + number % 7),
          .source_port = static_cast<uint16_t>(1024 + number),
          .destination_port = 443,
          .protocol = protocol};
}

session::FiveTuple Tuple6(uint32_t number, session::Protocol protocol) {
  std::array<uint8_t, 16> source = {0x20, 0x01, 0x0D, 0xB8, 1}, destination = source;
  source[14] = static_cast<uint8_t>(number >> 8);
  source[15] = static_cast<uint8_t>(number);
  destination[4] = 2;
  return {.source = session::IpAddress::V6(source),
          .destination = session::IpAddress::V6(destination),
          .source_port = static_cast<uint16_t>(1024 + number),
          .destination_port = 443,
          .protocol = protocol};
}

Scenario::Scenario() {
  Shell(
      "ip link add lif1 type veth peer name wire1; ip link add lif2 type veth peer name wire2;"
      "ip link add fw0 type veth peer name fw1;"
      "for dev in lif1 wire1 lif2 wire2 fw0 fw1; do"
      "  ethtool -K $dev gso off gro off tso off rxvlan off txvlan off >/dev/null 2>&1;"
      "  sysctl -q -w net.ipv6.conf.$dev.disable_ipv6=1; ip link set $dev arp off up; done;"
      "for dev in lif1 lif2; do tc qdisc add dev $dev clsact &&"
      "  tc filter add dev $dev ingress pref 100 protocol all matchall "
      "action mirred egress redirect dev fw0; done");
}

std::vector<netlink::FlowerFilter> SessionRules(const std::string& netdev) {
  auto socket = netlink::FilterSocket::Open({});
  EXPECT_TRUE(socket.ok()) << socket.status();
  std::vector<netlink::FlowerFilter> rules;
  const netlink::DumpRequest request = {.at = {.ifindex = ::if_nametoindex(netdev.c_str())}};
  const absl::Status status = (*socket)->Dump(request, [&](const netlink::FlowerFilter& filter) {
    if (filter.kind != "flower" || !filter.has_options || filter.actions.empty()) return;
    if (filter.id.handle >= 0xFFFFFF00 || filter.actions.back().cookie.size() != 15) return;
    rules.push_back(filter);
  });
  EXPECT_TRUE(status.ok()) << status;
  return rules;
}

}  // namespace offload::guest
