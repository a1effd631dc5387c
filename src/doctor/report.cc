#include "doctor/report.h"

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"

namespace offload::doctor {
namespace {

struct Style {
  Level level;
  const char* word;
  const char* color;  // ECMA-48 SGR
};
// In the order of the report.
constexpr std::array<Style, 3> kStyles = {{{Level::kProblem, "problem", "\033[1;31m"},
                                           {Level::kWarning, "warning", "\033[33m"},
                                           {Level::kOk, "ok", "\033[32m"}}};
constexpr char kPlain[] = "\033[0m";
constexpr size_t kLevelWidth = 7;  // of the longest word
constexpr char kGap[] = "  ";
constexpr char kIndent[] = "\n         ";  // where the second column begins

std::string Clean(absl::string_view text) {
  std::string clean(absl::StripAsciiWhitespace(text));
  for (char& c : clean) {
    if (absl::ascii_iscntrl(c) && c != '\n') c = '?';
  }
  return clean;
}

std::string Indented(absl::string_view text) {
  return absl::StrReplaceAll(Clean(text), {{"\n", kIndent}});
}

std::string Padded(absl::string_view text, size_t width) {
  return absl::StrCat(text, std::string(width - std::min(width, text.size()), ' '));
}

size_t Count(const std::vector<Entry>& entries, Level level) {
  return static_cast<size_t>(
      std::count_if(entries.begin(), entries.end(),
                    [level](const Entry& entry) { return entry.level == level; }));
}

struct Widths {
  size_t check = 0;
  size_t subject = 0;
};

Widths Measure(const std::vector<Entry>& entries) {
  Widths widths;
  for (const Entry& entry : entries) {
    widths.check = std::max(widths.check, Printable(entry.check).size());
    widths.subject = std::max(widths.subject, Printable(entry.subject).size());
  }
  return widths;
}

std::string Lines(const Entry& entry, const Style& style, const Widths& widths, Color color) {
  const std::string pad(kLevelWidth - absl::string_view(style.word).size(), ' ');
  const std::string level = color == Color::kYes ? absl::StrCat(style.color, style.word, kPlain)
                                                 : std::string(style.word);
  std::string lines =
      absl::StrCat(level, pad, kGap, Padded(Printable(entry.check), widths.check), kGap,
                   Padded(Printable(entry.subject), widths.subject), kGap, Indented(entry.text));
  absl::StripTrailingAsciiWhitespace(&lines);
  if (!entry.advice.empty()) absl::StrAppend(&lines, kIndent, "advice: ", Indented(entry.advice));
  return absl::StrCat(lines, "\n");
}

std::string Plural(size_t count, absl::string_view noun) {
  return absl::StrCat(count, " ", noun, count == 1 ? "" : "s");
}

}  // namespace

std::string Printable(absl::string_view text) {
  return absl::StrReplaceAll(Clean(text), {{"\n", " "}});
}

const char* Word(Level level) {
  return std::find_if(kStyles.begin(), kStyles.end(),
                      [level](const Style& style) { return style.level == level; })
      ->word;
}

std::string Report(const std::vector<Entry>& entries, Color color) {
  const Widths widths = Measure(entries);
  std::string report;
  for (const Style& style : kStyles) {
    for (const Entry& entry : entries) {
      if (entry.level == style.level) report += Lines(entry, style, widths, color);
    }
  }
  if (!report.empty()) report += "\n";
  return absl::StrCat(report, Plural(Count(entries, Level::kProblem), "problem"), ", ",
                      Plural(Count(entries, Level::kWarning), "warning"), ", ",
                      Count(entries, Level::kOk), " ok",
                      entries.empty() ? ": nothing was examined\n" : "\n");
}

std::string Line(const Entry& entry) {
  const std::string advice =
      entry.advice.empty() ? "" : absl::StrCat(" (advice: ", Printable(entry.advice), ")");
  return absl::StrCat(Printable(entry.check), ": ", Printable(entry.subject), ": ",
                      Printable(entry.text), advice);
}

int ExitStatus(const std::vector<Entry>& entries) {
  return Count(entries, Level::kProblem) == 0 ? 0 : 1;
}

Color ChooseColor(bool is_terminal, const char* no_color, const char* term) {
  const bool refused = no_color != nullptr && *no_color != '\0';
  const bool dumb = term == nullptr || absl::string_view(term) == "dumb";
  return is_terminal && !refused && !dumb ? Color::kYes : Color::kNo;
}

}  // namespace offload::doctor
