#include "datapath/tc_driver.h"

#include "absl/strings/str_cat.h"

namespace offload::datapath {
namespace {

struct Row {
  absl::string_view driver;
  DriverTrust trust;
  absl::string_view what;
};

// Read in the drivers of Linux 6.1 (bnxt_tc.c, ice_tc_lib.c, mlx5's en_tc.c and en_rep.c, nfp's
// flower/match.c).
constexpr Row kRows[] = {
    {"mlx5_core", DriverTrust::kGood, ""},
    {"mlx5e_rep", DriverTrust::kGood, ""},  // mlx5's VF and SF representors
    {"nfp", DriverTrust::kGood, ""},
    {"eswsim", DriverTrust::kGood, ""},
    {"bnxt_en", DriverTrust::kIgnoresKeys,
     "ignores tcp_flags and nofrag, so that SYN, FIN, RST and fragments pass the firewall by"},
    {"ice", DriverTrust::kIgnoresKeys,
     "ignores nofrag, so that fragments pass the firewall by, and refuses tcp_flags"},
};

}  // namespace

DriverKnowledge KnowledgeOf(absl::string_view driver) {
  for (const Row& row : kRows) {
    if (row.driver == driver) return {.trust = row.trust, .what = std::string(row.what)};
  }
  return {};
}

absl::Status RefuseUntrusted(absl::string_view driver) {
  const DriverKnowledge known = KnowledgeOf(driver);
  if (known.trust != DriverTrust::kIgnoresKeys) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "driver ", driver, " ", known.what, "; it is used only with ", kAllowUntrustedDriver));
}

}  // namespace offload::datapath
