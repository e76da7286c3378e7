# SPDX-License-Identifier: BSD-3-Clause
"""What the host's kernel gets of an interface with `kernel`: replay has no TAP and counts it."""
from casemaker import *  # noqa: F403
from neighbours import who_has
from wayback import ARM, Wire, learn, service
from scapy.all import (
    GRE, ICMPv6EchoRequest, ICMPv6MLReport2, ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6ND_RA, ICMPv6NDOptSrcLLAddr,
    IPv6ExtHdrHopByHop, RouterAlert, VRRP,
)

KERNEL = INTERFACE + "kernel = tap0\n"
# 02:00:00:00:00:01 as an interface identifier (RFC 4291, appendix A): what Linux has on the TAP
LINK_LOCAL = "fe80::ff:fe00:1"
PEER, PEER_LOCAL = "192.0.2.3", "fe80::ff:fe00:fe"


def group4(address):
    """RFC 1112 6.4"""
    low = int.from_bytes(bytes(int(b) for b in address.split(".")), "big") & 0x7FFFFF
    return "01:00:5e:" + ":".join(f"{b:02x}" for b in low.to_bytes(3, "big"))


@case
def own():
    c = Case("kernel-own", "All that is for an own address is the kernel's, the fragments of a "
                    "datagram each for itself; a VIP's is not.", ini(vip(), interface=KERNEL))
    ping4, ping6 = IP(src=CLIENT4, dst=OWN4), IPv6(src=CLIENT6, dst=OWN6)
    for frame in [
        ether(ping4 / ICMP()), ether(ping6 / ICMPv6EchoRequest()),
        tcp(dst=OWN4, dport=22), tcp(dst=OWN4, dport=104), tcp(dst=OWN4, flags="A", data=b"x" * 1400),
        tcp(src=CLIENT6, dst=OWN6, dport=179), udp(dst=OWN4, dport=514),
        ether(ping4 / GRE() / ping4 / ICMP()),
        # an error about a connection of the host's own: to a server, and from a port of its own
        ether(ping4 / ICMP(type=3, code=1) / IP(src=OWN4, dst=V4["a"]) / TCP(sport=40001, dport=104)),
        ether(IP(src=V4["a"], dst=OWN4) / TCP(sport=104, dport=40001, flags="SA")),
    ]:
        c.kernel(frame)
    fragments = pieces4(IP(src=CLIENT4, dst=OWN4) / ICMP() / Raw(bytes(4000)), [1480, 1480], 7)
    for frame in [fragments[2], fragments[0], fragments[1]]:
        c.kernel(frame)
    for frame in pieces6(IPv6(src=CLIENT6, dst=OWN6) / ICMPv6EchoRequest(data=bytes(3000)), [1448, 1448], 9):
        c.kernel(frame)
    # not by a broadcast (RFC 1122 3.3.6), nor for another station, nor malformed
    c.dropped(ether(IP(src=CLIENT4, dst=OWN4) / ICMP(), dst="ff:ff:ff:ff:ff:ff"), "link-group")
    c.dropped(tcp(dst="192.0.2.77", dport=22), "not-ours")
    c.dropped(ether(IP(src="127.0.0.1", dst=OWN4) / ICMP()), "martian")
    c.dropped(ether(IP(src=OWN4, dst=OWN4) / ICMP()), "martian")
    c.dropped(ether(IP(src=CLIENT4, dst=OWN4, chksum=1) / ICMP()), "ip-checksum")
    c.dropped(tcp(dport=22), "no-service")
    c.proof_of_life()
    return c


@case
def groups():
    c = Case("kernel-groups", "Groups are the kernel's, which knows what its programs have joined: "
                    "VRRP, OSPF, mDNS, router advertisements. ARP and NDP stay main's: one answer; but "
                    "for the kernel's link-local address only the kernel answers.",
                    ini(vip(), interface=KERNEL))
    for frame in [
        ether(IP(src=PEER, dst="224.0.0.18", ttl=255) / VRRP(), dst=group4("224.0.0.18")),
        ether(IP(src=PEER, dst="224.0.0.5", proto=89, ttl=1) / Raw(bytes(44)), dst=group4("224.0.0.5")),
        ether(IP(src=PEER, dst="224.0.0.251") / UDP(sport=5353, dport=5353) / Raw(bytes(12)),
              dst=group4("224.0.0.251")),
        ether(IP(src=PEER, dst="192.0.2.255") / UDP(sport=138, dport=138), dst="ff:ff:ff:ff:ff:ff"),
        ether(IPv6(src=PEER_LOCAL, dst="ff02::1", hlim=255) / ICMPv6ND_RA(), dst="33:33:00:00:00:01"),
        ether(IPv6(src=PEER_LOCAL, dst="ff02::12", hlim=255, nh=112) / Raw(bytes(8)),
              dst="33:33:00:00:00:12"),
        ether(IPv6(src=PEER_LOCAL, dst="ff02::16", hlim=1) /
              IPv6ExtHdrHopByHop(options=[RouterAlert()]) / ICMPv6MLReport2(), dst="33:33:00:00:00:16"),
        # the kernel's link-local address: asked for by a group, and spoken to
        ether(IPv6(src=PEER_LOCAL, dst="ff02::1:ff00:1", hlim=255) / ICMPv6ND_NS(tgt=LINK_LOCAL) /
              ICMPv6NDOptSrcLLAddr(lladdr=ROUTER), dst="33:33:ff:00:00:01"),
        ether(IPv6(src=PEER_LOCAL, dst=LINK_LOCAL, hlim=1, nh=89) / Raw(bytes(44))),
        ether(IPv6(src=PEER_LOCAL, dst=LINK_LOCAL, hlim=255) / ICMPv6ND_NA(tgt=PEER_LOCAL, S=1)),
    ]:
        c.kernel(frame)
    # main's: a question about another station, and what tells
    c.dropped(who_has("192.0.2.77"), "neighbour-other")
    c.dropped(ether(IPv6(src=PEER_LOCAL, dst="ff02::1:ff00:77", hlim=255) / ICMPv6ND_NS(tgt="2001:db8::77") /
                    ICMPv6NDOptSrcLLAddr(lladdr=ROUTER), dst="33:33:ff:00:00:77"), "neighbour-other")
    c.dropped(ether(ARP(op=2, hwsrc=ROUTER, psrc=PEER, hwdst=LAN, pdst=OWN4)), "neighbour-told")
    # our own, back to us; and in a VIP's name
    c.dropped(ether(IP(src=OWN4, dst="224.0.0.18", ttl=255) / VRRP(), dst=group4("224.0.0.18")), "martian")
    c.dropped(ether(IP(src=VIP4, dst="224.0.0.251") / UDP(sport=5353, dport=5353),
                    dst=group4("224.0.0.251")), "source-vip")
    c.dropped(ether(Raw(bytes(46)), dst="01:80:c2:00:00:0e", type=0x88CC), "not-ip")
    c.proof_of_life()
    return c


