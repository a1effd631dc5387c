#include "cli/options.h"

#include <vector>

#include "gmock/gmock.h"

namespace offload::cli {
namespace {

Options Parse(std::vector<const char*> words) {
  words.insert(words.begin(), "offloadctl");
  Options options;
  EXPECT_EQ(ParseCommandLine(static_cast<int>(words.size()), words.data(), "1", options),
            std::nullopt);
  return options;
}

TEST(OptionsTest, EachCommandIsKnown) {
  EXPECT_EQ(Parse({"add", "--id=1", "--in-lif=1", "--out-lif=2", "--src=10.0.0.1", "--dst=10.0.0.2",
                   "--sport=1", "--dport=2"})
                .command,
            Command::kAdd);
  EXPECT_EQ(Parse({"get", "1"}).command, Command::kGet);
  EXPECT_EQ(Parse({"delete", "1"}).command, Command::kDelete);
  EXPECT_EQ(Parse({"list"}).command, Command::kList);
  EXPECT_EQ(Parse({"closed"}).command, Command::kClosed);
  EXPECT_EQ(Parse({"doctor"}).command, Command::kDoctor);
  EXPECT_EQ(Parse({"status"}).command, Command::kStatus);
}

TEST(OptionsTest, AnExaminationHasMoreTimeUnlessTheUserSaysOtherwise) {
  EXPECT_EQ(Parse({"status"}).deadline, 5);
  EXPECT_EQ(Parse({"doctor"}).deadline, 60);
  EXPECT_EQ(Parse({"doctor", "--deadline", "3"}).deadline, 3);
  EXPECT_EQ(Parse({"--deadline", "5", "doctor"}).deadline, 5);
}

TEST(OptionsTest, AWrongCommandLineIsStatusTwoAndHelpIsZero) {
  Options options;
  for (const auto& [word, status] : {std::pair("frobnicate", 2), std::pair("--help", 0)}) {
    const char* words[] = {"offloadctl", word};
    EXPECT_EQ(ParseCommandLine(2, words, "1", options), status);
  }
}

}  // namespace
}  // namespace offload::cli
