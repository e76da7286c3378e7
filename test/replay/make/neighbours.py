# SPDX-License-Identifier: BSD-3-Clause
"""ARP and NDP: VIPs and own addresses are answered, servers are learned, nothing is said for others."""
from casemaker import *  # noqa: F403
from scapy.all import (
    ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr,
)

EVERYONE = "ff:ff:ff:ff:ff:ff"
NOBODY = "00:00:00:00:00:00"
BOTH = ini(vip(), vip("six", address=VIP6))


def who_has(target, source="192.0.2.1", mac=ROUTER, dst=EVERYONE, hwdst=NOBODY):
    return ether(ARP(op=1, hwsrc=mac, psrc=source, hwdst=hwdst, pdst=target), dst, mac)


def is_at(target, mac, source="192.0.2.1", hwdst=ROUTER):
    return ether(ARP(op=2, hwsrc=mac, psrc=target, hwdst=hwdst, pdst=source), hwdst, mac)


def node_mac(address):
    """The MAC of an address's solicited-node group (RFC 4291 2.7.1, RFC 2464 7)."""
    import ipaddress

    return "33:33:ff:" + ":".join(f"{b:02x}" for b in ipaddress.ip_address(address).packed[13:])


def node_group(address):
    import ipaddress

    low = ipaddress.ip_address(address).packed[13:].hex()
    return f"ff02::1:ff{low[:2]}:{low[2:]}"


def solicit(target, source="2001:db8::1", mac=ROUTER, dst=None, option=True, **keys):
    """A neighbour solicitation, multicast unless dst says otherwise."""
    message = ICMPv6ND_NS(tgt=target, **keys)
    if option:
        message = message / ICMPv6NDOptSrcLLAddr(lladdr=mac)
    ip = IPv6(src=source, dst=dst or node_group(target), hlim=255)
    return ether(ip / message, LAN if dst else node_mac(target), mac)


def advertise(target, mac, dst="2001:db8::1", to=ROUTER, solicited=1, override=1, router=0):
    ip = IPv6(src=target, dst=dst, hlim=255)
    return ether(ip / ICMPv6ND_NA(tgt=target, R=router, S=solicited, O=override)
                 / ICMPv6NDOptDstLLAddr(lladdr=mac), to, mac)


@case
def arp():
    c = Case("arp", "ARP requests for VIPs and own addresses are answered with the interface's MAC, by "
             "broadcast and unicast (a cache's refresh), also a probe from 0.0.0.0 (RFC 5227), with and "
             "without padding. A VIP is answered though its servers are disabled: it is gantry's.",
             ini(vip(), vip("off", address="192.0.2.101", servers={"a": {"state": "disabled"}})))
    for target in VIP4, OWN4, "192.0.2.101":
        c.answered(who_has(target), is_at(target, LAN))
        c.answered(who_has(target, dst=LAN, hwdst=LAN), is_at(target, LAN))
        c.answered(who_has(target, source="0.0.0.0"), is_at(target, LAN, source="0.0.0.0"))
    c.answered(who_has(VIP4).ljust(60, b"\0"), is_at(VIP4, LAN).ljust(60, b"\0"))
    return c


@case
def ndp():
    c = Case("ndp", "Neighbour solicitations for VIPs and own addresses are answered: solicited and override, "
             "hop limit 255, the interface's MAC. From :: (RFC 4862: is the address free?) the answer "
             "goes to all nodes. Without a link-layer option (unicast only) to who sent the frame.", BOTH)
    for target in VIP6, OWN6:
        c.answered(solicit(target), advertise(target, LAN))
        c.answered(solicit(target, source="fe80::1"), advertise(target, LAN, dst="fe80::1"))
        c.answered(solicit(target, dst=target), advertise(target, LAN))
        c.answered(solicit(target, dst=target, option=False), advertise(target, LAN))
        c.answered(solicit(target, source="::", option=False),
                   advertise(target, LAN, dst="ff02::1", to="33:33:00:00:00:01", solicited=0))
    return c


