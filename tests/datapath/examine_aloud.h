// What the guest tests of Examine share.
#pragma once

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "datapath/tc_datapath.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace offload::datapath {

inline void Shell(const std::string& command) {
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
}

// The findings, which the test's log gets too.
inline std::vector<Finding> Examine(TcDatapath& datapath) {
  const auto begin = std::chrono::steady_clock::now();
  std::vector<Finding> findings = datapath.Examine();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  std::cout << "examined in " << took.count() << " s\n";
  for (const Finding& f : findings) {
    constexpr const char* kLevels[] = {"ok", "warning", "PROBLEM"};
    std::cout << kLevels[static_cast<int>(f.level)] << " " << f.subject << " " << f.check << ": "
              << f.text << (f.advice.empty() ? "" : " -> ") << f.advice << "\n";
  }
  return findings;
}

// The finding of one check, or one with the text "(nothing)".
inline Finding Says(TcDatapath& datapath, const std::string& subject, const std::string& check) {
  for (const Finding& finding : Examine(datapath)) {
    if (finding.subject == subject && finding.check == check) return finding;
  }
  return {.text = "(nothing)"};
}

}  // namespace offload::datapath
