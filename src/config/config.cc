#include "config/config.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "config/schema.h"

namespace offload::config {
namespace {

std::string Count(size_t n, const char* noun) {
  return absl::StrCat(n, " ", noun, n == 1 ? "" : "s");
}

}  // namespace

std::string Summary(const Config& config) {
  const std::string addresses = absl::StrJoin(
      config.listeners, ", ",
      [](std::string* out, const Listener& listener) { absl::StrAppend(out, listener.address); });
  return absl::StrCat(Count(config.listeners.size(), "listener"), " (", addresses, "), ",
                      Count(config.owners.size(), "owner"), ", ", Count(config.lifs.size(), "LIF"),
                      ", mode ", Name(config.datapath.mode), ", table of ",
                      config.datapath.table_size, " rules");
}

}  // namespace offload::config
