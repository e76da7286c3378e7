# SPDX-License-Identifier: BSD-3-Clause
"""What captures may be: formats, several of them, cut ones; the real captures; the command line."""
import struct

from casemaker import *  # noqa: F403

from casemaker import HERE as REPLAY


def capture_bytes(frames, **keys):
    import tempfile

    with tempfile.NamedTemporaryFile() as f:
        pcapfile.write(f.name, frames, **keys)
        return f.read()


def block(kind, body):
    body += bytes(-len(body) % 4)
    size = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + size + body + size


def pcapng_bytes(frames, resolution=9, link=1):
    """A section, an interface of 10^-resolution seconds, and enhanced packet blocks."""
    out = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
    option = struct.pack("<HHBxxx", 9, 1, resolution) + struct.pack("<HH", 0, 0)
    out += block(1, struct.pack("<HHI", link, 0, 262144) + option)
    for ns, data, wire_len in frames:
        ticks = ns // 10 ** (9 - resolution)
        out += block(6, struct.pack("<IIIII", 0, ticks >> 32, ticks & 0xFFFFFFFF, len(data), wire_len)
                     + data)
    return out


@case
def formats():
    """One conversation in every format: the outputs differ in nothing but precision."""
    cases = []
    for name, text, nanoseconds, write in (
        ("format-micro", "pcap with microseconds", False, lambda f: capture_bytes(f, nanoseconds=False)),
        ("format-nano", "pcap with nanoseconds", True, capture_bytes),
        ("format-micro-big-endian", "pcap with microseconds of a big-endian machine", False,
         lambda f: capture_bytes(f, nanoseconds=False, order=">")),
        ("format-nano-big-endian", "pcap with nanoseconds of a big-endian machine", True,
         lambda f: capture_bytes(f, order=">")),
        ("format-pcapng-nano", "pcapng with nanoseconds", True, pcapng_bytes),
        ("format-pcapng-micro", "pcapng with microseconds", False, lambda f: pcapng_bytes(f, 6)),
    ):
        c = Case(name, f"Input: {text}. Output: pcap with nanoseconds, the same times.", ini(vip()))
        for i, flags in enumerate(("S", "A", "PA", "FA")):
            c.now = 123_456_000 * i + (789 if nanoseconds else 0)
            c.sent(tcp(flags=flags, data=b"x" * (i & 1)))
        c.files["in.pcap"] = write(c.inputs["in"])
        cases.append(c)
    return cases


@case
def merge():
    c = Case("merge", "Two captures of one interface and one of another, merged by time; at equal times in the "
             "order of the command line. Each frame's time comes out as it went in.",
             ini(vip(), vip("second", address="203.0.113.100", interface="wan", servers="b"),
                 interface=INTERFACE + "\n[interface wan]\ndevice = net_null1\naddress = 203.0.113.2/24\n"),
             args="gantry.ini --in lan=y.pcap --in wan=x.pcap --in lan=z.pcap --out lan={out}/out.pcap",
             inputs="x y z")
    for step in range(5):
        for name, server in ("y", "pacs/a"), ("x", "second/b"), ("z", "pacs/a"):
            if name == "z" and step == 3:
                continue  # z has ended before
            address = "203.0.113.100" if name == "x" else VIP4
            c.now = step * 1_000_000
            c.sent(tcp(1000 + step + 100 * ord(name), dst=address), server, file=name)
    c.now = 10_000_000
    c.sent(tcp(1), file="z")
    return c


@case
def time_backwards():
    c = Case("time-backwards", "A capture whose clock was set back: frames stay in their order and keep their "
             "times, gantry's own clock stands still meanwhile, so nothing is forgotten early or late.",
             ini(vip()), args="gantry.ini --in lan=in.pcap --out lan={out}/out.pcap")
    for second in 100, 40, 101, 0, 129, 131:
        c.at(second)
        c.sent(tcp(1001 if second != 101 else 1002, "S"))
    # 1001: last packets at 100, 101 (40 and 0 by the clock), 129, 131; 1002: at 101, forgotten at 131.
    c.at(132)
    c.dropped(tcp(dst="192.0.2.99"), "not-ours")
    c.connections = {"active": 1, "created": 2, "expired": 1, "moved": 0}
    return c