@case
def neighbour_other():
    c = Case("drop-neighbour-other", "Nobody asks gantry for a server's or a stranger's address: it stays "
             "silent, else frames would meet the wrong machine.", BOTH)
    for target in V4["a"], V4["b"], "192.0.2.77":
        c.dropped(who_has(target), "neighbour-other")
    for target in V6["a"], "2001:db8::77":
        c.dropped(solicit(target), "neighbour-other")
    # A VIP's low 24 bits with another prefix: the group is the same, the address is not.
    c.dropped(solicit("2001:db8:7::100"), "neighbour-other")
    c.dropped(solicit("2001:db8:7::100", source="::", option=False), "neighbour-other")
    c.proof_of_life()
    return c


@case
def neighbour_told():
    c = Case("drop-neighbour-told", "Answers and announcements want no answer.", BOTH)
    c.dropped(is_at(V4["a"], MACS["a"], source=OWN4, hwdst=LAN), "neighbour-told")
    c.dropped(who_has(V4["b"], source=V4["b"], mac=MACS["b"]), "neighbour-told")  # announcement
    c.dropped(is_at("192.0.2.1", ROUTER, source="192.0.2.1", hwdst=EVERYONE), "neighbour-told")
    c.dropped(advertise(V6["a"], MACS["a"], dst=OWN6, to=LAN), "neighbour-told")
    c.dropped(advertise(V6["b"], MACS["b"], dst="ff02::1", to="33:33:00:00:00:01", solicited=0),
              "neighbour-told")
    c.proof_of_life()
    return c


@case
def neighbour_bad():
    c = Case("drop-neighbour-bad", "Malformed ARP and NDP: other hardware or protocol, wrong lengths, an unknown "
             "operation, a sender that is a group; for NDP what RFC 4861 7.1 tells to drop: a hop limit "
             "other than 255 (it crossed a router), a code, a wrong checksum, an option of length 0 or "
             "behind the end, a target that is a group, a link-layer option from ::.", BOTH)
    good = dict(op=1, hwsrc=ROUTER, psrc="192.0.2.1", hwdst=NOBODY, pdst=VIP4)
    for wrong in ({"hwtype": 6}, {"ptype": 0x86DD}, {"op": 0}, {"op": 3}, {"op": 8},
                  {"hwsrc": EVERYONE}, {"hwsrc": "01:00:5e:00:00:01"}, {"hwsrc": NOBODY},
                  {"psrc": "127.0.0.1"}, {"psrc": "224.0.0.5"}, {"psrc": "255.255.255.255"}):
        c.dropped(ether(ARP(**{**good, **wrong}), EVERYONE), "neighbour-bad")
    frame = who_has(VIP4)
    for at, value in (18, 5), (18, 7), (19, 3), (19, 16):
        c.dropped(frame[:at] + bytes([value]) + frame[at + 1 :], "neighbour-bad")
    c.dropped(frame[:41], "neighbour-bad")
    c.dropped(frame[:14], "neighbour-bad")

    def message(tgt=VIP6, src="2001:db8::1", hlim=255, option=None, **keys):
        option = bytes(ICMPv6NDOptSrcLLAddr(lladdr=ROUTER)) if option is None else option
        return ether(IPv6(src=src, dst=node_group(VIP6), hlim=hlim) / ICMPv6ND_NS(tgt=tgt, **keys)
                     / Raw(option), node_mac(VIP6))

    c.dropped(message(hlim=254), "neighbour-bad")
    c.dropped(message(hlim=1), "neighbour-bad")
    c.dropped(message(code=1), "neighbour-bad")
    c.dropped(message(cksum=0x1234), "neighbour-bad")
    c.dropped(message(option=b"\x01\x00" + bytes(6)), "neighbour-bad")
    c.dropped(message(option=b"\x01\x02" + bytes(6)), "neighbour-bad")
    c.dropped(message(option=b"\x01"), "neighbour-bad")
    c.dropped(message(tgt="ff02::1"), "neighbour-bad")
    c.dropped(message(src="::"), "neighbour-bad")
    c.dropped(message(option=b"\x01\x01" + mac_bytes(EVERYONE)), "neighbour-bad")
    c.dropped(advertise(V6["a"], MACS["a"], dst="ff02::1", to="33:33:00:00:00:01", solicited=1),
              "neighbour-bad")
    c.proof_of_life()
    return c


