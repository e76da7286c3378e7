# SPDX-License-Identifier: BSD-3-Clause
"""Mode tunnel: what leaves is wrapped as scapy wraps it; what does not fit is told; what routers in a
tunnel say is passed on."""
import ipaddress
import struct

from casemaker import *  # noqa: F403
from scapy.all import GRE, ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, ICMPv6PacketTooBig, fragment, fragment6
from scapy.all import IPv6ExtHdrFragment

MASK = 2**64 - 1
KINDS = "ipip", "gre", "gue"
OVERHEAD = {"ipip": 0, "gre": 4, "gue": 12}


def variation(client, client_port, vip_port):
    """What lib/pipeline/tunnel.h promises of a connection, written anew."""
    if ":" in client:
        raw = ipaddress.IPv6Address(client).packed
    else:
        raw = bytes(10) + b"\xff\xff" + bytes(int(n) for n in client.split("."))
    a, b = struct.unpack("<QQ", raw)
    ports = struct.unpack("<I", struct.pack(">HH", client_port, vip_port))[0]
    x = (((a * 0x9E3779B97F4A7C15 & MASK) ^ b) + ports) & MASK
    for k in 0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53:
        x = (x ^ x >> 33) * k & MASK
    return x >> 32


def wrapped(frame, kind, outer, mac, varies, sources=(OWN4,), sources6=(OWN6,), source=LAN, tag=None):
    """The frame as it leaves for a server at `outer`."""
    link = Ether(frame)
    inner = link.payload.payload if link.type == 0x8100 else link.payload
    v4 = inner.version == 4
    body = bytes(inner)[: inner.len if v4 else 40 + inner.plen]
    number, tos = (4, inner.tos) if v4 else (41, inner.tc)
    if kind == "gre":
        number, payload = 47, bytes(GRE(proto=0x800 if v4 else 0x86DD)) + body
    elif kind == "gue":
        udp = UDP(sport=0xC000 | varies & 0x3FFF, dport=6080) / Raw(struct.pack("!BBH", 0, number, 0) + body)
        if ":" not in outer:
            udp.chksum = 0
        number, payload = 17, udp
    else:
        payload = body
    if ":" in outer:
        header = IPv6(src=sources6[varies % len(sources6)], dst=outer, tc=tos, fl=varies & 0xFFFFF or 1,
                      hlim=64, nh=number)
    else:
        header = IP(src=sources[varies % len(sources)], dst=outer, tos=tos, ttl=64, proto=number,
                    id=(inner.id + inner.frag) & 0xFFFF if v4 else 0,
                    flags="DF" if not v4 or inner.flags.DF else 0)
    return ether((Dot1Q(vlan=tag) / header if tag else header) / payload, dst=mac, src=source)


class TunnelCase(Case):
    def wrapped(self, frame, kind, outer, client, port, server, dport=104, **keys):
        ns = self.put(frame)
        self.account(frame, server)
        self.expect(ns, wrapped(frame, kind, outer, MACS["a"], variation(client, port, dport), **keys))


def tunnel_vip(name, address, kind, server, mac=MACS["a"], **keys):
    text = f"[vip {name}]\ninterface = lan\naddress = {address}\nport = 104\nmode = tunnel\n"
    text += f"encapsulation = {kind}\ncheck = none\n" + "".join(f"{k} = {v}\n" for k, v in keys.items())
    return text + f"\n[server {name}/a]\naddress = {server}\nmac = {mac}\n"


GATEWAYS = INTERFACE + "gateway = 192.0.2.1, 2001:db8::1\n"


def too_big(frame, mtu):
    """What the sender of a frame is told."""
    inner = Ether(frame).payload
    if inner.version == 4:
        error = IP(src=inner.dst, dst=inner.src, ttl=64, id=0) / ICMP(type=3, code=4, nexthopmtu=mtu)
        most = 576 - 28
    else:
        error = IPv6(src=inner.dst, dst=inner.src, hlim=64) / ICMPv6PacketTooBig(mtu=mtu)
        most = 1280 - 48
    return error / Raw(bytes(inner)[:most])


