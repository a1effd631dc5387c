#include "cli/options.h"

#include "CLI/CLI.hpp"

namespace offload::cli {
namespace {

void DefineCommon(CLI::App& app, Options& options) {
  app.require_subcommand(1);
  app.add_option("--server", options.server, "address of the daemon's listener")
      ->envname("OFFLOADCTL_SERVER")
      ->capture_default_str();
  app.add_option("--deadline", options.deadline, "seconds for each call (doctor: 60)")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_flag("--json", options.json, "one JSON object a line instead of text");
  app.fallthrough();
}

CLI::App& Define(CLI::App& app, Options& options, Command command, const char* name,
                 const char* about) {
  CLI::App& subcommand = *app.add_subcommand(name, about);
  subcommand.callback([&options, command] { options.command = command; });
  return subcommand;
}

void DefineAdd(CLI::App& add, AddArguments& a) {
  add.add_option("--id", a.id, "session id")->required();
  add.add_option("--in-lif", a.in_lif, "LIF that the tuple arrives on")->required();
  add.add_option("--out-lif", a.out_lif, "LIF that it leaves from")->required();
  add.add_option("--src", a.source, "source address, IPv4 or IPv6")->required();
  add.add_option("--dst", a.destination, "destination address")->required();
  add.add_option("--sport", a.source_port, "source port")->required();
  add.add_option("--dport", a.destination_port, "destination port")->required();
  add.add_option("--proto", a.protocol, "tcp or udp")
      ->check(CLI::IsMember({"tcp", "udp"}))
      ->capture_default_str();
  add.add_option("--in-vlan", a.in_vlan, "802.1Q id on the in-LIF")->check(CLI::Range(1, 4094));
  add.add_option("--out-vlan", a.out_vlan,
                 "802.1Q id on the out-LIF; another than --in-vlan: the tag is rewritten")
      ->check(CLI::Range(1, 4094));
  add.add_option("--action", a.action, "forward or drop")
      ->check(CLI::IsMember({"forward", "drop"}))
      ->capture_default_str();
  add.add_option("--timeout", a.timeout, "idle seconds until it closes (0: the daemon's default)");
  add.add_option("--ipv4-order", a.ipv4_order, "how the daemon's listener takes IPv4 addresses")
      ->check(CLI::IsMember({"in_addr", "number"}))
      ->capture_default_str();
}

void DefineCommands(CLI::App& app, Options& options) {
  DefineAdd(Define(app, options, Command::kAdd, "add", "add one session"), options.add);
  Define(app, options, Command::kGet, "get", "show sessions with their live counters")
      .add_option("id", options.ids, "session ids")
      ->required();
  Define(app, options, Command::kDelete, "delete", "remove sessions, show their final counters")
      .add_option("id", options.ids, "session ids")
      ->required();
  Define(app, options, Command::kList, "list", "show all sessions");
  Define(app, options, Command::kClosed, "closed", "fetch closed sessions; they leave the daemon")
      .add_option("--max", options.max, "at most so many (0: all)");
  Define(app, options, Command::kDoctor, "doctor",
         "examine the daemon's host and netdevs, say what to do");
  Define(app, options, Command::kStatus, "status", "show the daemon's state and counters");
}

}  // namespace

std::optional<int> ParseCommandLine(int argc, const char* const* argv, const char* version,
                                    Options& options) {
  CLI::App app("Adds, shows and removes the sessions of an offloadd, and examines it.",
               "offloadctl");
  app.set_version_flag("--version", version);
  DefineCommon(app, options);
  DefineCommands(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kOk : kUsage;
  }
  if (options.command == Command::kDoctor && app.count("--deadline") == 0) {
    options.deadline = kDoctorDeadline;
  }
  return std::nullopt;
}

}  // namespace offload::cli
