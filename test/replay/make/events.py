# SPDX-License-Identifier: BSD-3-Clause
"""Events: a connection keeps its server through everything but the server's own end. Which server a
hash chooses nobody can know by hand, so weights and drains steer: only one server takes new
connections at a time."""
from casemaker import *  # noqa: F403


def event_args(*events):
    words = " ".join(f"--event {event}" for event in events)
    return "gantry.ini --in lan=in.pcap --out lan={out}/out.pcap " + words


def syn_ack(c, port, server):
    c.sent(tcp(port, "S"), server)
    c.sent(tcp(port, "A"), server)


@case
def event_down():
    c = Case("event-down", "Connections 1 to 3 are a's, 4 and 5 b's. a goes down: 1 and 2 move when their next "
             "packet comes, 4 and 5 stay; 3 is silent meanwhile. a comes back: 1 and 2 stay where they "
             "are now, 3 is found where it was. Moved: 2.",
             ini(vip(servers={"a": {}, "b": {"state": "drain"}})),
             args=event_args("0.5:enable:pacs/b", "0.5:drain:pacs/a", "2:down:pacs/a", "3:up:pacs/a",
                             "3:enable:pacs/a"))
    for port in 1001, 1002, 1003:
        syn_ack(c, port, "pacs/a")
    c.at(1)
    for port in 1004, 1005:
        syn_ack(c, port, "pacs/b")
    c.sent(tcp(1001, "A"), "pacs/a")  # drained: it keeps its own
    c.at(2)
    for port in 1001, 1002, 1004, 1005, 1001:
        c.sent(tcp(port, "A"), "pacs/b")
    c.at(3)
    for port in 1001, 1002, 1004, 1005:
        c.sent(tcp(port, "A"), "pacs/b")
    c.sent(tcp(1003, "A"), "pacs/a")
    c.server("pacs/a", state="up", connections=3, active=1)
    c.server("pacs/b", state="up", connections=4, active=4)
    c.connections = {"active": 5, "created": 5, "expired": 0, "moved": 2}
    return c


@case
def event_all_down():
    c = Case("event-all-down", "Without a healthy server all is dropped, known connections too; when the "
             "server is back, they are still its own.",
             ini(vip()), args=event_args("1:down:pacs/a", "2:up:pacs/a"))
    syn_ack(c, 1001, "pacs/a")
    c.at(1)
    c.dropped(tcp(1001, "A"), "no-server")
    c.dropped(tcp(1002, "S"), "no-server")
    c.at(2)
    c.sent(tcp(1001, "A"), "pacs/a")
    syn_ack(c, 1002, "pacs/a")
    c.connections = {"active": 2, "created": 2, "moved": 0}
    return c


@case
def event_drain():
    c = Case("event-drain", "A drained server keeps its connections, half-open ones too, and gets no new ones; "
             "a new SYN of a finished connection is a new one.",
             ini(vip(servers={"a": {}, "b": {"weight": 0}})),
             args=event_args("1:weight:pacs/b=100", "1:drain:pacs/a", "5:enable:pacs/a",
                             "5:drain:pacs/b"))
    syn_ack(c, 1001, "pacs/a")
    c.sent(tcp(1002, "S"), "pacs/a")
    syn_ack(c, 1003, "pacs/a")
    c.sent(tcp(1003, "FA"), "pacs/a")
    c.sent(tcp(1004, "RA"), "pacs/a")
    c.at(1)
    for port in 1001, 1002:
        c.sent(tcp(port, "A"), "pacs/a")
    c.sent(tcp(1002, "S"), "pacs/a")  # a SYN of an established connection does not make it anew
    c.sent(tcp(1003, "S"), "pacs/b")  # of a finished one it does
    c.sent(tcp(1004, "S"), "pacs/b")  # and of a reset one
    syn_ack(c, 1005, "pacs/b")
    c.sent(tcp(1006, "A"), "pacs/b")  # unknown: scheduled like a new one
    c.at(5)
    syn_ack(c, 1007, "pacs/a")
    c.sent(tcp(1005, "A"), "pacs/b")
    c.server("pacs/a", state="up")
    c.server("pacs/b", state="drain")
    c.connections = {"moved": 0}
    return c


