# SPDX-License-Identifier: BSD-3-Clause
"""ICMP: errors go to the connection's server, echo is answered, the rest is dropped."""
from casemaker import *  # noqa: F403
from scapy.all import (
    ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6PacketTooBig, ICMPv6ParamProblem,
    ICMPv6TimeExceeded, IPv6ExtHdrDestOpt, PadN,
)

ROUTER4, ROUTER6 = "203.0.113.9", "2001:db8:9::9"

# Two servers; the connections of before 1 s are a's, those of later b's, and a keeps its own.
STEERED = {"a": {}, "b": {"weight": 0}}
STEER = "--event 0.9:weight:{0}/a=0 --event 0.9:weight:{0}/b=100"


def reply4(port, proto="tcp", dport=104, data=b"", **ip):
    """What a server sent to the client: an ICMP error embeds it."""
    layer = TCP(sport=dport, dport=port, flags="A") if proto == "tcp" else UDP(sport=dport, dport=port)
    return IP(src=VIP4, dst=CLIENT4, **ip) / layer / Raw(data)


def reply6(port, dport=104, data=b"", proto="tcp"):
    layer = TCP(sport=dport, dport=port, flags="A") if proto == "tcp" else UDP(sport=dport, dport=port)
    return IPv6(src=VIP6, dst=CLIENT6) / layer / Raw(data)


@case
def icmp_errors_ipv4():
    c = Case("icmp-errors-ipv4", "ICMP errors about a connection go to that connection's server, also where "
             "the scheduler would now say another one, and where only 8 bytes of L4 are embedded (RFC "
             "792): unreachable, fragmentation needed, source quench, time exceeded, parameter problem; "
             "from a router on the way and from the client.",
             ini(vip(servers=STEERED), vip("udp", servers=STEERED, protocol="udp", port="514")),
             args="gantry.ini --in lan=in.pcap --out lan={out}/out.pcap " + STEER.format("pacs")
             + " " + STEER.format("udp"))
    c.sent(tcp(40000, "S"), "pacs/a")
    c.sent(tcp(40000, "A"), "pacs/a")
    c.sent(udp(40000, dport=514), "udp/a")
    c.at(1)
    c.sent(tcp(40001, "A"), "pacs/b")
    c.sent(udp(40001, dport=514), "udp/b")
    for port, server in (40000, "a"), (40001, "b"):
        for source in ROUTER4, CLIENT4:
            for kind, code in (3, 0), (3, 3), (3, 4), (3, 13), (4, 0), (11, 0), (11, 1), (12, 0):
                outer = IP(src=source, dst=VIP4) / ICMP(type=kind, code=code)
                whole = bytes(reply4(port, data=b"y" * 30))
                c.sent(ether(outer / Raw(whole[:28])), f"pacs/{server}")
                c.sent(ether(outer / Raw(whole)), f"pacs/{server}")
                c.sent(ether(outer / Raw(bytes(reply4(port, "udp", 514))[:28])), f"udp/{server}")
    # The embedded packet may have IP options, be a first fragment, or hold a wrong checksum.
    outer = IP(src=ROUTER4, dst=VIP4) / ICMP(type=3, code=4)
    c.sent(ether(outer / Raw(bytes(reply4(40000, options=b"\x01" * 8))[:36])), "pacs/a")
    c.sent(ether(outer / Raw(bytes(reply4(40000, flags="MF", id=9))[:28])), "pacs/a")
    c.sent(ether(outer / Raw(bytes(reply4(40000, chksum=1))[:28])), "pacs/a")
    # Of no known connection: where the scheduler would send it.
    c.sent(ether(outer / Raw(bytes(reply4(40999))[:28])), "pacs/b")
    c.connections = {"active": 4, "created": 4, "moved": 0}
    return c


