// Qdiscs, devlink and ethtool: what the kernel's answers mean. tests/golden/facts was captured by
// tests/golden/capture_facts.
#include <linux/devlink.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <string>

#include "gmock/gmock.h"
#include "netlink/devlink.h"
#include "netlink/ethtool.h"
#include "netlink/qdisc.h"
#include "tests/netlink/golden.h"

namespace offload::netlink {
namespace {

using absl::StatusCode;
using ::testing::Contains;
using ::testing::HasSubstr;

Bytes Cut(const Bytes& whole, size_t length) {
  return {whole.begin(), whole.begin() + static_cast<ptrdiff_t>(length)};
}

// The message with a header that agrees with the cut.
Bytes CutMessage(const Bytes& whole, uint32_t length) {
  Bytes cut = Cut(whole, length);
  std::memcpy(cut.data(), &length, sizeof(length));
  return cut;
}

constexpr uint32_t kVb = 2, kVa = 3, kD0 = 4;  // in tests/golden/facts/qdisc_dump.hex

std::vector<Qdisc> Captured() {
  std::vector<Qdisc> qdiscs;
  for (const Bytes& message : Golden("facts/qdisc_dump")) {
    const auto qdisc = DecodeQdisc(View(message));
    EXPECT_TRUE(qdisc.ok()) << qdisc.status();
    if (qdisc.ok()) qdiscs.push_back(*qdisc);
  }
  return qdiscs;
}

TEST(DecodeQdisc, WhatTheKernelDumps) {
  const auto ingress = [](uint32_t ifindex, const char* kind, uint32_t in, uint32_t out) {
    return Qdisc{.ifindex = ifindex,
                 .handle = 0xFFFF0000,
                 .parent = TC_H_INGRESS,
                 .kind = kind,
                 .ingress_block = in,
                 .egress_block = out};
  };
  const std::vector<Qdisc> qdiscs = Captured();
  EXPECT_THAT(qdiscs, Contains(ingress(kVa, "clsact", 0, 0)));
  EXPECT_THAT(qdiscs, Contains(ingress(kVb, "clsact", 22, 23)));
  EXPECT_THAT(qdiscs, Contains(ingress(kD0, "ingress", 0, 0)));
  EXPECT_THAT(qdiscs, Contains(Qdisc{.ifindex = kVa, .parent = TC_H_ROOT, .kind = "noqueue"}));
  EXPECT_EQ(std::count_if(qdiscs.begin(), qdiscs.end(),
                          [](const Qdisc& qdisc) { return qdisc.AtIngress(); }),
            3);
}

// A cut between two attributes behind the kind leaves a whole, shorter message.
TEST(DecodeQdisc, EveryTruncatedPrefixIsRefusedOrShorter) {
  for (const Bytes& whole : Golden("facts/qdisc_dump")) {
    const Qdisc full = *DecodeQdisc(View(whole));
    size_t refused = 0;
    for (uint32_t length = NLMSG_HDRLEN; length < whole.size(); ++length) {
      const auto qdisc = DecodeQdisc(View(CutMessage(whole, length)));
      refused += !qdisc.ok();
      if (!qdisc.ok()) continue;
      EXPECT_EQ(qdisc->kind, full.kind) << length;
      EXPECT_TRUE(qdisc->ingress_block == 0 || qdisc->ingress_block == full.ingress_block);
    }
    EXPECT_GT(refused, whole.size() - NLMSG_HDRLEN - 40);
  }
}

// A devlink message as the kernel writes it, attribute by attribute.
class DevlinkBytes {
 public:
  DevlinkBytes() : bytes_(NLMSG_HDRLEN + 4) {}
  DevlinkBytes& Text(uint16_t type, const std::string& text) {
    return Put(type, text.c_str(), text.size() + 1);
  }
  DevlinkBytes& U32(uint16_t type, uint32_t value) { return Put(type, &value, sizeof(value)); }
  DevlinkBytes& U16(uint16_t type, uint16_t value) { return Put(type, &value, sizeof(value)); }
  Bytes Done() {
    const auto length = static_cast<uint32_t>(bytes_.size());
    std::memcpy(bytes_.data(), &length, sizeof(length));
    return bytes_;
  }