@case
def event_weight():
    c = Case("event-weight", "Weight 0 keeps what is there and takes nothing new; all weights 0 refuse new "
             "connections and keep the known ones.",
             ini(vip(servers={"a": {}, "b": {"weight": 0}})),
             args=event_args("1:weight:pacs/a=0", "1:weight:pacs/b=1", "2:weight:pacs/b=0",
                             "3:weight:pacs/a=65535"))
    syn_ack(c, 1001, "pacs/a")
    c.at(1)
    syn_ack(c, 1002, "pacs/b")
    c.sent(tcp(1001, "A"), "pacs/a")
    c.at(2)
    c.dropped(tcp(1003, "S"), "no-server")
    c.sent(tcp(1001, "A"), "pacs/a")
    c.sent(tcp(1002, "A"), "pacs/b")
    c.at(3)
    syn_ack(c, 1003, "pacs/a")
    c.sent(tcp(1002, "A"), "pacs/b")
    c.connections = {"active": 3, "created": 3, "moved": 0}
    return c


@case
def event_disable():
    c = Case("event-disable", "A disabled server loses its connections at once, as one that is down.",
             ini(vip(servers={"a": {}, "b": {"weight": 0}})),
             args=event_args("1:weight:pacs/b=5", "1:disable:pacs/a", "2:enable:pacs/a"))
    syn_ack(c, 1001, "pacs/a")
    syn_ack(c, 1002, "pacs/a")
    c.at(1)
    c.sent(tcp(1001, "A"), "pacs/b")
    c.at(2)
    c.sent(tcp(1001, "A"), "pacs/b")
    c.sent(tcp(1002, "A"), "pacs/a")
    return c


@case
def event_order():
    c = Case("event-order", "Events happen before the first frame at or after their time, to the nanosecond; "
             "those of one time in the order of the command line; those behind the last frame before "
             "the report.",
             ini(vip(servers="ab")),
             args=event_args("9:down:pacs/a", "0.000000001:down:pacs/b", "1:up:pacs/b",
                             "1:down:pacs/a", "1:up:pacs/a", "1:down:pacs/b", "2.0005:up:pacs/b",
                             "2.0005:down:pacs/a", "3.000000002:up:pacs/a",
                             "3.000000002:down:pacs/b", "0:down:pacs/a", "0.000000001:up:pacs/a"))
    c.sent(tcp(1001), "pacs/b")
    c.sent(tcp(1002), "pacs/a")
    c.at(1)
    c.sent(tcp(1003), "pacs/a")
    c.at(2)
    c.now = 2_000_499_999
    c.sent(tcp(1004), "pacs/a")
    c.now = 2_000_500_000
    c.sent(tcp(1005), "pacs/b")
    c.now = 3_000_000_001
    c.sent(tcp(1006), "pacs/b")
    c.now = 3_000_000_002
    c.sent(tcp(1007), "pacs/a")
    c.server("pacs/a", state="down")
    c.server("pacs/b", state="down")
    return c


@case
def event_same_millisecond():
    c = Case("event-same-millisecond", "Frames of one millisecond may go through gantry together; an event "
             "between two of them still comes between them.",
             ini(vip(servers={"a": {}, "b": {"weight": 0}})),
             args=event_args("0.000010:weight:pacs/b=1", "0.000010:weight:pacs/a=0"))
    for i in range(20):
        c.now = i * 1000
        c.sent(tcp(1000 + i), "pacs/a" if i < 10 else "pacs/b")
    return c


def with_ports(text, ports):
    return text.replace("port = 104\n", f"port = {ports}\n")


