#include "config/checks.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <sys/un.h>

#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"

namespace offload::config {
namespace {

constexpr size_t kLongestName = 63;  // of a DNS label
constexpr size_t kLongestHost = 253;

template <typename Predicate>
bool All(absl::string_view text, Predicate predicate) {
  return std::all_of(text.begin(), text.end(), predicate);
}

bool IsAddress(int family, absl::string_view text) {
  unsigned char bytes[sizeof(in6_addr)];
  return inet_pton(family, std::string(text).c_str(), bytes) == 1;
}

bool IsPort(absl::string_view text) {
  constexpr size_t kDigits = 5;
  int port = 0;
  return !text.empty() && text.size() <= kDigits && All(text, absl::ascii_isdigit) &&
         absl::SimpleAtoi(text, &port) && port <= 65535;
}

bool IsHost(absl::string_view host) {
  if (host.empty() || host.size() > kLongestHost) return false;
  const auto number_like = [](char c) { return absl::ascii_isdigit(c) || c == '.'; };
  if (All(host, number_like)) return IsAddress(AF_INET, host);
  return All(host, [](char c) { return absl::ascii_isalnum(c) || c == '.' || c == '-'; });
}

}  // namespace

bool IsNetdevName(absl::string_view name) {
  if (name.empty() || name.size() >= IFNAMSIZ || name == "." || name == "..") return false;
  return All(name,
             [](char c) { return c != '/' && c != ':' && c != '\0' && !absl::ascii_isspace(c); });
}

bool IsListenAddress(absl::string_view address) {
  if (absl::ConsumePrefix(&address, "unix:")) {
    return absl::StartsWith(address, "/") && address.size() > 1 &&
           address.size() < sizeof(sockaddr_un::sun_path) &&
           All(address, [](char c) { return c != '\0'; });
  }
  const size_t colon = address.rfind(':');
  if (colon == address.npos || !IsPort(address.substr(colon + 1))) return false;
  absl::string_view host = address.substr(0, colon);
  if (absl::ConsumePrefix(&host, "[")) {
    return absl::ConsumeSuffix(&host, "]") && IsAddress(AF_INET6, host);
  }
  return IsHost(host);
}

bool IsLocalAddress(absl::string_view address) {
  if (absl::StartsWith(address, "unix:")) return true;
  absl::string_view host = address.substr(0, address.rfind(':'));
  if (absl::ConsumePrefix(&host, "[")) host = absl::StripSuffix(host, "]");
  const std::string text(host);
  in_addr v4 = {};
  in6_addr v6 = {};
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == IN_LOOPBACKNET;
  if (inet_pton(AF_INET6, text.c_str(), &v6) == 1) return IN6_IS_ADDR_LOOPBACK(&v6);
  return absl::EqualsIgnoreCase(text, "localhost");
}

bool IsPlainName(absl::string_view name) {
  return !name.empty() && name.size() <= kLongestName && All(name, [](char c) {
    return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '-';
  });
}

}  // namespace offload::config
