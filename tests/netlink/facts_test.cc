// Qdiscs, devlink and ethtool: what the kernel's answers mean. tests/golden/facts was captured by
// tests/golden/capture_facts.
#include <linux/devlink.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cstring>
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

// Of the emulated NIC of tests/eswitch: p0, pf0vf0, pf0vf1, p1, pf1vf0, pf1vf1.
TEST(Devlink, PortsAreReadWithTheirDeviceAndNetdev) {
  constexpr uint32_t kIfindexes[] = {3, 5, 7, 9, 11, 13};
  const std::vector<Bytes> captured = Golden("facts/devlink_ports");
  ASSERT_EQ(captured.size(), 6u);
  for (uint32_t i = 0; i < captured.size(); ++i) {
    const auto port = DecodeDevlinkPort(View(captured[i]));
    ASSERT_TRUE(port.ok()) << port.status();
    EXPECT_EQ(*port, (DevlinkPort{
                         .device = {"platform", "eswsim"}, .index = i, .ifindex = kIfindexes[i]}));
    EXPECT_EQ(port->device.ToString(), "platform/eswsim");
  }
}

TEST(Devlink, TheModesOfAnEswitch) {
  const Bytes captured = GoldenOne("facts/devlink_eswitch");
  EXPECT_EQ(*DecodeEswitchMode(View(captured)), EswitchMode::kSwitchdev);
  const auto mode = [&](uint8_t value) {
    Bytes changed = captured;
    changed[changed.size() - 4] = value;  // the attribute ends the message: u16 and padding
    return *DecodeEswitchMode(View(changed));
  };
  EXPECT_EQ(mode(DEVLINK_ESWITCH_MODE_LEGACY), EswitchMode::kLegacy);
  EXPECT_EQ(mode(DEVLINK_ESWITCH_MODE_SWITCHDEV), EswitchMode::kSwitchdev);
  EXPECT_EQ(mode(2), EswitchMode::kOther);  // switchdev_inactive of later kernels
}

// A cut between attributes, or in padding, behind the port's index leaves a whole, shorter message.
TEST(Devlink, EveryTruncatedPrefixIsRefusedOrShorter) {
  for (const Bytes& whole : Golden("facts/devlink_ports")) {
    const DevlinkPort port = *DecodeDevlinkPort(View(whole));
    constexpr uint32_t kBehindIndex = NLMSG_HDRLEN + 4 + 16 + 12 + 8;
    for (uint32_t length = NLMSG_HDRLEN; length < whole.size(); ++length) {
      const auto cut = DecodeDevlinkPort(View(CutMessage(whole, length)));
      EXPECT_FALSE(cut.ok() && length < kBehindIndex) << length;
      if (!cut.ok()) continue;
      EXPECT_EQ(cut->index, port.index);
      EXPECT_TRUE(cut->ifindex == 0 || cut->ifindex == port.ifindex) << length;
    }
  }
  const Bytes eswitch = GoldenOne("facts/devlink_eswitch");
  for (uint32_t length = NLMSG_HDRLEN; length < eswitch.size() - 2; ++length) {
    EXPECT_FALSE(DecodeEswitchMode(View(CutMessage(eswitch, length))).ok()) << length;
  }
}

TEST(Devlink, AMessageWithoutWhatItIsAboutIsRefused) {
  const Bytes port = Golden("facts/devlink_ports")[0], eswitch = GoldenOne("facts/devlink_eswitch");
  EXPECT_EQ(DecodeEswitchMode(View(port)).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(DecodeDevlinkPort(View(eswitch)).status().code(), StatusCode::kInvalidArgument);
  Bytes nameless = eswitch;
  nameless[NLMSG_HDRLEN + 4 + 2] = DEVLINK_ATTR_PORT_NETDEV_NAME;  // was the bus' name
  EXPECT_EQ(DecodeEswitchMode(View(nameless)).status().code(), StatusCode::kInvalidArgument);
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

TEST_F(Ethtool, APortThatOffloads) {
  const std::vector<Bytes> p0 = Golden("facts/ethtool_p0");
  EXPECT_EQ(*DecodeDriver(p0.at(0)), "eswsim");
  EXPECT_EQ(*DecodeFeature(p0.at(1), p0.at(2), kHwTcOffload), (Feature{true, true, true}));
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