@case
def event_reload():
    before = ini(vip(servers={"a": {}, "b": {"weight": 0}}))
    second = ini(vip("added", address="192.0.2.101", servers="d"),
                 with_ports(vip(servers={"c": {}, "a": {"weight": 0}, "b": {"weight": 0}}), "104, 11112"))
    third = ini(vip(servers={"c": {}, "b": {"weight": 0}}))
    c = Case("event-reload", "A reload adds a server, a port and a VIP, and changes the order: known "
             "connections stay. The next one removes a server, whose connection goes to another, and "
             "a VIP, which is then a stranger's address.", before,
             args=event_args("1:reload:second.ini", "2:reload:third.ini"))
    c.files.update({"second.ini": second, "third.ini": third})
    syn_ack(c, 1001, "pacs/a")
    c.dropped(tcp(1001, dport=11112), "no-service")
    c.dropped(tcp(1001, dst="192.0.2.101"), "not-ours")
    c.at(1)
    c.sent(tcp(1001, "A"), "pacs/a")
    syn_ack(c, 1002, "pacs/c")
    c.sent(tcp(1001, dport=11112), "pacs/c")
    ask = ARP(op=1, hwsrc=ROUTER, psrc="192.0.2.1", hwdst="00:00:00:00:00:00", pdst="192.0.2.101")
    reply = ARP(op=2, hwsrc=LAN, psrc="192.0.2.101", hwdst=ROUTER, pdst="192.0.2.1")
    c.answered(ether(ask, "ff:ff:ff:ff:ff:ff"), ether(reply, ROUTER, LAN))
    frame = tcp(1001, dst="192.0.2.101")
    c.expect(c.put(frame), sent_by(frame, MACS["d"]))
    c.frames["forwarded"] += 1
    c.at(2)
    frame = tcp(1001, "A")
    c.sent(frame, "pacs/c")
    c.sent(tcp(1002, "A"), "pacs/c")
    c.dropped(tcp(1001, "A", dport=11112), "no-service")
    c.dropped(tcp(1001, "A", dst="192.0.2.101"), "not-ours")
    c.dropped(ether(ask, "ff:ff:ff:ff:ff:ff"), "neighbour-other")
    c.vips["pacs"]["servers"].pop("a")  # it is in no report any more
    return c


@case
def event_slow_start():
    c = Case("event-slow-start", "a comes back at 1 s and has slow_start = 10s: of 600 new connections in turn it gets "
             "1 of 11 at first, 3 of 13 3.5 s later, 7 of 17 at 8.5 s and its half in the end. check.py counts.",
             ini(vip(servers="ab", scheduler="round-robin", slow_start="10s"), connections=10000),
             args=event_args("0:down:pacs/a", "1:up:pacs/a"))
    c.put(tcp(20000, "S"))  # the time of the events begins with it
    for step, ms in enumerate((1500, 4500, 8500, 12000)):
        c.now = ms * 10**6
        for i in range(600):
            c.put(tcp(20001 + 600 * step + i, "S"))
            c.now -= 990_000
    c.frames.update(forwarded=2401)
    c.connections = {"active": 2401, "created": 2401, "expired": 0, "moved": 0}
    c.outputs = None
    c.files["check.py"] = '''"""a's share of the new connections at four moments of its slow start."""
import os
import sys

import pcapfile

frames = pcapfile.read(os.path.join(sys.argv[1], "out.pcap"))
assert len(frames) == 2401
for step, tenths in enumerate((1, 3, 7, 10)):
    got = sum(f.data[5] == 0x0A for f in frames[1 + 600 * step : 601 + 600 * step])
    wanted = 600 * tenths / (10 + tenths)
    assert abs(got - wanted) <= 12, f"{tenths} tenths: {got} of 600, not {wanted:.0f}"
'''
    return c


@case
def event_spread():
    c = Case("event-spread", "300 connections over three servers; b goes down, then c's weight changes, d is "
             "added by a reload, a is drained, b comes back: only connections of b may have moved. "
             "check.py judges this for each connection.",
             ini(vip(servers="abc")),
             args=event_args("1:down:pacs/b", "2:weight:pacs/c=1", "3:reload:more.ini",
                             "4:drain:pacs/a", "5:up:pacs/b"))
    c.files["more.ini"] = ini(vip(servers="dabc"))
    for step in range(7):
        c.now = step * 10**9
        for i in range(300):
            c.put(tcp(20000 + i, "S" if step == 0 else "A"))
            c.now -= 990_000
    c.frames.update(forwarded=2100)
    c.connections = {"active": 300, "created": 300, "expired": 0}
    c.outputs = None
    c.files["check.py"] = '''"""Which server each connection has in each of the seven rounds."""
import json
import os
import sys

import pcapfile

out = sys.argv[1]
frames = pcapfile.read(os.path.join(out, "out.pcap"))
assert len(frames) == 2100
rounds = [{f.data[34:36]: f.data[5] for f in frames[i * 300 : i * 300 + 300]} for i in range(7)]
A, B, C = 0x0A, 0x0B, 0x0C
first, then = rounds[0], rounds[1]
assert set(first.values()) == {A, B, C}
assert all(then[k] == v for k, v in first.items() if v != B)
assert all(then[k] in (A, C) for k, v in first.items() if v == B)
assert all(r == then for r in rounds[2:]), "moved without need"
with open(os.path.join(out, "report.json")) as f:
    report = json.load(f)
assert report["connections"]["moved"] == sum(v == B for v in first.values())
'''
    return c
