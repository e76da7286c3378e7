# SPDX-License-Identifier: BSD-3-Clause
"""A thousand plan changes a minute under load (scripts/bench --scale): what main and the worker of one gantry make of them.

Windows with and without changes in turns, in one running gantry with all connections established. The changes are orders over the
control socket (weight, drain, enable). Meanwhile main is asked over the same socket, and for a VIP's MAC by ARP: over a TAP, as
net_pcap takes nothing in beside its file. TAP and questions are in a network namespace that ends with this program.
"""
import ctypes
import json
import os
import random
import select
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

from loop_device import MAC, Gantry, add_words, cpu_ns

SHAPES = [(1, 5), (1, 1000), (1000, 5), (10000, 5)]  # VIPs, servers of each
CHANGES = 1000 / 60  # a second
SENDERS = 4
CLONE_NEWNET = 0x40000000
ASKED, ASKER, ASKER_MAC = "192.0.2.100", "192.0.2.50", bytes.fromhex("02beaa000050")
BUFFER = 1024  # bytes of hugepages that a buffer takes: 768, its head, the pool's

HEAD = """[gantry]
name = bench-scale-{pid}
connections = {connections}
buffers = {buffers}
buffer_size = 768
control = {dir}/gantry.sock

[interface lan]
device = net_pcap0,rx_pcap={dir}/{pcap},infinite_rx=1
mtu = 576
address = 10.0.0.2/8

[interface ask]
device = net_tap0,iface={tap}
mtu = 576
address = 192.0.2.2/24

[vip asked]
interface = ask
address = {asked}
port = 104
check = none
[server asked/a]
address = 192.0.2.11
mac = 02:be:00:ff:ff:ff
"""


def write_config(directory, pcap, tap, vips, servers, flows):
    text, k = [HEAD.format(pid=os.getpid(), connections=max(int(flows / 0.8), 1000), buffers=flows + 30000, dir=directory, pcap=pcap, tap=tap,
                           asked=ASKED)], 0
    for v in range(vips):
        text.append(f"[vip v{v}]\ninterface = lan\naddress = 10.1.{v + 1 >> 8}.{v + 1 & 255}\nport = 104\ncheck = none\n")
        for s in range(servers):
            k += 1
            text.append(f"[server v{v}/s{s}]\naddress = 10.64.{k >> 8}.{k & 255}\nmac = 02:be:00:00:{k >> 8:02x}:{k & 255:02x}\n")
    with open(f"{directory}/gantry.ini", "w", encoding="ascii") as f:
        f.write("".join(text))


def write_pcap(path, vips, flows):
    """One ACK of each connection, VIPs in turns, in an order that no prefetcher guesses."""
    step = 7919 if flows % 7919 else 7907
    link = struct.pack("<IIII", 0, 0, 60, 60) + MAC + bytes.fromhex("02beaa000001" "0800")
    ip = struct.pack("!BBHHHBB", 0x45, 0, 40, 0, 0x4000, 64, 6)
    rest = struct.pack("!HIIBBHHH", 104, 1, 1, 0x50, 0x10, 65535, 0, 0) + bytes(6)
    base, pack = add_words(ip), struct.Struct("!HIIH").pack
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for start in range(0, flows, 10000):
            out = []
            for i in range(start, min(start + 10000, flows)):
                j = i * step % flows
                client, vip = 0x64400000 + (j & 0x3FFFF), 0x0A010001 + j % vips
                total = base + (client >> 16) + (client & 0xFFFF) + (vip >> 16) + (vip & 0xFFFF)
                total = (total & 0xFFFF) + (total >> 16)
                total = (total & 0xFFFF) + (total >> 16)
                out += (link, ip, pack(total ^ 0xFFFF, client, vip, 1024 + (j >> 18)), rest)
            f.write(b"".join(out))


def memory_mb(pid):
    """Resident without hugepages, and hugepages."""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        kb = {line.split(":")[0]: int(line.split()[1]) for line in f if line.startswith(("VmRSS", "HugetlbPages"))}
    return kb["VmRSS"] / 1024, kb["HugetlbPages"] / 1024


def free_hugepages_mb():
    with open("/proc/meminfo", encoding="ascii") as f:
        found = {line.split(":")[0]: int(line.split()[1]) for line in f if line.startswith("Huge")}
    return found["HugePages_Free"] * found["Hugepagesize"] / 1024


def waited_s(pid):
    """For how long main was ready to run, and others ran on its CPU."""
    with open(f"/proc/{pid}/task/{pid}/schedstat", encoding="ascii") as f:
        return int(f.read().split()[1]) / 1e9


class Scale(Gantry):
    def count(self):
        begun = time.monotonic()
        status = self.ask("status")
        took = time.monotonic() - begun
        workers = status["workers"]
        return {"in": status["frames"]["in"], "forwarded": status["frames"]["forwarded"], "ns": cpu_ns(self.process.pid),
                "untracked": sum(v["untracked"] for v in status["vips"].values()), "drops": status["drops"], "plans": status["plans"],
                "main_ns": cpu_ns(self.process.pid, True), "plan_ms": status["plan_ms"], "missed": missed(status),
                "took": took, "longest_turn_us": workers[0].get("longest_turn_us")}


