// A JSON object as a table of fields: what each key is called, what it may hold and which member of
// a struct it sets. config/schema.cc writes the tables; this file reads values by them.
//
// Reading goes on after a complaint, so that one run names everything that is wrong.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "config/report.h"
#include "nlohmann/json.hpp"

namespace offload::config {

// "7", "\"eth0\"", "an object": a JSON value for a message, at most a line long.
std::string Describe(const nlohmann::json& value);

// A JSON value, its place, and where complaints about it go.
struct Node {
  const nlohmann::json& value;
  std::string pointer;
  Report& report;

  Node Child(const std::string& key) const {
    return {value.at(key), pointer + PointerToken(key), report};
  }
  Node At(size_t index) const {
    return {value.at(index), absl::StrCat(pointer, "/", index), report};
  }
  void Complain(absl::string_view expected) const {
    report.Complain(pointer, expected, Describe(value));
  }
};

// One key of the object that becomes a T.
template <typename T>
struct Field {
  std::string key;
  std::string expected;
  std::function<void(const Node& node, absl::string_view expected, T& out)> read;
  bool required = false;
  std::vector<std::string> nested = {};  // pointers of the keys below; '*' for an index or a name

  Field Required() && {
    required = true;
    return std::move(*this);
  }
};

template <typename T>
using Fields = std::vector<Field<T>>;

// The pointers of all keys of `fields`, each after `prefix`.
template <typename T>
std::vector<std::string> KeysOf(const Fields<T>& fields, absl::string_view prefix) {
  std::vector<std::string> keys;
  for (const Field<T>& field : fields) {
    keys.push_back(absl::StrCat(prefix, "/", field.key));
    const std::string here = keys.back();
    for (const std::string& key : field.nested) keys.push_back(here + key);
  }
  return keys;
}

void ComplainUnknown(const Node& object, const std::string& key,
                     const std::vector<std::string>& known);

// Sets the members of `out` that the object names; the others keep their value.
template <typename T>
void ReadObject(const Node& node, const Fields<T>& fields, T& out) {
  if (!node.value.is_object()) return node.Complain("an object");
  std::vector<std::string> known;
  for (const Field<T>& field : fields) {
    known.push_back(field.key);
    if (node.value.contains(field.key)) {
      field.read(node.Child(field.key), field.expected, out);
    } else if (field.required) {
      node.report.Complain(node.pointer + PointerToken(field.key), field.expected, "nothing");
    }
  }
  for (const auto& [key, value] : node.value.items()) ComplainUnknown(node, key, known);
}

template <typename T, typename Member>
Field<T> Integer(std::string key, Member T::*member, int64_t min, int64_t max,
                 absl::string_view meaning) {
  return {std::move(key), absl::StrCat("an integer ", min, "..", max, " (", meaning, ")"),
          [=](const Node& node, absl::string_view expected, T& out) {
            // A number above int64 is kept as unsigned: compare before it is narrowed.
            const bool fits = node.value.is_number_unsigned()
                                  ? node.value.get<uint64_t>() <= static_cast<uint64_t>(max)
                                  : node.value.is_number_integer();
            if (!fits) return node.Complain(expected);
            const int64_t number = node.value.get<int64_t>();
            if (number < min || number > max) return node.Complain(expected);
            out.*member = static_cast<Member>(number);
          }};
}

enum class SecondsKind : uint8_t { kWhole, kFraction };

// A number of seconds.
template <typename T>
Field<T> Seconds(std::string key, absl::Duration T::*member, SecondsKind kind, int64_t min,
                 int64_t max) {
  const bool whole = kind == SecondsKind::kWhole;
  return {std::move(key),
          absl::StrCat(whole ? "an integer " : "a number ", min, "..", max, " (seconds)"),
          [=](const Node& node, absl::string_view expected, T& out) {
            if (!(whole ? node.value.is_number_integer() : node.value.is_number())) {
              return node.Complain(expected);
            }
            const absl::Duration time = absl::Seconds(node.value.get<double>());
            if (time < absl::Seconds(min) || time > absl::Seconds(max)) {
              return node.Complain(expected);
            }
            out.*member = time;
          }};
}

template <typename T>
Field<T> Boolean(std::string key, bool T::*member) {
  return {std::move(key), "true or false",
          [member](const Node& node, absl::string_view expected, T& out) {
            if (!node.value.is_boolean()) return node.Complain(expected);
            out.*member = node.value.template get<bool>();
          }};
}

// The names that a choice has in the file.
template <typename E>
using Choices = std::vector<std::pair<absl::string_view, E>>;

template <typename T, typename E>
Field<T> Choice(std::string key, E T::*member, Choices<E> choices) {
  const auto quoted = [](std::string* out, const auto& choice) {
    absl::StrAppend(out, "\"", choice.first, "\"");
  };
  return {std::move(key), "one of " + absl::StrJoin(choices, ", ", quoted),
          [=](const Node& node, absl::string_view expected, T& out) {
            const auto* text = node.value.template get_ptr<const std::string*>();
            for (const auto& [name, value] : choices) {
              if (text != nullptr && *text == name) {
                out.*member = value;
                return;
              }
            }
            node.Complain(expected);
          }};
}

template <typename T>
Field<T> Text(std::string key, std::string T::*member, bool (*valid)(absl::string_view),
              std::string expected) {
  return {std::move(key), std::move(expected),
          [=](const Node& node, absl::string_view expected_text, T& out) {
            const auto* text = node.value.get_ptr<const std::string*>();
            if (text == nullptr || !valid(*text)) return node.Complain(expected_text);
            out.*member = *text;
          }};
}

template <typename T, typename U>
Field<T> Section(std::string key, U T::*member, Fields<U> fields) {
  return {
      std::move(key), "an object",
      [=](const Node& node, absl::string_view, T& out) { ReadObject(node, fields, out.*member); },
      false, KeysOf(fields, "")};
}

// Complains about an item whose `key` has the value of an earlier item's.
void CheckUnique(const Node& list, const std::string& key);

// How the items of an array are read: what each is before its keys are.
template <typename U>
struct Items {
  Fields<U> fields;
  U initial = {};
};

// An array of at least one object. `items` is asked when the keys before this one are read. No two
// items have the same `unique` key.
template <typename T, typename U>
Field<T> List(std::string key, std::vector<U> T::*member, Items<U> (*items)(const T&),
              const std::string& unique, std::string expected) {
  return {std::move(key), std::move(expected),
          [=](const Node& node, absl::string_view expected_text, T& out) {
            if (!node.value.is_array() || node.value.empty()) return node.Complain(expected_text);
            const Items<U> table = items(out);
            (out.*member).assign(node.value.size(), table.initial);
            for (size_t i = 0; i < node.value.size(); ++i) {
              ReadObject(node.At(i), table.fields, (out.*member)[i]);
            }
            CheckUnique(node, unique);
          },
          false, KeysOf(items(T()).fields, "/*")};
}

}  // namespace offload::config
