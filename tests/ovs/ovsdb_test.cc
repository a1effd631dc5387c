// The reader of OVSDB: what its answers mean (tests/ovs/config_reply.json is what the ovsdb-server
// 3.1.0 of Debian 12 answered), and the connection, against a server in this process.
#include "ovs/ovsdb.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <iterator>
#include <thread>

#include "base/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace offload::ovs {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string CapturedReply() {
  std::ifstream file("tests/ovs/config_reply.json");
  EXPECT_TRUE(file);
  return {std::istreambuf_iterator<char>(file), {}};
}

// An answer with these rows for the four tables.
std::string Reply(const std::string& switch_rows, const std::string& bridges = "",
                  const std::string& ports = "", const std::string& interfaces = "") {
  const auto rows = [](const std::string& text) { return R"({"rows":[)" + text + "]}"; };
  return R"({"id":1,"error":null,"result":[)" + rows(switch_rows) + "," + rows(bridges) + "," +
         rows(ports) + "," + rows(interfaces) + "]}";
}

TEST(DecodeConfigReply, WhatOvsdbServerAnswered) {
  const auto config = DecodeConfigReply(CapturedReply());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_TRUE(config->hw_offload);
  EXPECT_THAT(config->ports,
              ElementsAre(OvsPort{"p1", "br0", "bond0"}, OvsPort{"p2", "br0", "bond0"},
                          OvsPort{"br0", "br0", "br0"}, OvsPort{"p0", "br0", "p0"},
                          OvsPort{"br1", "br1", "br1"}));
}

TEST(DecodeConfigReply, OffloadIsOffUnlessItSaysTrue) {
  const auto offload = [](const std::string& other_config) {
    const auto config =
        DecodeConfigReply(Reply(R"({"other_config":["map",[)" + other_config + "]]}"));
    EXPECT_TRUE(config.ok()) << config.status();
    return config.ok() && config->hw_offload;
  };
  EXPECT_TRUE(offload(R"(["hw-offload","true"])"));
  EXPECT_TRUE(offload(R"(["hw-offload","TRUE"])"));  // smap_get_bool does not mind the case
  EXPECT_FALSE(offload(R"(["hw-offload","false"])"));
  EXPECT_FALSE(offload(R"(["hw-offload","1"])"));
  EXPECT_FALSE(offload(R"(["max-idle","true"])"));
  EXPECT_FALSE(offload(""));
  const auto no_row = DecodeConfigReply(Reply(""));  // before ovs-vsctl init
  ASSERT_TRUE(no_row.ok()) << no_row.status();
  EXPECT_FALSE(no_row->hw_offload);
  EXPECT_THAT(no_row->ports, IsEmpty());
}

TEST(DecodeConfigReply, ReferencesToNowhereAreLeftOut) {
  const auto config = DecodeConfigReply(
      Reply("", R"({"name":"br0","ports":["set",[["uuid","a"],["uuid","gone"]]]},
                   {"name":"br1","ports":["set",[]]})",
            R"({"_uuid":["uuid","a"],"name":"p0","interfaces":["uuid","nowhere"]})"));
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_THAT(config->ports, IsEmpty());
}

TEST(DecodeConfigReply, RefusalsCarryTheDatabasesWords) {
  for (const char* reply :
       {R"({"id":1,"result":null,"error":"unknown database"})",
        R"({"id":1,"error":null,"result":[{"error":"unknown database"},null,null,null]})"}) {
    const absl::Status status = DecodeConfigReply(reply).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInternal) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("unknown database"));
  }
}

TEST(DecodeConfigReply, EveryTruncatedPrefixIsRefused) {
  std::string reply = CapturedReply();
  reply.erase(reply.find_last_not_of('\n') + 1);
  for (size_t length = 0; length < reply.size(); ++length) {
    EXPECT_EQ(DecodeConfigReply(reply.substr(0, length)).status().code(),
              absl::StatusCode::kInternal)
        << length;
  }
}

// Each value of the answer in turn becomes one of another type.
TEST(DecodeConfigReply, ValuesOfAnotherTypeDoNotHarm) {
  const json reply = json::parse(CapturedReply());
  const json flat = reply.flatten();
  for (const auto& [pointer, value] : flat.items()) {
    for (const json& other : {json(7), json(nullptr), json::array(), json::object(), json("x")}) {
      json changed = reply;
      changed[json::json_pointer(pointer)] = other;
      (void)DecodeConfigReply(changed.dump());
    }
  }
  for (const char* text :
       {"7", "[]", "{}", R"({"result":[1,2,3,4]})", R"({"result":[{"rows":[7]}]})"}) {
    EXPECT_EQ(DecodeConfigReply(text).status().code(), absl::StatusCode::kInternal) << text;
  }
}

