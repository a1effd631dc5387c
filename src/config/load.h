// Configuration text and command-line values -> one checked Config.
//
// Errors are INVALID_ARGUMENT and hold everything that is wrong, one complaint per line:
//   offloadd.json: /lifs/1/netdev: expected a non-empty string (netdev name, at most 15
//   characters), found 7
//   offloadd.json: line 3, column 9: syntax error while parsing value - ...
//   --table-size: expected an integer 16..16777216 (rules), found "many"
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "config/config.h"

namespace offload::config {

// What the command line says; it wins over the file.
struct Overrides {
  // A value for one key.
  struct Value {
    std::string flag;     // as messages name it: "--mode"
    std::string pointer;  // "/datapath/mode"
    std::string text;
  };
  std::vector<Value> values;
  std::vector<std::string> listen;  // --listen: addresses that replace all listeners
  std::vector<std::string> lifs;    // --lif ID=NETDEV: replaces the LIF of that id, or adds it
  std::vector<std::string> default_paths;  // --default-path ID=NETDEV: of a LIF that is there
};

// `source` is what the text is called in messages. An empty text is an empty configuration.
absl::StatusOr<Config> Parse(absl::string_view text, absl::string_view source,
                             const Overrides& overrides = {});

// The file at `path`, or the overrides alone when it is empty. NOT_FOUND, PERMISSION_DENIED, ...
// when the file cannot be read.
absl::StatusOr<Config> Load(const std::string& path, const Overrides& overrides);

}  // namespace offload::config
