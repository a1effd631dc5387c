// Collects everything that is wrong with a configuration, one line per complaint, each with its
// place (a JSON pointer, RFC 6901, or the flag the value came from), what was expected there and
// what was found.
//
// Not thread-safe.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace offload::config {

class Report {
 public:
  // `source` is what the file is called in messages; empty when there is none.
  explicit Report(std::string source) : source_(std::move(source)) {}

  // The value at `pointer` and below came from the command line, as `flag`.
  void SetOrigin(std::string pointer, std::string flag);
  bool FromFlag(const std::string& pointer) const { return FindOrigin(pointer) != nullptr; }

  void Complain(const std::string& pointer, absl::string_view expected, absl::string_view found);

  // About a flag whose value has no place in the configuration.
  void ComplainFlag(absl::string_view flag, absl::string_view expected, absl::string_view found);

  // A complaint about the place itself: "PLACE: MESSAGE".
  void ComplainAt(absl::string_view place, absl::string_view message);

  bool ok() const { return lines_.empty(); }
  // OK, or INVALID_ARGUMENT with one line per complaint.
  absl::Status ToStatus() const;

 private:
  const std::string* FindOrigin(std::string pointer) const;

  std::string source_;
  std::map<std::string, std::string> origins_;  // pointer -> flag
  std::vector<std::string> lines_;
};

// `key` as a reference token of a JSON pointer, with its slash: "a/b" gives "/a~1b".
std::string PointerToken(absl::string_view key);

// The candidate that `word` was probably meant to be, or empty when none is near.
std::string Nearest(absl::string_view word, const std::vector<std::string>& candidates);

}  // namespace offload::config
