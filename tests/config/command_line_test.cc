// The real binary's answers that need no network: what it prints, where, and with which status.
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/config/daemon_process.h"

namespace offload::config {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class FileOnDisk {
 public:
  explicit FileOnDisk(const std::string& text)
      : path_(absl::StrCat(::testing::TempDir(), "offloadd_", getpid(), ".json")) {
    std::ofstream(path_) << text;
  }
  ~FileOnDisk() { std::remove(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  const std::string path_;
};

TEST(CommandLineTest, Version) {
  DaemonProcess offloadd({"--version"});
  EXPECT_EQ(offloadd.WaitForExit(), 0);
  EXPECT_THAT(offloadd.output(), ::testing::MatchesRegex("offloadd [0-9.]+\n"));
}

TEST(CommandLineTest, Help) {
  DaemonProcess offloadd({"--help"});
  EXPECT_EQ(offloadd.WaitForExit(), 0);
  EXPECT_THAT(offloadd.output(), HasSubstr("--check-config"));
}

TEST(CommandLineTest, TheExampleIsOk) {
  DaemonProcess offloadd({"--config", "examples/offloadd.json", "--check-config"});
  EXPECT_EQ(offloadd.WaitForExit(), 0);
  EXPECT_THAT(offloadd.output(), StartsWith("configuration ok: 3 listeners (127.0.0.1:3443, "));
}

TEST(CommandLineTest, FlagsAloneAreOk) {
  DaemonProcess offloadd({"--lif", "1=p0", "--mode", "software", "--check-config"});
  EXPECT_EQ(offloadd.WaitForExit(), 0);
  EXPECT_EQ(offloadd.output(),
            "configuration ok: 1 listener (127.0.0.1:3443), 1 owner, 1 LIF, mode software, table "
            "of 100000 rules\n");
}

TEST(CommandLineTest, EveryErrorOfAFileIsTold) {
  const FileOnDisk file(R"({"lifs": [{"id": 1, "netdev": 7}], "lgo": {}})");
  DaemonProcess offloadd({"--config", file.path(), "--check-config", "--mode", "fast"});
  EXPECT_EQ(offloadd.WaitForExit(), 2);
  EXPECT_EQ(offloadd.output(),
            absl::StrCat(file.path(),
                         ": /lifs/0/netdev: expected a non-empty string (netdev name, at most 15 "
                         "characters), found 7\n"
                         "--mode: expected one of \"hardware\", \"software\", \"any\", found "
                         "\"fast\"\n",
                         file.path(),
                         ": /lgo: expected a known key, found \"lgo\" (did you mean \"log\"?)\n"));
}

TEST(CommandLineTest, AWrongConfigurationDoesNotStart) {
  DaemonProcess offloadd({"--mode", "software"});
  EXPECT_EQ(offloadd.WaitForExit(), 2);
  EXPECT_EQ(offloadd.output(), "/lifs: expected an array of at least one LIF, found nothing\n");
}

TEST(CommandLineTest, AFileThatIsNotThere) {
  DaemonProcess offloadd({"--config", "/no/such/file", "--check-config"});
  EXPECT_EQ(offloadd.WaitForExit(), 2);
  EXPECT_THAT(offloadd.output(),
              StartsWith("/no/such/file: cannot read the configuration: No such file"));
}

TEST(CommandLineTest, AnUnknownFlag) {
  DaemonProcess offloadd({"--frobnicate"});
  EXPECT_EQ(offloadd.WaitForExit(), 2);
  EXPECT_THAT(offloadd.output(), HasSubstr("--frobnicate"));
}

}  // namespace
}  // namespace offload::config
