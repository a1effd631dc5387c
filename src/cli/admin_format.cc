#include "cli/admin_format.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include "absl/strings/str_cat.h"
#include "cli/format.h"
#include "nlohmann/json.hpp"

namespace offload::cli {
namespace {

namespace admin = offloadd::admin::v1;
using OrderedJson = nlohmann::ordered_json;

doctor::Level ToLevel(admin::Finding::Level level) {
  switch (level) {
    case admin::Finding::OK:
      return doctor::Level::kOk;
    case admin::Finding::PROBLEM:
      return doctor::Level::kProblem;
    default:
      return doctor::Level::kWarning;
  }
}

const char* Word(admin::Lif::LinkState state) {
  switch (state) {
    case admin::Lif::UP:
      return "up";
    case admin::Lif::DOWN:
      return "down";
    case admin::Lif::GONE:
      return "gone";
    default:
      return "unknown";
  }
}

// A message of plain counts, by its field names.
OrderedJson Counts(const google::protobuf::Message& message) {
  OrderedJson json = OrderedJson::object();
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const google::protobuf::FieldDescriptor& field = *message.GetDescriptor()->field(i);
    json[field.name()] = message.GetReflection()->GetUInt64(message, &field);
  }
  return json;
}

// A line of the block: what it is about in the first column, nothing where it goes on.
std::string Row(absl::string_view label, absl::string_view text) {
  constexpr size_t kLabelWidth = 11;
  return absl::StrCat(label, std::string(kLabelWidth - label.size(), ' '), text, "\n");
}

std::string StateRows(const admin::StatusResponse& s) {
  const std::string state =
      s.ready() ? "ready"
                : absl::StrCat("not ready: ", s.not_ready_reason().empty()
                                                  ? "starting"
                                                  : doctor::Printable(s.not_ready_reason()));
  return absl::StrCat(Row("offloadd", doctor::Printable(s.version())), Row("state", state),
                      Row("since", FormatTime(s.start_time())),
                      Row("mode", doctor::Printable(s.mode())));
}

std::string CounterRows(const admin::StatusResponse& s) {
  const admin::SessionCounters& sessions = s.session_counters();
  const admin::DatapathCounters& rules = s.datapath_counters();
  const admin::ClosedLogCounters& closed = s.closed_log_counters();
  return absl::StrCat(
      Row("sessions", absl::StrCat(s.sessions(), " of ", s.capacity(), "; added ", sessions.added(),
                                   ", rejected ", sessions.rejected())),
      Row("", absl::StrCat("closed: timeout ", sessions.closed_timeout(), ", deleted ",
                           sessions.closed_deleted(), ", lost ", sessions.closed_lost())),
      Row("",
          absl::StrCat("undone ", sessions.undone(), ", delete retries ", sessions.delete_retries(),
                       ", query failures ", sessions.query_failures())),
      Row("rules", absl::StrCat("added ", rules.added(), ", deleted ", rules.deleted(),
                                ", queried ", rules.queried())),
      Row("", absl::StrCat("refused: unsupported ", rules.refused_unsupported(), ", full ",
                           rules.refused_full(), ", other ", rules.refused_other())),
      Row("", absl::StrCat("busy retries ", rules.busy_retries(), ", read back ", rules.read_back(),
                           ", standing repairs ", rules.standing_repairs())),
      Row("closed log",
          absl::StrCat("pending ", closed.pending(), "; appended ", closed.appended(),
                       ", delivered ", closed.delivered(), ", dropped ", closed.dropped())));
}

std::string ListenerRows(const admin::StatusResponse& s) {
  std::string rows;
  for (const admin::Listener& listener : s.listeners()) {
    const std::string port = listener.port() == 0 ? "" : absl::StrCat(", port ", listener.port());
    absl::StrAppend(&rows, Row(rows.empty() ? "listeners" : "",
                               absl::StrCat(doctor::Printable(listener.address()), port, ", owner ",
                                            doctor::Printable(listener.owner()),
                                            listener.admin() ? ", admin" : "")));
  }
  return rows;
}

std::string LifRows(const admin::StatusResponse& s) {
  std::string rows;
  for (const admin::Lif& lif : s.lifs()) {
    absl::StrAppend(&rows, Row(rows.empty() ? "LIFs" : "",
                               absl::StrCat(lif.id(), " ", doctor::Printable(lif.netdev()), " ",
                                            Word(lif.link_state()))));
  }
  return rows;
}

}  // namespace

std::vector<doctor::Entry> ToEntries(const admin::DoctorResponse& response) {
  std::vector<doctor::Entry> entries;
  for (const admin::Finding& finding : response.findings()) {
    entries.push_back({.level = ToLevel(finding.level()),
                       .check = finding.check(),
                       .subject = finding.subject(),
                       .text = finding.text(),
                       .advice = finding.advice()});
  }
  return entries;
}

std::string Json(const doctor::Entry& entry) {
  const OrderedJson json = {{"level", doctor::Word(entry.level)},
                            {"check", entry.check},
                            {"subject", entry.subject},
                            {"text", entry.text},
                            {"advice", entry.advice}};
  return json.dump();
}

std::string Text(const admin::StatusResponse& status) {
  return absl::StrCat(StateRows(status), CounterRows(status), ListenerRows(status),
                      LifRows(status));
}

std::string Json(const admin::StatusResponse& s) {
  OrderedJson json = {{"version", s.version()},
                      {"ready", s.ready()},
                      {"not_ready_reason", s.not_ready_reason()},
                      {"start_time", FormatTime(s.start_time())},
                      {"mode", s.mode()},
                      {"sessions", s.sessions()},
                      {"capacity", s.capacity()},
                      {"session_counters", Counts(s.session_counters())},
                      {"datapath_counters", Counts(s.datapath_counters())},
                      {"closed_log_counters", Counts(s.closed_log_counters())},
                      {"listeners", OrderedJson::array()},
                      {"lifs", OrderedJson::array()}};
  for (const admin::Listener& listener : s.listeners()) {
    json["listeners"].push_back({{"address", listener.address()},
                                 {"port", listener.port()},
                                 {"owner", listener.owner()},
                                 {"admin", listener.admin()}});
  }
  for (const admin::Lif& lif : s.lifs()) {
    json["lifs"].push_back(
        {{"id", lif.id()}, {"netdev", lif.netdev()}, {"link_state", Word(lif.link_state())}});
  }
  return json.dump();
}

}  // namespace offload::cli
