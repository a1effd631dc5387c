#include "tests/guest/scenarios/frames.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace offload::guest {
namespace {

using session::IpVersion;
using session::Protocol;

void Put16(std::vector<uint8_t>& out, uint32_t value) {
  out.push_back(static_cast<uint8_t>(value >> 8));
  out.push_back(static_cast<uint8_t>(value));
}

size_t L4Header(const FrameSpec& spec) { return spec.tuple.protocol == Protocol::kTcp ? 20 : 8; }

void PutL4(std::vector<uint8_t>& out, const FrameSpec& spec) {
  Put16(out, spec.tuple.source_port);
  Put16(out, spec.tuple.destination_port);
  if (spec.tuple.protocol == Protocol::kTcp) {
    out.insert(out.end(), {0, 0, 0, 1, 0, 0, 0, 1, 0x50, spec.tcp_flags, 0xFF, 0xFF, 0, 0, 0, 0});
  } else {
    Put16(out, 8 + spec.payload);
    Put16(out, 0);
  }
  out.insert(out.end(), spec.payload, 'x');
}

void PutIpv4(std::vector<uint8_t>& out, const FrameSpec& spec) {
  const size_t start = out.size();
  out.insert(out.end(), {0x45, 0});
  Put16(out, L3Bytes(spec));
  Put16(out, 7);
  Put16(out, spec.first_fragment ? 0x2000 : 0x4000);
  out.insert(out.end(), {64, static_cast<uint8_t>(spec.tuple.protocol), 0, 0});
  out.insert(out.end(), spec.tuple.source.bytes.begin(), spec.tuple.source.bytes.begin() + 4);
  out.insert(out.end(), spec.tuple.destination.bytes.begin(),
             spec.tuple.destination.bytes.begin() + 4);
  uint32_t sum = 0;
  for (size_t i = start; i < out.size(); i += 2) sum += out[i] << 8 | out[i + 1];
  while (sum >> 16) sum = (sum & 0xFFFF) + (sum >> 16);
  out[start + 10] = static_cast<uint8_t>(~sum >> 8);
  out[start + 11] = static_cast<uint8_t>(~sum);
}

void PutIpv6(std::vector<uint8_t>& out, const FrameSpec& spec) {
  out.insert(out.end(), {0x60, 0, 0, 0});
  Put16(out, L4Header(spec) + spec.payload);
  out.insert(out.end(), {static_cast<uint8_t>(spec.tuple.protocol), 64});
  out.insert(out.end(), spec.tuple.source.bytes.begin(), spec.tuple.source.bytes.end());
  out.insert(out.end(), spec.tuple.destination.bytes.begin(), spec.tuple.destination.bytes.end());
}

[[noreturn]] void Die(const char* what) {
  std::perror(what);
  std::abort();
}

}  // namespace

size_t L3Bytes(const FrameSpec& spec) {
  const size_t header = spec.tuple.version() == IpVersion::kIpv4 ? 20 : 40;
  return header + L4Header(spec) + spec.payload;
}

std::vector<uint8_t> BuildFrame(const FrameSpec& spec) {
  std::vector<uint8_t> out = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};
  if (spec.vlan) {
    Put16(out, 0x8100);
    Put16(out, *spec.vlan);
  }
  const bool v4 = spec.tuple.version() == IpVersion::kIpv4;
  Put16(out, v4 ? 0x0800 : 0x86DD);
  if (v4) {
    PutIpv4(out, spec);
  } else {
    PutIpv6(out, spec);
  }
  PutL4(out, spec);
  return out;
}

FrameSender::FrameSender(const std::string& netdev) {
  fd_ = ::socket(AF_PACKET, SOCK_RAW, 0);
  if (fd_ < 0) Die("socket(AF_PACKET)");
  sockaddr_ll address = {};
  address.sll_family = AF_PACKET;
  address.sll_ifindex = static_cast<int>(::if_nametoindex(netdev.c_str()));
  if (::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) Die("bind");
}

FrameSender::~FrameSender() { ::close(fd_); }

void FrameSender::Send(const std::vector<uint8_t>& frame, int times) {
  for (int i = 0; i < times; ++i) {
    const ssize_t sent = ::send(fd_, frame.data(), frame.size(), 0);
    if (sent != static_cast<ssize_t>(frame.size())) Die("send");
  }
}

}  // namespace offload::guest