@case
def snaplen():
    c = Case("snaplen", "A capture that kept only the first 64 bytes of each frame: the headers are there, so the "
             "frames are forwarded and written back with both of their lengths; bytes are counted as on the "
             "wire.", ini(vip(), vip("six", address=VIP6)))
    for i in range(3):
        frame = tcp(1000 + i, "PA", data=bytes(1400))
        c.sent(frame[:64], wire_len=len(frame))
    frame = tcp(1000, "PA", data=bytes(1400), src=CLIENT6, dst=VIP6)
    c.sent(frame[:80], "six/a", wire_len=len(frame))
    return c


@case
def snaplen_exceeded():
    c = Case("snaplen-exceeded", "Records that keep more bytes than the header's snaplen allows: they are cut there, as "
             "tcpdump does it, and so are those behind an ordinary one; a frame that says that it was shorter on "
             "the wire than what was kept is believed in what was kept.", ini(vip()))
    kept = []
    for i, size in enumerate((0, 200, 0, 100, 46, 47, 0)):
        frame = tcp(1000 + i, "PA", data=bytes(size))
        c.sent(frame[:100], wire_len=len(frame))
        kept.append(pcapfile.Frame(c.inputs["in"][-1].ns, frame, 40 if i == 2 else len(frame)))
    raw = capture_bytes(kept)
    c.files["in.pcap"] = raw[:16] + struct.pack("<I", 100) + raw[20:]
    return c


@case
def mac():
    text = "02:00:00:00:77:01"
    c = Case("mac", "--mac: a capture of a node whose file names no MAC, or another one's file, is replayed without a "
             "change of the file: frames for that MAC are ours, ARP is answered with it, frames leave from it, and a "
             "reload to a configuration that names another keeps it.",
             ini(vip(servers={"a": {}, "b": {"weight": 0}})),
             args="gantry.ini --in lan=in.pcap --out lan={out}/out.pcap --mac lan=" + text +
                  " --event 1:reload:other.ini")
    c.files["other.ini"] = ini(vip(servers={"b": {}, "a": {"weight": 0}}),
                               interface=INTERFACE + "mac = 02:00:00:00:88:01\n")
    for second, server in (0, "a"), (1, "b"):
        c.at(second)
        c.sent(mac_bytes(text) + tcp(1000 + second)[6:], f"pacs/{server}", source=text)
        c.dropped(tcp(1002), "other-mac")
        ask = ARP(op=1, hwsrc=ROUTER, psrc="192.0.2.1", hwdst="00:00:00:00:00:00", pdst=VIP4)
        reply = ARP(op=2, hwsrc=text, psrc=VIP4, hwdst=ROUTER, pdst="192.0.2.1")
        c.answered(ether(ask, "ff:ff:ff:ff:ff:ff"), ether(reply, ROUTER, text))
    return c


@case
def empty():
    c = Case("empty", "A capture without frames: an empty output, a report of zeros, and events still happen.",
             ini(vip()), args="gantry.ini --in lan=in.pcap --out lan={out}/out.pcap --event 1:down:pacs/a")
    c.files["in.pcap"] = capture_bytes([])
    c.files["expect.pcap"] = capture_bytes([])
    c.files["expect.json"] = json.dumps({
        "frames": {"in": 0, "forwarded": 0, "answered": 0, "kernel": 0, "dropped": 0}, "drops": {},
        "vips": {"pacs": {"frames": 0, "servers": {"a": {"state": "down"}}}},
        "connections": {"active": 0, "created": 0, "expired": 0, "moved": 0}}) + "\n"
    return c


@case
def cut():
    c = Case("cut", "A capture that ends in the middle of its fourth frame, beside a whole one: what precedes the "
             "cut is replayed and written, then exit 1 with a line that names file and frame.",
             ini(vip()), args="gantry.ini --in lan=in.pcap --in lan=whole.pcap --out lan={out}/out.pcap",
             inputs="in whole")
    for i in range(3):
        c.sent(tcp(1000 + i))
    c.sent(tcp(2000), file="whole")
    c.at(1)
    c.sent(tcp(2001), file="whole")
    lost = pcapfile.Frame(START_S * 10**9 + 10**7, tcp(1003), 54)
    c.files["in.pcap"] = capture_bytes(c.inputs["in"] + [lost])[:-20]
    c.exit = 1
    c.stderr = "in\\.pcap: frame 4 cannot be read"
    return c