TEST(JsonSplitter, FindsObjectsWhereverTheyAreCut) {
  const std::string first = R"({"a":"}]\"\\","b":[{},[{}]]})", second = R"({"c":1})";
  const std::string stream = first + "\n " + second;
  for (size_t cut = 0; cut <= stream.size(); ++cut) {
    JsonSplitter splitter;
    std::vector<std::string> messages;
    for (const std::string& part : {stream.substr(0, cut), stream.substr(cut)}) {
      splitter.Append(part);
      for (std::string message; *splitter.Take(message);) messages.push_back(message);
    }
    ASSERT_EQ(messages.size(), 2u) << cut;
    EXPECT_EQ(json::parse(messages[0]), json::parse(first)) << cut;
    EXPECT_EQ(json::parse(messages[1]), json::parse(second)) << cut;
  }
}

TEST(JsonSplitter, RefusesWhatIsNoObject) {
  std::string message;
  for (const char* text : {"HTTP/1.1 400", "}", "7"}) {
    JsonSplitter splitter;
    splitter.Append(text);
    EXPECT_EQ(splitter.Take(message).status().code(), absl::StatusCode::kInternal) << text;
  }
}

TEST(JsonSplitter, RefusesAnEndlessMessage) {
  JsonSplitter splitter;
  splitter.Append("{\"a\":\"" + std::string(JsonSplitter::kMaxMessage, 'x'));
  std::string message;
  EXPECT_EQ(splitter.Take(message).status().code(), absl::StatusCode::kInternal);
}

// Accepts one client and serves it with `serve`.
class Server {
 public:
  explicit Server(std::function<void(int client)> serve)
      : path_(::testing::TempDir() + "/ovsdb_test." + std::to_string(::getpid())) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::copy(path_.begin(), path_.end(), address.sun_path);
    ::unlink(path_.c_str());
    listener_ = base::UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(::listen(listener_.get(), 1), 0);
    thread_ = std::thread([this, serve = std::move(serve)] {
      const base::UniqueFd client(::accept(listener_.get(), nullptr, nullptr));
      serve(client.get());
      char rest = 0;  // until the client has closed
      while (::recv(client.get(), &rest, 1, 0) > 0) continue;
    });
  }
  ~Server() {
    thread_.join();
    ::unlink(path_.c_str());
  }
  OvsdbOptions options(absl::Duration timeout = absl::Seconds(10)) const {
    return {.socket = path_, .timeout = timeout};
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  base::UniqueFd listener_;
  std::thread thread_;
};

void Send(int client, const std::string& text) {
  EXPECT_EQ(::send(client, text.data(), text.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(text.size()));
}

json Receive(int client) {
  JsonSplitter splitter;
  std::string message;
  for (char c = 0; !*splitter.Take(message);) {
    if (::recv(client, &c, 1, 0) != 1) return nullptr;
    splitter.Append({&c, 1});
  }
  return json::parse(message);
}

TEST(ReadOvsConfig, AsksOnceAndAnswersEchoes) {
  json request, echoed;
  absl::StatusOr<OvsConfig> config = absl::UnknownError("not asked");
  {
    Server server([&](int client) {
      request = Receive(client);
      Send(client,
           R"({"id":"echo","method":"echo","params":[1,"x"]}{"id":null,"method":"update",)");
      Send(client, R"("params":[]} {"id":77,"result":[],"error":null})");
      echoed = Receive(client);
      const std::string reply = CapturedReply();
      Send(client, reply.substr(0, 100));
      Send(client, reply.substr(100));
    });
    config = ReadOvsConfig(server.options());
  }
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_TRUE(config->hw_offload);
  EXPECT_EQ(config->ports.size(), 5u);
  EXPECT_EQ(request["method"], "transact");
  EXPECT_EQ(request["params"][0], "Open_vSwitch");
  EXPECT_EQ(request["params"].size(), 5u);
  for (size_t i = 1; i < 5; ++i) EXPECT_EQ(request["params"][i]["op"], "select");
  EXPECT_EQ(echoed, json::parse(R"({"id":"echo","result":[1,"x"],"error":null})"));
}

TEST(ReadOvsConfig, ASilentServerIsGivenUpInTime) {
  Server server([](int client) { Send(client, R"({"id":1,"resu)"); });
  EXPECT_EQ(ReadOvsConfig(server.options(absl::Milliseconds(50))).status().code(),
            absl::StatusCode::kDeadlineExceeded);
}

TEST(ReadOvsConfig, AServerThatHangsUpIsAnError) {
  Server server([](int client) {
    Receive(client);
    ::shutdown(client, SHUT_WR);
  });
  const absl::Status status = ReadOvsConfig(server.options()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), HasSubstr("closed the connection"));
}

TEST(ReadOvsConfig, WithoutAServerItIsNotFound) {
  const auto code = [](const std::string& path) {
    return ReadOvsConfig({.socket = path}).status().code();
  };
  EXPECT_EQ(code("/nonexistent/db.sock"), absl::StatusCode::kNotFound);
  std::string left_behind;
  {
    Server server([](int) {});
    left_behind = server.path() + ".old";
    ASSERT_EQ(::rename(server.path().c_str(), left_behind.c_str()), 0);
    (void)ReadOvsConfig({.socket = left_behind, .timeout = absl::Milliseconds(1)});
  }
  EXPECT_EQ(code(left_behind), absl::StatusCode::kNotFound) << "a socket nobody listens to";
  ::unlink(left_behind.c_str());
  EXPECT_EQ(code(std::string(200, 'x')), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace offload::ovs