def both(kind, server4, server6, word):
    """Both inner families to a server of each outer family, all that a header can copy."""
    servers = {4: server4, 6: server6}
    vips = {(inner, outer): (f"{'192.0.2.10' if inner == 4 else '2001:db8::10'}{outer}",
                             f"{kind}{inner}{outer}") for inner in (4, 6) for outer in (4, 6)}
    c = TunnelCase(f"tunnel-{kind}{word[0]}", f"{kind} {word[1]}: IPv4 and IPv6 inside, IPv4 and IPv6 outside, as scapy "
                   "wraps them. DSCP and ECN are the inner ones, DF too, and set where that is IPv6; TTL "
                   "64, and the inner one untouched; Ethernet's padding goes. Fragments are wrapped as their "
                   "connection is, ICMP errors about a connection as well.",
                   ini(*(tunnel_vip(name, vip, kind, servers[outer])
                         + f"\n[vip {name}u]\ninterface = lan\naddress = {vip}\nport = 104\nprotocol = udp\n"
                           f"mode = tunnel\nencapsulation = {kind}\ncheck = none\n\n[server {name}u/a]\n"
                           f"address = {servers[outer]}\nmac = {MACS['a']}\n"
                         for (inner, outer), (vip, name) in vips.items()), interface=GATEWAYS))
    for (inner, outer), (vip, name) in vips.items():
        client = CLIENT4 if inner == 4 else CLIENT6

        def go(frame, port, server=name):
            c.wrapped(frame, kind, servers[outer], client, port, f"{server}/a")

        for i in range(4):
            go(tcp(40000 + i, "S" if i == 0 else "A", src=client, dst=vip, data=b"x" * i), 40000 + i)
        for i, tos in enumerate((0x00, 0x01, 0x02, 0x03, 0xB8, 0xBB, 0x28, 0xFF)):
            keys = {"tos": tos, "ttl": 1 + i, "id": 65535 - i, "flags": "DF" if i & 1 else 0} if inner == 4 \
                else {"tc": tos, "hlim": 1 + i, "fl": 0xABCDE}
            go(tcp(41000, "A", src=client, dst=vip, ip=keys), 41000)
        go(tcp(42000, "A", src=client, dst=vip).ljust(64, b"\xaa"), 42000)
        # The longest that fits.
        most = 1500 - (20 if outer == 4 else 40) - OVERHEAD[kind] - (40 if inner == 4 else 60)
        go(tcp(42000, "A", src=client, dst=vip, data=b"y" * most), 42000)
        data = Raw(bytes(i & 255 for i in range(3000)))
        if inner == 4:
            pieces = fragment(IP(src=client, dst=vip, id=0xFFFE, tos=0x28) / UDP(sport=43000, dport=104) / data, 1200)
        else:
            pieces = fragment6(IPv6(src=client, dst=vip, tc=0x28) / IPv6ExtHdrFragment(id=9)
                               / UDP(sport=43000, dport=104) / data, 1200)
        for piece in pieces:
            go(ether(piece), 43000, name + "u")
        reply = (IP if inner == 4 else IPv6)(src=vip, dst=client) / TCP(sport=104, dport=40001, flags="A")
        error = IP(src="203.0.113.9", dst=vip, tos=0xC0) / ICMP(type=3, code=4, nexthopmtu=1400) if inner == 4 \
            else IPv6(src="2001:db8:9::9", dst=vip) / ICMPv6PacketTooBig(mtu=1400)
        go(ether(error / Raw(bytes(reply))), 40001)
    return c


@case
def tunnel_near():
    """Servers on the wire."""
    return [both(kind, V4["a"], V6["a"], ("", "to servers on the wire")) for kind in KINDS]


@case
def tunnel_far():
    """Servers behind the gateways."""
    return [both(kind, "203.0.113.11", "2001:db8:ffff::11", ("-far", "to servers behind the gateways"))
            for kind in KINDS]


