// What is done on a netdev before its first rule: rules of an earlier life are removed, the
// keep-alive of each priority is installed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "datapath/datapath.h"
#include "datapath/tc_rule.h"
#include "netlink/filter_socket.h"
#include "session/types.h"

namespace offload::datapath {

// The netdev and how its rules are written.
struct SweepTarget {
  std::string netdev;
  uint32_t ifindex = 0;
  TcRuleOptions options;
  uint32_t last_handle = 0;    // handles 1..last_handle are for sessions
  bool takes_sessions = true;  // false: nothing of ours but a default path belongs there
};

// Collects what the sweeps of several netdevs removed and saw.
class SweepLog {
 public:
  static constexpr size_t kMaxNotes = 16;  // of each kind; the rest is summed up in one line

  void Removed(const std::string& netdev, const session::SessionKey& session);
  void Note(std::string note);  // something else worth a line
  StartReport Report() const;

 private:
  struct Removal {
    uint64_t rules = 0;
    std::vector<std::string> netdevs;
  };
  std::vector<session::SessionKey> order_;  // as they were met
  absl::flat_hash_map<session::SessionKey, Removal> sessions_;
  std::vector<std::string> notes_;
  uint64_t rules_ = 0;
};

// Deletes every filter of ours (kind flower, chain 0, our cookie), whatever its priority, so that a
// changed priority base leaves nothing behind; installs the keep-alives, or keeps them where they
// are right already. Filters of others are never touched: at our priorities they are noted, but
// FAILED_PRECONDITION names one that keeps us from working there (another kind or protocol at our
// priority, or a handle that our rules need). A keep-alive that the NIC does not take is noted and
// left out. On an error some of our rules may be left; repeat.
//
// A netdev that takes no sessions (it may have been a LIF's once) gets no keep-alives, and no
// filter there is in the way. The default path's rule is not touched, except at a session priority.
absl::Status SweepPort(netlink::FilterSocket& socket, const SweepTarget& target, SweepLog& log);

}  // namespace offload::datapath
