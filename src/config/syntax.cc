#include "config/syntax.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace offload::config {
namespace {

using Json = nlohmann::json;

// Reads the text as events: knows where it is, so it can name a repeated key by its pointer and a
// syntax error by its line.
class Checker final : public nlohmann::json_sax<Json> {
 public:
  Checker(absl::string_view text, Report& report) : text_(text), report_(report) {}

  bool null() override { return Value(); }
  bool boolean(bool) override { return Value(); }
  bool number_integer(number_integer_t) override { return Value(); }
  bool number_unsigned(number_unsigned_t) override { return Value(); }
  bool number_float(number_float_t, const string_t&) override { return Value(); }
  bool string(string_t&) override { return Value(); }
  bool binary(binary_t&) override { return Value(); }
  bool start_object(size_t) override { return Open(false); }
  bool start_array(size_t) override { return Open(true); }
  bool end_object() override { return Close(); }
  bool end_array() override { return Close(); }

  bool key(string_t& name) override {
    Scope& scope = scopes_.back();
    scope.token = PointerToken(name);
    if (!scope.keys.insert(name).second) {
      report_.Complain(Pointer(), "each key once in its object", "it a second time");
    }
    return true;
  }

  bool parse_error(size_t position, const std::string&, const Json::exception& error) override {
    const absl::string_view before = text_.substr(0, std::min(position, text_.size()));
    const size_t line = 1 + std::count(before.begin(), before.end(), '\n');
    const size_t column = before.size() - (before.rfind('\n') + 1);  // npos + 1 is 0
    report_.ComplainAt(absl::StrCat("line ", line, ", column ", column), Reason(error.what()));
    return false;
  }

 private:
  struct Scope {
    bool is_array = false;
    size_t items = 0;
    std::string token;  // of the value that comes next or is being read
    std::set<std::string> keys;
  };

  // The library's text without its exception name and its own position.
  static std::string Reason(absl::string_view what) {
    const auto drop_through = [&what](absl::string_view end) {
      const size_t at = what.find(end);
      if (at != what.npos) what.remove_prefix(at + end.size());
    };
    drop_through("] ");
    if (absl::StartsWith(what, "parse error")) drop_through(": ");
    return std::string(what);
  }

  bool Value() {
    if (!scopes_.empty() && scopes_.back().is_array) {
      scopes_.back().token = absl::StrCat("/", scopes_.back().items++);
    }
    return true;
  }
  bool Open(bool is_array) {
    Value();
    scopes_.push_back({.is_array = is_array});
    return true;
  }
  bool Close() {
    scopes_.pop_back();
    return true;
  }
  std::string Pointer() const {
    std::string pointer;
    for (const Scope& scope : scopes_) pointer += scope.token;
    return pointer;
  }

  absl::string_view text_;
  Report& report_;
  std::vector<Scope> scopes_;
};

}  // namespace

std::optional<Json> ParseJson(absl::string_view text, Report& report) {
  Checker checker(text, report);
  if (!Json::sax_parse(text, &checker, Json::input_format_t::json, /*strict=*/true,
                       /*ignore_comments=*/true)) {
    return std::nullopt;
  }
  return Json::parse(text, nullptr, /*allow_exceptions=*/false, /*ignore_comments=*/true);
}

}  // namespace offload::config
