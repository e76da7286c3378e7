# SPDX-License-Identifier: BSD-3-Clause
"""Frames that are forwarded by DR: the MACs change, and nothing else."""
from casemaker import *  # noqa: F403
from scapy.all import (
    IPOption, IPOption_NOP, IPOption_RR, IPOption_Router_Alert, IPOption_Timestamp,
    IPv6ExtHdrDestOpt, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, PadN, RouterAlert,
)


def conversation(c, client, vip_address, server="pacs/a"):
    """A TCP connection as a DR balancer sees it: the client's half."""
    keys = {"src": client, "dst": vip_address}
    c.sent(tcp(40000, "S", seq=100, options=[("MSS", 1460), ("SAckOK", b"")], **keys), server)
    c.sent(tcp(40000, "A", seq=101, ack=500, **keys), server)
    c.sent(tcp(40000, "PA", b"\x01\x00" * 700, seq=101, ack=500, **keys), server)
    c.sent(tcp(40000, "FA", seq=1501, ack=900, **keys), server)
    c.sent(tcp(40000, "A", seq=1502, ack=901, **keys), server)


@case
def dr_ipv4():
    c = Case("dr-ipv4", "A TCP connection over IPv4: 12 bytes of MACs change, not a bit more. Then "
             "what a router would change and DR must not: TTL 1, ECN, a wrong TCP checksum (the "
             "server's to judge), bytes of padding behind the packet.", ini(vip()))
    conversation(c, CLIENT4, VIP4)
    c.sent(tcp(40001, "S", ip={"ttl": 1}))
    c.sent(tcp(40002, "SEC", ip={"tos": 3, "flags": "DF", "id": 0xBEEF}))
    c.sent(tcp(40003, "S", chksum=0x1234))
    c.sent(tcp(40004, "S").ljust(60, b"\xee"))
    c.sent(tcp(40004, "A", urgptr=7, reserved=5).ljust(60, b"\0"))
    c.server("pacs/a", state="up", connections=5, active=5)
    c.vip("pacs", connections=5, untracked=0)
    c.connections = {"active": 5, "created": 5, "expired": 0, "moved": 0}
    return c


@case
def dr_ipv6():
    c = Case("dr-ipv6", "The same over IPv6: hop limit 1, flow label and traffic class stay.",
             ini(vip(address=VIP6)))
    conversation(c, CLIENT6, VIP6)
    c.sent(tcp(40001, src=CLIENT6, dst=VIP6, ip={"hlim": 1, "fl": 0xABCDE, "tc": 0x2E}))
    c.sent(tcp(40002, src="fe80::1", dst=VIP6))
    c.server("pacs/a", state="up", connections=3, active=3)
    c.vip("pacs", connections=3, untracked=0)
    c.connections = {"active": 3, "created": 3, "expired": 0, "moved": 0}
    return c


@case
def udp_both():
    c = Case("udp", "UDP over both families, also with checksum 0 and with no data; TCP and UDP VIPs "
             "share an address and port.",
             ini(vip("syslog", protocol="udp", port="514"),
                 vip("tcplog", servers="b", port="514"),
                 vip("syslog6", address=VIP6, protocol="udp", port="514")))
    c.sent(udp(dport=514, data=b"<14>hello"), "syslog/a")
    plain = bytearray(udp(dport=514, data=b"<14>again"))
    plain[40:42] = b"\0\0"
    c.sent(bytes(plain), "syslog/a")
    c.sent(udp(40001, dport=514, data=b""), "syslog/a")
    c.sent(tcp(dport=514), "tcplog/b")
    c.sent(udp(src=CLIENT6, dst=VIP6, dport=514, data=b"six"), "syslog6/a")
    c.server("syslog/a", connections=2, active=2)
    c.server("tcplog/b", connections=1, active=1)
    c.server("syslog6/a", connections=1, active=1)
    return c


