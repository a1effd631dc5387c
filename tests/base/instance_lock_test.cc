#include "base/instance_lock.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace offload::base {
namespace {

using ::testing::HasSubstr;

// A name that no other run of this test uses.
std::string OwnName(const char* suffix) { return absl::StrCat("offload_test.", getpid(), suffix); }

TEST(InstanceLockTest, TheSecondIsRefusedAndToldThePidOfTheFirst) {
  const std::string name = OwnName(".second");
  const absl::StatusOr<InstanceLock> first = InstanceLock::Acquire(name);
  ASSERT_TRUE(first.ok()) << first.status();
  const absl::Status second = InstanceLock::Acquire(name).status();
  EXPECT_EQ(second.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(second.message(),
            absl::StrCat("another ", name, " runs in this network namespace (pid ", getpid(), ")"));
}

TEST(InstanceLockTest, ThePidIsKnownAfterManyRefusals) {
  const std::string name = OwnName(".many");
  const absl::StatusOr<InstanceLock> first = InstanceLock::Acquire(name);
  ASSERT_TRUE(first.ok()) << first.status();
  for (int i = 0; i < 100; ++i) {
    const absl::Status refused = InstanceLock::Acquire(name).status();
    ASSERT_THAT(std::string(refused.message()), HasSubstr(absl::StrCat("pid ", getpid(), ")")));
  }
}

TEST(InstanceLockTest, FreeAgainAfterDestruction) {
  const std::string name = OwnName(".again");
  {
    const absl::StatusOr<InstanceLock> first = InstanceLock::Acquire(name);
    ASSERT_TRUE(first.ok()) << first.status();
  }
  EXPECT_TRUE(InstanceLock::Acquire(name).ok());
}

TEST(InstanceLockTest, MovingKeepsIt) {
  const std::string name = OwnName(".moved");
  absl::StatusOr<InstanceLock> first = InstanceLock::Acquire(name);
  ASSERT_TRUE(first.ok()) << first.status();
  std::optional<InstanceLock> moved(*std::move(first));
  EXPECT_FALSE(InstanceLock::Acquire(name).ok());
  moved.reset();
  EXPECT_TRUE(InstanceLock::Acquire(name).ok());
}

TEST(InstanceLockTest, ALongerNameIsAnotherName) {
  const absl::StatusOr<InstanceLock> first = InstanceLock::Acquire(OwnName(".x"));
  EXPECT_TRUE(first.ok()) << first.status();
  const absl::StatusOr<InstanceLock> longer = InstanceLock::Acquire(OwnName(".xy"));
  EXPECT_TRUE(longer.ok()) << longer.status();
}

TEST(InstanceLockTest, AProcessThatDiesLeavesNothingBehind) {
  const std::string name = OwnName(".killed");
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const absl::StatusOr<InstanceLock> lock = InstanceLock::Acquire(name);
    _exit(lock.ok() ? 0 : 1);  // without destructors
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_TRUE(InstanceLock::Acquire(name).ok());
}

// Somebody holds the name and does not listen: still refused, without a pid.
TEST(InstanceLockTest, AHolderThatDoesNotListenIsUnknown) {
  const std::string name = OwnName(".deaf");
  const UniqueFd holder(::socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  ASSERT_EQ(::bind(holder.get(), reinterpret_cast<const sockaddr*>(&address), length), 0);
  EXPECT_THAT(std::string(InstanceLock::Acquire(name).status().message()),
              HasSubstr("(pid unknown)"));
}

TEST(InstanceLockTest, NamesThatDoNotFitAreRefused) {
  EXPECT_EQ(InstanceLock::Acquire("").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(InstanceLock::Acquire(std::string(101, 'x')).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(InstanceLock::Acquire(OwnName("").append(100 - OwnName("").size(), 'x')).ok());
}

}  // namespace
}  // namespace offload::base
