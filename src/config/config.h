// The checked configuration of offloadd: plain values, no file, no flag, no JSON.
//
// A Config that Load or Parse (config/load.h) returned is valid as a whole: every number is in its
// range, every name that refers to something refers to something that is there. The keys, their
// defaults and ranges are described one by one in docs/configuration.md; main translates these
// values into the options of the parts it composes.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "session/types.h"

namespace offload::config {

// How sourceIp and destinationIp of the API carry an IPv4 address: the plain number (10.0.1.1 =
// 0x0A000101), or a raw in_addr read as an integer on a little-endian host (0x0101000A).
enum class Ipv4Order : uint8_t { kNumber, kInAddr };
// The status of getClosedSessions when nothing closed.
enum class EmptyClosed : uint8_t { kOk, kNotFound };
// The numbering of responseError.errorStatus.
enum class ErrorCodes : uint8_t { kGrpc, kAddSessionStatus };
// Where the final counters of deleteSession go.
enum class DeleteCounters : uint8_t { kReply, kClosedRecord };
// The answer to getSession and deleteSession for an unknown id: status NOT_FOUND, or OK with
// requestStatus _REJECTED_SESSION_NONEXISTENT.
enum class UnknownId : uint8_t { kNotFound, kOkNonexistent };

// The dialect that a client speaks. The defaults are those of package openoffload.v1.
struct Profile {
  Ipv4Order ipv4_order = Ipv4Order::kInAddr;
  EmptyClosed empty_closed = EmptyClosed::kOk;
  ErrorCodes error_codes = ErrorCodes::kGrpc;
  DeleteCounters delete_counters = DeleteCounters::kReply;
  UnknownId unknown_id = UnknownId::kNotFound;
  bool follow = false;  // getClosedSessions with pageSize 0 stays open and pushes records
  friend bool operator==(const Profile&, const Profile&) = default;
};

// The profile a listener has when it names none; always present in Config::profiles.
inline constexpr char kDefaultProfile[] = "v1";
inline constexpr char kDefaultOwner[] = "default";
// Port of the OpenOffload daemons in the field, on loopback only.
inline constexpr char kDefaultAddress[] = "127.0.0.1:3443";

struct Listener {
  std::string address;  // "host:port", "[ipv6]:port" or "unix:/path"; port 0 = any free one
  std::string owner = kDefaultOwner;
  session::OwnerId owner_id = 0;  // index of `owner` in Config::owners
  Profile profile;  // resolved: the named profile, or v1 with the listener's overrides
  // The daemon's own API (offloadd.admin.v1) is served here too. Resolved: when the file does not
  // say, true for an address that only this host reaches.
  bool admin = false;
};

// Several LIFs may name one netdev.
struct Lif {
  session::LifId id = 0;
  std::string netdev;
  // The firewall's representor, where what no session rule takes goes; empty = others see to that.
  // No LIF's netdev, of one netdev only, and the same for all LIFs of a netdev that name one.
  std::string default_path;
};

enum class DatapathMode : uint8_t { kHardware, kSoftware, kAny };

struct Datapath {
  DatapathMode mode = DatapathMode::kHardware;
  uint16_t priority_base = 5;           // TC priorities base, base + 1 and base + 2 are ours: 1..12
  uint16_t default_path_priority = 15;  // above the three, at most 16
  uint32_t table_size = 100000;         // rules; a session is two
  // How stale a hardware counter may be; matters in mode hardware only. When the file does not say:
  // 1 s there, else 0.
  absl::Duration sample_grace = absl::Seconds(1);
  bool allow_untrusted_driver = false;  // use bnxt_en and ice, which ignore parts of a match
};

enum class DuplicateTuple : uint8_t { kReject, kTakeover };
enum class OnLinkDown : uint8_t { kKeep, kClose };
enum class OnStop : uint8_t { kLeave, kFlush };
enum class LogLevel : uint8_t { kTrace, kDebug, kInfo, kWarning, kError };

struct ClosedLog {
  uint64_t max_records = 1000000;  // per owner, waiting for a reader
};

struct Log {
  LogLevel level = LogLevel::kInfo;
};

struct Config {
  std::vector<Listener> listeners;  // at least one
  std::vector<std::string> owners;  // in order of first appearance; the index is the OwnerId
  std::vector<Lif> lifs;            // at least one, each id once
  Datapath datapath;
  absl::Duration default_timeout = absl::Seconds(10);  // whole seconds, 1..86400
  std::map<std::string, Profile> profiles;             // by name
  DuplicateTuple duplicate_tuple = DuplicateTuple::kReject;
  OnLinkDown on_link_down = OnLinkDown::kClose;
  absl::Duration link_down_hold = absl::Seconds(3);
  OnStop on_stop = OnStop::kLeave;
  absl::Duration stop_deadline = absl::Seconds(5);
  ClosedLog closed_log;
  Log log;
};

// One line for people: "1 listener (127.0.0.1:3443), 2 LIFs, mode hardware, table of 100000 rules".
std::string Summary(const Config& config);

}  // namespace offload::config
