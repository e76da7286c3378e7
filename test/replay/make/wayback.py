# SPDX-License-Identifier: BSD-3-Clause
"""nat and snat: both directions. What must leave is built anew by scapy from the fields that it shall
have, so every checksum is computed from scratch."""
from casemaker import *  # noqa: F403
from neighbours import EVERYONE, NOBODY, advertise, is_at, solicit, who_has  # noqa: F401
from scapy.all import (
    ICMPv6DestUnreach, ICMPv6PacketTooBig, ICMPv6ParamProblem, ICMPv6TimeExceeded,
    IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPOption, IPOption_NOP, IPOption_RR, PadN,
)

ARM = """[interface lan]
device = net_null0
address = 192.0.2.2/24, 2001:db8::2/64
gateway = 192.0.2.1, 2001:db8::1
"""
ARMS = """[interface lan]
device = net_null0
mac = 02:00:00:00:00:01
address = 192.0.2.2/24, 2001:db8::2/64
gateway = 192.0.2.1, 2001:db8::1

[interface san]
device = net_null1
mac = 02:00:00:00:00:02
address = 10.1.0.2/24, 2001:db8:1::2/64
vlan = 7
"""
ARMS_ARGS = "gantry.ini --in lan=in.pcap --in san=san.pcap --out lan={out}/out.pcap --out san={out}/out-san.pcap"
NEAR4, NEAR6, NEAR_MAC = "192.0.2.51", "2001:db8::51", "02:00:00:00:02:01"  # a client on the wire


def ip(src, dst, **keys):
    return (IPv6 if ":" in dst else IP)(src=src, dst=dst, **keys)


def hops(n, dst):
    return {"hlim" if ":" in dst else "ttl": n}


class Wire:
    """Builds both sights of a packet: addresses and ports of the client's side and the server's."""

    def __init__(self, c, client, vip_end, source, server, name="pacs/a", mac=ROUTER, tag=None,
                 out="", file="in"):
        self.c, self.client, self.vip, self.source, self.server = c, client, vip_end, source, server
        self.name, self.mac, self.tag, self.out, self.file = name, mac, tag, out, file
        self.server_if = WAN if tag else LAN
        self.worker = worker_of(client, vip_end)

    def server_ether(self, packet, to_server, **keys):
        ends = (MACS["a"], self.server_if) if to_server else (self.server_if, MACS["a"])
        tag = Dot1Q(vlan=self.tag) / packet if self.tag else packet
        return bytes(Ether(dst=ends[0], src=ends[1], **keys) / tag)

    def sights(self, to_server, build, ttl=64, left=None, right=None):
        """The packet on the clients' wire and on the servers'. build(sport, dport): L4 and payload."""
        (ca, cp), (va, vp), (oa, op), (sa, sp) = self.client, self.vip, self.source, self.server
        a, b = (ttl, ttl - 1) if to_server else (ttl - 1, ttl)
        left, right = {**hops(a, va), **(left or {})}, {**hops(b, sa), **(right or {})}
        if to_server:
            return ip(ca, va, **left) / build(cp, vp), ip(oa, sa, **right) / build(op, sp)
        return ip(va, ca, **left) / build(vp, cp), ip(sa, oa, **right) / build(sp, op)

    def frames(self, to_server, left, right):
        ends = (LAN, self.mac) if to_server else (self.mac, LAN)
        return ether(left, *ends), self.server_ether(right, to_server)

    def go(self, to_server, build, pad=0, **keys):
        a, b = self.frames(to_server, *self.sights(to_server, build, **keys))
        a, b = a.ljust(pad, b"\0"), b.ljust(pad, b"\0")
        self.pass_on(to_server, a if to_server else b, b if to_server else a)

    def pass_on(self, to_server, came, leaves, count=True):
        ns = self.c.put(came, file="in" if to_server else self.file)
        self.c.forwards[self.worker] += 1
        self.c.expect(ns, leaves, out=self.out if to_server else "")
        if to_server:
            self.c.account(came, self.name)
            return
        self.c.frames["forwarded"] += 1
        if count:
            vip_name, server = self.name.split("/")
            s = self.c.vips.setdefault(vip_name, {"frames": 0, "bytes": 0, "servers": {}})["servers"]
            s = s.setdefault(server, {})
            s["reply_frames"] = s.get("reply_frames", 0) + 1
            s["reply_bytes"] = s.get("reply_bytes", 0) + len(came)

    def talk(self, protocol="tcp", **keys):
        """A conversation; the payloads have odd and even lengths."""
        if protocol == "udp":
            for data in b"q", b"question", b"\0" * 33:
                self.go(True, lambda s, d: UDP(sport=s, dport=d) / Raw(data), **keys)
                self.go(False, lambda s, d: UDP(sport=s, dport=d) / Raw(data[::-1]), **keys)
            return
        seq, ack = 0xFFFFFFF0, 77
        mss = [("MSS", 1460), ("SAckOK", b""), ("WScale", 7)]
        for to_server, flags, data, options in [
            (True, "S", b"", mss), (False, "SA", b"", mss), (True, "A", b"", []),
            (True, "PA", b"A-ASSOCIATE-RQ!", []), (False, "PA", bytes(range(250)), []),
            (True, "FA", b"", []), (False, "FA", b"bye", []), (True, "A", b"", []),
        ]:
            mine, other = (seq, ack) if to_server else (ack, seq)
            self.go(to_server, lambda s, d: TCP(sport=s, dport=d, seq=mine, ack=other, flags=flags,
                                                window=501, options=options) / Raw(data), **keys)
            seq, ack = (seq + len(data) & 0xFFFFFFFF, ack) if to_server else (seq, ack + len(data))

    def dropped(self, to_server, build, reason, **keys):
        a, b = self.frames(to_server, *self.sights(to_server, build, **keys))
        self.c.dropped(a if to_server else b, reason, file="in" if to_server else self.file)


