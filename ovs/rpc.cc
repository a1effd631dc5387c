#include "ovs/rpc.h"

#include <algorithm>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "ovs/ovsdb.h"

namespace offload::ovs {
namespace {

using nlohmann::json;

constexpr char kDatabase[] = "Open_vSwitch";

// Any JSON value as text; dump() alone throws on bytes that are no UTF-8.
std::string Written(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

absl::Status NotUnderstood(absl::string_view what) {
  return absl::InternalError(absl::StrCat("the database's answer is not understood: ", what));
}

json Select(const char* table, std::vector<const char*> columns) {
  return {{"op", "select"}, {"table", table}, {"where", json::array()}, {"columns", columns}};
}

// The values of a column as RFC 7047 writes a set: ["set", [atom...]], or the one atom itself.
std::vector<json> Atoms(const json& value) {
  if (value.is_array() && value.size() == 2 && value[0] == "set" && value[1].is_array()) {
    return value[1].get<std::vector<json>>();
  }
  return {value};
}

// The id in ["uuid", id]; "" when it is none.
std::string Uuid(const json& value) {
  const bool is_uuid =
      value.is_array() && value.size() == 2 && value[0] == "uuid" && value[1].is_string();
  return is_uuid ? value[1].get<std::string>() : "";
}

std::string Text(const json& row, const char* column) {
  const auto cell = row.find(column);
  return cell != row.end() && cell->is_string() ? cell->get<std::string>() : "";
}

// The value of `key` in a column ["map", [[key, value]...]]; "" when it is absent.
std::string MapValue(const json& row, const char* column, absl::string_view key) {
  const auto map = row.find(column);
  if (map == row.end() || !map->is_array() || map->size() != 2 || !(*map)[1].is_array()) return "";
  for (const json& pair : (*map)[1]) {
    const bool strings =
        pair.is_array() && pair.size() == 2 && pair[0].is_string() && pair[1].is_string();
    if (strings && absl::string_view(pair[0].get_ref<const std::string&>()) == key)
      return pair[1].get<std::string>();
  }
  return "";
}

// The rows that each select of the request brought.
absl::StatusOr<std::vector<json>> RowsOf(const json& reply, size_t selects) {
  if (reply.contains("error") && !reply["error"].is_null()) {
    return absl::InternalError(absl::StrCat("the database refused: ", Written(reply["error"])));
  }
  const auto results = reply.find("result");
  if (results == reply.end() || !results->is_array()) return NotUnderstood("no result");
  std::vector<json> tables;
  for (const json& result : *results) {
    if (!result.is_object()) return NotUnderstood("a result is no object");
    if (result.contains("error")) {
      return absl::InternalError(absl::StrCat("the database refused: ", Written(result)));
    }
    const auto rows = result.find("rows");
    if (rows == result.end() || !rows->is_array()) return NotUnderstood("no rows");
    for (const json& row : *rows) {
      if (!row.is_object()) return NotUnderstood("a row is no object");
    }
    tables.push_back(*rows);
  }
  if (tables.size() != selects) return NotUnderstood("another number of results");
  return tables;
}

std::map<std::string, json> ByUuid(const json& rows) {
  std::map<std::string, json> index;
  for (const json& row : rows) index[row.contains("_uuid") ? Uuid(row["_uuid"]) : ""] = row;
  return index;
}

// The rows of `index` that a column of references names.
std::vector<json> Referenced(const json& row, const char* column,
                             const std::map<std::string, json>& index) {
  std::vector<json> rows;
  if (!row.contains(column)) return rows;
  for (const json& atom : Atoms(row[column])) {
    const auto target = index.find(Uuid(atom));
    if (target != index.end()) rows.push_back(target->second);
  }
  return rows;
}

}  // namespace

std::string EncodeConfigRequest() {
  const json request = {
      {"id", kRequestId},
      {"method", "transact"},
      {"params",
       {kDatabase, Select("Open_vSwitch", {"other_config"}), Select("Bridge", {"name", "ports"}),
        Select("Port", {"_uuid", "name", "interfaces"}), Select("Interface", {"_uuid", "name"})}}};
  return Written(request);
}

absl::StatusOr<OvsConfig> DecodeConfigReply(absl::string_view message) {
  const json reply = json::parse(message.begin(), message.end(), nullptr, false);
  if (!reply.is_object()) return NotUnderstood("no JSON object");
  const absl::StatusOr<std::vector<json>> tables = RowsOf(reply, 4);
  if (!tables.ok()) return tables.status();
  OvsConfig config;
  for (const json& row : (*tables)[0]) {
    if (absl::EqualsIgnoreCase(MapValue(row, "other_config", "hw-offload"), "true")) {
      config.hw_offload = true;
    }
  }
  const auto ports = ByUuid((*tables)[2]), interfaces = ByUuid((*tables)[3]);
  for (const json& bridge : (*tables)[1]) {
    for (const json& port : Referenced(bridge, "ports", ports)) {
      for (const json& interface : Referenced(port, "interfaces", interfaces)) {
        config.ports.push_back({.netdev = Text(interface, "name"),
                                .bridge = Text(bridge, "name"),
                                .port = Text(port, "name")});
      }
    }
  }
  std::sort(config.ports.begin(), config.ports.end(), [](const OvsPort& a, const OvsPort& b) {
    return std::tie(a.bridge, a.port, a.netdev) < std::tie(b.bridge, b.port, b.netdev);
  });
  return config;
}

absl::StatusOr<Incoming> Classify(absl::string_view message) {
  const json parsed = json::parse(message.begin(), message.end(), nullptr, false);
  if (!parsed.is_object()) return NotUnderstood("no JSON object");
  Incoming incoming;
  const auto method = parsed.find("method");
  if (method == parsed.end()) {
    incoming.is_reply = parsed.value("id", json()) == kRequestId;
  } else if (*method == "echo") {
    const json answer = {{"id", parsed.value("id", json())},
                         {"result", parsed.value("params", json::array())},
                         {"error", nullptr}};
    incoming.answer = Written(answer);
  }
  return incoming;
}

}  // namespace offload::ovs