@case
def tunnel_too_big():
    c = TunnelCase("tunnel-too-big", "What does not fit the interface's MTU when wrapped is told to its sender: "
                   "with DF and without, over each outer family; what is a byte shorter passes. Nobody is told about an ICMP error or a later fragment, and what "
                   "follows a first fragment that was too big is dropped.",
                   ini(*(tunnel_vip(f"{kind}4{outer}", f"192.0.2.1{i}{outer}", kind,
                                    V4["a"] if outer == 4 else V6["a"])
                         for i, kind in enumerate(KINDS) for outer in (4, 6)),
                       tunnel_vip("six4", "2001:db8::104", "gue", V4["a"]),
                       tunnel_vip("six6", "2001:db8::106", "gue", V6["a"]),
                       tunnel_vip("u", "192.0.2.150", "gre", V4["a"], protocol="udp")))
    for i, kind in enumerate(KINDS):
        for outer in 4, 6:
            vip, mtu = f"192.0.2.1{i}{outer}", 1500 - (20 if outer == 4 else 40) - OVERHEAD[kind]
            for flags in "DF", 0:
                frame = tcp(40000, "A", dst=vip, data=b"z" * (mtu - 39), ip={"flags": flags})
                c.answered(frame, ether(too_big(frame, mtu), ROUTER, LAN))
                frame = tcp(40000, "A", dst=vip, data=b"z" * (mtu - 40), ip={"flags": flags})
                c.wrapped(frame, kind, V4["a"] if outer == 4 else V6["a"], CLIENT4, 40000, f"{kind}4{outer}/a")
    for outer in 4, 6:
        vip, mtu = f"2001:db8::10{outer}", 1500 - (32 if outer == 4 else 52)
        frame = tcp(40000, "A", src=CLIENT6, dst=vip, data=b"z" * (mtu - 59))
        c.answered(frame, ether(too_big(frame, mtu), ROUTER, LAN))
    # A datagram in fragments as long as the client's link takes them.
    data = Raw(bytes(3000))
    first, *later = fragment(IP(src=CLIENT4, dst="192.0.2.150", id=77) / UDP(sport=40000, dport=104) / data, 1480)
    c.answered(ether(first), ether(too_big(ether(first), 1476), ROUTER, LAN))
    for piece in later:
        c.dropped(ether(piece), "too-big")
    # An ICMP error of full size.
    error = (IP(src="203.0.113.9", dst="192.0.2.104") / ICMP(type=3, code=4)
             / Raw(bytes(IP(src="192.0.2.104", dst=CLIENT4) / TCP(sport=104, dport=40000) / Raw(bytes(1400)))))
    c.dropped(ether(error / Raw(bytes(20))), "too-big")
    return c


@case
def tunnel_too_big_limit():
    c = TunnelCase("tunnel-too-big-limit", "A worker tells 250 times in a tick of 250 ms; beyond it drops.",
                   ini(tunnel_vip("one", "192.0.2.104", "ipip", V4["a"]),
                       interface="[interface lan]\ndevice = net_null0\naddress = 192.0.2.2/24\nmtu = 576\n"))
    # More than 250 in a tick of 250 ms. Captures begin at 1 s of the core's clock.
    c.at(1)
    for i in range(260):
        frame = tcp(1024 + i, "A", dst="192.0.2.104", data=b"z" * 517)
        c.now = 10**9
        if i < 250:
            c.answered(frame, ether(too_big(frame, 556), ROUTER, LAN))
        else:
            c.dropped(frame, "too-big")
    c.at(1.25)
    frame = tcp(2000, "A", dst="192.0.2.104", data=b"z" * 517)
    c.answered(frame, ether(too_big(frame, 556), ROUTER, LAN))
    return c


@case
def tunnel_sources():
    sources = "192.0.2.2", "192.0.2.3", "192.0.2.4"
    c = TunnelCase("tunnel-sources", "ipip and gre over IPv4 have nothing outside that could vary by connection but "
                   "the source: the interface's addresses in the server's subnet take turns; where none is in "
                   "it, all of the family. The least bits of the connection's number choose.",
                   ini(tunnel_vip("near", "192.0.2.101", "ipip", "192.0.2.11"),
                       tunnel_vip("far", "192.0.2.102", "gre", "203.0.113.11"),
                       interface="[interface lan]\ndevice = net_null0\naddress = 192.0.2.2/24, 192.0.2.3/24, "
                                 "192.0.2.4/24, 10.0.0.2/24, 2001:db8::2/64\ngateway = 192.0.2.1\n"))
    for port in range(40000, 40030):
        for _ in range(2):
            c.wrapped(tcp(port, "A", dst="192.0.2.101"), "ipip", "192.0.2.11", CLIENT4, port, "near/a",
                      sources=sources)
            c.wrapped(tcp(port, "A", dst="192.0.2.102"), "gre", "203.0.113.11", CLIENT4, port, "far/a",
                      sources=(*sources, "10.0.0.2"))
    return c


@case
def tunnel_two_interfaces():
    c = Case("tunnel-two-interfaces", "Clients on one interface, the way to the server on another, with a tag "
             "and an MTU of its own: jumbo, so that what clients send always fits.",
             "[gantry]\nname = lb1\nconnections = 1000\n\n[interface lan]\ndevice = net_null0\n"
             "address = 192.0.2.2/24\n\n[interface san]\ndevice = net_null1\nmac = " + WAN + "\nmtu = 9000\n"
             "vlan = 7\naddress = 198.51.100.2/24, 2001:db8:2::2/64\n\n"
             + tunnel_vip("one", "192.0.2.100", "gue", "2001:db8:2::11")
             + "\n" + tunnel_vip("two", "192.0.2.101", "gre", "198.51.100.11"),
             args="gantry.ini --in lan=in.pcap --out lan={out}/out.pcap --out san={out}/out-san.pcap")
    for port in range(40000, 40004):
        for vip, kind, server in (("192.0.2.100", "gue", "2001:db8:2::11"),
                                  ("192.0.2.101", "gre", "198.51.100.11")):
            frame = tcp(port, "A", dst=vip, data=bytes(1460))
            ns = c.put(frame)
            c.account(frame, "one/a" if kind == "gue" else "two/a")
            c.expect(ns, wrapped(frame, kind, server, MACS["a"], variation(CLIENT4, port, 104),
                                 sources=("198.51.100.2",), sources6=("2001:db8:2::2",), source=WAN, tag=7),
                     out="-san")
    c.outputs[""] = []
    return c


