// The examples of docs/protocol.md, run in their order: what the page says is what the server does.
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "tests/server/service_fixture.h"

namespace offload::server {
namespace {

using google::protobuf::Message;
using google::protobuf::TextFormat;

// One call of the page.
struct Example {
  std::string call;
  std::vector<std::string> sent, answered;
};

template <typename T>
T Parse(const std::string& text) {
  T message;
  EXPECT_TRUE(TextFormat::ParseFromString(text, &message)) << text;
  return message;
}

template <typename T>
T Only(const Example& example) {
  EXPECT_EQ(example.sent.size(), 1u) << example.call;
  return example.sent.empty() ? T() : Parse<T>(example.sent[0]);
}

class ProtocolDocumentTest : public ServiceTest {
 protected:
  void Run(const Example& example);
  // A line of what happens between the calls.
  void Happen(const std::string& event);

 private:
  template <typename T>
  static void Expect(const Example& example, const grpc::Status& status,
                     const std::vector<T>& replies);
};

template <typename T>
void ProtocolDocumentTest::Expect(const Example& example, const grpc::Status& status,
                                  const std::vector<T>& replies) {
  if (!status.ok()) {
    ASSERT_EQ(example.answered.size(), 1u) << status.error_message();
    EXPECT_EQ(example.answered[0], absl::StrCat("status NOT_FOUND: ", status.error_message()));
    EXPECT_EQ(status.error_code(), grpc::NOT_FOUND);
    return;
  }
  ASSERT_EQ(example.answered.size(), replies.size()) << example.call;
  for (size_t i = 0; i < replies.size(); ++i) {
    const T expected = Parse<T>(example.answered[i]);
    EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(expected, replies[i]))
        << example.call << ": " << replies[i].ShortDebugString();
  }
}

void ProtocolDocumentTest::Run(const Example& example) {
  api::sessionResponse reply;
  grpc::Status status;
  if (example.call == "addSession") {
    std::vector<api::sessionRequest> requests;
    for (const auto& text : example.sent) requests.push_back(Parse<api::sessionRequest>(text));
    Expect<api::addSessionResponse>(example, status, {client().Add(requests)});
  } else if (example.call == "getSession") {
    status = client().Get(Only<api::sessionId>(example).sessionid(), &reply);
    Expect<api::sessionResponse>(example, status, {reply});
  } else if (example.call == "deleteSession") {
    status = client().Delete(Only<api::sessionId>(example).sessionid(), &reply);
    Expect<api::sessionResponse>(example, status, {reply});
  } else if (example.call == "getAllSessions") {
    const auto args = Only<api::sessionRequestArgs>(example);
    const auto list = client().List(args.pagesize(), args.page(), args.startsession());
    Expect<api::sessionResponses>(example, status, {list});
  } else {
    ASSERT_EQ(example.call, "getClosedSessions");
    const auto args = Only<api::sessionRequestArgs>(example);
    const auto records = client().Closed(args.pagesize(), &status);
    Expect(example, status, records);
  }
}

void ProtocolDocumentTest::Happen(const std::string& event) {
  static const std::regex time("([0-9]+) s pass");
  static const std::regex traffic(
      "session ([0-9]+): ([0-9]+) packets, ([0-9]+) bytes in; ([0-9]+) packets, ([0-9]+) bytes "
      "out");
  std::smatch match;
  if (std::regex_match(event, match, time)) return Expire(absl::Seconds(std::stoi(match[1])));
  ASSERT_TRUE(std::regex_match(event, match, traffic)) << event;
  const session::SessionKey key = {.owner = 0, .id = std::stoull(match[1])};
  EXPECT_TRUE(
      datapath_.Count(key, session::Direction::kIn, std::stoull(match[2]), std::stoull(match[3])));
  EXPECT_TRUE(
      datapath_.Count(key, session::Direction::kOut, std::stoull(match[4]), std::stoull(match[5])));
}

TEST_F(ProtocolDocumentTest, EveryExampleIsTrue) {
  Start({{}});
  std::ifstream page("docs/protocol.md");
  Example example;
  size_t calls = 0;
  const auto finish = [&] {
    if (example.call.empty()) return;
    Run(example);
    ++calls;
    example = {};
  };
  for (std::string line; std::getline(page, line);) {
    absl::string_view rest = line;
    if (!absl::ConsumePrefix(&rest, "    ")) {
      finish();
    } else if (absl::ConsumePrefix(&rest, "> ")) {
      example.sent.emplace_back(rest);
    } else if (absl::ConsumePrefix(&rest, "< ")) {
      example.answered.emplace_back(rest);
    } else {
      finish();
      if (absl::ConsumePrefix(&rest, "# ")) {
        Happen(std::string(rest));
      } else {
        example.call = std::string(rest);
      }
    }
  }
  finish();
  EXPECT_GE(calls, 12u);
}

}  // namespace
}  // namespace offload::server
