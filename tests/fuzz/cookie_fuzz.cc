// Handles and cookies of filters that are found in the kernel, whoever wrote them.
#include <cstdint>
#include <cstring>

#include "datapath/tc_identity.h"
#include "tests/fuzz/check.h"

namespace offload::datapath {
namespace {

void CheckHandle(uint32_t handle) {
  const auto content = ParseHandle(handle);
  if (!content) {
    FUZZ_CHECK(handle == 0 || handle >= kFirstReservedHandle - 1);
    return;
  }
  FUZZ_CHECK(content->slot <= kMaxSlot);
  FUZZ_CHECK(HandleOf(content->slot, content->direction) == handle);
}

void CheckCookie(absl::Span<const uint8_t> bytes) {
  const auto cookie = DecodeCookie(bytes);
  FUZZ_CHECK(!(cookie.ok() && IsStandingCookie(bytes)));
  if (!cookie.ok()) {
    FUZZ_CHECK(cookie.status().code() == absl::StatusCode::kInvalidArgument);
    return;
  }
  FUZZ_CHECK(cookie->key.owner <= session::kMaxOwner);
  FUZZ_CHECK(cookie->timeout_seconds <= kMaxCookieTimeout);
  const CookieBytes again = EncodeCookie(*cookie);
  FUZZ_CHECK(bytes == absl::Span<const uint8_t>(again));
}

}  // namespace
}  // namespace offload::datapath

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  uint32_t handle = 0;
  std::memcpy(&handle, data, size < sizeof(handle) ? size : sizeof(handle));
  offload::datapath::CheckHandle(handle);
  offload::datapath::CheckCookie({data, size});
  return 0;
}
