# SPDX-License-Identifier: BSD-3-Clause
"""What is dropped, each by its own reason (lib/base/counters.h has the names)."""
from casemaker import *  # noqa: F403
from scapy.all import (
    DHCP, BOOTP, GRE, ICMPv6EchoRequest, ICMPv6ND_RA, IPv6ExtHdrDestOpt, IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting, PadN,
)

BOTH = ini(vip(), vip("six", address=VIP6), vip("udp", protocol="udp", port="514"),
           vip("udp6", address=VIP6, protocol="udp", port="514"))
SYN4 = IP(src=CLIENT4, dst=VIP4) / TCP(sport=40000, dport=104)
SYN6 = IPv6(src=CLIENT6, dst=VIP6) / TCP(sport=40000, dport=104)


def with_bytes(frame, at, data):
    return frame[:at] + bytes(data) + frame[at + len(data) :]


def fixed(frame):
    """With a good IPv4 header checksum again."""
    header = frame[14 : 14 + (frame[14] & 15) * 4]
    words = header[:10] + b"\0\0" + header[12:]
    total = sum(int.from_bytes(words[i : i + 2], "big") for i in range(0, len(words), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return with_bytes(frame, 24, (total ^ 0xFFFF).to_bytes(2, "big"))


def drop_case(reason, text, frames, config=BOTH):
    """frames: bytes, or bytes and the length on the wire."""
    c = Case(f"drop-{reason}", text, config)
    for frame in frames:
        data, wire_len = frame if isinstance(frame, tuple) else (frame, None)
        c.dropped(data, reason, wire_len)
    c.proof_of_life()
    return c


@case
def short():
    syn4, syn6 = ether(SYN4), ether(SYN6)
    return drop_case("short", "Cut inside a header: on the wire, by its IP length, and by a capture's "
                     "snaplen.", [
        syn4[:1], syn4[:13], ether(Dot1Q(vlan=7) / SYN4)[:17],
        (syn4[:14], len(syn4)), (syn4[:33], len(syn4)), (syn6[:53], len(syn6)),
        # the capture ends in the TCP header, or in an option of the IP header
        (syn4[:53], len(syn4)), (syn6[:60], len(syn6)),
        (fixed(with_bytes(tcp(data=b"x" * 100), 14, [0x4F]))[:60], 154),
        # the IP packet ends in the TCP, UDP or ICMP header
        ether(IP(src=CLIENT4, dst=VIP4, proto=6) / Raw(bytes(SYN4)[20:39])),
        ether(IPv6(src=CLIENT6, dst=VIP6, nh=6) / Raw(bytes(SYN6)[40:59])),
        ether(IP(src=CLIENT4, dst=VIP4, proto=17) / Raw(b"\x00\x05\x02\x02\x00\x08\x00")),
        ether(IP(src=CLIENT4, dst=VIP4, proto=1) / Raw(b"\x08\x00\x00")),
    ])


@case
def other_mac():
    return drop_case("other-mac", "For another station's MAC, also a multicast one that is not ours.", [
        ether(SYN4, "02:00:00:00:00:77"), ether(SYN6, MACS["a"]), ether(SYN4, "00:00:00:00:00:00"),
        ether(IP(src=CLIENT4, dst="224.0.0.251") / UDP(sport=5353, dport=5353), "01:00:5e:00:00:fb"),
        ether(ARP(op=1, psrc="192.0.2.1", pdst=VIP4), "02:00:00:00:00:77"),
    ])


@case
def source_mac():
    return drop_case("source-mac", "From a group MAC, which no station has.", [
        ether(SYN4, src="ff:ff:ff:ff:ff:ff"), ether(SYN6, src="33:33:00:00:00:01"),
    ])


@case
def link_group():
    return drop_case("link-group", "An IP packet for a unicast address in a broadcast or multicast frame "
                     "(RFC 1122 3.3.6): if servers and balancer both took it, it would be doubled.", [
        ether(SYN4, "ff:ff:ff:ff:ff:ff"), ether(SYN6, "33:33:ff:00:01:00"),
        ether(IP(src=CLIENT4, dst=OWN4) / ICMP(), "ff:ff:ff:ff:ff:ff"),
    ])


@case
def vlan():
    return drop_case("vlan", "A tag at an interface without one, and two tags.", [
        ether(Dot1Q(vlan=7) / SYN4), ether(Dot1Q(vlan=0) / Dot1Q(vlan=7) / SYN4),
        ether(Raw(b"\x00\x07\x08\x00" + bytes(SYN4)), type=0x88A8),
    ])


@case
def not_ip():
    return drop_case("not-ip", "Neither IP nor ARP.", [
        ether(Raw(b"\x02\x07\x04" + bytes(40)), type=0x88CC),  # LLDP
        ether(Raw(bytes(38)), type=38),  # 802.3 with a length
        ether(Raw(b"\x00\x01\x01\x40" + bytes(SYN4)), type=0x8847),  # MPLS
        ether(Raw(bytes(46)), type=0x9000),
    ])


@case
def ip_header():
    syn4, syn6 = ether(SYN4), ether(SYN6)
    return drop_case("ip-header", "IP headers whose version or lengths are wrong.", [
        fixed(with_bytes(syn4, 14, [0x55])),  # version 5
        fixed(with_bytes(syn4, 14, [0x65])),  # version 6 with IPv4's EtherType
        fixed(with_bytes(syn4, 14, [0x44])),  # 16 bytes of header
        with_bytes(syn4, 14, [0x40]),  # none at all
        fixed(with_bytes(syn4, 16, [0, 19])),  # total length below the header
        fixed(with_bytes(syn4, 16, [0, 0])),
        fixed(with_bytes(syn4, 16, [0, 41])),  # one byte more than there is
        fixed(with_bytes(syn4, 16, [0xFF, 0xFF])),
        with_bytes(syn6, 14, [0x40]),
        with_bytes(syn6, 18, [0, 21]),
        with_bytes(syn6, 18, [0xFF, 0xFF]),
    ])


@case
def ip_checksum():
    syn4 = ether(SYN4)
    options = tcp(ip={"options": b"\x01\x01\x01\x00"})
    return drop_case("ip-checksum", "Bad IPv4 header checksums, also one that only the options break.", [
        with_bytes(syn4, 24, [syn4[24] ^ 1]), with_bytes(syn4, 24, [0, 0]),
        with_bytes(syn4, 22, [63]), with_bytes(options, 34, [7]),
    ])


@case
def ip_extension():
    ip = IPv6(src=CLIENT6, dst=VIP6)
    syn = TCP(sport=40000, dport=104)
    dest = IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 4)])
    hop = IPv6ExtHdrHopByHop(options=[PadN(optdata=b"\0" * 4)])
    many = ip
    for _ in range(9):
        many = many / dest
    return drop_case("ip-extension", "IPv6 extension headers that route through us (RFC 5095), are too "
                     "many, in a forbidden place, or longer than the packet.", [
        ether(ip / IPv6ExtHdrRouting(addresses=["2001:db8::99"], segleft=1, type=0) / syn),
        ether(ip / IPv6ExtHdrRouting(addresses=["2001:db8::99"], segleft=1, type=4) / syn),
        ether(many / syn),
        ether(ip / dest / hop / syn),
        ether(IPv6(src=CLIENT6, dst=VIP6, nh=60) / Raw(bytes([6, 200]) + bytes(30))),
        ether(IPv6(src=CLIENT6, dst=VIP6, nh=60) / Raw(bytes([6, 0, 1, 1]))),
    ])