@case
def vlan():
    tagged = INTERFACE + "vlan = 7\n"
    c = Case("vlan", "An interface with a tag: tagged frames go, their tag and its priority bits "
             "untouched; without a tag or with another one they are dropped. ARP is answered with "
             "the tag.", ini(vip(), vip("pacs6", address=VIP6), interface=tagged))

    def tag(packet, vlan=7, prio=0, dst=LAN):
        return ether(Dot1Q(vlan=vlan, prio=prio) / packet, dst)

    syn = IP(src=CLIENT4, dst=VIP4) / TCP(sport=40000, dport=104, flags="S")
    c.sent(tag(syn))
    c.sent(tag(syn, prio=5))
    c.sent(tag(IPv6(src=CLIENT6, dst=VIP6) / TCP(sport=1, dport=104)), "pacs6/a")
    c.dropped(tag(syn, vlan=8), "vlan")
    c.dropped(tag(syn, vlan=0), "vlan")
    c.dropped(ether(syn), "vlan")
    c.dropped(tag(Dot1Q(vlan=7) / syn), "vlan")
    ask = ARP(op=1, hwsrc=ROUTER, psrc="192.0.2.1", hwdst="00:00:00:00:00:00", pdst=VIP4)
    reply = ARP(op=2, hwsrc=LAN, psrc=VIP4, hwdst=ROUTER, pdst="192.0.2.1")
    c.answered(tag(ask, dst="ff:ff:ff:ff:ff:ff"),
               ether(Dot1Q(vlan=7) / reply, ROUTER, LAN))
    c.dropped(ether(ask, "ff:ff:ff:ff:ff:ff"), "vlan")
    return c


@case
def priority_tag():
    c = Case("vlan-priority-tag", "VLAN 0 says only a priority (802.1Q): an interface without a tag "
             "takes it, and it leaves as it came.", ini(vip()))
    c.sent(ether(Dot1Q(vlan=0, prio=6) / IP(src=CLIENT4, dst=VIP4) / TCP(sport=40000, dport=104)))
    c.dropped(ether(Dot1Q(vlan=9) / IP(src=CLIENT4, dst=VIP4) / TCP(sport=40000, dport=104)), "vlan")
    return c


@case
def ip_options():
    c = Case("ip-options", "IPv4 options move the TCP header; the packet goes as it came.", ini(vip()))
    options = [
        [IPOption_NOP()] * 4,
        [IPOption_Router_Alert()],
        [IPOption_RR(routers=["0.0.0.0"] * 9)],  # 39 bytes: the longest header
        [IPOption_Timestamp(flg=0, length=8, timestamp=0)],
        [IPOption(b"\x86\x0b\x00\x00\x00\x01\x05\x05\xab\xcd\xef"), IPOption_NOP()],  # CIPSO
    ]
    for i, option in enumerate(options):
        c.sent(tcp(40000 + i, ip={"options": option}))
        c.sent(tcp(40000 + i, "A", b"data", ip={"options": option}))
    c.server("pacs/a", connections=len(options))
    return c


@case
def ipv6_extension():
    c = Case("ipv6-extension", "IPv6 extension headers in front of TCP and UDP: hop-by-hop, "
             "destination options (twice), a routing header that is done, an atomic fragment (RFC "
             "6946), and ESP-less authentication.",
             ini(vip(address=VIP6), vip("udp", address=VIP6, protocol="udp")))
    ip = IPv6(src=CLIENT6, dst=VIP6)
    syn = TCP(sport=40000, dport=104, flags="S")
    hop = IPv6ExtHdrHopByHop(options=[RouterAlert(), PadN(optdata=b"")])
    dest = IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 12)])
    routing = IPv6ExtHdrRouting(addresses=["2001:db8::99"], segleft=0, type=4)
    c.sent(ether(ip / hop / syn))
    c.sent(ether(ip / dest / syn))
    c.sent(ether(ip / hop / dest / routing / dest / syn))
    c.sent(ether(ip / hop / UDP(sport=5, dport=104) / b"x"), "udp/a")
    tcp_bytes = bytes(ip / syn)[40:]
    atomic = bytes([6, 0, 0, 0]) + b"\x12\x34\x56\x78"
    c.sent(ether(IPv6(src=CLIENT6, dst=VIP6, nh=44) / Raw(atomic + tcp_bytes)))
    auth = bytes([6, 4, 0, 0]) + b"\0\0\1\0" + b"\0\0\0\1" + b"\xaa" * 12
    c.sent(ether(IPv6(src=CLIENT6, dst=VIP6, nh=51) / Raw(auth + tcp_bytes)))
    c.server("pacs/a", connections=1)
    return c


