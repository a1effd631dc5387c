#include "tests/netlink/golden.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "gtest/gtest.h"

namespace offload::netlink {

std::vector<Bytes> Golden(const std::string& name) {
  std::ifstream file("tests/golden/" + name + ".hex");
  std::vector<Bytes> messages(1);
  for (std::string line; std::getline(file, line);) {
    if (!line.empty() && line[0] == '#') continue;
    if (line.empty() && !messages.back().empty()) messages.emplace_back();
    std::string digits;
    for (const char c : line) {
      if (std::isxdigit(static_cast<unsigned char>(c))) digits.push_back(c);
    }
    for (size_t i = 0; i + 1 < digits.size(); i += 2) {
      messages.back().push_back(static_cast<uint8_t>(std::stoi(digits.substr(i, 2), nullptr, 16)));
    }
  }
  if (messages.back().empty()) messages.pop_back();
  EXPECT_FALSE(messages.empty()) << name;
  return messages;
}

Bytes GoldenOne(const std::string& name) {
  const auto messages = Golden(name);
  EXPECT_EQ(messages.size(), 1u) << name;
  return messages.empty() ? Bytes() : messages[0];
}

std::vector<std::string> GoldenNames() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator("tests/golden")) {
    if (entry.path().extension() == ".hex") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

MessageView View(const Bytes& message) {
  absl::Span<const uint8_t> rest(message);
  const auto view = TakeMessage(rest);
  EXPECT_TRUE(view.ok()) << view.status();
  return view.ok() ? *view : MessageView{};
}

}  // namespace offload::netlink