def snat_wire(c, client, vip_end, address, server, *args, **keys):
    """The next connection with snat, from this address."""
    return Wire(c, client, vip_end, c.source(client, vip_end, address, server), server, *args, **keys)


def learn(c, address="192.0.2.1", mac=ROUTER, target=VIP4):
    """A station on the wire asks for the VIP and so is known."""
    if ":" in address:
        c.answered(solicit(target, source=address, mac=mac),
                   advertise(target, LAN, dst=address, to=mac))
    else:
        c.answered(who_has(target, source=address, mac=mac), is_at(target, LAN, source=address,
                                                                    hwdst=mac))


def syn(s, d):
    return TCP(sport=s, dport=d, flags="S")


def server_of(name, address, **keys):
    text = f"[server {name}/a]\naddress = {address}\nmac = {MACS['a']}\n"
    return text + "".join(f"{key} = {value}\n" for key, value in keys.items())


def service(name, address, server, mode, protocol="tcp", port="104", server_port=None, **keys):
    text = f"[vip {name}]\ninterface = lan\naddress = {address}\nprotocol = {protocol}\nport = {port}\n"
    text += f"mode = {mode}\ncheck = none\n" + "".join(f"{k} = {v}\n" for k, v in keys.items())
    more = {"port": server_port} if server_port else {}
    return text + "\n" + server_of(name, server, **more)


# ---- nat ----

@case
def nat_ipv4():
    c = Case("nat-ipv4", "nat, IPv4, one arm, the client behind the gateway: destination and port become the "
             "server's, the TTL one less, and back. ToS, DF, options, padding and a UDP checksum of 0 stay. "
             "Before the router asks for the VIP nobody knows its MAC. A server's packets that are no "
             "replies are nobody's.",
             ini(service("pacs", VIP4, V4["a"], "nat", server_port=11112),
                 service("log", VIP4, V4["a"], "nat", "udp", "514"), interface=ARM))
    w = Wire(c, (CLIENT4, 40000), (VIP4, 104), (CLIENT4, 40000), (V4["a"], 11112))
    w.dropped(False, syn, "no-neighbour")
    learn(c)
    w.talk(left={"tos": 0xB8, "flags": "DF", "id": 4711}, right={"tos": 0xB8, "flags": "DF", "id": 4711})
    w.go(True, lambda s, d: TCP(sport=s, dport=d, flags="A"), pad=60)
    w.go(False, lambda s, d: TCP(sport=s, dport=d, flags="A"), pad=60)
    options = {"options": [IPOption_RR(routers=["0.0.0.0"] * 3), IPOption_NOP()]}
    w.go(True, lambda s, d: TCP(sport=s, dport=d, flags="A") / b"x", left=options, right=options)
    w.go(True, lambda s, d: TCP(sport=s, dport=d, flags="A"), ttl=2)
    for to_server in True, False:
        w.dropped(to_server, syn, "ttl", ttl=1)
    w.dropped(False, lambda s, d: TCP(sport=50000, dport=d), "not-ours")
    w.dropped(False, lambda s, d: UDP(sport=s, dport=d), "not-ours")
    u = Wire(c, (CLIENT4, 514), (VIP4, 514), (CLIENT4, 514), (V4["a"], 514), "log/a")
    u.talk("udp")
    for to_server in True, False:
        u.go(to_server, lambda s, d: UDP(sport=s, dport=d, chksum=0) / b"no sum")
    # one more: the SYN whose TTL ended would have opened the closed connection again
    c.connections = {"active": 2, "created": 3, "expired": 1, "moved": 0}
    return c


