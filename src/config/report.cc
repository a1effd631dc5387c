#include "config/report.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"

namespace offload::config {
namespace {

// Levenshtein distance: insertions, deletions and replacements of one character.
size_t EditDistance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row.back();
}

}  // namespace

void Report::SetOrigin(std::string pointer, std::string flag) {
  origins_[std::move(pointer)] = std::move(flag);
}

const std::string* Report::FindOrigin(std::string pointer) const {
  while (!pointer.empty()) {
    const auto found = origins_.find(pointer);
    if (found != origins_.end()) return &found->second;
    pointer.resize(pointer.rfind('/'));
  }
  return nullptr;
}

void Report::Complain(const std::string& pointer, absl::string_view expected,
                      absl::string_view found) {
  const std::string* flag = FindOrigin(pointer);
  if (flag != nullptr) return ComplainFlag(*flag, expected, found);
  ComplainAt(pointer.empty() ? "/" : pointer,
             absl::StrCat("expected ", expected, ", found ", found));
}

void Report::ComplainFlag(absl::string_view flag, absl::string_view expected,
                          absl::string_view found) {
  lines_.push_back(absl::StrCat(flag, ": expected ", expected, ", found ", found));
}

void Report::ComplainAt(absl::string_view place, absl::string_view message) {
  const std::string prefix = source_.empty() ? "" : absl::StrCat(source_, ": ");
  lines_.push_back(absl::StrCat(prefix, place, ": ", message));
}

absl::Status Report::ToStatus() const {
  if (ok()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrJoin(lines_, "\n"));
}

std::string PointerToken(absl::string_view key) {
  return absl::StrCat("/", absl::StrReplaceAll(key, {{"~", "~0"}, {"/", "~1"}}));
}

std::string Nearest(absl::string_view word, const std::vector<std::string>& candidates) {
  constexpr size_t kLongestWord = 64;
  if (word.size() > kLongestWord) return "";
  size_t best = std::max<size_t>(2, word.size() / 3) + 1;
  std::string nearest;
  for (const std::string& candidate : candidates) {
    const size_t distance = EditDistance(word, candidate);
    if (distance >= best) continue;
    best = distance;
    nearest = candidate;
  }
  return nearest;
}

}  // namespace offload::config
