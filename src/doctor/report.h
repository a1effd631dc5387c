// What an examination found, as text for people: `offloadctl doctor` and `offloadd --doctor` print
// it alike. Plain strings that know nothing of the datapath or of gRPC; pure.
//
// Control characters of findings (a kernel's text or a netdev's name may hold any byte) become '?':
// they must not act on a terminal or forge a line of a log.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace offload::doctor {

enum class Level : uint8_t { kOk, kWarning, kProblem };

struct Entry {
  Level level = Level::kOk;
  std::string check;    // which check: "switchdev"
  std::string subject;  // what was looked at: "p0"
  std::string text;     // what was found; may have several lines
  std::string advice;   // what to do about it, may have several lines; empty: nothing
};

// "ok", "warning", "problem".
const char* Word(Level level);

enum class Color : uint8_t { kNo, kYes };

// One line for each entry, then its advice on a line of its own; problems first, then warnings,
// then what is well, each in the order given. The last line counts them:
//
//   problem  switchdev  p0    the eswitch is in mode legacy
//            advice: devlink dev eswitch set pci/0000:03:00.0 mode switchdev
//   ok       driver     p0    mlx5_core
//
//   1 problem, 0 warnings, 1 ok
std::string Report(const std::vector<Entry>& entries, Color color);

// `text` in one line, trimmed, control characters as '?'.
std::string Printable(absl::string_view text);

// The same in one line, without the level: "switchdev: p0: the eswitch is in mode legacy (advice:
// devlink ...)".
std::string Line(const Entry& entry);

// 1 when there is a problem, else 0.
int ExitStatus(const std::vector<Entry>& entries);

// Colour only for a terminal that has it, and only when the user does not refuse it. The strings
// are those of the environment variables NO_COLOR (refused when it is there and not empty, see
// no-color.org) and TERM ("dumb" has none), null for one that is not set.
Color ChooseColor(bool is_terminal, const char* no_color, const char* term);

}  // namespace offload::doctor