@case
def nat_ipv6():
    c = Case("nat-ipv6", "nat, IPv6: as in IPv4; extension headers stay. UDP without a checksum is nothing "
             "that IPv6 has (RFC 8200 8.1).",
             ini(service("pacs", VIP6, V6["a"], "nat", server_port=11112),
                 service("log", VIP6, V6["a"], "nat", "udp", "514"), interface=ARM))
    w = Wire(c, (CLIENT6, 40000), (VIP6, 104), (CLIENT6, 40000), (V6["a"], 11112))
    w.dropped(False, syn, "no-neighbour")
    learn(c, "2001:db8::1", target=VIP6)
    w.talk(left={"tc": 0xB8, "fl": 0x12345}, right={"tc": 0xB8, "fl": 0x12345})
    w.go(True, lambda s, d: IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 4)])
         / TCP(sport=s, dport=d, flags="A") / b"x")
    for to_server in True, False:
        w.dropped(to_server, syn, "ttl", ttl=1)
    u = Wire(c, (CLIENT6, 514), (VIP6, 514), (CLIENT6, 514), (V6["a"], 514), "log/a")
    u.talk("udp")
    for to_server in True, False:
        u.dropped(to_server, lambda s, d: UDP(sport=s, dport=d, chksum=0) / b"x", "udp-header")
    return c


@case
def nat_two_arms():
    c = Case("nat-two-arms", "nat between two interfaces: clients on lan, behind its gateway and on its wire; servers "
             "on san in VLAN 7, which have gantry as their gateway.",
             ini(service("pacs", VIP4, "10.1.0.11", "nat"), service("six", VIP6, "2001:db8:1::11", "nat"),
                 interface=ARMS), ARMS_ARGS, "in san")
    learn(c)
    learn(c, NEAR4, NEAR_MAC)
    learn(c, "2001:db8::1", target=VIP6)
    arm = {"tag": 7, "out": "-san", "file": "san"}
    Wire(c, (CLIENT4, 40000), (VIP4, 104), (CLIENT4, 40000), ("10.1.0.11", 104), **arm).talk()
    Wire(c, (NEAR4, 40000), (VIP4, 104), (NEAR4, 40000), ("10.1.0.11", 104), mac=NEAR_MAC, **arm).talk()
    Wire(c, (CLIENT6, 40000), (VIP6, 104), (CLIENT6, 40000), ("2001:db8:1::11", 104), "six/a", **arm).talk()
    return c


@case
def nat_fragments():
    c = Case("nat-fragments", "nat and fragments in both directions: ports and the UDP checksum are in the first one, "
             "the others follow it with addresses alone, also one that came early.",
             ini(service("log", VIP4, V4["a"], "nat", "udp", "514"),
                 service("log6", VIP6, V6["a"], "nat", "udp", "514"), interface=ARM))
    learn(c)
    learn(c, "2001:db8::1", target=VIP6)
    data = bytes(range(256)) * 8 + b"odd"
    for v6 in False, True:
        client, vip_at, server = (CLIENT6, VIP6, V6["a"]) if v6 else (CLIENT4, VIP4, V4["a"])
        w = Wire(c, (client, 514), (vip_at, 514), (client, 514), (server, 514), "log6/a" if v6 else "log/a")
        for ident, to_server in (21, True), (22, False):
            sights = w.sights(to_server, lambda s, d: UDP(sport=s, dport=d) / Raw(data))
            both = [cut(w, to_server, side, packet, ident) for side, packet in enumerate(sights)]
            came, leaves = both if to_server else both[::-1]
            # the last one first: it is held, and goes behind the first
            early = c.put(came[2], file="in")
            for i in 0, 1:
                w.pass_on(to_server, came[i], leaves[i])
                if i == 0:
                    c.expect(c.inputs["in"][-1].ns, leaves[2])
                    c.frames["forwarded"] += 1
                    count_held(c, w, to_server, came[2])
            assert early
    return c


def count_held(c, w, to_server, frame):
    name, server = w.name.split("/")
    v = c.vips[name]
    s = v["servers"][server]
    if to_server:
        v["frames"] += 1
        v["bytes"] += len(frame)
        s["frames"] += 1
        s["bytes"] += len(frame)
    else:
        s["reply_frames"] += 1
        s["reply_bytes"] += len(frame)