def missed(status):
    """Frames that a device had no buffer or no place for."""
    return sum(i["missed"] + i["errors"] for i in status["interfaces"].values())


def order_of(k, vips, servers):
    """Each of them changes something: another weight; or a server that is drained, and comes back."""
    at = k - (k % 3 == 2)
    name = f"v{at * 7919 % vips}/s{at * 31 % servers}"
    return ["weight", name, str(50 + k % 97)] if k % 3 == 0 else [("drain", "enable")[k % 3 - 1], name]


class Timed(threading.Thread):
    """Times what it does until it is to end."""

    def __init__(self):
        super().__init__(daemon=True)
        self.end, self.took = False, []

    def take(self):
        took, self.took = self.took, []
        return took


class Changes(Timed):
    """Orders, while they are wanted, at a thousand a minute; how long each took until all workers used the plan."""

    def __init__(self, path, vips, servers, index):
        super().__init__()
        self.path, self.vips, self.servers, self.index = path, vips, servers, index
        self.on, self.failed = threading.Event(), None

    def run(self):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.path)
            file, k, due = s.makefile("rwb"), 3 * self.index, time.monotonic()
            while not self.end:
                if not self.on.is_set():
                    self.on.wait(1)
                    due = time.monotonic() + self.index / CHANGES - SENDERS / CHANGES  # not all at once
                    file.write(b"remaining asked/a\n")  # main lets go who asks nothing for 10 s
                    file.flush()
                    file.readline()
                    continue
                due = max(due + SENDERS / CHANGES, time.monotonic() - 0.2)
                time.sleep(max(due - time.monotonic(), 0))
                begun = time.monotonic()
                file.write(" ".join(order_of(k, self.vips, self.servers)).encode() + b"\n")
                file.flush()
                answer = file.readline()
                if not answer or b'"error"' in answer:
                    self.failed = answer
                    return
                self.took.append(time.monotonic() - begun)
                # three in a row are one server's; the next three another sender's
                k += 1 if k % 3 < 2 else 1 + 3 * (SENDERS - 1)


class Asker(Timed):
    """Asks something now and then; how long the answers took, or None for one that did not come."""

    def __init__(self, ask, pause):
        super().__init__()
        self.ask, self.pause = ask, pause

    def run(self):
        while not self.end:
            time.sleep(self.pause * random.uniform(0.5, 1.5))
            begun = time.monotonic()
            self.took.append(time.monotonic() - begun if self.ask() else None)


def question(path, text):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(10)
    s.connect(path)
    file = s.makefile("rwb")

    def ask():
        file.write(text + b"\n")
        file.flush()
        return bool(file.readline())
    return ask


def arp(tap):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
    s.bind((tap, 0))
    request = bytes([255] * 6) + ASKER_MAC + struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, 1) + ASKER_MAC + socket.inet_aton(ASKER) + bytes(6) + \
        socket.inet_aton(ASKED)

    def ask():
        s.send(request)
        until = time.monotonic() + 2
        while select.select([s], [], [], max(until - time.monotonic(), 0))[0]:
            frame = s.recv(2048)
            if frame[20:22] == b"\0\2" and frame[28:32] == socket.inet_aton(ASKED):
                return True
        return False
    return ask


