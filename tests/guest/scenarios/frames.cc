#include "tests/guest/scenarios/frames.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

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

// `protocol`: ETH_P_*, 0 to receive nothing.
int OpenPacketSocket(const std::string& netdev, uint16_t protocol) {
  const int fd = ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (fd < 0) Die("socket(AF_PACKET)");
  sockaddr_ll address = {};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(protocol);
  address.sll_ifindex = static_cast<int>(::if_nametoindex(netdev.c_str()));
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) Die("bind");
  return fd;
}

// The tag that the kernel took out of the frame, from the message's auxiliary data.
std::optional<uint16_t> TagOf(msghdr& message) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA) continue;
    tpacket_auxdata aux;
    std::memcpy(&aux, CMSG_DATA(c), sizeof(aux));
    if (aux.tp_status & TP_STATUS_VLAN_VALID) return aux.tp_vlan_tci;
  }
  return std::nullopt;
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

FrameSender::FrameSender(const std::string& netdev) : fd_(OpenPacketSocket(netdev, 0)) {}

FrameSender::~FrameSender() { ::close(fd_); }

void FrameSender::Send(const std::vector<uint8_t>& frame, int times) {
  for (int i = 0; i < times; ++i) {
    const ssize_t sent = ::send(fd_, frame.data(), frame.size(), 0);
    if (sent != static_cast<ssize_t>(frame.size())) Die("send");
  }
}

FrameReceiver::FrameReceiver(const std::string& netdev) : fd_(OpenPacketSocket(netdev, ETH_P_ALL)) {
  const int on = 1;
  if (::setsockopt(fd_, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)) != 0) Die("PACKET_AUXDATA");
}

FrameReceiver::~FrameReceiver() { ::close(fd_); }

std::vector<std::vector<uint8_t>> FrameReceiver::Take(size_t at_least) {
  std::vector<std::vector<uint8_t>> frames;
  pollfd ready = {.fd = fd_, .events = POLLIN, .revents = 0};
  while (::poll(&ready, 1, frames.size() < at_least ? 2000 : 0) > 0) {
    if (auto frame = TakeOne()) frames.push_back(*std::move(frame));
  }
  return frames;
}

// None: a frame that this host sent.
std::optional<std::vector<uint8_t>> FrameReceiver::TakeOne() {
  std::vector<uint8_t> frame(65536);
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(tpacket_auxdata))];
  sockaddr_ll from = {};
  iovec bytes = {.iov_base = frame.data(), .iov_len = frame.size()};
  msghdr message = {};
  message.msg_name = &from;
  message.msg_namelen = sizeof(from);
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  const ssize_t length = ::recvmsg(fd_, &message, MSG_DONTWAIT);
  if (length < 0) Die("recvmsg");
  if (from.sll_pkttype == PACKET_OUTGOING) return std::nullopt;
  frame.resize(static_cast<size_t>(length));
  if (const auto tag = TagOf(message)) {
    const uint8_t header[] = {0x81, 0x00, static_cast<uint8_t>(*tag >> 8),
                              static_cast<uint8_t>(*tag)};
    frame.insert(frame.begin() + 2 * ETH_ALEN, std::begin(header), std::end(header));
  }
  return frame;
}

}  // namespace offload::guest
