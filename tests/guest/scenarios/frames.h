// Ethernet frames for the scenarios, built and sent raw, so that each packet is exactly what the
// test says: no stack adds a handshake, a retransmission or a segmentation.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "session/types.h"

namespace offload::guest {

inline constexpr uint8_t kFin = 0x01, kSyn = 0x02, kRst = 0x04, kAck = 0x10;

struct FrameSpec {
  session::FiveTuple tuple;
  uint8_t tcp_flags = kAck;
  size_t payload = 0;            // bytes after the TCP or UDP header
  std::optional<uint16_t> vlan;  // 802.1Q tag in the frame (TCI: priority << 13 | id)
  bool first_fragment = false;   // IPv4 only: more-fragments set, offset 0
};

// The whole frame, Ethernet header included, IPv4 header checksum right (others are zero: nobody
// checks them on this path).
std::vector<uint8_t> BuildFrame(const FrameSpec& spec);

// Bytes of the IP packet: what software TC counts at ingress. The tag is not in the count: the
// kernel moves it out of the packet before tc sees it.
size_t L3Bytes(const FrameSpec& spec);

// An AF_PACKET socket on one netdev; Send puts a frame on its wire side.
class FrameSender {
 public:
  explicit FrameSender(const std::string& netdev);
  ~FrameSender();
  FrameSender(const FrameSender&) = delete;
  FrameSender& operator=(const FrameSender&) = delete;
  void Send(const std::vector<uint8_t>& frame, int times = 1);

 private:
  int fd_ = -1;
};

// An AF_PACKET socket that takes what arrives at one netdev.
class FrameReceiver {
 public:
  explicit FrameReceiver(const std::string& netdev);
  ~FrameReceiver();
  FrameReceiver(const FrameReceiver&) = delete;
  FrameReceiver& operator=(const FrameReceiver&) = delete;
  // Waits up to 2 s for `at_least` frames; takes all there are by then. Whole frames, the tag,
  // which the kernel has taken out on the way, in its place.
  std::vector<std::vector<uint8_t>> Take(size_t at_least);

 private:
  std::optional<std::vector<uint8_t>> TakeOne();
  int fd_ = -1;
};

}  // namespace offload::guest