@case
def icmp_errors_ipv6():
    c = Case("icmp-errors-ipv6", "The same over IPv6: unreachable, packet too big, time exceeded, parameter "
             "problem; with 8 bytes of L4 embedded, with more, and behind an extension header.",
             ini(vip(servers=STEERED, address=VIP6)),
             args="gantry.ini --in lan=in.pcap --out lan={out}/out.pcap " + STEER.format("pacs"))
    c.sent(tcp(40000, "A", src=CLIENT6, dst=VIP6), "pacs/a")
    c.at(1)
    c.sent(tcp(40001, "A", src=CLIENT6, dst=VIP6), "pacs/b")
    for port, server in (40000, "a"), (40001, "b"):
        for kind in (ICMPv6DestUnreach(code=4), ICMPv6PacketTooBig(mtu=1280), ICMPv6TimeExceeded(),
                     ICMPv6ParamProblem(code=1)):
            for size in 48, 200:
                c.sent(ether(IPv6(src=ROUTER6, dst=VIP6) / kind
                             / Raw(bytes(reply6(port, data=b"y" * 400))[:size])), f"pacs/{server}")
        behind = (IPv6(src=VIP6, dst=CLIENT6) / IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 4)])
                  / TCP(sport=104, dport=port))
        c.sent(ether(IPv6(src=ROUTER6, dst=VIP6) / ICMPv6PacketTooBig() / Raw(bytes(behind)[:56])),
               f"pacs/{server}")
    c.connections = {"active": 2, "created": 2, "moved": 0}
    return c


@case
def icmp_bad():
    c = Case("drop-icmp-bad", "ICMP errors whose embedded packet is cut before its ports, is no IP packet, a "
             "later fragment, or did not come from the address that the error went to.",
             ini(vip(), vip("six", address=VIP6)))
    outer = IP(src=ROUTER4, dst=VIP4) / ICMP(type=3, code=4)
    good = bytes(reply4(40000))
    for embedded in (b"", good[:19], good[:20], good[:27], bytes([0x65]) + good[1:28],
                     bytes([0x44]) + good[1:28], bytes([0x4F]) + good[1:28],
                     bytes(reply4(40000, frag=10)),
                     bytes(IP(src="192.0.2.101", dst=CLIENT4) / TCP(sport=104, dport=40000)),
                     bytes(IP(src=CLIENT4, dst=VIP4) / TCP(sport=40000, dport=104))):
        c.dropped(ether(outer / Raw(embedded)), "icmp-bad")
    outer = IPv6(src=ROUTER6, dst=VIP6) / ICMPv6PacketTooBig()
    good = bytes(reply6(40000))
    for embedded in (b"", good[:39], good[:47], bytes([0x45]) + good[1:],
                     bytes(IPv6(src="2001:db8::101", dst=CLIENT6) / TCP(sport=104, dport=40000))):
        c.dropped(ether(outer / Raw(embedded)), "icmp-bad")
    c.proof_of_life()
    return c


@case
def icmp_other():
    c = Case("drop-icmp-other", "ICMP that a VIP does not answer: echo replies, redirects, timestamp and "
             "address mask requests, router solicitations, and errors about what is neither TCP nor UDP.",
             ini(vip(), vip("six", address=VIP6)))
    for kind in 0, 5, 9, 10, 13, 15, 17, 42, 255:
        c.dropped(ether(IP(src=CLIENT4, dst=VIP4) / Raw(bytes([kind, 0, 0, 0]) + bytes(24)), type=0x800)
                  if kind == 42 else ether(IP(src=CLIENT4, dst=VIP4, proto=1)
                                           / Raw(bytes([kind, 0, 0, 0]) + bytes(24))),
                  "no-service" if kind == 42 else "icmp-other")
    for kind in 0, 5, 127, 129, 130, 133, 137, 255:
        c.dropped(ether(IPv6(src=CLIENT6, dst=VIP6, nh=58) / Raw(bytes([kind, 0, 0, 0]) + bytes(24))),
                  "icmp-other")
    about = IP(src=VIP4, dst=CLIENT4) / ICMP(type=0)
    c.dropped(ether(IP(src=ROUTER4, dst=VIP4) / ICMP(type=3, code=1) / Raw(bytes(about))), "icmp-other")
    c.proof_of_life()
    return c


def ping4(ident=1, data=b"abcdefgh", **ip):
    return IP(src=CLIENT4, dst=VIP4, **ip) / ICMP(type=8, id=7, seq=ident) / Raw(data)


def pong4(ident=1, data=b"abcdefgh", **ip):
    return IP(src=VIP4, dst=CLIENT4, **{"ttl": 64, **ip}) / ICMP(type=0, id=7, seq=ident) / Raw(data)


def back(packet):
    return ether(packet, ROUTER, LAN)