@case
def martian():
    v4 = ["0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1",
          "255.255.255.255"]
    v6 = ["::", "::1", "ff02::1", "::ffff:198.51.100.7", "::198.51.100.7"]
    return drop_case("martian", "Sources that no station may have (RFC 1122 3.2.1.3, RFC 6890, RFC "
                     "4291): to a service, to a closed port, as a ping.",
                     [tcp(src=s) for s in v4] + [tcp(src=s, dport=9) for s in v4]
                     + [ether(IP(src=s, dst=VIP4) / ICMP()) for s in v4]
                     + [tcp(src=s, dst=VIP6) for s in v6]
                     + [ether(IPv6(src=s, dst=VIP6) / ICMPv6EchoRequest()) for s in v6])


@case
def source_vip():
    return drop_case("source-vip", "From a VIP: a server whose replies come to the balancer, or a forged "
                     "packet that would go round in circles (LAND).", [
        tcp(104, "SA", src=VIP4, dst=CLIENT4), tcp(104, src=VIP4), tcp(104, src=VIP6, dst=VIP6),
        tcp(104, "SA", src=VIP6, dst=CLIENT6), udp(src=VIP4, dport=514),
        ether(IP(src=VIP4, dst=VIP4) / ICMP()), tcp(104, "SA", src=VIP4, dst=OWN4),
    ])