def cut(w, to_server, side, packet, ident):
    """Three fragments of a packet, as frames on the clients' wire (side 0) or the servers'."""
    raw = bytes(packet)
    v6, head = raw[0] >> 4 == 6, 40 if raw[0] >> 4 == 6 else 20
    payload, out = raw[head:], []
    for at, end in (0, 800), (800, 1600), (1600, len(payload)):
        last, piece = end == len(payload), payload[at:end]
        if v6:
            h = IPv6(src=packet.src, dst=packet.dst, hlim=packet.hlim) / IPv6ExtHdrFragment(
                nh=17, offset=at // 8, m=0 if last else 1, id=ident) / Raw(piece)
        else:
            h = IP(src=packet.src, dst=packet.dst, ttl=packet.ttl, proto=17, id=ident, frag=at // 8,
                   flags=0 if last else "MF") / Raw(piece)
        ends = (LAN, w.mac) if to_server else (w.mac, LAN)
        out.append(w.server_ether(h, to_server) if side else ether(h, *ends))
    return out


# ---- ICMP errors ----

def icmp_case(c, w, name_of_router, v6=False):
    """Errors in both directions: of a router and of the end itself, with all of the embedded packet
    and with 8 bytes of its L4."""
    kinds = [(ICMPv6PacketTooBig(mtu=1400) if v6 else ICMP(type=3, code=4, nexthopmtu=1400)),
             (ICMPv6DestUnreach(code=4) if v6 else ICMP(type=3, code=3)),
             (ICMPv6TimeExceeded() if v6 else ICMP(type=11))]
    for from_client in True, False:
        # The embedded packet went the other way. What its hop count was once, nobody knows.
        left, right = w.sights(not from_client, lambda s, d: TCP(sport=s, dport=d, flags="A", seq=9)
                               / b"embedded!", left=hops(5, w.vip[0]), right=hops(5, w.server[0]))
        for message in kinds:
            for keep in 1000, (48 if v6 else 28):
                own = w.client[0] if from_client else w.server[0]
                for source in name_of_router, own:
                    inner_left, inner_right = bytes(left)[:keep], bytes(right)[:keep]
                    # A router keeps its name; so does a client, for it is nobody's secret.
                    from_server = not from_client and source == own
                    a = ip(w.vip[0] if from_server else source, w.vip[0] if from_client else w.client[0],
                           **hops(64 if from_client else 63, w.vip[0]))
                    b = ip(source, w.server[0] if from_client else w.source[0],
                           **hops(63 if from_client else 64, w.server[0]))
                    fa, fb = w.frames(from_client, a / message / Raw(inner_left),
                                      b / message / Raw(inner_right))
                    w.pass_on(from_client, fa if from_client else fb, fb if from_client else fa,
                              count=False)


@case
def nat_icmp():
    cases = []
    for v6 in False, True:
        vip_at, server, client, router = (
            (VIP6, V6["a"], CLIENT6, "2001:db8:9::9") if v6 else (VIP4, V4["a"], CLIENT4, "203.0.113.9"))
        name = "ipv6" if v6 else "ipv4"
        c = Case(f"nat-icmp-{name}", "nat and ICMP errors about a connection, from the clients' side and the servers': "
                 "the embedded packet becomes what the receiver had sent, whole or with 8 bytes of its L4. A "
                 "router keeps its name, and what a server says the VIP says.",
                 ini(service("pacs", vip_at, server, "nat", server_port=11112), interface=ARM))
        learn(c, "2001:db8::1" if v6 else "192.0.2.1", target=vip_at)
        w = Wire(c, (client, 40000), (vip_at, 104), (client, 40000), (server, 11112))
        w.talk()
        icmp_case(c, w, router, v6)
        cases.append(c)
    return cases


# ---- snat ----

@case_of_workers
def snat_ipv4():
    c = Case("snat-ipv4", "snat, IPv4: both ends change; source ports are given in order from 1024 on, to each server "
             "and protocol its own. A reply to a port that nobody has is nobody's. The clients' MACs are "
             "learned when they ask for the VIP; the server itself may be a client.",
             ini(service("pacs", VIP4, V4["a"], "snat", server_port=11112),
                 service("log", VIP4, V4["a"], "snat", "udp", "514", snat_address="192.0.2.3"), interface=ARM))
    learn(c)
    learn(c, NEAR4, NEAR_MAC)
    w = snat_wire(c, (CLIENT4, 40000), (VIP4, 104), OWN4, (V4["a"], 11112))
    w.talk(left={"tos": 0x48, "id": 9}, right={"tos": 0x48, "id": 9})
    first = w.source[1]
    w = snat_wire(c, (NEAR4, 40000), (VIP4, 104), OWN4, (V4["a"], 11112), mac=NEAR_MAC)
    w.talk()
    u = snat_wire(c, (CLIENT4, 514), (VIP4, 514), "192.0.2.3", (V4["a"], 514), "log/a")
    u.talk("udp")
    for to_server in True, False:
        u.go(to_server, lambda s, d: UDP(sport=s, dport=d, chksum=0) / b"no sum")
    nobodys = min({1024, 1025, 1026} - {first, w.source[1]})
    for port in nobodys, 80, 65535:
        w.dropped(False, lambda s, d: TCP(sport=s, dport=port, flags="A"), "own-address")
    w.dropped(False, lambda s, d: TCP(sport=s + 1, dport=first, flags="A"), "own-address")
    w.dropped(False, lambda s, d: UDP(sport=s, dport=first), "own-address")
    # the server as a client of its own VIP
    snat_wire(c, (V4["a"], 50000), (VIP4, 104), OWN4, (V4["a"], 11112), mac=MACS["a"]).talk()
    c.connections = {"active": 4, "created": 4, "expired": 0, "moved": 0}
    return c


@case_of_workers
def snat_ipv6():
    c = Case("snat-ipv6", "snat, IPv6.",
             ini(service("pacs", VIP6, V6["a"], "snat"), service("log", VIP6, V6["a"], "snat", "udp", "514"),
                 interface=ARM))
    learn(c, "2001:db8::1", target=VIP6)
    snat_wire(c, (CLIENT6, 40000), (VIP6, 104), OWN6, (V6["a"], 104)).talk()
    snat_wire(c, (CLIENT6, 514), (VIP6, 514), OWN6, (V6["a"], 514), "log/a").talk("udp")
    return c


@case_of_workers
def snat_two_arms():
    c = Case("snat-two-arms", "snat between two interfaces: the source is an address of the servers' side.",
             ini(service("pacs", VIP4, "10.1.0.11", "snat", snat_address="10.1.0.3"),
                 service("six", VIP6, "2001:db8:1::11", "snat"), interface=ARMS), ARMS_ARGS, "in san")
    learn(c)
    learn(c, "2001:db8::1", target=VIP6)
    arm = {"tag": 7, "out": "-san", "file": "san"}
    snat_wire(c, (CLIENT4, 40000), (VIP4, 104), "10.1.0.3", ("10.1.0.11", 104), **arm).talk()
    snat_wire(c, (CLIENT6, 40000), (VIP6, 104), "2001:db8:1::2", ("2001:db8:1::11", 104), "six/a",
         **arm).talk()
    return c


@case_of_workers
def snat_icmp():
    cases = []
    for v6 in False, True:
        vip_at, server, client, own, router = (
            (VIP6, V6["a"], CLIENT6, OWN6, "2001:db8:9::9") if v6
            else (VIP4, V4["a"], CLIENT4, OWN4, "203.0.113.9"))
        c = Case(f"snat-icmp-{'ipv6' if v6 else 'ipv4'}", "snat and ICMP errors about a connection, in both "
                 "directions, as with nat.",
                 ini(service("pacs", vip_at, server, "snat", server_port=11112), interface=ARM))
        learn(c, "2001:db8::1" if v6 else "192.0.2.1", target=vip_at)
        w = snat_wire(c, (client, 40000), (vip_at, 104), own, (server, 11112))
        w.talk()
        icmp_case(c, w, router, v6)
        cases.append(c)
    return cases


# ---- between families ----

def made_anew(w):
    """IPv4 fields of a header that IPv6's became: each worker numbers them."""
    return {"id": w.c.forwards[w.worker] + 1, "flags": 0}


@case_of_workers
def snat_6_to_4():
    c = Case("snat-6-to-4", "IPv6 clients of an IPv4 server (RFC 7915): traffic class and hop limit carry over, extension "
             "headers go, DF only above 1260 bytes. Fragments keep their offsets; one with a header behind the "
             "fragment header has no IPv4 counterpart.",
             ini(service("pacs", VIP6, V4["a"], "snat", port="104"),
                 service("log", VIP6, V4["a"], "snat", "udp", "514"), interface=ARM))
    learn(c, "2001:db8::1", target=VIP6)
    w = snat_wire(c, (CLIENT6, 40000), (VIP6, 104), OWN4, (V4["a"], 104))

    def there(build, more=None, **keys):
        w.go(True, build, left={"tc": 0xB8, **(more or {})}, right={"tos": 0xB8, **made_anew(w), **keys})

    def back(build, **keys):
        w.go(False, build, left={"tc": 0x10}, right={"tos": 0x10, "id": 5, **keys})

    there(lambda s, d: TCP(sport=s, dport=d, flags="S", options=[("MSS", 1440)]), {"fl": 0x54321})
    back(lambda s, d: TCP(sport=s, dport=d, flags="SA", options=[("MSS", 1460)]), flags="DF")
    there(lambda s, d: TCP(sport=s, dport=d, flags="A"))
    there(lambda s, d: TCP(sport=s, dport=d, flags="PA") / Raw(b"x" * 1220))  # 1260 in IPv4
    there(lambda s, d: TCP(sport=s, dport=d, flags="PA") / Raw(b"x" * 1221), flags="DF")
    there(lambda s, d: TCP(sport=s, dport=d, flags="PA") / Raw(b"x" * 1440), flags="DF")
    back(lambda s, d: TCP(sport=s, dport=d, flags="PA") / Raw(b"y" * 1440))
    back(lambda s, d: TCP(sport=s, dport=d, flags="PA") / Raw(b"odd"), options=[IPOption_NOP()] * 4)
    # extension headers go
    left, right = w.sights(True, lambda s, d: TCP(sport=s, dport=d, flags="A") / b"ext", right=made_anew(w))
    left = IPv6(src=CLIENT6, dst=VIP6) / IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 4)]) / left[TCP]
    w.pass_on(True, *w.frames(True, left, right))
    for to_server in True, False:
        w.dropped(to_server, syn, "ttl", ttl=1)
        c.forwards[w.worker] += 1
    u = snat_wire(c, (CLIENT6, 514), (VIP6, 514), OWN4, (V4["a"], 514), "log/a")
    for data in b"", b"x", b"even":
        u.go(True, lambda s, d: UDP(sport=s, dport=d) / Raw(data), right=made_anew(u))
        u.go(False, lambda s, d: UDP(sport=s, dport=d) / Raw(data))
    # without a checksum: IPv6 must have one
    left, right = u.sights(False, lambda s, d: UDP(sport=s, dport=d) / b"no sum")
    right[UDP].chksum = 0
    fa, fb = u.frames(False, left, right)
    u.pass_on(False, fb, fa)
    data = bytes(range(256)) * 8 + b"odd"
    for ident, to_server in (0x10021, True), (22, False):
        sights = u.sights(to_server, lambda s, d: UDP(sport=s, dport=d) / Raw(data))
        left = cut(u, to_server, 0, sights[0], ident)
        right = cut(u, to_server, 1, sights[1], ident & 0xFFFF)
        for a, b in zip(left, right):
            u.pass_on(to_server, a if to_server else b, b if to_server else a)
    first = IPv6(src=CLIENT6, dst=VIP6) / IPv6ExtHdrFragment(nh=60, m=1, id=99) / IPv6ExtHdrDestOpt(
        nh=17, options=[PadN(optdata=b"\0" * 4)]) / UDP(sport=514, dport=514, len=2000, chksum=7) / Raw(b"z" * 40)
    c.dropped(ether(first), "ip-extension")
    return c


