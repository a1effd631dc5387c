#include "config/schema.h"

#include <algorithm>
#include <utility>

#include "config/checks.h"
#include "config/fields.h"

namespace offload::config {
namespace {

constexpr int64_t kLongestTimeout = 86400;  // a day; the cookie has room for 17 bits
constexpr int64_t kHighestPriorityBase = 12;
constexpr int64_t kSessionPriorities = 3;
constexpr int64_t kHighestPriority = 16;  // that mlx5 takes
constexpr int64_t kSmallestTable = 16;
constexpr int64_t kLargestTable = int64_t{1} << 24;

const Choices<DatapathMode>& Modes() {
  static const Choices<DatapathMode>& modes =
      *new Choices<DatapathMode>{{"hardware", DatapathMode::kHardware},
                                 {"software", DatapathMode::kSoftware},
                                 {"any", DatapathMode::kAny}};
  return modes;
}

Fields<Profile> ProfileFields() {
  return {
      Choice<Profile, Ipv4Order>("ipv4_order", &Profile::ipv4_order,
                                 {{"number", Ipv4Order::kNumber}, {"in_addr", Ipv4Order::kInAddr}}),
      Choice<Profile, EmptyClosed>(
          "empty_closed", &Profile::empty_closed,
          {{"ok", EmptyClosed::kOk}, {"not_found", EmptyClosed::kNotFound}}),
      Choice<Profile, ErrorCodes>(
          "error_codes", &Profile::error_codes,
          {{"grpc", ErrorCodes::kGrpc}, {"add_session_status", ErrorCodes::kAddSessionStatus}}),
      Choice<Profile, DeleteCounters>(
          "delete_counters", &Profile::delete_counters,
          {{"reply", DeleteCounters::kReply}, {"closed_record", DeleteCounters::kClosedRecord}}),
      Choice<Profile, UnknownId>(
          "unknown_id", &Profile::unknown_id,
          {{"not_found", UnknownId::kNotFound}, {"ok_nonexistent", UnknownId::kOkNonexistent}}),
      Boolean("follow", &Profile::follow),
  };
}

Field<Config> ProfilesField() {
  return {"profiles", "an object of profiles by name",
          [](const Node& node, absl::string_view expected, Config& out) {
            if (!node.value.is_object()) return node.Complain(expected);
            for (const auto& [name, value] : node.value.items()) {
              const Node profile = node.Child(name);
              if (!IsPlainName(name)) profile.Complain("a name of letters, digits, '.', '_', '-'");
              ReadObject(profile, ProfileFields(), out.profiles[name]);
            }
          },
          false, KeysOf(ProfileFields(), "/*")};
}

// The name of a profile, or overrides on top of the default one.
Field<Listener> ListenerProfileField(const std::map<std::string, Profile>& profiles) {
  std::vector<std::string> names;
  names.reserve(profiles.size());
  for (const auto& [name, profile] : profiles) names.push_back(absl::StrCat("\"", name, "\""));
  return {"profile",
          absl::StrCat("the name of a profile (", absl::StrJoin(names, ", "),
                       ") or an object of its values"),
          [profiles](const Node& node, absl::string_view expected, Listener& out) {
            if (node.value.is_object()) return ReadObject(node, ProfileFields(), out.profile);
            const auto* name = node.value.get_ptr<const std::string*>();
            const auto found = name == nullptr ? profiles.end() : profiles.find(*name);
            if (found == profiles.end()) return node.Complain(expected);
            out.profile = found->second;
          },
          false, KeysOf(ProfileFields(), "")};
}

// A listener that names no profile has the default one as the file sets it.
Listener InitialListener(const Config& so_far) {
  const auto profile = so_far.profiles.find(kDefaultProfile);
  return {.address = kDefaultAddress,
          .profile = profile == so_far.profiles.end() ? Profile() : profile->second,
          .admin = IsLocalAddress(kDefaultAddress)};
}

// Says who reaches the listener, and so decides `admin`, unless that is given: it is read later.
Field<Listener> AddressField() {
  Field<Listener> field = Text("address", &Listener::address, IsListenAddress,
                               "an address (\"host:port\", \"[ipv6]:port\" or \"unix:/path\")");
  field.read = [read = field.read](const Node& node, absl::string_view expected, Listener& out) {
    read(node, expected, out);
    out.admin = IsLocalAddress(out.address);
  };
  return std::move(field).Required();
}

Items<Listener> ListenerItems(const Config& so_far) {
  return {{
              AddressField(),
              Text("owner", &Listener::owner, IsPlainName,
                   "a name (1 to 63 of letters, digits, '.', '_', '-')"),
              ListenerProfileField(so_far.profiles),
              Boolean("admin", &Listener::admin),
          },
          InitialListener(so_far)};
}

Items<Lif> LifItems(const Config&) {
  return {{
      Integer("id", &Lif::id, 0, 65535, "LIF number").Required(),
      Text("netdev", &Lif::netdev, IsNetdevName,
           "a non-empty string (netdev name, at most 15 characters)")
          .Required(),
      Text("default_path", &Lif::default_path, IsNetdevName,
           "the netdev name of the firewall's representor (at most 15 characters)"),
  }};
}

Fields<Datapath> DatapathFields() {
  return {
      Choice("mode", &Datapath::mode, Modes()),
      Integer("priority_base", &Datapath::priority_base, 1, kHighestPriorityBase,
              "first of three TC priorities below 15"),
      Integer("default_path_priority", &Datapath::default_path_priority, kSessionPriorities + 1,
              kHighestPriority, "TC priority above those of sessions"),
      Integer("table_size", &Datapath::table_size, kSmallestTable, kLargestTable, "rules"),
      Seconds("sample_grace", &Datapath::sample_grace, SecondsKind::kFraction, 0, 60),
      Boolean("allow_untrusted_driver", &Datapath::allow_untrusted_driver),
  };
}

// Only where the key is given: its default is above every base.
void CheckPriorities(const Node& node, const Datapath& datapath) {
  const int64_t last = datapath.priority_base + kSessionPriorities - 1;
  if (datapath.default_path_priority > last) return;
  node.Child("default_path_priority")
      .Complain(absl::StrCat("an integer ", last + 1, "..", kHighestPriority,
                             " (TC priority above those of sessions, ", datapath.priority_base,
                             "..", last, ")"));
}

Field<Config> DatapathField() {
  return {"datapath", "an object",
          [](const Node& node, absl::string_view, Config& out) {
            ReadObject(node, DatapathFields(), out.datapath);
            CheckPriorities(node, out.datapath);
            const bool given = node.value.is_object() && node.value.contains("sample_grace");
            if (!given && out.datapath.mode != DatapathMode::kHardware) {
              out.datapath.sample_grace = absl::ZeroDuration();
            }
          },
          false, KeysOf(DatapathFields(), "")};
}

// In the order of reading: profiles before the listeners that name them.
Fields<Config> ConfigFields() {
  return {
      ProfilesField(),
      List<Config, Listener>("listeners", &Config::listeners, ListenerItems, "address",
                             "an array of at least one listener"),
      List<Config, Lif>("lifs", &Config::lifs, LifItems, "id", "an array of at least one LIF")
          .Required(),
      DatapathField(),
      Seconds("default_timeout", &Config::default_timeout, SecondsKind::kWhole, 1, kLongestTimeout),
      Choice<Config, DuplicateTuple>(
          "duplicate_tuple", &Config::duplicate_tuple,
          {{"reject", DuplicateTuple::kReject}, {"takeover", DuplicateTuple::kTakeover}}),
      Choice<Config, OnLinkDown>("on_link_down", &Config::on_link_down,
                                 {{"keep", OnLinkDown::kKeep}, {"close", OnLinkDown::kClose}}),
      Seconds("link_down_hold", &Config::link_down_hold, SecondsKind::kFraction, 0, 3600),
      Choice<Config, OnStop>("on_stop", &Config::on_stop,
                             {{"leave", OnStop::kLeave}, {"flush", OnStop::kFlush}}),
      Seconds("stop_deadline", &Config::stop_deadline, SecondsKind::kFraction, 0, 300),
      Section("closed_log", &Config::closed_log,
              Fields<ClosedLog>{
                  Integer("max_records", &ClosedLog::max_records, 1, 100000000, "records")}),
      Section("log", &Config::log,
              Fields<Log>{Choice<Log, LogLevel>("level", &Log::level,
                                                {{"trace", LogLevel::kTrace},
                                                 {"debug", LogLevel::kDebug},
                                                 {"info", LogLevel::kInfo},
                                                 {"warning", LogLevel::kWarning},
                                                 {"error", LogLevel::kError}})}),
  };
}

// Owners get their ids in the order of the listeners.
void NumberOwners(Config& config, Report& report) {
  for (size_t i = 0; i < config.listeners.size(); ++i) {
    Listener& listener = config.listeners[i];
    auto at = std::find(config.owners.begin(), config.owners.end(), listener.owner);
    if (at == config.owners.end()) at = config.owners.insert(at, listener.owner);
    const auto id = at - config.owners.begin();
    if (id > session::kMaxOwner) {
      report.Complain(absl::StrCat("/listeners/", i, "/owner"),
                      absl::StrCat("at most ", session::kMaxOwner + 1, " different owners"),
                      "one more");
    }
    listener.owner_id = static_cast<session::OwnerId>(id);
  }
}

// Why `lifs[at]` may not have its default path, as expectation and finding; two empty strings when
// it may. Of two LIFs that do not go together the later one is wrong.
std::pair<std::string, std::string> DefaultPathObstacle(const std::vector<Lif>& lifs, size_t at) {
  const Lif& lif = lifs[at];
  const std::string found = Describe(lif.default_path);
  if (lif.default_path == lif.netdev) {
    return {"another netdev than the LIF's own", found};
  }
  for (size_t i = 0; i < lifs.size(); ++i) {
    if (lifs[i].netdev == lif.default_path) {
      return {"a netdev that no LIF has", absl::StrCat(found, ", which is /lifs/", i, "/netdev")};
    }
  }
  for (size_t i = 0; i < at; ++i) {
    const Lif& earlier = lifs[i];
    if (earlier.default_path.empty()) continue;
    const bool same = earlier.default_path == lif.default_path;
    if (earlier.netdev == lif.netdev && !same) {
      return {absl::StrCat(Describe(earlier.default_path), ", as /lifs/", i,
                           "/default_path says for the same netdev"),
              found};
    }
    if (earlier.netdev != lif.netdev && same) {
      return {"a representor that no other netdev has",
              absl::StrCat(found, ", the same as /lifs/", i, "/default_path")};
    }
  }
  return {};
}

void CheckDefaultPaths(const Config& config, Report& report) {
  for (size_t i = 0; i < config.lifs.size(); ++i) {
    if (config.lifs[i].default_path.empty()) continue;
    const auto [expected, found] = DefaultPathObstacle(config.lifs, i);
    if (expected.empty()) continue;
    report.Complain(absl::StrCat("/lifs/", i, "/default_path"), expected, found);
  }
}

// A profile that nobody uses is most likely a misspelt one.
void CheckProfilesAreUsed(const nlohmann::json& root, const Config& config, Report& report) {
  if (report.FromFlag("/listeners")) return;
  for (const auto& [name, profile] : config.profiles) {
    const auto& listeners = root.value("listeners", nlohmann::json::array());
    const bool used =
        std::any_of(listeners.begin(), listeners.end(), [&wanted = name](const auto& listener) {
          return listener.is_object() && listener.value("profile", nlohmann::json()) == wanted;
        });
    if (used || name == kDefaultProfile) continue;
    report.Complain("/profiles" + PointerToken(name),
                    absl::StrCat("\"", kDefaultProfile, "\" or a profile that a listener names"),
                    Describe(name));
  }
}

}  // namespace

Config ReadConfig(const nlohmann::json& root, Report& report) {
  Config config;
  config.profiles[kDefaultProfile] = Profile();
  ReadObject(Node{root, "", report}, ConfigFields(), config);
  if (!root.is_object()) return config;
  if (!root.contains("listeners")) config.listeners = {InitialListener(config)};
  CheckDefaultPaths(config, report);
  NumberOwners(config, report);
  CheckProfilesAreUsed(root, config, report);
  return config;
}

std::vector<std::string> KnownKeys() { return KeysOf(ConfigFields(), ""); }

absl::string_view Name(DatapathMode mode) {
  const auto& modes = Modes();
  return std::find_if(modes.begin(), modes.end(),
                      [mode](const auto& m) { return m.second == mode; })
      ->first;
}

}  // namespace offload::config
