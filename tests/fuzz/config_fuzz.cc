// A configuration file of any content, with flags on top: the first line may begin with "--" and is
// then the value of a flag.
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "config/load.h"
#include "tests/fuzz/check.h"

namespace offload::config {
namespace {

Overrides FlagsOf(absl::string_view line) {
  Overrides overrides;
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(line, absl::MaxSplits('=', 1));
  const std::string value(parts.second);
  if (parts.first == "--listen") overrides.listen = {value};
  if (parts.first == "--lif") overrides.lifs = {value};
  if (parts.first == "--mode") overrides.values = {{"--mode", "/datapath/mode", value}};
  if (parts.first == "--table-size") {
    overrides.values = {{"--table-size", "/datapath/table_size", value}};
  }
  return overrides;
}

void Check(absl::string_view text) {
  Overrides overrides;
  if (absl::StartsWith(text, "--")) {
    const size_t end = std::min(text.find('\n'), text.size());
    overrides = FlagsOf(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  const auto config = Parse(text, "fuzz", overrides);
  if (config.ok()) {
    FUZZ_CHECK(!Summary(*config).empty());
    FUZZ_CHECK(!config->listeners.empty() && !config->lifs.empty());
    return;
  }
  FUZZ_CHECK(config.status().code() == absl::StatusCode::kInvalidArgument);
  // Each line names its place: the file or a flag.
  for (const absl::string_view line : absl::StrSplit(config.status().message(), '\n')) {
    FUZZ_CHECK(absl::StartsWith(line, "fuzz: ") || absl::StartsWith(line, "--"));
  }
}

}  // namespace
}  // namespace offload::config

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  offload::config::Check({reinterpret_cast<const char*>(data), size});
  return 0;
}
