# SPDX-License-Identifier: BSD-3-Clause
"""What make_cases.py builds cases with: frames by scapy, and for each frame what must become of it by
the contract. Nothing here runs gantry or knows its code."""
import collections
import ipaddress
import json
import os
import shutil

import pcapfile
from scapy.all import (
    ARP, Dot1Q, Ether, ICMP, IP, IPv6, TCP, UDP, Raw, conf,
)

conf.verb = 0

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # test/replay
START_S = 1_700_000_000  # when the captures begin

LAN = "02:00:00:00:00:01"  # gantry's MAC, as replay has it where none is written
WAN = "02:00:00:00:00:02"
ROUTER = "02:00:00:00:00:fe"  # who brings the clients' frames
MACS = {"a": "02:00:00:00:01:0a", "b": "02:00:00:00:01:0b", "c": "02:00:00:00:01:0c",
        "d": "02:00:00:00:01:0d"}
V4 = {"a": "192.0.2.11", "b": "192.0.2.12", "c": "192.0.2.13", "d": "192.0.2.14"}
V6 = {"a": "2001:db8::11", "b": "2001:db8::12", "c": "2001:db8::13", "d": "2001:db8::14"}

OWN4, OWN6 = "192.0.2.2", "2001:db8::2"
VIP4, VIP6 = "192.0.2.100", "2001:db8::100"
CLIENT4, CLIENT6 = "198.51.100.7", "2001:db8:c::7"

INTERFACE = """[interface lan]
device = net_null0
address = 192.0.2.2/24, 2001:db8::2/64
"""


# ---- several workers ----

WORKERS = 1  # of the case that is made: set by case_of_workers

# "Verifying the RSS Hash Calculation" (Microsoft)
RSS_KEY = int("6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa", 16)


def rss_hash(src, sport, dst, dport):
    """Toeplitz: for each bit that is set, the 32 bits of the key from there on."""
    data = b"".join(ipaddress.ip_address(a).packed for a in (src, dst))
    data += sport.to_bytes(2, "big") + dport.to_bytes(2, "big")
    bits, out = f"{int.from_bytes(data, 'big'):0{len(data) * 8}b}", 0
    for i, bit in enumerate(bits):
        if bit == "1":
            out ^= RSS_KEY >> 320 - 32 - i & 0xFFFFFFFF
    return out


assert rss_hash("66.9.149.187", 2794, "161.142.100.80", 1766) == 0x51CCC178
assert rss_hash("3ffe:2501:200:1fff::7", 2794, "3ffe:2501:200:3::1", 1766) == 0x40207D3D


def worker_of(src, dst):
    """The worker to which a NIC brings a packet, each end an address and a port."""
    return rss_hash(*src, *dst) % 128 % WORKERS


def vip(name="pacs", address=VIP4, servers="a", interface="lan", mac=True, of=None, **keys):
    """INI sections of a VIP. servers: names, or a dict of name to further keys."""
    keys = {"port": "104", **keys}
    text = f"[vip {name}]\ninterface = {interface}\naddress = {address}\n"
    text += "".join(f"{key} = {value}\n" for key, value in keys.items()) + "check = none\n"
    if not isinstance(servers, dict):
        servers = {server: {} for server in servers}
    for server, more in servers.items():
        text += f"\n[server {name}/{server}]\naddress = {(V6 if ':' in address else V4)[server]}\n"
        if mac:
            text += f"mac = {MACS[server]}\n"
        text += "".join(f"{key} = {value}\n" for key, value in more.items())
    return text


def ini(*sections, interface=INTERFACE, connections=1000, **gantry):
    text = f"[gantry]\nname = lb1\nconnections = {connections}\n"
    text += f"workers = {WORKERS}\n" if WORKERS > 1 else ""
    text += "".join(f"{key} = {value}\n" for key, value in gantry.items())
    return "\n".join([text, interface, *sections])


def mac_bytes(mac):
    return bytes.fromhex(mac.replace(":", ""))


def ether(packet, dst=LAN, src=ROUTER, **keys):
    return bytes(Ether(dst=dst, src=src, **keys) / packet)


