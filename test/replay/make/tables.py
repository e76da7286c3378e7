# SPDX-License-Identifier: BSD-3-Clause
"""The connection table: what it forgets when, and what happens when it is full."""
from casemaker import *  # noqa: F403

END_S = 8000


def aged(c, age, flags, **keys):
    """A connection whose last packet comes `age` seconds before the end."""
    c.at(END_S - age)
    for flag in flags.split():
        c.sent(tcp(flags=flag, **keys))


def clock(c):
    """A frame that is dropped, for its time alone."""
    c.at(END_S)
    c.dropped(tcp(dst="192.0.2.99"), "not-ours")


def in_order(c):
    for frames in list(c.inputs.values()) + list(c.outputs.values()):
        frames.sort(key=lambda frame: frame.ns)
    return c


@case
def timeouts():
    c = Case("timeouts", "Silent connections a second before and a second after they are forgotten: SYN 30 s, "
             "established 2 h 4 min (RFC 5382), after FIN 2 min, after RST 10 s, UDP 3 min. Half of them "
             "are still there at the end.",
             ini(vip(), vip("udp", protocol="udp", port="514", servers="b")))
    for side in -1, 1:
        base = 1000 if side < 0 else 2000
        aged(c, 30 + side, "S", port=base)
        aged(c, 7440 + side, "S A", port=base + 1)
        aged(c, 120 + side, "S A FA", port=base + 2)
        aged(c, 10 + side, "S A R", port=base + 3)
        aged(c, 10 + side, "S A RA", port=base + 4)
        aged(c, 120 + side, "S A FA A", port=base + 5)  # half closed: it stays so
        c.at(END_S - 180 - side)
        c.sent(udp(base, dport=514), "udp/b")
    clock(c)
    c.server("pacs/a", connections=12, active=6)
    c.server("udp/b", connections=2, active=1)
    c.connections = {"active": 7, "created": 14, "expired": 7, "moved": 0}
    return in_order(c)


@case
def timeouts_revived():
    c = Case("timeouts-revived", "Each packet starts the time anew; an ACK behind a RST (which may be forged) "
             "makes the connection established again; a SYN of an established one does not make it half "
             "open; the first packet may be any.", ini(vip()))
    for age in 85, 60, 35, 9:
        aged(c, age, "S", port=1000)
    aged(c, 20, "S A R A", port=1001)
    aged(c, 60, "S A S", port=1002)
    aged(c, 7000, "A", port=1003)
    clock(c)
    c.connections = {"active": 4, "created": 4, "expired": 0, "moved": 0}
    return in_order(c)


@case
def timeouts_forgotten():
    c = Case("timeouts-forgotten", "A connection that was forgotten is scheduled like a new one, and is not "
             "one that moved.",
             ini(vip(servers={"a": {}, "b": {"weight": 0}})),
             args="gantry.ini --in lan=in.pcap --out lan={out}/out.pcap --event 5:weight:pacs/a=0 "
             "--event 5:weight:pacs/b=1")
    c.sent(tcp(1001, "S"), "pacs/a")
    c.sent(tcp(1002, "A"), "pacs/a")
    c.at(40)
    c.sent(tcp(1001, "A"), "pacs/b")
    c.sent(tcp(1002, "A"), "pacs/a")
    c.connections = {"active": 2, "created": 3, "expired": 1, "moved": 0}
    return c


@case
def idle_timeout():
    c = Case("idle-timeout", "`idle_timeout` replaces the established and the UDP one, not the others: an HL7 "
             "feed may rest for a night.",
             ini(vip("hl7", idle_timeout="12h"), vip("short", port="105", idle_timeout="20s"),
                 vip("udp", port="514", protocol="udp", idle_timeout="1m")))
    c.sent(tcp(1001, "S"), "hl7/a")
    c.sent(tcp(1001, "A"), "hl7/a")
    c.at(43_100 - 25)
    c.sent(tcp(1002, "A", dport=105), "short/a")  # forgotten
    c.sent(tcp(1003, "S", dport=105), "short/a")  # half open: 30 s
    c.at(43_100 - 50)
    c.sent(udp(1004, dport=514), "udp/a")
    c.at(43_100 - 70)
    c.sent(udp(1005, dport=514), "udp/a")  # forgotten
    c.at(43_100)
    c.dropped(tcp(dst="192.0.2.99"), "not-ours")
    c.server("hl7/a", active=1)
    c.server("short/a", active=1)
    c.server("udp/a", active=1)
    c.connections = {"active": 3, "created": 5, "expired": 2, "moved": 0}
    return in_order(c)


@case
def table_full():
    c = Case("table-full", "200 connections that send within a second, in a table for 8: all are forwarded, those "
             "without an entry by the scheduler alone (untracked). No established entry yields to them.",
             ini(vip(), connections=8))
    for round_ in range(3):
        c.at(round_ * 0.3)
        for i in range(200):
            c.sent(tcp(20000 + i, "A"))
            c.now -= 999_000
    c.files["check.py"] = '''"""How many have an entry nobody can know by hand; what must add up is this."""
import json
import os
import sys

with open(os.path.join(sys.argv[1], "report.json")) as f:
    report = json.load(f)
vip, connections = report["vips"]["pacs"], report["connections"]
assert connections["expired"] == 0, connections
assert 8 <= connections["active"] <= 32, connections
assert connections["created"] == connections["active"] == vip["connections"]
# The tracked ones are found three times, the others are untracked in each packet.
assert vip["untracked"] == 3 * (200 - connections["active"]), vip
'''
    return c


@case
def table_full_syn():
    c = Case("table-full-syn", "A flood of 500 SYNs in a table for 64: half-open entries yield to each other, all "
             "SYNs are forwarded, and the established connection keeps its entry: it stays on its server "
             "when the scheduler would now say another.",
             ini(vip(servers={"a": {}, "b": {"weight": 0}}), connections=64),
             args="gantry.ini --in lan=in.pcap --out lan={out}/out.pcap --event 1:weight:pacs/a=0 "
             "--event 1:weight:pacs/b=1")
    for i in range(10):
        c.sent(tcp(1000 + i, "S"), "pacs/a")
        c.sent(tcp(1000 + i, "A"), "pacs/a")
    c.at(1)
    for i in range(500):
        c.sent(tcp(20000 + i, "S"), "pacs/b")
    for i in range(10):
        c.sent(tcp(1000 + i, "A"), "pacs/a")
    c.connections = {"moved": 0}
    return c