@case
def not_ours():
    dhcp = (IP(src="198.51.100.9", dst="255.255.255.255") / UDP(sport=68, dport=67) / BOOTP()
            / DHCP(options=[("message-type", "inform"), "end"]))
    return drop_case("not-ours", "For addresses that are no VIP and not our own: a server's, a "
                     "stranger's, everybody's.", [
        tcp(dst="192.0.2.101"), tcp(dst=V4["a"]), tcp(dst="8.8.8.8"), tcp(src=CLIENT6, dst=V6["a"]),
        tcp(src=CLIENT6, dst="::ffff:192.0.2.100"), ether(dhcp, "ff:ff:ff:ff:ff:ff"),
        ether(IP(src=CLIENT4, dst="192.0.2.255") / UDP(dport=137), "ff:ff:ff:ff:ff:ff"),
        ether(IPv6(src="fe80::1", dst="ff02::1") / ICMPv6ND_RA(), "33:33:00:00:00:01"),
    ])


@case
def own_address():
    return drop_case("own-address", "For an own address, of an interface without `kernel`.", [
        tcp(dst=OWN4, dport=22), tcp(dst=OWN4), tcp(src=CLIENT6, dst=OWN6),
        udp(dst=OWN4, dport=514), ether(IP(src=CLIENT4, dst=OWN4) / ICMP()),
        ether(IPv6(src=CLIENT6, dst=OWN6) / ICMPv6EchoRequest()),
    ])


@case
def no_service():
    return drop_case("no-service", "For a VIP's address, but for no port or protocol of it.", [
        tcp(dport=103), tcp(dport=105), tcp(dport=514), udp(dport=104),
        tcp(src=CLIENT6, dst=VIP6, dport=80), udp(src=CLIENT6, dst=VIP6, dport=104),
        ether(IP(src=CLIENT4, dst=VIP4) / GRE() / SYN4),
        ether(IP(src=CLIENT4, dst=VIP4, proto=132) / Raw(bytes(20))),
        ether(IPv6(src=CLIENT6, dst=VIP6, nh=50) / Raw(bytes(20))),
        ether(IPv6(src=CLIENT6, dst=VIP6, nh=59)),
    ])


@case
def no_server():
    c = Case("drop-no-server", "VIPs whose servers are disabled, drained from the start, or of weight "
             "0: nobody takes new connections.",
             ini(vip(), vip("off", address="192.0.2.101", servers={"a": {"state": "disabled"}}),
                 vip("drained", address="192.0.2.102", servers={"a": {"state": "drain"}}),
                 vip("weightless", address="192.0.2.103", servers={"a": {"weight": 0}})))
    for address in "192.0.2.101", "192.0.2.102", "192.0.2.103":
        c.dropped(tcp(dst=address), "no-server")
        c.dropped(tcp(flags="A", dst=address), "no-server")
    c.proof_of_life()
    c.server("off/a", state="disabled", connections=0)
    c.server("drained/a", state="drain", connections=0)
    c.server("weightless/a", state="up", connections=0)
    return c


