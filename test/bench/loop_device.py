# SPDX-License-Identifier: BSD-3-Clause
"""What scripts/bench runs: `gantry run` and dpdk-testpmd on net_pcap with infinite_rx=1, and how fast they are.

Rates are frames for a second of the CPU time that the forwarding thread had, so that neighbours on its core do not count.
"""
import glob
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

MAC = bytes.fromhex("027063617000")  # net_pcap0's own
SERVERS = 16
VIP4, VIP6 = "192.0.2.100", "2001:db8:0:64::100"

HEAD = """[gantry]
name = bench-loop-{pid}
workers = {workers}
{cores}connections = {connections}
buffers = {buffers}
buffer_size = {buffer_size}
control = {dir}/gantry.sock

[interface lan]
device = net_pcap0,{device}
mtu = {mtu}
address = {address}
gateway = {gateway}

[vip v]
interface = lan
address = {vip}
port = 104
mode = {mode}
check = {check}
"""


def family(kind):
    """dr4 -> 4"""
    return int(kind[-1])


def write_config(directory, kind, flows, device, workers=1, check="none", servers=SERVERS, more=""):
    """A VIP of a kind with so many servers; more: lines of the VIP and sections behind it."""
    v6 = family(kind) == 6
    # with two CPUs main shares one of them
    cores = f"main_core = 0\nworker_cores = 0-{workers - 1}\n" if workers > 1 else ""
    text = HEAD.format(cores=cores, pid=os.getpid(), workers=workers, connections=max(int(flows / 0.8), 1000), buffers=flows + 20000, dir=directory,
                       # IPv6 wants an MTU of 1280, in a tunnel 40 more; else small buffers save memory
                       buffer_size=1536 if v6 else 768, mtu=1320 if v6 else 576, device=device,
                       address="2001:db8:0:64::2/64" if v6 else "192.0.2.2/24, 10.77.255.254/16", gateway="2001:db8:0:64::1" if v6 else "192.0.2.1",
                       vip=VIP6 if v6 else VIP4, mode=kind[:-1], check=check) + more
    for i in range(servers):
        address = (f"2001:db8:0:64::{0x200 + i:x}" if v6 else f"192.0.2.{120 + i}") if servers <= SERVERS else f"10.77.{1 + (i >> 8)}.{i & 255}"
        text += f"[server v/s{i}]\naddress = {address}\nmac = 02:be:00:00:{i >> 8:02x}:{i & 255:02x}\n"
    with open(f"{directory}/gantry.ini", "w", encoding="ascii") as f:
        f.write(text)


# ---- the file ----

