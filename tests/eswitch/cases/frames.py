# SPDX-License-Identifier: GPL-2.0
"""Ethernet frames as bytes, and whether their checksums are right."""
import ipaddress
import struct

MAC_A = "02:00:00:00:00:0a"
MAC_B = "02:00:00:00:00:0b"
TCP, UDP, ICMP, ICMP6, FRAGMENT = 6, 17, 1, 58, 44
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def address(text):
    return ipaddress.ip_address(text).packed


def l4_checksum(src, dst, protocol, data):
    if len(src) == 4:
        pseudo = src + dst + struct.pack("!BBH", 0, protocol, len(data))
    else:
        pseudo = src + dst + struct.pack("!IHBB", len(data), 0, 0, protocol)
    return checksum(pseudo + data)


CHECK_AT = {TCP: 16, UDP: 6, ICMP6: 2}


def tcp(sport, dport, flags=ACK, payload=b"tcp payload"):
    return TCP, struct.pack("!HHIIBBHHH", sport, dport, 1, 1, 5 << 4 | flags >> 8, flags & 0xFF, 512, 0, 0) + payload


def udp(sport, dport, payload=b"udp payload"):
    return UDP, struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload


def sctp(sport, dport):
    return 132, struct.pack("!HHII", sport, dport, 0, 0)


def icmp6():
    return ICMP6, struct.pack("!BBHHH", 128, 0, 0, 1, 1) + b"ping"


def with_checksum(src, dst, protocol, data):
    at = CHECK_AT.get(protocol)
    if at is None:
        return data
    value = l4_checksum(address(src), address(dst), protocol, data) or 0xFFFF
    return data[:at] + struct.pack("!H", value) + data[at + 2:]


def ipv4(src, dst, transport, ttl=64, tos=0, fragment=0, options=b"", fix=True):
    """`fragment`: the 16-bit field: 0x2000 = more fragments, low 13 bits = offset / 8."""
    protocol, data = transport
    if fix:
        data = with_checksum(src, dst, protocol, data)
    header = struct.pack("!BBHHHBBH4s4s", 0x45 + len(options) // 4, tos, 20 + len(options) + len(data), 7, fragment, ttl,
                         protocol, 0, address(src), address(dst)) + options
    header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    return 0x0800, header + data


def ipv6(src, dst, transport, hops=64, tclass=0, fragment=None, options=False):
    """`fragment`: the 16-bit field: low bit = more fragments, high 13 bits = offset."""
    protocol, data = transport
    data = with_checksum(src, dst, protocol, data)
    if fragment is not None:
        data, protocol = struct.pack("!BBHI", protocol, 0, fragment, 9) + data, FRAGMENT
    if options:
        data, protocol = struct.pack("!BB6s", protocol, 0, b"\1\4\0\0\0\0") + data, 0
    return 0x86DD, struct.pack("!IHBB16s16s", 6 << 28 | tclass << 20, len(data), protocol, hops, address(src),
                               address(dst)) + data


def eth(network, *tags, src=MAC_A, dst=MAC_B):
    """`tags`: (VLAN id, priority, TPID) from the outside in."""
    ethertype, data = network
    frame = mac(dst) + mac(src)
    for vid, priority, tpid in tags:
        frame += struct.pack("!HH", tpid, priority << 13 | vid)
    return frame + struct.pack("!H", ethertype) + data


def tag(vid, priority=0, tpid=0x8100):
    return vid, priority, tpid


def sums_are_right(frame):
    """Of the IPv4 header, and of TCP, UDP and ICMPv6 unless the packet is a fragment or UDP says "none"."""
    at = 12
    while frame[at:at + 2] in (b"\x81\0", b"\x88\xa8"):
        at += 4
    network = frame[at + 2:]
    if frame[at:at + 2] == b"\x08\0":
        size = (network[0] & 15) * 4
        protocol, src, dst, data = network[9], network[12:16], network[16:20], network[size:]
        if checksum(network[:size]):
            return False
        if int.from_bytes(network[6:8], "big") & 0x3FFF:
            return True
    else:
        protocol, src, dst, data = network[6], network[8:24], network[24:40], network[40:]
    if protocol == UDP and data[6:8] == b"\0\0":
        return True
    return protocol not in CHECK_AT or l4_checksum(src, dst, protocol, data) == 0
