# SPDX-License-Identifier: BSD-3-Clause
"""IP fragments: all of a datagram to one server, in whatever order they come."""
from itertools import permutations

from casemaker import *  # noqa: F403

UDP4 = vip("pacs", protocol="udp", port="514")
UDP6 = vip("pacs", address=VIP6, protocol="udp", port="514")


def datagram4(port=40000, proto="udp", data=bytes(range(200)), dport=514):
    layer = UDP if proto == "udp" else TCP
    return IP(src=CLIENT4, dst=VIP4) / layer(sport=port, dport=dport) / Raw(data)


def datagram6(port=40000, proto="udp", data=bytes(range(200)), dport=514):
    layer = UDP if proto == "udp" else TCP
    return IPv6(src=CLIENT6, dst=VIP6) / layer(sport=port, dport=dport) / Raw(data)


def all_orders(c, make):
    """Three fragments in each of the six orders; make(number) gives the pieces."""
    for number, order in enumerate(permutations(range(3))):
        pieces, held = make(number), []
        c.at(number * 0.1)
        for index in order:
            if index == 0:
                c.sent(pieces[0])
                c.released(held)
                held = None
            elif held is not None:
                held.append(c.held(pieces[index]))
            else:
                c.sent(pieces[index])
    return c


@case
def fragments_ipv4():
    c = Case("fragments-ipv4", "Three fragments of a UDP datagram in all six orders: early ones wait, "
             "and go behind the first with its time, in the order in which they came.", ini(UDP4))
    all_orders(c, lambda n: pieces4(datagram4(40000 + n), [80, 64], 100 + n))
    c.server("pacs/a", connections=6, active=6)
    c.vip("pacs", connections=6, untracked=0)
    return c


@case
def fragments_ipv4_tcp():
    c = Case("fragments-ipv4-tcp", "The same of TCP segments; all have one identification number, but "
             "another protocol or source makes another datagram.",
             ini(vip("pacs", port="514"), vip("udp", protocol="udp", port="514", servers="b")))
    all_orders(c, lambda n: pieces4(datagram4(40000 + n, "tcp"), [40, 104], 100 + n))
    tcp_pieces = pieces4(datagram4(50000, "tcp"), [80, 64], 7)
    udp_pieces = pieces4(datagram4(50000), [80, 64], 7)
    c.at(1)
    c.sent(tcp_pieces[0])
    late = c.held(udp_pieces[1])
    c.sent(tcp_pieces[2])
    c.sent(udp_pieces[0], "udp/b")
    c.released([late], "udp/b")
    c.sent(tcp_pieces[1])
    c.sent(udp_pieces[2], "udp/b")
    return c


@case
def fragments_ipv6():
    c = Case("fragments-ipv6", "Three fragments of a UDP datagram over IPv6 in all six orders.", ini(UDP6))
    all_orders(c, lambda n: pieces6(datagram6(40000 + n), [80, 64], 0x12340000 + n))
    c.server("pacs/a", connections=6, active=6)
    return c


@case
def fragments_ipv6_headers():
    c = Case("fragments-ipv6-headers", "A destination options header before the fragment header, and one "
             "behind it, inside the fragmented part: a later fragment then tells that header's type and "
             "not UDP, but it is of the same datagram (RFC 8200 4.5).", ini(UDP6))
    options = bytes([44, 0, 1, 4, 0, 0, 0, 0])
    all_orders(c, lambda n: pieces6(datagram6(40000 + n), [80, 64], 100 + n, options, 60))
    whole = datagram6(41000)
    inside = IPv6(src=CLIENT6, dst=VIP6, nh=60) / Raw(
        bytes([17, 0, 1, 4, 0, 0, 0, 0]) + bytes(whole)[40:])
    pieces = pieces6(inside, [80, 64], 200)
    c.at(2)
    early = c.held(pieces[2])
    c.sent(pieces[0])
    c.released([early])
    c.sent(pieces[1])
    # RFC 8200 4.5: later fragments may tell another header than the first one does.
    pieces = pieces6(datagram6(41001), [80, 64], 201)
    other = bytearray(pieces[2])
    other[54] = 60
    c.sent(pieces[0])
    c.sent(bytes(other))
    return c