@case
def echo_ipv4():
    c = Case("echo-ipv4", "Echo to a VIP is answered with TTL 64, whatever came; identification, flags, DSCP "
             "and options stay; odd lengths and checksums on the edge of one's complement.",
             ini(vip(), vip("second", address="192.0.2.101")))
    c.answered(ether(ping4()), back(pong4()))
    for i, data in enumerate((b"", b"x", b"odd", bytes(range(256)) * 5, b"\xf7\xff" + bytes(6))):
        c.answered(ether(ping4(i, data, ttl=1 + 50 * i, id=i, tos=0xB8, flags="DF")),
                   back(pong4(i, data, id=i, tos=0xB8, flags="DF")))
    # All 65536 sums of the ICMP part cannot be tried here; those around 0 and 0xffff are.
    for word in range(0xF7F0, 0xF810):
        data = word.to_bytes(2, "big") + bytes(6)
        c.answered(ether(ping4(0, data)), back(pong4(0, data)))
    # Nothing but zeros: the only sum whose checksum is 0xffff.
    c.answered(ether(IP(src=CLIENT4, dst=VIP4) / ICMP(type=8, id=0, seq=0) / Raw(bytes(8))),
               back(IP(src=VIP4, dst=CLIENT4) / ICMP(type=0, id=0, seq=0) / Raw(bytes(8))))
    # A damaged one leaves damaged: whoever asked is to notice.
    wrong = bytearray(bytes(ping4()))
    wrong[30] ^= 1
    answer = bytearray(bytes(pong4()))
    answer[30] ^= 1
    c.answered(ether(Raw(bytes(wrong)), type=0x800), ether(Raw(bytes(answer)), ROUTER, LAN, type=0x800))
    c.answered(ether(ping4()).ljust(64, b"\0"), back(pong4()).ljust(64, b"\0"))
    other = IP(src=CLIENT4, dst="192.0.2.101") / ICMP(id=7)
    c.answered(ether(other), back(IP(src="192.0.2.101", dst=CLIENT4) / ICMP(type=0, id=7)))
    return c


@case
def echo_ipv6():
    c = Case("echo-ipv6", "Echo over IPv6: hop limit 64, flow label and traffic class stay.",
             ini(vip(address=VIP6)))
    for i, data in enumerate((b"", b"x", b"abcdefgh", bytes(range(256)) * 4)):
        keys = {"id": 9, "seq": i, "data": data}
        c.answered(ether(IPv6(src=CLIENT6, dst=VIP6, hlim=1 + i, fl=i, tc=4)
                         / ICMPv6EchoRequest(**keys)),
                   back(IPv6(src=VIP6, dst=CLIENT6, hlim=64, fl=i, tc=4) / ICMPv6EchoReply(**keys)))
    return c


@case
def echo_fragments():
    c = Case("echo-fragments", "A ping longer than the MTU: each fragment is turned into the answer's, without "
             "reassembly; what the sender puts together is the right answer with a good checksum. Early "
             "ones wait for the first.", ini(vip(), vip("six", address=VIP6)))
    data = bytes(i * 7 & 255 for i in range(3000))
    ask4 = pieces4(ping4(3, data), [1480, 1480], 55)
    say4 = pieces4(pong4(3, data), [1480, 1480], 55, LAN, ROUTER)
    for a, s in zip(ask4, say4):
        c.answered(a, s)
    ask4 = pieces4(ping4(4, data), [1480, 1480], 56)
    say4 = pieces4(pong4(4, data), [1480, 1480], 56, LAN, ROUTER)
    c.put(ask4[2])
    ns = c.put(ask4[0])
    c.expect(ns, say4[0])
    c.expect(ns, say4[2])
    c.frames["answered"] += 2
    c.answered(ask4[1], say4[1])
    keys = {"id": 9, "seq": 1, "data": data}
    ask6 = pieces6(IPv6(src=CLIENT6, dst=VIP6) / ICMPv6EchoRequest(**keys), [1448, 1448], 77)
    say6 = pieces6(IPv6(src=VIP6, dst=CLIENT6) / ICMPv6EchoReply(**keys), [1448, 1448], 77)
    for a, s in zip(ask6, say6):
        c.answered(a, mac_bytes(ROUTER) + mac_bytes(LAN) + s[12:])
    return c


@case
def echo_no_server():
    c = Case("echo-no-server", "A VIP is pinged only while it has a healthy server.", ini(vip(servers="ab")),
             args="gantry.ini --in lan=in.pcap --out lan={out}/out.pcap --event 1:down:pacs/a "
             "--event 2:down:pacs/b --event 3:up:pacs/a")
    c.answered(ether(ping4()), back(pong4()))
    c.at(1)
    c.answered(ether(ping4()), back(pong4()))
    c.at(2)
    c.dropped(ether(ping4()), "no-server")
    c.at(3)
    c.answered(ether(ping4()), back(pong4()))
    c.server("pacs/a", state="up")
    c.server("pacs/b", state="down")
    return c
