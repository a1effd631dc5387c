// What Open vSwitch's database sends: any bytes, in two pieces, as JSON objects without a frame.
#include <string>

#include "ovs/ovsdb.h"
#include "ovs/rpc.h"
#include "tests/fuzz/check.h"

namespace offload::ovs {
namespace {

void Decode(const std::string& message) {
  (void)Classify(message);
  const auto config = DecodeConfigReply(message);
  FUZZ_CHECK(config.ok() || config.status().code() == absl::StatusCode::kInternal);
}

// Every object is found whole wherever the stream was cut.
size_t Take(JsonSplitter& splitter) {
  size_t taken = 0;
  std::string message;
  for (auto more = splitter.Take(message); more.ok() && *more; more = splitter.Take(message)) {
    Decode(message);
    ++taken;
  }
  return taken;
}

}  // namespace
}  // namespace offload::ovs

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  offload::ovs::JsonSplitter whole, halves;
  whole.Append(bytes);
  const size_t at_once = offload::ovs::Take(whole);
  halves.Append(bytes.substr(0, size / 2));
  size_t in_halves = offload::ovs::Take(halves);
  halves.Append(bytes.substr(size / 2));
  in_halves += offload::ovs::Take(halves);
  FUZZ_CHECK(in_halves == at_once);
  offload::ovs::Decode(std::string(bytes));
  return 0;
}