@case
def ports():
    c = Case("ports", "Lists, ranges and any. A range of up to 256 ports and a wider one are stored "
             "in different ways, and must act alike: one client port to two VIP ports is two "
             "connections.",
             ini(vip("list", address="192.0.2.101", port="104, 11112"),
                 vip("range", address="192.0.2.102", port="5000-5010, 6000"),
                 vip("wide", address="192.0.2.103", port="10000-20000"),
                 vip("any", address="192.0.2.104", port="any"),
                 vip("any6", address="2001:db8::104", port="any", protocol="udp")))
    for name, address, good, bad in [
        ("list", "192.0.2.101", [104, 11112], [103, 105, 11111, 11113, 0, 65535]),
        ("range", "192.0.2.102", [5000, 5001, 5009, 5010, 6000], [4999, 5011, 5999, 6001]),
        ("wide", "192.0.2.103", [10000, 10001, 15000, 20000], [9999, 20001]),
        ("any", "192.0.2.104", [0, 1, 104, 65535], []),
    ]:
        for port in good:
            c.sent(tcp(dst=address, dport=port), f"{name}/a")
            c.sent(tcp(flags="A", dst=address, dport=port), f"{name}/a")
        for port in bad:
            c.dropped(tcp(dst=address, dport=port), "no-service")
        c.server(f"{name}/a", connections=len(good), active=len(good))
    for port in 1, 53, 65535:
        c.sent(udp(src=CLIENT6, dst="2001:db8::104", dport=port), "any6/a")
    c.dropped(tcp(src=CLIENT6, dst="2001:db8::104", dport=1), "no-service")
    c.server("any6/a", connections=3, active=3)
    return c


@case
def two_interfaces():
    c = Case("two-interfaces", "Clients come by wan, the servers are behind lan: the frame leaves by "
             "lan with lan's MAC. A VIP is answered where it arrives, and each interface takes only "
             "frames for its own MAC. Frames of two captures meet in the order of time.",
             ini(vip(address="203.0.113.100", interface="wan"),
                 interface=INTERFACE + f"mac = {LAN}\n\n[interface wan]\ndevice = net_null1\n"
                 f"mac = {WAN}\naddress = 203.0.113.2/24\n"),
             args="gantry.ini --in wan=wan.pcap --in lan=lan.pcap --out lan={out}/out-lan.pcap "
             "--out wan={out}/out-wan.pcap", inputs="wan lan")
    syn = IP(src=CLIENT4, dst="203.0.113.100") / TCP(sport=40000, dport=104)
    c.sent(ether(syn, WAN), file="wan", out="-lan")
    c.dropped(ether(syn, LAN), "other-mac", file="wan")
    c.dropped(ether(IP(src="192.0.2.50", dst="192.0.2.200") / TCP(), LAN), "not-ours", file="lan")
    ask = ARP(op=1, hwsrc=ROUTER, psrc="203.0.113.1", hwdst="00:00:00:00:00:00",
              pdst="203.0.113.100")
    reply = ARP(op=2, hwsrc=WAN, psrc="203.0.113.100", hwdst=ROUTER, pdst="203.0.113.1")
    ns = c.put(ether(ask, "ff:ff:ff:ff:ff:ff"), file="wan")
    c.expect(ns, ether(reply, ROUTER, WAN), out="-wan")
    c.frames["answered"] += 1
    c.sent(ether(IP(src=CLIENT4, dst="203.0.113.100") / TCP(sport=40000, dport=104, flags="A"), WAN),
           file="wan", out="-lan")
    return c