@case
def from_vip():
    c = Case("kernel-from-vip", "A server of direct routing that is checked through the VIP answers "
                    "from the VIP's address to the own address: that is no martian. All else from a VIP's "
                    "address is.", ini(vip(), vip("six", address=VIP6), interface=KERNEL))
    for frame in [
        tcp(104, "SA", src=VIP4, dst=OWN4, dport=40000), tcp(104, "R", src=VIP4, dst=OWN4, dport=40000),
        tcp(104, "SA", src=VIP6, dst=OWN6, dport=40000),
        ether(IP(src=VIP4, dst=OWN4) / ICMP(type=0)),
    ]:
        c.kernel(frame)
    for frame in [
        tcp(src=VIP4), tcp(src=VIP4, dst=CLIENT4), tcp(src=VIP6, dst=VIP6), tcp(src=VIP6, dst=CLIENT6),
        ether(IP(src=VIP4, dst="192.0.2.255") / UDP(), dst="ff:ff:ff:ff:ff:ff"),
    ]:
        c.dropped(frame, "source-vip")
    c.proof_of_life()
    return c


@case
def by_interface():
    text = INTERFACE + "\n[interface san]\ndevice = net_null1\nmac = 02:00:00:00:00:02\n" \
        "address = 10.1.0.2/24\nvlan = 7\nkernel = tap0\n"
    c = Case("kernel-vlan", "`kernel` is one interface's: the other one's addresses are dropped as "
                    "before, on either wire; a frame's tag must be the interface's.",
                    ini(vip(), interface=text))
    c.args = "gantry.ini --in lan=in.pcap --in san=san.pcap --out lan={out}/out.pcap --out san={out}/out-san.pcap"
    c.inputs["san"] = []
    ping = IP(src="10.1.0.9", dst="10.1.0.2") / ICMP()

    def tagged(packet, vlan=7, dst=WAN):
        return ether(Dot1Q(vlan=vlan) / packet, dst=dst)

    c.kernel(tagged(ping), file="san")
    c.kernel(tagged(IP(src="10.1.0.9", dst="224.0.0.18", ttl=255) / VRRP(), dst=group4("224.0.0.18")), file="san")
    c.dropped(ether(ping, dst=WAN), "vlan", file="san")
    c.dropped(tagged(ping, 8), "vlan", file="san")
    c.dropped(tagged(IP(src="10.1.0.9", dst=OWN4) / ICMP()), "own-address", file="san")
    c.dropped(ether(ping), "own-address")
    c.dropped(ether(IP(src=CLIENT4, dst=OWN4) / ICMP()), "own-address")
    c.dropped(ether(IP(src=PEER, dst="224.0.0.18", ttl=255) / VRRP(), dst=group4("224.0.0.18")), "other-mac")
    c.outputs[""], c.outputs["-san"] = [], []
    c.proof_of_life()
    return c


@case
def with_snat():
    c = Case("kernel-snat", "snat by an address that the kernel has, too: replies to sessions go to their clients, and "
             "what belongs to none is the kernel's, the fragments of its datagrams included: those before "
             "the first one wait for it, as they might be a reply's.",
             ini(service("pacs", VIP4, V4["a"], "snat"), interface=ARM + "kernel = tap0\n"))
    server = {"src": MACS["a"]}
    learn(c)
    w = Wire(c, (CLIENT4, 40000), (VIP4, 104), (OWN4, 1024), (V4["a"], 104))
    w.talk()
    for frame in [
        ether(IP(src=V4["a"], dst=OWN4) / TCP(sport=104, dport=40001, flags="SA"), **server),
        ether(IP(src=V4["a"], dst=OWN4) / TCP(sport=105, dport=1024, flags="A"), **server),
        ether(IP(src=V4["a"], dst=OWN4) / ICMP(type=0), **server),
        ether(IP(src=V4["a"], dst=OWN4) / ICMP(type=3, code=3) / IP(src=OWN4, dst=V4["a"]) /
              UDP(sport=40001, dport=53), **server),
    ]:
        c.kernel(frame)
    for order, ident in ((0, 1, 2), 5), ((1, 0, 2), 6):
        pieces = pieces4(IP(src=V4["a"], dst=OWN4) / ICMP(type=0) / Raw(bytes(4000)), [1480, 1480], ident,
                         src=MACS["a"])
        for i in order:
            c.kernel(pieces[i])
    w.go(False, lambda s, d: TCP(sport=s, dport=d, flags="A"))
    c.connections = {"active": 1, "created": 1, "expired": 0, "moved": 0}
    return c