@case_of_workers
def snat_4_to_6():
    c = Case("snat-4-to-6", "IPv4 clients of an IPv6 server: options go (a source route that goes on is refused), a UDP "
             "checksum is made where there was none, fragments get a header. What would not fit is answered: 20 "
             "bytes less.",
             ini(service("pacs", VIP4, V6["a"], "snat"), service("log", VIP4, V6["a"], "snat", "udp", "514"),
                 interface=ARM))
    learn(c)
    w = snat_wire(c, (CLIENT4, 40000), (VIP4, 104), OWN6, (V6["a"], 104))

    def there(build, **left):
        w.go(True, build, left={"tos": 0xB8, "id": 3, **left}, right={"tc": 0xB8})

    def back(build, **keys):
        w.go(False, build, left={"tos": 0x10, **made_anew(w), **keys}, right={"tc": 0x10})

    there(lambda s, d: TCP(sport=s, dport=d, flags="S", options=[("MSS", 1460)]), flags="DF")
    back(lambda s, d: TCP(sport=s, dport=d, flags="SA", options=[("MSS", 1440)]))
    there(lambda s, d: TCP(sport=s, dport=d, flags="PA") / Raw(b"x" * 1440), flags="DF")
    there(lambda s, d: TCP(sport=s, dport=d, flags="PA") / b"odd", options=[IPOption_RR(routers=["0.0.0.0"])])
    back(lambda s, d: TCP(sport=s, dport=d, flags="PA") / Raw(b"y" * 1440), flags="DF")
    big = ip(CLIENT4, VIP4, flags="DF", id=8) / TCP(sport=40000, dport=104, flags="A") / Raw(b"x" * 1441)
    error = IP(src=VIP4, dst=CLIENT4, ttl=64, id=0) / ICMP(type=3, code=4, nexthopmtu=1480) / Raw(bytes(big)[:548])
    c.answered(ether(big), ether(error, ROUTER, LAN))
    c.forwards[w.worker] += 1
    route = ip(CLIENT4, VIP4, options=[IPOption(bytes([131, 7, 4, 192, 0, 2, 1])), IPOption_NOP()])
    c.dropped(ether(route / TCP(sport=40000, dport=104, flags="A")), "ip-header")
    c.forwards[w.worker] += 1
    u = snat_wire(c, (CLIENT4, 514), (VIP4, 514), OWN6, (V6["a"], 514), "log/a")
    for data in b"", b"x", b"even":
        u.go(True, lambda s, d: UDP(sport=s, dport=d) / Raw(data))
        u.go(False, lambda s, d: UDP(sport=s, dport=d) / Raw(data), left=made_anew(u))
    for data in b"", b"x", b"no sum":
        left, right = u.sights(True, lambda s, d: UDP(sport=s, dport=d) / Raw(data))
        left[UDP].chksum = 0
        u.pass_on(True, *u.frames(True, left, right))
    data = bytes(range(256)) * 8 + b"odd"
    for ident, to_server in (21, True), (0xABCD0022, False):
        sights = u.sights(to_server, lambda s, d: UDP(sport=s, dport=d) / Raw(data))
        left = cut(u, to_server, 0, sights[0], ident & 0xFFFF)
        right = cut(u, to_server, 1, sights[1], ident)
        for a, b in zip(left, right):
            u.pass_on(to_server, a if to_server else b, b if to_server else a)
    # a fragment without a checksum cannot get one
    piece = IP(src=CLIENT4, dst=VIP4, flags="MF", id=77, proto=17) / UDP(sport=514, dport=514, len=900, chksum=0)
    c.dropped(ether(piece / Raw(b"z" * 800)), "udp-header")
    return c