def percentiles(took):
    """Milliseconds; `lost`: answers that did not come."""
    came = sorted(t * 1e3 for t in took if t is not None)
    if not came:
        return {"n": 0, "lost": len(took)}
    return {"n": len(came), "lost": len(took) - len(came), "median_ms": statistics.median(came), "p99_ms": came[len(came) * 99 // 100],
            "worst_ms": came[-1]}


def window(g, changes, askers, seconds):
    """Two counts, and what was asked and ordered between them: a status keeps main from all else for too long."""
    first = g.count()
    for thread in (*changes, *askers.values()):
        thread.take()
    main_ns = cpu_ns(g.process.pid, True)
    time.sleep(seconds)
    main_ns = cpu_ns(g.process.pid, True) - main_ns
    took = {name: a.take() for name, a in askers.items()}
    took["order"] = [t for c in changes for t in c.take()]
    last = g.count()
    first["main_ns"], last["main_ns"] = 0, main_ns
    return first, last, {**took, "status": [first["took"], last["took"]]}


def measure_windows(g, changes, askers, rounds, seconds):
    """Interleaved; the sums over all windows of each kind."""
    ratios, main, took = [], {False: 0, True: 0}, {False: {}, True: {}}
    for i in range(rounds):
        rate = {}
        for on in ((False, True) if i % 2 == 0 else (True, False)):
            for c in changes:
                (c.on.set if on else c.on.clear)()
            first, last, asked = window(g, changes, askers, seconds)
            for c in changes:
                c.on.clear()
            rate[on] = g.rate(first, last)
            main[on] += last["main_ns"] - first["main_ns"]
            for name, times in asked.items():
                took[on].setdefault(name, []).extend(times)
            time.sleep(0.5)  # what was ordered is done
        ratios.append(rate[True] / rate[False])
    return ratios, {k: v / 1e9 / (rounds * seconds) for k, v in main.items()}, took


def shape(build, directory, tap, vips, servers, flows, rounds, seconds):
    flows = min(flows, int((free_hugepages_mb() - 300) * 1e6 / (BUFFER + 64)))
    pcap = f"{vips}.pcap"
    if not os.path.exists(f"{directory}/{pcap}"):
        write_pcap(f"{directory}/{pcap}", vips, flows)
    write_config(directory, pcap, tap, vips, servers, flows)
    begun = time.monotonic()
    with Scale(build, directory) as g:
        ready = time.monotonic() - begun
        changes = [Changes(g.sock, vips, servers, i) for i in range(SENDERS)]
        askers = {"question": Asker(question(g.sock, b"remaining asked/a"), 0.1),
                  "arp": Asker(arp(tap), 0.1)}
        g.settle(3 * flows)
        for thread in (*changes, *askers.values()):
            thread.start()
        time.sleep(1)
        before, waited = g.count(), waited_s(g.process.pid)
        ratios, main, took = measure_windows(g, changes, askers, rounds, seconds)
        after, waited = g.count(), waited_s(g.process.pid) - waited
        resident, hugepages = memory_mb(g.process.pid)
        for thread in (*changes, *askers.values()):
            thread.end = True
        for thread in (*changes, *askers.values()):
            thread.join(10)
        if any(c.failed is not None for c in changes):
            sys.exit(f"an order was refused: {[c.failed for c in changes if c.failed is not None]}")
        orders = took[True].pop("order")
    dropped = {k: n - before["drops"].get(k, 0) for k, n in after["drops"].items() if n != before["drops"].get(k, 0)}
    return {"vips": vips, "servers": servers, "flows": flows, "ready_s": ready, "resident_mb": resident, "hugepages_mb": hugepages,
            "orders": len(orders), "orders_a_minute": 60 * len(orders) / (rounds * seconds), "plans": after["plans"] - before["plans"],
            "plan_ms": after["plan_ms"], "order": percentiles(orders), "rate": statistics.median(ratios), "least": min(ratios), "most": max(ratios),
            "main_without": main[False], "main_with": main[True], "dropped": dropped, "missed": after["missed"] - before["missed"],
            "main_waited_s": waited, "frames": after["in"] - before["in"], "longest_turn_us": after["longest_turn_us"],
            "with": {k: percentiles(v) for k, v in took[True].items()}, "without": {k: percentiles(v) for k, v in took[False].items()}}


def own_network():
    """A namespace that is gone with this process, and in it no IPv6, whose own frames would be dropped and counted."""
    if ctypes.CDLL(None).unshare(CLONE_NEWNET) != 0:
        sys.exit("scripts/bench --scale needs root: a network namespace for its TAP")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for what in ("all", "default"):
        with open(f"/proc/sys/net/ipv6/conf/{what}/disable_ipv6", "w", encoding="ascii") as f:
            f.write("1")


def tell(say, r):
    def ms(p):
        return f"{p['median_ms']:.1f} / {p['worst_ms']:.1f}" if p["n"] else "-"
    say(f"{r['vips']:>6} x {r['servers']:<5} {r['flows']:>8} connections: ready {r['ready_s']:.1f} s, {r['resident_mb']:.0f} MB + {r['hugepages_mb']:.0f} MB "
        f"hugepages; {r['orders_a_minute']:.0f} orders a minute, {r['plans']} plans of {r['plan_ms']['mean']:.2f} ms (longest "
        f"{r['plan_ms']['longest']:.1f}), in force after {ms(r['order'])} ms; rate {100 * r['rate']:.1f} % ({100 * r['least']:.1f} to "
        f"{100 * r['most']:.1f}); dropped {r['dropped'] or 0}, missed {r['missed']}; main {100 * r['main_without']:.0f} -> {100 * r['main_with']:.0f} % of a "
        f"core, waited {r['main_waited_s']:.1f} s for it; question {ms(r['without']['question'])} -> {ms(r['with']['question'])} ms, status {ms(r['without']['status'])} -> "
        f"{ms(r['with']['status'])} ms, ARP {ms(r['without']['arp'])} -> {ms(r['with']['arp'])} ms (lost {r['with']['arp']['lost']})"
        + (f"; longest turn {r['longest_turn_us']:.0f} us" if r["longest_turn_us"] else ""))
    return r


def measure(build, flows, rounds, seconds, say, shapes=None):
    own_network()
    tap = f"wts{os.getpid()}"[:15]
    with tempfile.TemporaryDirectory(prefix="gantry-bench-") as directory:
        return [tell(say, shape(build, directory, tap, vips, servers, flows, rounds, seconds)) for vips, servers in shapes or SHAPES]