@case
def two_tags():
    c = Case("two-tags", "Between interfaces of different tags a frame leaves with the tag of the "
             "interface that it leaves by: added, changed or removed, the priority kept.",
             ini(vip("to-tag", address="203.0.113.100", interface="plain"),
                 vip("to-plain", address="203.0.113.101", interface="seven"),
                 interface="[interface plain]\ndevice = net_null0\naddress = 198.18.0.2/24\n\n"
                 "[interface seven]\ndevice = net_null1\naddress = 192.0.2.2/24\nvlan = 7\n"),
             args="gantry.ini --in plain=plain.pcap --in seven=seven.pcap "
             "--out seven={out}/out-seven.pcap --out plain={out}/out-plain.pcap",
             inputs="plain seven")
    c.config = c.config.replace(  # the second VIP's server is on the plain side
        "[server to-plain/a]\naddress = 192.0.2.11", "[server to-plain/a]\naddress = 198.18.0.11")
    first = IP(src=CLIENT4, dst="203.0.113.100") / TCP(sport=40000, dport=104)
    ns = c.put(ether(first), file="plain")
    c.account(ether(first), "to-tag/a")
    c.expect(ns, ether(Dot1Q(vlan=7) / first, MACS["a"], LAN), out="-seven")
    second = IP(src=CLIENT4, dst="203.0.113.101") / TCP(sport=40000, dport=104)
    frame = ether(Dot1Q(vlan=7, prio=3) / second)
    ns = c.put(frame, file="seven")
    c.account(frame, "to-plain/a")
    c.expect(ns, ether(second, MACS["a"], LAN), out="-plain")
    return c


@case
def spread():
    c = Case("spread", "400 connections over servers of weight 100, 100, 200 and 0: each stays on one "
             "server, the shares follow the weights, weight 0 gets none. Which server a connection "
             "gets nobody can know by hand, so check.py judges properties.",
             ini(vip(servers={"a": {}, "b": {}, "c": {"weight": 200}, "d": {"weight": 0}})))
    for flags in "S", "A", "FA":
        for i in range(400):
            c.put(tcp(20000 + i, flags, src=f"198.51.100.{1 + i % 200}"))
    c.frames.update(forwarded=1200)
    c.connections = {"active": 400, "created": 400, "expired": 0, "moved": 0}
    c.outputs = None
    c.files["check.py"] = '''"""Each frame leaves once, unchanged but for 12 bytes of MACs; a connection keeps its server."""
import json
import os
import sys
from collections import Counter

import pcapfile

out = sys.argv[1]
came, left = pcapfile.read("in.pcap"), pcapfile.read(os.path.join(out, "out.pcap"))
assert [f.data[12:] for f in came] == [f.data[12:] for f in left]
assert [f.ns for f in came] == [f.ns for f in left]
assert {f.data[6:12].hex() for f in left} == {"020000000001"}
server = {}
for f in left:
    server.setdefault(f.data[26:30] + f.data[34:36], set()).add(f.data[:6].hex())
assert len(server) == 400 and all(len(s) == 1 for s in server.values())
shares = Counter(next(iter(s)) for s in server.values())
# Binomial: four standard deviations are 35 around 100, and 40 around 200.
assert set(shares) == {"02000000010a", "02000000010b", "02000000010c"}, shares
assert abs(shares["02000000010a"] - 100) < 35 and abs(shares["02000000010b"] - 100) < 35, shares
assert abs(shares["02000000010c"] - 200) < 40, shares
with open(os.path.join(out, "report.json")) as f:
    servers = json.load(f)["vips"]["pacs"]["servers"]
assert {s: v["connections"] for s, v in servers.items()} == {
    "a": shares["02000000010a"], "b": shares["02000000010b"], "c": shares["02000000010c"], "d": 0}
assert servers["a"]["frames"] == 3 * shares["02000000010a"]
'''
    return c


@case
def persistence_source():
    c = Case("persistence-source", "persistence = source: a client address meets one server, whatever "
             "its ports; 50 clients do not all meet the same.",
             ini(vip(servers="abc", persistence="source")))
    for i in range(50):
        for port in 1000, 2000, 3000:
            c.put(tcp(port + i, src=f"198.51.100.{1 + i}"))
    c.frames.update(forwarded=150)
    c.connections = {"active": 150, "created": 150, "expired": 0, "moved": 0}
    c.outputs = None
    c.files["check.py"] = '''"""One server for each client address."""
import os
import sys

import pcapfile

server = {}
for f in pcapfile.read(os.path.join(sys.argv[1], "out.pcap")):
    server.setdefault(f.data[26:30], set()).add(f.data[:6])
assert len(server) == 50 and all(len(s) == 1 for s in server.values())
assert len(set.union(*server.values())) == 3
'''
    return c
