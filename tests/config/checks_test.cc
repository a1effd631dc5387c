#include "config/checks.h"

#include <string>

#include "config/report.h"
#include "gtest/gtest.h"

namespace offload::config {
namespace {

TEST(ChecksTest, NetdevNames) {
  for (const char* good : {"p0", "eth0.100", "fifteen_letters", "pf0vf1-r@x", "7"}) {
    EXPECT_TRUE(IsNetdevName(good)) << good;
  }
  for (const std::string& bad :
       {std::string(), std::string("."), std::string(".."), std::string("a/b"), std::string("a b"),
        std::string("a\tb"), std::string("a\n"), std::string("a:b"), std::string("a\0b", 3),
        std::string("sixteen_letters_")}) {
    EXPECT_FALSE(IsNetdevName(bad)) << bad;
  }
}

TEST(ChecksTest, ListenAddresses) {
  for (const std::string& good :
       {std::string("127.0.0.1:3443"), std::string("0.0.0.0:0"), std::string("localhost:65535"),
        std::string("fw-1.example.net:1"), std::string("[::]:1"), std::string("[2001:db8::1]:80"),
        std::string("unix:/run/x"), "unix:/" + std::string(106, 'x')}) {
    EXPECT_TRUE(IsListenAddress(good)) << good;
  }
  for (const std::string& bad : {std::string(),
                                 std::string("localhost"),
                                 std::string(":1"),
                                 std::string("a:"),
                                 std::string("a:65536"),
                                 std::string("a:-1"),
                                 std::string("a:+1"),
                                 std::string("a: 1"),
                                 std::string("a:000001"),
                                 std::string("300.1.1.1:1"),
                                 std::string("1.2.3:1"),
                                 std::string("::1:80"),
                                 std::string("[::1]"),
                                 std::string("[::1:80"),
                                 std::string("[::g]:1"),
                                 std::string("[127.0.0.1]:1"),
                                 std::string("a b:1"),
                                 std::string("a/b:1"),
                                 std::string("unix:"),
                                 std::string("unix:/"),
                                 std::string("unix:relative"),
                                 "unix:/" + std::string(107, 'x'),
                                 std::string("dns:///a:1")}) {
    EXPECT_FALSE(IsListenAddress(bad)) << bad;
  }
}

TEST(ChecksTest, LocalAddressesAreThoseThatOnlyThisHostReaches) {
  for (const char* local : {"unix:/run/x", "127.0.0.1:1", "127.255.0.9:1", "[::1]:1",
                            "[0:0:0:0:0:0:0:1]:1", "localhost:1", "LocalHost:1"}) {
    EXPECT_TRUE(IsLocalAddress(local)) << local;
  }
  for (const char* reachable :
       {"0.0.0.0:1", "[::]:1", "10.0.0.1:1", "128.0.0.1:1", "126.255.255.255:1", "[2001:db8::1]:1",
        "[::2]:1", "localhost.example.net:1", "127-0-0-1.example.net:1", "unix.example.net:1"}) {
    EXPECT_FALSE(IsLocalAddress(reachable)) << reachable;
  }
}

TEST(ChecksTest, PlainNames) {
  EXPECT_TRUE(IsPlainName("fw-1.site_A"));
  EXPECT_TRUE(IsPlainName(std::string(63, 'a')));
  EXPECT_FALSE(IsPlainName(std::string(64, 'a')));
  for (const char* bad : {"", "a b", "a/b", "\xc3\xa4"}) EXPECT_FALSE(IsPlainName(bad)) << bad;
}

TEST(NearestTest, FindsWhatWasMeant) {
  const std::vector<std::string> keys = {"lifs", "listeners", "log", "default_timeout"};
  EXPECT_EQ(Nearest("lfs", keys), "lifs");
  EXPECT_EQ(Nearest("listener", keys), "listeners");
  EXPECT_EQ(Nearest("defaultTimeout", keys), "default_timeout");
  EXPECT_EQ(Nearest("nothing_like_it", keys), "");
  EXPECT_EQ(Nearest(std::string(100000, 'x'), keys), "");
  EXPECT_EQ(Nearest("x", {}), "");
}

}  // namespace
}  // namespace offload::config