@case
def big_frames():
    c = Case("big-frames", "Jumbo frames, and the longest that a capture may hold: 262144 bytes, as segmentation "
             "offload gives them (an IPv6 jumbogram is none: its length field says 0).", ini(vip()))
    for size in 9000, 16000, 60000:
        c.sent(tcp(1000, "PA", data=bytes(size)))
    padded = tcp(1001, "PA", data=bytes(65000)).ljust(262144, b"p")
    for frame in tcp(1002), padded, padded, tcp(1002, "A"):  # of one time: more than a burst holds
        c.sent(frame)
        c.now -= 1_000_000
    return c


@case
def burst():
    c = Case("burst", "Hundreds of frames of one microsecond, of all kinds: what goes through gantry together comes "
             "out as if each went alone, in order.", ini(vip(), vip("six", address=VIP6)))
    for i in range(600):
        kind = i % 7
        if kind in (0, 1, 2):
            c.sent(tcp(1000 + i // 14, "S" if kind == 0 else "A"))
        elif kind == 3:
            c.sent(tcp(1000 + i // 14, "A", src=CLIENT6, dst=VIP6), "six/a")
        elif kind == 4:
            c.dropped(tcp(1, dport=9), "no-service")
        elif kind == 5:
            ask = ARP(op=1, hwsrc=ROUTER, psrc="192.0.2.1", hwdst="00:00:00:00:00:00", pdst=VIP4)
            reply = ARP(op=2, hwsrc=LAN, psrc=VIP4, hwdst=ROUTER, pdst="192.0.2.1")
            c.answered(ether(ask, "ff:ff:ff:ff:ff:ff"), ether(reply, ROUTER, LAN))
        else:
            c.answered(ether(IP(src=CLIENT4, dst=VIP4) / ICMP(id=i)),
                       ether(IP(src=VIP4, dst=CLIENT4) / ICMP(type=0, id=i), ROUTER, LAN))
        c.now -= 1_000_000
    c.connections = {"created": 86, "active": 86}
    return c


def client_to_vip(name, address):
    """The frames of a capture to an address, as a DR balancer with the MAC LAN would see them."""
    for ns, data, wire_len in pcapfile.read(os.path.join(REPLAY, "captures", name)):
        if data[12:14] == b"\x08\x00" and data[30:34] == address:
            yield ns, mac_bytes(LAN) + data[6:], wire_len


@case
def capture_hl7():
    c = Case("capture-hl7", "One HL7 ADT^A01 over MLLP, a real capture (captures/hl7-adt-a01.pcap, from ntop's "
             "nDPI): the client's half through a DR VIP.",
             ini(vip("hl7", address="10.0.0.126", port="6661"),
                 interface="[interface lan]\ndevice = net_null0\naddress = 10.0.0.2/24\n"))
    c.config = c.config.replace("192.0.2.11", "10.0.0.11")
    for ns, frame, wire_len in client_to_vip("hl7-adt-a01.pcap", bytes([10, 0, 0, 126])):
        c.now = ns - START_S * 10**9
        c.sent(frame, "hl7/a", wire_len)
    c.server("hl7/a", state="up", connections=1, active=1)
    c.connections = {"active": 1, "created": 1, "expired": 0, "moved": 0}
    return c


@case
def capture_dicom():
    """Which connection meets which server is the hash's; so properties, and the capture is not copied."""
    c = Case("capture-dicom", "dcmtk clients, a real capture (captures/dicom-mixed.pcap): C-ECHO, C-STORE, an abort, "
             "a C-MOVE. The client's half through a DR VIP with three servers: every frame unchanged but "
             "for its MACs, every connection on one server. The C-MOVE's connection back came from the "
             "VIP's address (a server of a real DR uses its own): its answers to a port that is no service "
             "are dropped. prepare.py selects the direction.",
             ini(vip("dicom", port="104, 11112, 11113", servers="abc")),
             args="gantry.ini --in lan={out}/in.pcap --out lan={out}/out.pcap")
    frames = list(client_to_vip("dicom-mixed.pcap", bytes([192, 0, 2, 100])))
    services = {104, 11112, 11113}
    good = [f for f in frames if int.from_bytes(f[1][36:38], "big") in services]
    connections = {(f[1][34:36], f[1][36:38]) for f in good}
    c.frames.update(forwarded=len(good), dropped=len(frames) - len(good))
    c.frames["in"] = len(frames)
    c.drops = {"no-service": len(frames) - len(good)}
    c.vip("dicom", frames=len(good), bytes=sum(f[2] for f in good), connections=len(connections))
    c.connections = {"active": len(connections), "created": len(connections), "expired": 0, "moved": 0}
    c.inputs, c.outputs = {}, None
    c.files["prepare.py"] = '''"""Selects the client's half and gives it gantry's MAC."""
import os
import sys

import pcapfile

frames = pcapfile.read("../captures/dicom-mixed.pcap")
to_vip = [f for f in frames if f.data[12:14] == b"\\x08\\x00" and f.data[30:34] == bytes([192, 0, 2, 100])]
pcapfile.write(os.path.join(sys.argv[1], "in.pcap"),
               [f._replace(data=bytes.fromhex("020000000001") + f.data[6:]) for f in to_vip])
'''
    c.files["check.py"] = '''"""Unchanged but for MACs, in order and time; one server for each connection."""
import os
import sys

import pcapfile

out = sys.argv[1]
services = {(104).to_bytes(2, "big"), (11112).to_bytes(2, "big"), (11113).to_bytes(2, "big")}
came = [f for f in pcapfile.read(os.path.join(out, "in.pcap")) if f.data[36:38] in services]
left = pcapfile.read(os.path.join(out, "out.pcap"))
assert [(f.ns, f.data[12:], f.wire_len) for f in came] == [(f.ns, f.data[12:], f.wire_len) for f in left]
assert {f.data[6:12].hex() for f in left} == {"020000000001"}
server = {}
for f in left:
    server.setdefault(f.data[34:38], set()).add(f.data[:6].hex())
assert all(len(s) == 1 for s in server.values()), server
assert set.union(*server.values()) <= {"02000000010a", "02000000010b", "02000000010c"}
'''
    return c


@case
def usage():
    c = Case("usage", "Wrong use: exit code 2 and one clear sentence; captures that cannot be read: exit code 1. "
             "`commands` holds EXIT | PATTERN | ARGUMENTS.", ini(vip(servers="ab")))
    c.now = 0
    good = [pcapfile.Frame(START_S * 10**9, tcp(), 54)]
    c.inputs = {}
    c.files.update({
        "in.pcap": capture_bytes(good),
        "cooked.pcap": capture_bytes(good, link=113),
        "text.pcap": "this is no capture\n",
        "none.pcap": b"",
        "header.pcap": capture_bytes(good)[:20],
        "wrong.ini": "[gantry]\nworker = 1\n[interface lan]\n",
        "proxy.ini": ini(vip(mode="proxy")),
        "other.ini": ini(vip(interface="wan"), interface=INTERFACE.replace("lan", "wan")),
        "less.ini": ini(vip()),
        "more-connections.ini": ini(vip(), connections=2000),
    })
    run = "gantry.ini --in lan=in.pcap "
    rows = [
        (0, "usage: gantry replay", "--help"),
        (0, "usage: gantry replay", "gantry.ini --help"),
        (0, r"gantry \d", "--version"),
        (2, "CONFIG", ""),
        (2, "--in", "gantry.ini"),
        (2, "--inn", "gantry.ini --inn lan=in.pcap"),
        (2, "needs a value", "gantry.ini --in"),
        (2, "'more' is one argument too many", run + "more"),
        (2, "absent.ini", "absent.ini --in lan=in.pcap"),
        (2, r"wrong\.ini:2: ", "wrong.ini --in lan=in.pcap"),
        (2, r"proxy\.ini:\d+: ", "proxy.ini --in lan=in.pcap"),
        (2, "no interface 'wan'.*there are: lan", "gantry.ini --in wan=in.pcap"),
        (2, "no interface 'la'.*there are: lan", "gantry.ini --in la=in.pcap"),
        (2, "IF=FILE", "gantry.ini --in in.pcap"),
        (2, "IF=FILE", "gantry.ini --in lan="),
        (2, "IF=FILE", "gantry.ini --in =in.pcap"),
        (2, "no interface 'wan'.*there are: lan", run + "--out wan={out}/o.pcap"),
        (2, "has an output already", run + "--out lan={out}/o.pcap --out lan={out}/p.pcap"),
        (2, "stdout", run + "--out lan=-"),
        (2, "stdout", run + "--report -"),
        (2, "already", run + "--report {out}/a --report {out}/b"),
        (2, "already", run + "--out lan={out}/a --report {out}/a"),
        (2, "IF=MAC", run + "--mac 02:00:00:00:00:01"),
        (2, "no interface 'wan'.*there are: lan", run + "--mac wan=02:00:00:00:00:01"),
        (2, "'02:00' is no MAC", run + "--mac lan=02:00"),
        (2, "is no MAC of a station", run + "--mac lan=01:00:5e:00:00:01"),
        (2, "has one already", run + "--mac lan=02:00:00:00:00:01 --mac lan=02:00:00:00:00:02"),
        (0, "nothing was forwarded: frames are for other MACs.*--mac", run + "--mac lan=02:00:00:00:00:09"),
        (2, "stdin", "gantry.ini --in lan=- --in lan=-"),
        (2, "not negative", run + "--event -1:up:pacs/a"),
        (2, "seconds", run + "--event x:up:pacs/a"),
        (2, "seconds", run + "--event :up:pacs/a"),
        (2, "seconds", run + "--event 1.:up:pacs/a"),
        (2, "T:ACTION", run + "--event 1e3:up:pacs/a"),
        (2, "nine decimals", run + "--event 0.0000000001:up:pacs/a"),
        (2, "seconds", run + "--event 99999999999999999999:up:pacs/a"),
        (2, "T:ACTION", run + "--event 1"),
        (2, "T:ACTION", run + "--event 1:up"),
        (2, "T:ACTION", run + "--event 1:up:"),
        (2, "no action 'explode'; there are: up, down, drain", run + "--event 1:explode:pacs/a"),
        (2, "no server 'pacs/x'.*there are: pacs/a, pacs/b", run + "--event 1:up:pacs/x"),
        (2, "no server 'pacs'.*there are: pacs/a, pacs/b", run + "--event 1:down:pacs"),
        (2, "T:weight:VIP/SERVER=N", run + "--event 1:weight:pacs/a"),
        (2, "0 to 65535", run + "--event 1:weight:pacs/a=65536"),
        (2, "0 to 65535", run + "--event 1:weight:pacs/a=-1"),
        (2, "0 to 65535", run + "--event 1:weight:pacs/a="),
        (2, "0 to 65535", run + "--event 1:weight:pacs/a=1x"),
        (2, r"wrong\.ini:2: ", run + "--event 1:reload:wrong.ini"),
        (2, r"absent\.ini", run + "--event 1:reload:absent.ini"),
        (2, r"\[interface wan\] is new", run + "--event 1:reload:other.ini"),
        (2, "connections", run + "--event 1:reload:more-connections.ini"),
        (2, "no server 'pacs/b' in less.ini", run + "--event 2:up:pacs/b --event 1:reload:less.ini"),
        (0, "reloaded less.ini", run + "--event 1:up:pacs/b --event 2:reload:less.ini"),
        (1, "absent.pcap: No such file", "gantry.ini --in lan=absent.pcap"),
        (1, r"text\.pcap: not a pcap", "gantry.ini --in lan=text.pcap"),
        (1, r"none\.pcap: not a pcap", "gantry.ini --in lan=none.pcap"),
        (1, r"header\.pcap: not a pcap", "gantry.ini --in lan=header.pcap"),
        (1, r"cooked\.pcap: link type is 113 .*Ethernet", "gantry.ini --in lan=cooked.pcap"),
        (1, "in.pcap is an input", run + "--out lan=in.pcap"),
        (1, "in.pcap is an input", run + "--report in.pcap"),
        (1, "cannot write /nowhere/o.pcap", run + "--out lan=/nowhere/o.pcap"),
        (1, "cannot write /nowhere/r.json", run + "--report /nowhere/r.json"),
        (1, "cannot write /dev/full: No space left", run + "--out lan=/dev/full"),
        (1, "cannot write /dev/full: No space left", run + "--report /dev/full"),
        (0, "pacs", run + "--out lan=/dev/null --report /dev/null"),
        (0, "frames in", run),
    ]
    c.files["commands"] = "".join(f"{row[0]} | {row[1]} | {row[2]}\n" for row in rows)
    return c
