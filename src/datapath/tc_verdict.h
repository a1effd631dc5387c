// What one check of tc_doctor.h says; internal to the doctor.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "datapath/datapath.h"
#include "datapath/tc_doctor.h"

namespace offload::datapath {

struct Verdict {
  Finding::Level level = Finding::Level::kOk;
  std::string text;
  std::string advice;
};

// None: the check makes no sense there.
using Opinion = std::optional<Verdict>;

inline Verdict Fine(std::string text) { return {Finding::Level::kOk, std::move(text), ""}; }
inline Verdict Warning(std::string text, std::string advice) {
  return {Finding::Level::kWarning, std::move(text), std::move(advice)};
}
inline Verdict Problem(std::string text, std::string advice) {
  return {Finding::Level::kProblem, std::move(text), std::move(advice)};
}
// Something that keeps rules out of the hardware.
inline Verdict NoHardware(const DoctorFacts& facts, std::string text, std::string advice) {
  return facts.mode == OffloadMode::kHardware ? Problem(std::move(text), std::move(advice))
                                              : Warning(std::move(text), std::move(advice));
}
inline Verdict Unreadable(const absl::Status& status) {
  return Warning(absl::StrCat("cannot be told: ", status.message()), "");
}

// The checks of one netdev that is there, and of the whole host.
std::vector<Finding> ExamineNetdev(const NetdevFacts& netdev, const DoctorFacts& facts);
std::vector<Finding> ExamineHost(const DoctorFacts& facts);

}  // namespace offload::datapath