@case
def no_neighbour():
    return drop_case("no-neighbour", "A server whose MAC is neither written nor ever heard.",
                     [tcp(dst="192.0.2.101"), tcp(flags="A", dst="192.0.2.101"),
                      tcp(src=CLIENT6, dst="2001:db8::101")],
                     ini(vip(), vip("lost", address="192.0.2.101", servers="b", mac=False),
                         vip("lost6", address="2001:db8::101", servers="b", mac=False)))


@case
def tcp_header():
    return drop_case("tcp-header", "TCP data offsets below 20 bytes or behind the end of the packet.", [
        tcp(dataofs=0), tcp(dataofs=4), tcp(dataofs=6), tcp(dataofs=15, data=b"x" * 39),
        tcp(src=CLIENT6, dst=VIP6, dataofs=4), tcp(src=CLIENT6, dst=VIP6, dataofs=7, data=b"x" * 7),
    ])


@case
def udp_header():
    def datagram(length, data=b"abcd", v6=False):
        ip = IPv6(src=CLIENT6, dst=VIP6) if v6 else IP(src=CLIENT4, dst=VIP4)
        return ether(ip / UDP(sport=40000, dport=514, len=length) / Raw(data))

    return drop_case("udp-header", "UDP lengths below the header or behind the end of the packet.", [
        datagram(0), datagram(7), datagram(13), datagram(65535), datagram(7, v6=True),
        datagram(13, v6=True),
    ])


@case
def tiny_fragment():
    ip4, ip6 = IP(src=CLIENT4, dst=VIP4), IPv6(src=CLIENT6, dst=VIP6)
    syn = tcp(data=b"x" * 40)[34:]
    syn6 = tcp(src=CLIENT6, dst=VIP6, data=b"x" * 40)[54:]

    def piece4(data, offset, flags="MF", ident=1):
        return ether(IP(src=CLIENT4, dst=VIP4, proto=6, id=ident, flags=flags, frag=offset // 8)
                     / Raw(data))

    def piece6(data, offset, more=1, ident=1, nh=6):
        head = bytes([nh, 0]) + (offset | more).to_bytes(2, "big") + ident.to_bytes(4, "big")
        return ether(IPv6(src=CLIENT6, dst=VIP6, nh=44) / Raw(head + data))

    options = tcp(options=[("MSS", 1460), ("SAckOK", b""), ("WScale", 7), ("NOP", None)])[34:]
    return drop_case("tiny-fragment", "First fragments without their whole L4 header, and TCP fragments "
                     "at offset 8, which exist to overwrite the flags of the first (RFC 1858).", [
        piece4(syn[:8], 0), piece4(syn[:16], 0, ident=2), piece4(options[:24], 0, ident=3),
        piece4(syn[8:24], 8, ident=4), piece4(syn[8:], 8, flags=0, ident=5),
        piece6(syn6[:8], 0), piece6(syn6[8:24], 8, ident=2),
        piece6(bytes([6, 1, 1, 4, 0, 0, 0, 0]), 0, ident=3, nh=60),
    ])


@case
def fragment_bad():
    def piece4(data, offset, flags="MF", proto=17, ident=1):
        return ether(IP(src=CLIENT4, dst=VIP4, proto=proto, id=ident, flags=flags, frag=offset // 8)
                     / Raw(data))

    def piece6(data, offset, more=1, ident=1):
        head = bytes([17, 0]) + (offset | more).to_bytes(2, "big") + ident.to_bytes(4, "big")
        return ether(IPv6(src=CLIENT6, dst=VIP6, nh=44) / Raw(head + data))

    return drop_case("fragment-bad", "Fragments that no datagram has: no payload, a length that is not "
                     "of 8 bytes where more follow, an end behind 65535 (the ping of death).", [
        piece4(b"", 80), piece4(b"", 80, flags=0), piece4(b"x" * 41, 80), piece4(b"x" * 25, 0),
        piece4(b"x" * 100, 65528, flags=0), piece4(b"x" * 64, 65528, proto=1),
        piece6(b"", 80), piece6(b"x" * 41, 80), piece6(b"x" * 100, 65528, more=0),
    ])