@case
def fragments_timeout():
    c = Case("fragments-timeout", "An early fragment waits for its first one a second: at 0.9 s it goes "
             "behind it, at 1.1 s it has been dropped. One that waits at the end of the capture is "
             "dropped too.", ini(UDP4, connections=1000))
    good, late, last = (pieces4(datagram4(40000 + n), [80, 64], n) for n in (1, 2, 3))
    c.at(0)
    early = c.held(good[1])
    c.at(0.9)
    c.sent(good[0])
    c.released([early])
    c.at(2)
    c.dropped(late[2], "fragment-timeout")
    c.dropped(late[1], "fragment-timeout")
    c.at(3.2)
    c.sent(late[0])
    c.sent(late[1])  # the fate of the first is known now
    c.at(4)
    c.dropped(last[1], "fragment-timeout")
    return c


@case
def fragments_fate_ends():
    c = Case("fragments-fate-ends", "What became of a first fragment is remembered for 15 s; a later one "
             "behind that waits in vain.", ini(UDP4))
    pieces = pieces4(datagram4(), [80, 64], 1)
    c.at(0)
    c.sent(pieces[0])
    c.at(14)
    c.sent(pieces[1])
    c.at(16)
    c.dropped(pieces[2], "fragment-timeout")
    return c


@case
def fragments_full():
    c = Case("fragments-full", "32 early fragments are held, a 33rd is dropped; when the first ones come, "
             "each takes its own along, and there is room again.", ini(UDP4))
    pieces = [pieces4(datagram4(40000 + n), [80, 64], n) for n in range(34)]
    for n in range(32):
        c.held(pieces[n][1])
    c.dropped(pieces[32][1], "fragment-full")
    for n in range(32):
        c.sent(pieces[n][0])
        c.released([pieces[n][1]])
    c.sent(pieces[32][0])
    c.sent(pieces[32][1])
    early = c.held(pieces[33][2])
    c.sent(pieces[33][0])
    c.released([early])
    return c


@case
def fragments_share_the_drop():
    c = Case("fragments-share-the-drop", "A first fragment that is dropped takes the others along, by its "
             "reason: to no service, and to a VIP without a server.",
             ini(UDP4, vip("off", address="192.0.2.101", protocol="udp", port="514",
                           servers={"a": {"state": "disabled"}})))
    for ident, packet, reason in (
        (1, datagram4(dport=515), "no-service"),
        (2, IP(src=CLIENT4, dst="192.0.2.101") / UDP(sport=1, dport=514) / Raw(bytes(200)), "no-server"),
    ):
        pieces = pieces4(packet, [80, 64], ident)
        c.dropped(pieces[2], reason)
        c.dropped(pieces[0], reason)
        c.dropped(pieces[1], reason)
    pieces = pieces4(IP(src=CLIENT4, dst="192.0.2.99") / UDP() / Raw(bytes(200)), [80, 64], 3)
    for piece in pieces:
        c.dropped(piece, "not-ours")
    return c


@case
def fragments_one_server():
    c = Case("fragments-one-server", "60 datagrams of 40 connections in three fragments in mixed orders, to "
             "four servers: all pieces of a datagram, and all datagrams of a connection, meet one server. "
             "Whole packets between them too.", ini(vip("pacs", protocol="udp", port="514",
                                                       servers="abcd")))
    orders = list(permutations(range(3)))
    for n in range(60):
        packet = datagram4(41000 + n % 40, data=bytes([n]) * 200)
        pieces = pieces4(packet, [80, 64], 300 + n)
        for index in orders[n % 6]:
            c.put(pieces[index])
        c.put(ether(packet))
    c.frames.update(forwarded=240)
    c.connections = {"active": 40, "created": 40, "moved": 0}
    c.outputs = None
    c.files["check.py"] = '''"""By datagram and by connection one server; every frame leaves once."""
import os
import sys
from collections import Counter

import pcapfile

came = pcapfile.read("in.pcap")
left = pcapfile.read(os.path.join(sys.argv[1], "out.pcap"))
assert Counter(f.data[12:] for f in came) == Counter(f.data[12:] for f in left)
port = {}  # of a datagram: its first fragment tells
for f in came:
    ident, fragment = f.data[18:20], int.from_bytes(f.data[20:22], "big")
    if fragment & 0x1FFF == 0 and fragment & 0x2000:
        port[ident] = f.data[34:36]
server = {}
for f in left:
    fragment = int.from_bytes(f.data[20:22], "big")
    key = port[f.data[18:20]] if fragment & 0x3FFF else f.data[34:36]
    server.setdefault(key, set()).add(f.data[:6])
assert len(server) == 40 and all(len(s) == 1 for s in server.values())
assert len(set.union(*server.values())) > 1
'''
    return c