@case
def tunnel_path_mtu():
    c = TunnelCase("tunnel-path-mtu", "A router in the tunnel refuses an outer packet: the client whose packet it "
                   "quotes is told what would fit inside. Not so where the quote is cut before the inner "
                   "ports, tells no MTU or a senseless one, is about no connection to that server, or is "
                   "another error: what gantry cannot pass on is dropped.",
                   ini(*(tunnel_vip(f"{kind}{inner}{outer}", f"{'192.0.2.1' if inner == 4 else '2001:db8::1'}{i}{outer}",
                                    kind, "203.0.113.11" if outer == 4 else "2001:db8:ffff::11")
                         for i, kind in enumerate(KINDS) for inner in (4, 6) for outer in (4, 6)),
                       interface=GATEWAYS))
    # Both gateways tell their MACs; all clients are behind them.
    gateway = MACS["a"]  # written with the servers, for it leads there
    c.dropped(ether(ARP(op=2, hwsrc=gateway, psrc="192.0.2.1", hwdst=LAN, pdst=OWN4), LAN, gateway), "neighbour-told")
    c.dropped(ether(IPv6(src="2001:db8::1", dst=OWN6, hlim=255) / ICMPv6ND_NA(tgt="2001:db8::1", R=1, S=1, O=1)
                    / ICMPv6NDOptDstLLAddr(lladdr=gateway), LAN, gateway), "neighbour-told")
    for i, kind in enumerate(KINDS):
        for inner in 4, 6:
            for outer in 4, 6:
                vip = f"{'192.0.2.1' if inner == 4 else '2001:db8::1'}{i}{outer}"
                client = CLIENT4 if inner == 4 else CLIENT6
                server = "203.0.113.11" if outer == 4 else "2001:db8:ffff::11"
                overhead = (20 if outer == 4 else 40) + OVERHEAD[kind]
                frame = tcp(40000, "A", src=client, dst=vip, data=bytes(1380))
                c.wrapped(frame, kind, server, client, 40000, f"{kind}{inner}{outer}/a")
                sent = wrapped(frame, kind, server, MACS["a"], variation(client, 40000, 104))[14:]
                if outer == 4:
                    def said(mtu, quote, code=4):
                        return ether(IP(src="198.51.100.77", dst=OWN4, tos=0xC0)
                                     / ICMP(type=3, code=code, nexthopmtu=mtu) / Raw(quote))
                else:
                    def said(mtu, quote, code=0):
                        return ether(IPv6(src="2001:db8:77::1", dst=OWN6)
                                     / ICMPv6PacketTooBig(mtu=mtu, code=code) / Raw(quote))
                for mtu, size in (1400, 548), (1400, 128), (1300, overhead + (20 if inner == 4 else 40) + 8):
                    quote = sent[:size]
                    fits = mtu - overhead if inner == 4 else max(1280, mtu - overhead)
                    error = IP(src=vip, dst=client, ttl=64, id=0) / ICMP(type=3, code=4, nexthopmtu=fits) \
                        if inner == 4 else IPv6(src=vip, dst=client, hlim=64) / ICMPv6PacketTooBig(mtu=fits)
                    most = 548 if inner == 4 else 1232
                    ns = c.put(said(mtu, quote))
                    c.expect(ns, ether(error / Raw(quote[overhead:][:most]), gateway, LAN))
                    c.frames["forwarded"] += 1
                c.dropped(said(1400, sent[:overhead + 20]), "own-address")
                c.dropped(said(0, sent[:548]), "own-address")
                c.dropped(said(1500, sent[:548]), "icmp-bad")
                c.dropped(said(80, sent[:548]), "icmp-bad")
                if outer == 4:
                    c.dropped(said(1400, sent[:548], code=1), "own-address")
                other = wrapped(frame, kind, server[:-2] + "12", MACS["a"], 0)[14:]
                c.dropped(said(1400, other[:548]), "own-address")
                bad = wrapped(tcp(40000, "A", src=client, dst=vip, dport=105), kind, server, MACS["a"], 0)[14:]
                c.dropped(said(1400, bad[:548]), "own-address")
    return c
