#include "config/fields.h"

#include <map>

namespace offload::config {

std::string Describe(const nlohmann::json& value) {
  constexpr size_t kLongest = 60;
  if (value.is_object()) return "an object";
  if (value.is_array()) {
    return value.empty() ? "an empty array" : absl::StrCat("an array of ", value.size());
  }
  std::string text =
      value.dump(-1, ' ', /*ensure_ascii=*/true, nlohmann::json::error_handler_t::replace);
  if (text.size() > kLongest) text.replace(kLongest, text.npos, "...");
  return text;
}

void ComplainUnknown(const Node& object, const std::string& key,
                     const std::vector<std::string>& known) {
  if (std::find(known.begin(), known.end(), key) != known.end()) return;
  const std::string nearest = Nearest(key, known);
  const std::string hint = nearest.empty() ? "one of " + absl::StrJoin(known, ", ")
                                           : absl::StrCat("did you mean \"", nearest, "\"?");
  object.report.Complain(object.pointer + PointerToken(key), "a known key",
                         absl::StrCat(Describe(key), " (", hint, ")"));
}

void CheckUnique(const Node& list, const std::string& key) {
  std::map<nlohmann::json, std::string> first;
  for (size_t i = 0; i < list.value.size(); ++i) {
    const Node item = list.At(i);
    if (!item.value.is_object() || !item.value.contains(key)) continue;
    const Node node = item.Child(key);
    const auto [earlier, inserted] = first.try_emplace(node.value, node.pointer);
    if (inserted) continue;
    list.report.Complain(node.pointer, absl::StrCat("a value that no earlier ", key, " has"),
                         absl::StrCat(Describe(node.value), ", the same as ", earlier->second));
  }
}

}  // namespace offload::config
