#include "config/flags.h"

#include <map>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"

namespace offload::config {
namespace {

constexpr char kAbout[] =
    "offloadd programs sessions that a firewall has finished inspecting into the embedded switch\n"
    "of a SmartNIC, as TC flower rules, and reports their counters when they close.";
constexpr char kEpilogue[] =
    "Flags win over the file and are checked like it. Exit status: 0 after a clean stop, 1 when "
    "it\n"
    "cannot start or --doctor finds a problem, 2 for a wrong command line or configuration.\n"
    "See offloadd(8), offloadd.json(5) and offloadctl(1).";

// Flags that set one key of the configuration.
struct ValueFlag {
  const char* name;
  const char* value;
  const char* pointer;
  const char* help;
};
constexpr ValueFlag kValueFlags[] = {
    {"--mode", "MODE", "/datapath/mode",
     "hardware (rules in the NIC only), software (kernel only) or any"},
    {"--table-size", "RULES", "/datapath/table_size",
     "how many rules the table takes; a session is two"},
    {"--default-timeout", "SECONDS", "/default_timeout",
     "idle time after which a session without its own timeout closes"},
    {"--on-link-down", "WHAT", "/on_link_down", "keep or close the sessions of a LIF that is down"},
    {"--on-stop", "WHAT", "/on_stop", "leave the rules in place, or flush (close every session)"},
    {"--log-level", "LEVEL", "/log/level", "trace, debug, info, warning or error"},
};

using Values = std::map<std::string, std::string>;

void Describe(CLI::App& app, CommandLine& line, Values& values) {
  app.add_option("-c,--config", line.config_file, "the JSON configuration file")->type_name("FILE");
  app.add_flag("--check-config", line.check_config,
               "check the configuration, say what is wrong, and exit");
  app.add_flag("--doctor", line.doctor,
               "examine the host and the netdevs, say what is wrong and what to do, and exit")
      ->excludes("--check-config");
  app.add_option("--listen", line.overrides.listen,
                 "host:port, [ipv6]:port or unix:/path; repeatable, replaces all listeners")
      ->type_name("ADDRESS")
      ->allow_extra_args(false);
  app.add_option("--lif", line.overrides.lifs,
                 "a logical interface and its netdev; repeatable, replaces or adds that LIF")
      ->type_name("ID=NETDEV")
      ->allow_extra_args(false);
  app.add_option("--default-path", line.overrides.default_paths,
                 "the firewall's representor of a LIF, where what no session takes goes; "
                 "repeatable")
      ->type_name("ID=NETDEV")
      ->allow_extra_args(false);
  for (const ValueFlag& flag : kValueFlags) {
    app.add_option(flag.name, values[flag.name], flag.help)->type_name(flag.value);
  }
}

}  // namespace

absl::StatusOr<CommandLine> ParseCommandLine(int argc, const char* const* argv,
                                             absl::string_view version) {
  CommandLine line;
  Values values;
  CLI::App app(kAbout, "offloadd");
  app.footer(kEpilogue);
  app.set_version_flag("--version", absl::StrCat("offloadd ", version));
  Describe(app, line, values);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    line.answer = app.help();
  } catch (const CLI::CallForVersion&) {
    line.answer = absl::StrCat(app.version(), "\n");
  } catch (const CLI::Error& error) {
    return absl::InvalidArgumentError(
        absl::StrCat("command line: ", error.what(), " (try offloadd --help)"));
  }
  for (const ValueFlag& flag : kValueFlags) {
    if (app.count(flag.name) == 0) continue;
    line.overrides.values.push_back({flag.name, flag.pointer, values[flag.name]});
  }
  return line;
}

}  // namespace offload::config