def crossing_errors(c, w, pairs, from_client, inner_of):
    for came, leaves in pairs:
        for keep in 1000, 28:
            left, right = w.sights(not from_client, lambda s, d: TCP(sport=s, dport=d, flags="A") / b"embedded",
                                   ttl=9, **inner_of(c))
            heads = {side: 40 if ":" in packet.src else 20 for side, packet in ((0, left), (1, right))}
            cut_left = bytes(left)[: heads[0] + keep - 20]
            cut_right = bytes(right)[: heads[1] + keep - 20]
            a = ip(w.client[0] if from_client else w.vip[0], w.vip[0] if from_client else w.client[0],
                   **hops(64 if from_client else 63, w.vip[0]))
            b = ip(w.source[0] if from_client else w.server[0], w.server[0] if from_client else w.source[0],
                   **hops(63 if from_client else 64, w.server[0]))
            new = b if from_client else a
            if ":" not in new.dst:
                new.id = c.forwards[w.worker] + 1
            left_message, right_message = (came, leaves) if from_client else (leaves, came)
            fa, fb = w.frames(from_client, a / left_message / Raw(cut_left), b / right_message / Raw(cut_right))
            w.pass_on(from_client, fa if from_client else fb, fb if from_client else fa, count=False)


ERRORS_6_TO_4 = [  # RFC 7915 5.2
    (ICMPv6DestUnreach(code=0), ICMP(type=3, code=1)), (ICMPv6DestUnreach(code=1), ICMP(type=3, code=10)),
    (ICMPv6DestUnreach(code=2), ICMP(type=3, code=1)), (ICMPv6DestUnreach(code=3), ICMP(type=3, code=1)),
    (ICMPv6DestUnreach(code=4), ICMP(type=3, code=3)),
    (ICMPv6PacketTooBig(mtu=1400), ICMP(type=3, code=4, nexthopmtu=1380)),
    (ICMPv6PacketTooBig(mtu=4), ICMP(type=3, code=4, nexthopmtu=68)),
    (ICMPv6PacketTooBig(mtu=100000), ICMP(type=3, code=4, nexthopmtu=65535)),
    (ICMPv6TimeExceeded(code=0), ICMP(type=11, code=0)), (ICMPv6TimeExceeded(code=1), ICMP(type=11, code=1)),
    (ICMPv6ParamProblem(code=0, ptr=7), ICMP(type=12, code=0, ptr=8)),
    (ICMPv6ParamProblem(code=0, ptr=24), ICMP(type=12, code=0, ptr=16)),
    (ICMPv6ParamProblem(code=1, ptr=6), ICMP(type=3, code=2)),
]
ERRORS_4_TO_6 = [  # RFC 7915 4.2
    *[(ICMP(type=3, code=code), ICMPv6DestUnreach(code=0)) for code in (0, 1, 5, 6, 7, 8, 11, 12)],
    (ICMP(type=3, code=2), ICMPv6ParamProblem(code=1, ptr=6)), (ICMP(type=3, code=3), ICMPv6DestUnreach(code=4)),
    (ICMP(type=3, code=4, nexthopmtu=1400), ICMPv6PacketTooBig(mtu=1420)),
    (ICMP(type=3, code=4, nexthopmtu=0), ICMPv6PacketTooBig(mtu=1280)),
    *[(ICMP(type=3, code=code), ICMPv6DestUnreach(code=1)) for code in (9, 10, 13, 15)],
    (ICMP(type=11, code=0), ICMPv6TimeExceeded(code=0)), (ICMP(type=11, code=1), ICMPv6TimeExceeded(code=1)),
    (ICMP(type=12, code=0, ptr=8), ICMPv6ParamProblem(code=0, ptr=7)),
    (ICMP(type=12, code=2, ptr=16), ICMPv6ParamProblem(code=0, ptr=24)),
]