 private:
  DevlinkBytes& Put(uint16_t type, const void* data, size_t size) {
    const auto length = static_cast<uint16_t>(size + 4);
    const auto* payload = static_cast<const uint8_t*>(data);
    for (const uint16_t half : {length, type}) {
      bytes_.push_back(static_cast<uint8_t>(half));
      bytes_.push_back(static_cast<uint8_t>(half >> 8));
    }
    bytes_.insert(bytes_.end(), payload, payload + size);
    bytes_.resize((bytes_.size() + 3) / 4 * 4);
    return *this;
  }
  Bytes bytes_;
};

Bytes PortMessage() {
  return DevlinkBytes()
      .Text(DEVLINK_ATTR_BUS_NAME, "pci")
      .Text(DEVLINK_ATTR_DEV_NAME, "0000:03:00.0")
      .U32(DEVLINK_ATTR_PORT_INDEX, 65535)
      .U16(DEVLINK_ATTR_PORT_TYPE, DEVLINK_PORT_TYPE_ETH)
      .U32(DEVLINK_ATTR_PORT_NETDEV_IFINDEX, 7)
      .Text(DEVLINK_ATTR_PORT_NETDEV_NAME, "p0")
      .Done();
}

Bytes EswitchMessage(uint16_t mode) {
  return DevlinkBytes()
      .Text(DEVLINK_ATTR_BUS_NAME, "pci")
      .Text(DEVLINK_ATTR_DEV_NAME, "0000:03:00.0")
      .U16(DEVLINK_ATTR_ESWITCH_MODE, mode)
      .Done();
}

TEST(Devlink, APortIsReadWithItsDeviceAndNetdev) {
  const auto port = DecodeDevlinkPort(View(PortMessage()));
  ASSERT_TRUE(port.ok()) << port.status();
  EXPECT_EQ(*port, (DevlinkPort{.device = {"pci", "0000:03:00.0"}, .index = 65535, .ifindex = 7}));
  EXPECT_EQ(port->device.ToString(), "pci/0000:03:00.0");
}

TEST(Devlink, TheModesOfAnEswitch) {
  const auto mode = [](uint16_t value) { return *DecodeEswitchMode(View(EswitchMessage(value))); };
  EXPECT_EQ(mode(DEVLINK_ESWITCH_MODE_LEGACY), EswitchMode::kLegacy);
  EXPECT_EQ(mode(DEVLINK_ESWITCH_MODE_SWITCHDEV), EswitchMode::kSwitchdev);
  EXPECT_EQ(mode(2), EswitchMode::kOther);  // switchdev_inactive of later kernels
}

TEST(Devlink, EveryTruncatedPrefixIsRefusedOrShorter) {
  const Bytes port = PortMessage(), eswitch = EswitchMessage(1);
  std::set<uint32_t> whole;
  for (uint32_t length = NLMSG_HDRLEN; length < port.size(); ++length) {
    const auto cut = DecodeDevlinkPort(View(CutMessage(port, length)));
    if (!cut.ok()) continue;
    whole.insert(length);
    EXPECT_EQ(cut->index, 65535u);
    EXPECT_TRUE(cut->ifindex == 0 || cut->ifindex == 7) << length;
  }
  EXPECT_EQ(whole.size(), 6u) << "cuts between attributes, or in padding, behind the port's index";
  for (uint32_t length = NLMSG_HDRLEN; length < eswitch.size() - 2; ++length) {
    EXPECT_FALSE(DecodeEswitchMode(View(CutMessage(eswitch, length))).ok()) << length;
  }
}

TEST(Devlink, AMessageWithoutItsDeviceIsRefused) {
  const Bytes nameless = DevlinkBytes().U32(DEVLINK_ATTR_PORT_INDEX, 1).Done();
  EXPECT_EQ(DecodeDevlinkPort(View(nameless)).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(DecodeEswitchMode(View(PortMessage())).status().code(), StatusCode::kInvalidArgument);
}

TEST(Devlink, TheRequestNamesTheDevice) {
  alignas(4) uint8_t buffer[kMaxMessage] = {};
  const auto request = EncodeEswitchRequest({"pci", "0000:03:00.0"}, absl::MakeSpan(buffer));
  ASSERT_TRUE(request.ok()) << request.status();
  const Bytes expected = {DEVLINK_CMD_ESWITCH_GET,
                          DEVLINK_GENL_VERSION,
                          0,
                          0,  // genlmsghdr
                          8,
                          0,
                          1,
                          0,
                          'p',
                          'c',
                          'i',
                          0,  // BUS_NAME
                          17,
                          0,
                          2,
                          0,
                          '0',
                          '0',
                          '0',
                          '0',
                          ':',
                          '0',
                          '3',
                          ':',
                          '0',
                          '0',
                          '.',
                          '0',
                          0,
                          0,
                          0,
                          0};  // DEV_NAME, padded
  EXPECT_EQ(Bytes(request->begin(), request->end()), expected);
}

// The capture's blocks: drvinfo, strings, features.
class Ethtool : public ::testing::Test {
 protected:
  const std::vector<Bytes> captured_ = Golden("facts/ethtool_va");
  const Bytes& drvinfo_ = captured_.at(0);
  const Bytes& strings_ = captured_.at(1);
  const Bytes& features_ = captured_.at(2);
};

TEST_F(Ethtool, TheDriversName) {
  EXPECT_EQ(*DecodeDriver(drvinfo_), "veth");
  for (size_t length = 0; length < drvinfo_.size(); ++length) {
    EXPECT_EQ(DecodeDriver(Cut(drvinfo_, length)).status().code(), StatusCode::kInvalidArgument);
  }
  Bytes endless = drvinfo_;
  std::fill_n(endless.begin() + 4, 32, 'x');
  EXPECT_EQ(DecodeDriver(endless).status().code(), StatusCode::kInvalidArgument);
}

// As `ethtool -k` shows a veth of Linux 6.1.
TEST_F(Ethtool, FeaturesAsEthtoolShowsThem) {
  const auto feature = [this](const char* name) {
    return *DecodeFeature(strings_, features_, name);
  };
  EXPECT_EQ(feature("hw-tc-offload"), (Feature{false, false, false}));
  EXPECT_EQ(feature("tx-checksum-sctp"), (Feature{true, true, true}));
  EXPECT_EQ(feature("rx-gro"), (Feature{true, false, false}));
  EXPECT_EQ(feature("tx-lockless"), (Feature{false, false, true}));
}

// Each of the three states alone, at the feature's own bit.
TEST_F(Ethtool, AStateIsReadFromItsOwnMask) {
  const auto position = [this] {
    for (size_t i = 0;; ++i) {
      const auto* text = reinterpret_cast<const char*>(&strings_[12 + i * 32]);
      if (std::string(text) == kHwTcOffload) return i;
    }
  }();
  const size_t block = 8 + position / 32 * 16;
  const Feature expected[] = {{.changeable = true}, {.wanted = true}, {.active = true}};
  for (size_t mask = 0; mask < 3; ++mask) {
    Bytes features(features_);
    std::fill(features.begin() + 8, features.end(), 0);
    features[block + mask * 4 + position % 32 / 8] = static_cast<uint8_t>(1U << position % 8);
    EXPECT_EQ(*DecodeFeature(strings_, features, kHwTcOffload), expected[mask]) << mask;
  }
}

TEST_F(Ethtool, AnUnknownFeatureIsNotFound) {
  const absl::Status status = DecodeFeature(strings_, features_, "hw-tc-offloa").status();
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("hw-tc-offloa"));
}

TEST_F(Ethtool, EveryTruncatedPrefixIsRefused) {
  for (size_t length = 0; length < strings_.size(); ++length) {
    EXPECT_FALSE(DecodeFeature(Cut(strings_, length), features_, kHwTcOffload).ok()) << length;
  }
  for (size_t length = 0; length < features_.size(); ++length) {
    EXPECT_FALSE(DecodeFeature(strings_, Cut(features_, length), kHwTcOffload).ok()) << length;
  }
}

}  // namespace
}  // namespace offload::netlink