def tcp(port=40000, flags="S", data=b"", src=CLIENT4, dst=VIP4, dport=104, ip=None, **keys):
    """A client's TCP frame, of either family."""
    layer = (IPv6 if ":" in dst else IP)(src=src, dst=dst, **(ip or {}))
    return ether(layer / TCP(sport=port, dport=dport, flags=flags, **keys) / Raw(data))


def udp(port=40000, data=b"x", src=CLIENT4, dst=VIP4, dport=104, **ip):
    layer = (IPv6 if ":" in dst else IP)(src=src, dst=dst, **ip)
    return ether(layer / UDP(sport=port, dport=dport) / Raw(data))


def sent_by(frame, mac, source=LAN):
    """What leaves in DR: the 12 bytes of MACs, and then every bit as it came."""
    return mac_bytes(mac) + mac_bytes(source) + frame[12:]


def pieces4(packet, sizes, ident, src=ROUTER, dst=LAN):
    """The fragments of an IPv4 packet: its payload in pieces of these sizes, the rest in the last."""
    raw = bytes(packet)
    payload, out, at = raw[20:], [], 0
    for i in range(len(sizes) + 1):
        last = i == len(sizes)
        piece = payload[at:] if last else payload[at : at + sizes[i]]
        header = IP(src=packet.src, dst=packet.dst, proto=raw[9], id=ident, frag=at // 8,
                    flags=0 if last else "MF")
        out.append(ether(header / Raw(piece), dst=dst, src=src))
        at += len(piece)
    return out


def pieces6(packet, sizes, ident, per_fragment=b"", first_header=None):
    """The same of an IPv6 packet; per_fragment: bytes of a header in front of the fragment header,
    whose type is first_header."""
    raw = bytes(packet)
    payload, out, at = raw[40:], [], 0
    for i in range(len(sizes) + 1):
        last = i == len(sizes)
        piece = payload[at:] if last else payload[at : at + sizes[i]]
        fragment = bytes([raw[6], 0]) + (at | (0 if last else 1)).to_bytes(2, "big")
        fragment += ident.to_bytes(4, "big")
        if per_fragment:
            fragment = bytes([44]) + per_fragment[1:] + fragment
        header = IPv6(src=packet.src, dst=packet.dst, nh=first_header or 44, hlim=64)
        out.append(ether(header / Raw(fragment + piece)))
        at += len(piece)
    return out