@case_of_workers
def snat_icmp_between():
    out = []
    for six in True, False:
        vip_at, client, own, server = ((VIP6, CLIENT6, OWN4, V4["a"]) if six else (VIP4, CLIENT4, OWN6, V6["a"]))
        c = Case(f"snat-icmp-{'6-to-4' if six else '4-to-6'}", "ICMP errors between the families: types, codes, pointers "
                 "and MTUs by the tables of RFC 7915, the embedded packet as its sender sent it, whole or with "
                 "8 bytes of L4. Others have no counterpart.",
                 ini(service("pacs", vip_at, server, "snat"), interface=ARM))
        learn(c, "2001:db8::1" if six else "192.0.2.1", target=vip_at)
        w = snat_wire(c, (client, 40000), (vip_at, 104), own, (server, 104))
        w.go(True, syn, right=made_anew(w) if six else None)
        w.go(False, lambda s, d: TCP(sport=s, dport=d, flags="SA"), left=None if six else made_anew(w))

        def from_client(c):  # embedded: what the server sent, as the client got it; hop counts stay
            return {"left": {**hops(9, vip_at)}, "right": {**hops(9, server), **(
                {"id": c.forwards[w.worker] + 1} if six else {})}}

        def from_server(c):
            return {"left": {**hops(9, vip_at), **({} if six else {"id": c.forwards[w.worker] + 1})},
                    "right": {**hops(9, server)}}

        crossing_errors(c, w, ERRORS_6_TO_4 if six else ERRORS_4_TO_6, True, from_client)
        crossing_errors(c, w, ERRORS_4_TO_6 if six else ERRORS_6_TO_4, False, from_server)
        left, right = w.sights(False, lambda s, d: TCP(sport=s, dport=d, flags="A"))
        other = ICMPv6DestUnreach(code=5) if six else ICMP(type=3, code=14)
        c.dropped(ether(ip(client, vip_at) / other / Raw(bytes(left))), "icmp-other")
        c.forwards[w.worker] += 1
        good = ICMPv6DestUnreach(code=0) if six else ICMP(type=3, code=1)
        spoilt = bytearray(ether(ip(client, vip_at) / good / Raw(bytes(left))))
        spoilt[-1] ^= 1
        c.dropped(bytes(spoilt), "icmp-bad")
        out.append(c)
    return out


