#include "cli/format.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"

namespace offload::cli {
namespace {

namespace api = openoffload::v1;

const char* State(api::SESSION_STATE state) {
  switch (state) {
    case api::_ESTABLISHED:
      return "established";
    case api::_CLOSING_1:
    case api::_CLOSING_2:
      return "closing";
    case api::_CLOSED:
      return "closed";
    default:
      return "unknown";
  }
}

const char* Reason(api::SESSION_CLOSE_CODE code) {
  switch (code) {
    case api::_NOT_CLOSED:
      return "-";
    case api::_FINACK:
      return "fin";
    case api::_RST:
      return "rst";
    case api::_TIMEOUT:
      return "timeout";
    default:
      return "other";
  }
}

constexpr size_t kColumns = 9;
using Row = std::array<std::string, kColumns>;
constexpr std::array<bool, kColumns> kRight = {true, false, false, true, true,
                                               true, true,  false, false};

Row ToRow(const api::sessionResponse& s) {
  return {absl::StrCat(s.sessionid()),
          State(s.sessionstate()),
          Reason(s.sessionclosecode()),
          absl::StrCat(s.inpackets()),
          absl::StrCat(s.inbytes()),
          absl::StrCat(s.outpackets()),
          absl::StrCat(s.outbytes()),
          s.has_starttime() ? FormatTime(s.starttime()) : "-",
          s.has_endtime() ? FormatTime(s.endtime()) : "-"};
}

}  // namespace

std::string FormatTime(const google::protobuf::Timestamp& time) {
  const absl::Time at = absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", at, absl::UTCTimeZone());
}

std::string Table(const std::vector<api::sessionResponse>& sessions) {
  std::vector<Row> rows = {{"ID", "STATE", "REASON", "IN PACKETS", "IN BYTES", "OUT PACKETS",
                            "OUT BYTES", "START", "END"}};
  for (const auto& session : sessions) rows.push_back(ToRow(session));
  std::array<size_t, kColumns> widths = {};
  for (const Row& row : rows) {
    for (size_t i = 0; i < kColumns; ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (const Row& row : rows) {
    std::string line;
    for (size_t i = 0; i < kColumns; ++i) {
      const std::string pad(widths[i] - row[i].size(), ' ');
      absl::StrAppend(&line, i == 0 ? "" : "  ", kRight[i] ? pad + row[i] : row[i] + pad);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    absl::StrAppend(&out, line, "\n");
  }
  return out;
}

std::string Json(const api::sessionResponse& s) {
  nlohmann::ordered_json json = {
      {"id", s.sessionid()},     {"state", State(s.sessionstate())}, {"in_packets", s.inpackets()},
      {"in_bytes", s.inbytes()}, {"out_packets", s.outpackets()},    {"out_bytes", s.outbytes()}};
  if (s.has_starttime()) json["start"] = FormatTime(s.starttime());
  if (s.has_endtime()) {
    json["end"] = FormatTime(s.endtime());
    json["close_reason"] = Reason(s.sessionclosecode());
  }
  return json.dump();
}

}  // namespace offload::cli
