#include "config/load.h"

#include <cerrno>
#include <fstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "config/fields.h"
#include "config/report.h"
#include "config/schema.h"
#include "config/syntax.h"

namespace offload::config {
namespace {

using Json = nlohmann::json;

// A number where the text is one, so that a flag meets the same check as the file.
Json FromText(const std::string& text) {
  int64_t number = 0;
  if (absl::SimpleAtoi(text, &number)) return number;
  return text;
}

// Puts `value` at `pointer` unless something on the way is not an object: that is the file's error.
void Put(Json& root, absl::string_view pointer, Json value) {
  Json* at = &root;
  while (!pointer.empty()) {
    if (at->is_null()) *at = Json::object();
    if (!at->is_object()) return;
    pointer.remove_prefix(1);
    const size_t end = std::min(pointer.find('/'), pointer.size());
    at = &(*at)[std::string(pointer.substr(0, end))];
    pointer.remove_prefix(end);
  }
  *at = std::move(value);
}

void ApplyListen(const std::vector<std::string>& addresses, Json& root, Report& report) {
  if (addresses.empty()) return;
  Json listeners = Json::array();
  report.SetOrigin("/listeners", "--listen");
  for (const std::string& address : addresses) {
    report.SetOrigin(absl::StrCat("/listeners/", listeners.size()), "--listen " + address);
    listeners.push_back({{"address", address}});
  }
  Put(root, "/listeners", std::move(listeners));
}

bool SameId(const Json& a, const Json& b) {
  return a.is_object() && a.value("id", Json()) == b["id"];
}

// "ID=NETDEV" as a LIF whose netdev is at `key`, and where the LIF of that id is (or would be).
std::pair<Json, size_t> LifOf(const std::string& text, const char* key, const Json& lifs) {
  const std::vector<std::string> parts = absl::StrSplit(text, absl::MaxSplits('=', 1));
  Json lif = {{"id", FromText(parts[0])}};
  if (parts.size() == 2) lif[key] = parts[1];
  size_t at = 0;
  while (at < lifs.size() && !SameId(lifs[at], lif)) ++at;
  return {std::move(lif), at};
}

void ApplyLif(const std::string& text, Json& lifs, Report& report) {
  auto [lif, at] = LifOf(text, "netdev", lifs);
  report.SetOrigin(absl::StrCat("/lifs/", at), "--lif " + text);
  lifs[at] = std::move(lif);
}

void ApplyDefaultPath(const std::string& text, Json& lifs, Report& report) {
  const std::string flag = "--default-path " + text;
  const auto [lif, at] = LifOf(text, "default_path", lifs);
  if (at == lifs.size()) {
    return report.ComplainFlag(flag, "the number of a LIF before \"=\"", Describe(lif["id"]));
  }
  report.SetOrigin(absl::StrCat("/lifs/", at, "/default_path"), flag);
  lifs[at]["default_path"] = lif.value("default_path", Json());
}

void Apply(const Overrides& overrides, Json& root, Report& report) {
  if (!root.is_object()) return;
  ApplyListen(overrides.listen, root, report);
  if (!overrides.lifs.empty() || !overrides.default_paths.empty()) {
    Json& lifs = root["lifs"];
    if (lifs.is_null()) lifs = Json::array();
    if (lifs.is_array()) {
      for (const std::string& lif : overrides.lifs) ApplyLif(lif, lifs, report);
      for (const std::string& path : overrides.default_paths) ApplyDefaultPath(path, lifs, report);
    }
  }
  for (const Overrides::Value& value : overrides.values) {
    report.SetOrigin(value.pointer, value.flag);
    Put(root, value.pointer, FromText(value.text));
  }
}

}  // namespace

absl::StatusOr<Config> Parse(absl::string_view text, absl::string_view source,
                             const Overrides& overrides) {
  Report report{std::string(source)};
  Json root = Json::object();
  if (!absl::StripAsciiWhitespace(text).empty()) {
    std::optional<Json> parsed = ParseJson(text, report);
    if (!parsed.has_value()) return report.ToStatus();
    root = *std::move(parsed);
  }
  Apply(overrides, root, report);
  Config config = ReadConfig(root, report);
  if (!report.ok()) return report.ToStatus();
  return config;
}

absl::StatusOr<Config> Load(const std::string& path, const Overrides& overrides) {
  if (path.empty()) return Parse("", "", overrides);
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string text;
  char buffer[4096];
  while (file.read(buffer, sizeof(buffer)) || file.gcount() > 0) text.append(buffer, file.gcount());
  if (!file.eof()) {
    return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot read the configuration"));
  }
  return Parse(text, path, overrides);
}

}  // namespace offload::config