class Case:
    """One folder. Frames are added with what must become of them."""

    def __init__(self, name, text, config, args=None, inputs="in"):
        self.name, self.text, self.config, self.args = name, text, config, args
        if WORKERS > 1:
            self.name += "-workers"
            self.text += f" With {WORKERS} workers: each gives out the ports whose replies a NIC brings to it."
        self.inputs = {name: [] for name in inputs.split()}
        self.outputs = {}  # None: check.py judges them
        self.frames = {"in": 0, "forwarded": 0, "answered": 0, "kernel": 0, "dropped": 0}
        self.drops, self.vips, self.connections = {}, {}, {}
        self.files = {}  # further ones: name to text or bytes
        self.exit, self.stderr = None, None
        self.now = 0
        self.given = collections.Counter()  # source ports, by whose they are and for which server
        self.forwards = collections.Counter()  # packets that were translated, by worker

    # ---- frames ----

    def at(self, t):
        """Further frames come from this second on, each a millisecond behind the one before."""
        self.now = round(t * 10**9)
        return self

    def put(self, frame, wire_len=None, file="in"):
        """A frame that comes in. Returns its time."""
        ns = START_S * 10**9 + self.now
        self.inputs[file].append(pcapfile.Frame(ns, frame, wire_len or len(frame)))
        self.frames["in"] += 1
        self.now += 10**6
        return ns

    def expect(self, ns, frame, wire_len=None, out=""):
        """A frame that leaves, with the time of what caused it."""
        self.outputs.setdefault(out, []).append(pcapfile.Frame(ns, frame, wire_len or len(frame)))

    def account(self, frame, server, wire_len=None):
        """A frame that a server got, VIP/SERVER."""
        vip_name, name = server.split("/")
        v = self.vips.setdefault(vip_name, {"frames": 0, "bytes": 0, "servers": {}})
        for o in v, v["servers"].setdefault(name, {"frames": 0, "bytes": 0}):
            o["frames"] += 1
            o["bytes"] += wire_len or len(frame)
        self.frames["forwarded"] += 1

    def sent(self, frame, server="pacs/a", wire_len=None, file="in", out="", source=LAN, cause=None):
        ns = self.put(frame, wire_len, file)
        self.account(frame, server, wire_len)
        self.expect(ns, sent_by(frame, MACS[server.split("/")[1]], source), wire_len, out)

    def held(self, frame):
        """A fragment that waits; released() tells when it goes."""
        self.put(frame)
        return frame

    def released(self, frames, server="pacs/a"):
        """Held ones that go behind the frame that was added last."""
        ns = self.inputs["in"][-1].ns
        for frame in frames:
            self.account(frame, server)
            self.expect(ns, sent_by(frame, MACS[server.split("/")[1]]))

    def answered(self, frame, answer):
        self.expect(self.put(frame), answer)
        self.frames["answered"] += 1

    def dropped(self, frame, reason, wire_len=None, file="in"):
        self.put(frame, wire_len, file)
        self.count_drop(reason)

    def kernel(self, frame, file="in"):
        self.put(frame, file=file)
        self.frames["kernel"] += 1

    def count_drop(self, reason, n=1):
        self.frames["dropped"] += n
        self.drops[reason] = self.drops.get(reason, 0) + n

    def proof_of_life(self, port=50000):
        """After all that was wrong, a good connection."""
        self.sent(tcp(port))

    # ---- snat ----

    def source(self, client, vip_end, address, server):
        """The source that a new connection gets: the next port, from 1024 on, whose replies come to the
        worker of the client's packets."""
        worker = worker_of(client, vip_end)
        ports = [p for p in range(1024, 2048) if worker_of(server, (address, p)) == worker]
        key = address, server, worker
        self.given[key] += 1
        return address, ports[self.given[key] - 1]

    # ---- numbers ----

    def server(self, name, **keys):
        vip_name, server = name.split("/")
        v = self.vips.setdefault(vip_name, {"servers": {}})
        v["servers"].setdefault(server, {}).update(keys)

    def vip(self, name, **keys):
        self.vips.setdefault(name, {"servers": {}}).update(keys)

    # ---- the folder ----

    def report(self):
        out = {"frames": self.frames, "drops": self.drops}
        if self.vips:
            out["vips"] = self.vips
        if self.connections:
            out["connections"] = self.connections
        return out

    def write(self):
        folder = os.path.join(HERE, self.name)
        if os.path.isdir(folder):
            shutil.rmtree(folder)
        os.makedirs(folder)
        texts = {"README": self.text.strip() + "\n", "gantry.ini": self.config, **self.files}
        if self.args is not None:
            texts["args"] = self.args + "\n"
        if self.exit is not None:
            texts["expect.exit"] = f"{self.exit}\n"
        if self.stderr is not None:
            texts["expect.stderr"] = self.stderr + "\n"
        if self.frames["in"]:
            texts["expect.json"] = json.dumps(self.report(), indent=2) + "\n"
        for name, text in texts.items():
            with open(os.path.join(folder, name), "wb") as f:
                f.write(text if isinstance(text, bytes) else text.encode())
        for name, frames in self.inputs.items():
            if f"{name}.pcap" not in self.files:
                pcapfile.write(os.path.join(folder, f"{name}.pcap"), frames)
        if self.frames["in"] and self.outputs is not None:
            for out in self.outputs or [""]:
                pcapfile.write(
                    os.path.join(folder, f"expect{out}.pcap"), self.outputs.get(out, [])
                )


CASES = []


def case(function):
    """Marks a function without arguments that returns a Case, or several."""
    CASES.append(function)
    return function


def case_of_workers(function):
    """The same, and once more with four workers: which source port a connection gets depends on it."""

    def with_workers():
        global WORKERS
        WORKERS = 4
        try:
            return function()
        finally:
            WORKERS = 1

    CASES.append(function)
    CASES.append(with_workers)
    return function