def add_words(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def frame_of(kind, client, port):
    tcp = struct.pack("!HHIIBBHHH", port, 104, 1, 1, 0x50, 0x10, 65535, 0, 0)
    if family(kind) == 6:
        source = bytes.fromhex("20010db8ffff") + bytes(6) + struct.pack("!I", client)
        ip = struct.pack("!IHBB", 0x60000000, 20, 6, 64) + source + socket.inet_pton(socket.AF_INET6, VIP6)
        return MAC + bytes.fromhex("02beaa000001" "86dd") + ip + tcp
    ip = bytearray(struct.pack("!BBHHHBBHI", 0x45, 0, 40, 0, 0x4000, 64, 6, 0, client) + socket.inet_aton(VIP4))
    ip[10:12] = struct.pack("!H", add_words(bytes(ip)) ^ 0xFFFF)
    return MAC + bytes.fromhex("02beaa000001" "0800") + bytes(ip) + tcp + bytes(6)


def client_of(i):
    return 0x64400000 + (i & 0x3FFFF), 1024 + (i >> 18)


def write_pcap(path, kind, flows, wanted=lambda client, port: True):
    """One ACK of each connection, in an order that no prefetcher guesses. Returns how many: those that are wanted."""
    step, n = 7919 if flows % 7919 else 7907, 0
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for i in range(flows):
            client, port = client_of(i * step % flows)
            if wanted(client, port):
                frame = frame_of(kind, client, port)
                f.write(struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame)
                n += 1
    return n


# ---- the programs ----

def cpu_ns(pid, main=False):
    """CPU time of the forwarding threads so far; or of all others."""
    total = 0
    for task in glob.glob(f"/proc/{pid}/task/*"):
        with open(f"{task}/comm", encoding="ascii") as f:
            forwards = "worker" in f.read()
        if forwards != main:
            with open(f"{task}/schedstat", encoding="ascii") as f:
                total += int(f.read().split()[0])
    return total


def stop(process):
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def run_testpmd(pcap, flows, buffer_size, seconds):
    """Received frames for a second of CPU, of macswap."""
    command = ["dpdk-testpmd", "--no-pci", "--in-memory", f"--file-prefix=gantry-bench-{os.getpid()}", "-l", "0,1",
               f"--vdev=net_pcap0,rx_pcap={pcap},infinite_rx=1", "--", "--forward-mode=macswap", "--no-flush-rx",
               f"--total-num-mbufs={flows + 20000}", f"--mbuf-size={buffer_size}", "--stats-period=1", "--auto-start"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True)
    said, samples = [], []

    def read():
        for line in process.stdout:
            said.append(line)
            count = re.search(r"RX-packets:\s+(\d+)", line)
            if count and process.poll() is None:
                samples.append((int(count[1]), cpu_ns(process.pid)))

    reader = threading.Thread(target=read)
    reader.start()
    end = time.monotonic() + 60 + flows / 100_000
    # the first sample is of the start, the next ones are a second apart
    while len(samples) < seconds + 2 and process.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    stop(process)
    reader.join()
    samples = samples[1:int(seconds) + 2]
    if len(samples) < 2 or samples[-1][0] == samples[0][0]:
        sys.exit(f"dpdk-testpmd forwarded nothing:\n{''.join(said)[-2000:]}")
    return (samples[-1][0] - samples[0][0]) * 1e9 / (samples[-1][1] - samples[0][1])


class Gantry:
    """A running `gantry run`, asked over its control socket."""

    def __init__(self, build, directory, prefix=()):
        self.sock = f"{directory}/gantry.sock"
        self.log = open(f"{directory}/gantry.log", "w+", encoding="utf-8")
        self.process = subprocess.Popen([*prefix, f"{build}/app/gantry/gantry", "run", f"{directory}/gantry.ini"],
                                        stdout=subprocess.PIPE, stderr=self.log, text=True)
        ready = self.process.stdout.readline()
        while ready and not ready.startswith("READY"):
            ready = self.process.stdout.readline()
        if not ready:
            self.log.seek(0)
            sys.exit(f"gantry did not start: {self.log.read()[-2000:]}")
        self.connection = socket.socket(socket.AF_UNIX)
        self.connection.connect(self.sock)
        self.file = self.connection.makefile("rwb")

    def ask(self, command):
        """The answer, or None if it is not one (a reload's is another). Main lets go who asks nothing for 10 s."""
        self.file.write(json.dumps({"command": command, "arguments": []}).encode() + b"\n")
        self.file.flush()
        return json.loads(self.file.readline())

    def count(self):
        """Frames in, those forwarded, and the CPU time by then."""
        answer = self.ask("status")
        status = answer.get("answer", answer)
        ns = cpu_ns(self.process.pid)
        return {"in": status["frames"]["in"], "forwarded": status["frames"]["forwarded"], "ns": ns,
                "untracked": status["vips"]["v"]["untracked"], "drops": status["drops"], "main_ns": cpu_ns(self.process.pid, True)}

    def rate(self, first, last):
        """Frames for a second of CPU between two counts."""
        n = {k: last[k] - first[k] for k in ("in", "forwarded", "untracked")}
        if n["in"] == 0:
            sys.exit(f"gantry received nothing; its drops: {last['drops']}")
        # What is dropped, or found no room, makes the figure worthless.
        if n["forwarded"] < 0.999 * n["in"] or n["untracked"] > 0.001 * n["in"]:
            sys.exit(f"gantry dropped frames: {last['drops']}, untracked {n['untracked']}")
        return n["in"] * 1e9 / (last["ns"] - first["ns"])

    def settle(self, passes):
        """Until all connections are established: so many frames came in."""
        while self.count()["in"] < passes:
            time.sleep(0.05)

    def close(self):
        self.connection.close()
        stop(self.process)
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def run_gantry(build, directory, kind, pcap, flows, seconds):
    write_config(directory, kind, flows, f"rx_pcap={pcap},infinite_rx=1")
    with Gantry(build, directory) as g:
        g.settle(3 * flows)
        first = g.count()
        time.sleep(seconds)
        return g.rate(first, g.count())
