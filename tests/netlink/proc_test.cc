// What /proc says. The texts are of Debian 12's Linux 6.1, shortened.
#include "netlink/proc.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace offload::netlink {
namespace {

namespace fs = std::filesystem;
using absl::StatusCode;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// While `tc monitor` ran.
constexpr char kSockets[] =
    "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n"
    "000000004d9a3be2 0   0          00000000 0        0        0     2        0        16      \n"
    "00000000b82a8624 0   3020547893 00000008 0        0        0     2        0        1433    \n"
    "00000000d91a9ffe 0   165        00000551 0        0        0     2        0        1432    \n"
    "0000000002abefe1 4   0          80000008 0        0        0     2        0        1157    \n";

TEST(ProcNetlink, ALineForEachSocket) {
  const auto sockets = ParseNetlinkSockets(kSockets);
  ASSERT_TRUE(sockets.ok()) << sockets.status();
  EXPECT_THAT(*sockets,
              ElementsAre(NetlinkSocketLine{0, 0, 0, 16}, NetlinkSocketLine{0, 3020547893, 8, 1433},
                          NetlinkSocketLine{0, 165, 0x551, 1432},
                          NetlinkSocketLine{4, 0, 0x80000008, 1157}));
}

TEST(ProcNetlink, EveryTruncatedPrefixIsRefusedOrEndsWithALine) {
  const std::string text = kSockets;
  for (size_t length = 0; length < text.size(); ++length) {
    const bool ends_a_line = length > 0 && text[length - 1] == '\n';
    EXPECT_EQ(ParseNetlinkSockets(text.substr(0, length)).ok(), ends_a_line) << length;
  }
}

TEST(ProcNetlink, WhatIsNoSocketIsRefused) {
  for (const char* line : {"", "a b c", "0 0 x 8 0 0 0 2 0 1", "0 0 1 8 0 0 0 2 0 -1"}) {
    const std::string text = std::string("sk Eth\n") + line + "\n";
    EXPECT_EQ(ParseNetlinkSockets(text).status().code(), StatusCode::kInvalidArgument) << line;
  }
}

// A procfs as files.
class TcListeners : public ::testing::Test {
 protected:
  TcListeners() { fs::create_directories(proc_ / "self/net"); }
  ~TcListeners() override { fs::remove_all(proc_); }
  void Write(const std::string& path, const std::string& text) const {
    std::ofstream(proc_ / path) << text;
  }
  void AddProcess(const std::string& pid, const std::string& name, const std::string& link) const {
    fs::create_directories(proc_ / pid / "fd");
    Write(pid + "/comm", name + "\n");
    fs::create_symlink("/dev/null", proc_ / pid / "fd/0");
    fs::create_symlink(link, proc_ / pid / "fd/3");
  }
  const fs::path proc_ = fs::path(::testing::TempDir()) / ("proc." + std::to_string(::getpid()));
};

TEST_F(TcListeners, ARouteSocketInGroupTcIsTracedToItsProcess) {
  Write("self/net/netlink", kSockets);
  AddProcess("41", "systemd-network", "socket:[1432]");
  AddProcess("42", "tc", "socket:[1433]");
  AddProcess("43", "other", "socket:[1157]");
  const auto listeners = ReadTcListeners(proc_);
  ASSERT_TRUE(listeners.ok()) << listeners.status();
  EXPECT_THAT(*listeners, ElementsAre(TcListener{42, "tc"}));
}

TEST_F(TcListeners, AProcessThatCannotBeSeenIsStillAListener) {
  Write("self/net/netlink", kSockets);
  EXPECT_THAT(*ReadTcListeners(proc_), ElementsAre(TcListener{}));
}

TEST_F(TcListeners, NobodyListensWhereNoSocketIsInTheGroup) {
  std::string text = kSockets;
  text.erase(text.find("00000000b82a8624"),
             text.find("00000000d91a9ffe") - text.find("00000000b82a8624"));
  Write("self/net/netlink", text);
  EXPECT_THAT(*ReadTcListeners(proc_), IsEmpty());
}

TEST_F(TcListeners, AProcThatCannotBeReadIsAnError) {
  EXPECT_EQ(ReadTcListeners(proc_).status().code(), StatusCode::kNotFound);
  Write("self/net/netlink", "sk Eth\nnonsense\n");
  EXPECT_EQ(ReadTcListeners(proc_).status().code(), StatusCode::kInvalidArgument);
}

TEST(ProcMeminfo, MemAvailableInBytes) {
  const std::string text =
      "MemTotal:        3041252 kB\nMemFree:         2966268 kB\nMemAvailable:    2904180 kB\n";
  EXPECT_EQ(*ParseMemAvailable(text), 2904180ULL * 1024);
  for (size_t length = 0; length < text.size(); ++length) {
    EXPECT_FALSE(ParseMemAvailable(text.substr(0, length)).ok()) << length;
  }
  EXPECT_FALSE(ParseMemAvailable("MemAvailable: 7 MB\n").ok());
  EXPECT_TRUE(ReadMemAvailable().ok());
}

TEST(KernelReleaseTest, MajorAndMinor) {
  const auto is = [](const char* text, int major, int minor) {
    const auto release = ParseKernelRelease(text);
    return release.ok() && *release == KernelRelease{major, minor, text};
  };
  EXPECT_TRUE(is("6.1.0-56-amd64", 6, 1));
  EXPECT_TRUE(is("5.15.148+", 5, 15));
  EXPECT_TRUE(is("6.10-rc3", 6, 10));
  EXPECT_TRUE(is("4.19", 4, 19));
  for (const char* text : {"", "6", "6.", ".1", "six.one", "6.x"}) {
    EXPECT_EQ(ParseKernelRelease(text).status().code(), StatusCode::kInvalidArgument) << text;
  }
  EXPECT_TRUE(ReadKernelRelease().ok());
}

TEST(Modules, LoadedBuiltInLoadableOrMissing) {
  const std::string loaded =
      "cls_flower 57344 0 - Live 0xffffffffc0480000\nact_gact_x 1 0 - Live 0x0\n";
  const std::string builtin = "kernel/net/sched/sch_ingress.ko\nkernel/net/core/cls-two.ko\n";
  const std::string dep =
      "kernel/net/sched/act_mirred.ko.xz: kernel/net/sched/act_other.ko.xz\n"
      "kernel/net/sched/cls_flower.ko:\n";
  const auto state = [&](const char* module) { return StateOf(module, loaded, &builtin, &dep); };
  EXPECT_EQ(state("cls_flower"), ModuleState::kLoaded);
  EXPECT_EQ(state("sch_ingress"), ModuleState::kBuiltIn);
  EXPECT_EQ(state("cls_two"), ModuleState::kBuiltIn);  // files may say '-' for '_'
  EXPECT_EQ(state("act_mirred"), ModuleState::kLoadable);
  EXPECT_EQ(state("act_gact"), ModuleState::kMissing);
  EXPECT_EQ(state("act_other"), ModuleState::kMissing) << "a dependency is no line of its own";
  EXPECT_EQ(StateOf("act_gact", loaded, nullptr, nullptr), ModuleState::kUnknown);
  EXPECT_EQ(StateOf("act_gact", loaded, &builtin, nullptr), ModuleState::kUnknown);
  EXPECT_EQ(StateOf("cls_flower", loaded, nullptr, nullptr), ModuleState::kLoaded);
}

}  // namespace
}  // namespace offload::netlink