# ---- servers that go down ----

@case
def on_down():
    return on_down_of(("nat", "reset"), ("nat", "silent"), ("dr", "reset"))


@case_of_workers
def on_down_snat():
    return on_down_of(("snat", "reset"), ("snat", "silent"))


def on_down_of(*ways):
    out = []
    for mode, how in ways:
        text = {"reset": "the client's next packet is answered by a reset with the sequence number that it "
                         "expects, once; its next SYN goes to the other server",
                "silent": "the connection moves to the other server"}[how]
        keys = {} if how == "reset" and mode != "dr" else {"on_down": how}
        c = Case(f"on-down-{mode}-{how}", f"mode = {mode}, on_down = {how}: {text}.",
                 ini(vip(servers={"a": {}, "b": {"weight": 0}}, mode=mode, **keys), interface=ARM),
                 "gantry.ini --in lan=in.pcap --out lan={out}/out.pcap --event 1:weight:pacs/b=100 "
                 "--event 1:down:pacs/a")
        learn(c)
        def source_to(server):
            client = CLIENT4, 40000
            return c.source(client, (VIP4, 104), OWN4, (V4[server], 104)) if mode == "snat" else client

        source = source_to("a")

        def there(server, build, source=source):
            left = ip(CLIENT4, VIP4) / build(40000, 104)
            if mode == "dr":
                right, ttl = left, 64
                leaves = sent_by(ether(left), MACS[server])
            else:
                leaves = ether(ip(source[0], V4[server], ttl=63) / build(source[1], 104), MACS[server], LAN)
            c.account(ether(left), f"pacs/{server}")
            c.expect(c.put(ether(left)), leaves)

        def seg(flags, data=b""):
            return lambda s, d: TCP(sport=s, dport=d, flags=flags, seq=0x01020304, ack=0xFFFFFFFE) / Raw(data)

        there("a", seg("S"))
        if mode != "dr":
            came = ether(ip(V4["a"], source[0]) / seg("SA")(104, source[1]), LAN, MACS["a"])
            c.expect(c.put(came), ether(ip(VIP4, CLIENT4, ttl=63) / seg("SA")(104, 40000), ROUTER, LAN))
            c.frames["forwarded"] += 1
        there("a", seg("A"))
        c.at(2)
        second = source_to("b")
        if how == "reset":
            came = ether(ip(CLIENT4, VIP4) / seg("PA", b"where are you")(40000, 104))
            rst = IP(src=VIP4, dst=CLIENT4, ttl=64, id=0) / TCP(sport=104, dport=40000, flags="R", seq=0xFFFFFFFE,
                                                                ack=0, window=0)
            c.answered(came, ether(rst, ROUTER, LAN))
            there("b", seg("S"), second)
            c.connections = {"active": 1, "created": 2, "expired": 1, "moved": 0}
        else:
            there("b", seg("PA", b"hello?"), second)
            c.connections = {"active": 1, "created": 1, "expired": 0, "moved": 1}
        out.append(c)
    return out


@case_of_workers
def snat_reload():
    c = Case("snat-reload", "A VIP becomes snat by a reload, and dr again: its connections begin anew.",
             ini(vip(mode="dr"), interface=ARM),
             "gantry.ini --in lan=in.pcap --out lan={out}/out.pcap --event 1:reload:snat.ini --event 2:reload:gantry.ini")
    c.files["snat.ini"] = ini(vip(mode="snat"), interface=ARM)
    learn(c)
    c.sent(tcp())
    c.at(1.5)
    # Guests are learned only while a VIP needs them.
    learn(c)
    snat_wire(c, (CLIENT4, 40000), (VIP4, 104), OWN4, (V4["a"], 104)).talk()
    c.at(2.5)
    c.sent(tcp())
    c.vips["pacs"]["servers"]["a"].pop("reply_frames")
    c.vips["pacs"]["servers"]["a"].pop("reply_bytes")
    c.connections = {"active": 1, "created": 3, "expired": 2, "moved": 0}
    return c