def learn_case(name, text, address, targets, teach):
    """A server without `mac`: before it is heard its frames are dropped, then they go, and a
    change of its MAC is followed. teach: (frame, answer or None) by MAC."""
    c = Case(name, text, ini(vip(address=address, mac=False)))
    keys = {"src": CLIENT6 if ":" in address else CLIENT4, "dst": address}
    c.dropped(tcp(40000, **keys), "no-neighbour")
    for step, mac in enumerate(targets):
        c.at(step + 1)
        frame, answer = teach[step](mac)
        if answer is None:
            c.dropped(frame, "neighbour-told")
        else:
            c.answered(frame, answer)
        for flags in "S", "A":
            ns = c.put(tcp(40000, flags, **keys))
            c.account(tcp(40000, flags, **keys), "pacs/a")
            c.expect(ns, sent_by(tcp(40000, flags, **keys), mac))
    return c


@case
def learned_arp():
    x, y, z = "02:00:00:00:0a:01", "02:00:00:00:0a:02", "02:00:00:00:0a:03"
    return learn_case(
        "learned-arp", "A server's MAC from its ARP: an answer, its own question (which is answered), an "
        "announcement (RFC 5227 3) with a new MAC. Before it is heard: no-neighbour.", VIP4, [x, y, z], [
            lambda mac: (is_at(V4["a"], mac, source=OWN4, hwdst=LAN), None),
            lambda mac: (who_has(OWN4, source=V4["a"], mac=mac),
                         is_at(OWN4, LAN, source=V4["a"], hwdst=mac)),
            lambda mac: (who_has(V4["a"], source=V4["a"], mac=mac), None),
        ])


@case
def learned_ndp():
    x, y, z = "02:00:00:00:0a:01", "02:00:00:00:0a:02", "02:00:00:00:0a:03"
    return learn_case(
        "learned-ndp", "The same by NDP: a solicited answer, the server's own question, an unsolicited "
        "advertisement with the override flag (RFC 4861 7.2.6).", VIP6, [x, y, z], [
            lambda mac: (advertise(V6["a"], mac, dst=OWN6, to=LAN), None),
            lambda mac: (solicit(OWN6, source=V6["a"], mac=mac),
                         advertise(OWN6, LAN, dst=V6["a"], to=mac)),
            lambda mac: (advertise(V6["a"], mac, dst="ff02::1", to="33:33:00:00:00:01",
                                   solicited=0), None),
        ])


@case
def static_mac():
    c = Case("static-mac", "A written `mac` is not changed by what is heard.", BOTH)
    c.dropped(is_at(V4["a"], "02:00:00:00:66:66", source=OWN4, hwdst=LAN), "neighbour-told")
    c.dropped(advertise(V6["a"], "02:00:00:00:66:66", dst=OWN6, to=LAN), "neighbour-told")
    c.sent(tcp())
    c.sent(tcp(src=CLIENT6, dst=VIP6), "six/a")
    return c


@case
def vip_conflict():
    c = Case("vip-conflict", "A server with an unsolved ARP problem answers for the VIP: gantry says so, and "
             "goes on.", ini(vip()))
    c.sent(tcp())
    c.dropped(is_at(VIP4, MACS["a"], source="192.0.2.1", hwdst=EVERYONE), "neighbour-told")
    c.dropped(who_has(VIP4, source=VIP4, mac=MACS["a"]), "neighbour-told")
    c.sent(tcp(flags="A"))
    c.stderr = "192\\.0\\.2\\.100"
    return c
