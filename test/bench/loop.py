#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The whole worker loop against dpdk-testpmd; see scripts/bench."""
import argparse
import json
import os
import re
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time

MAC = bytes.fromhex("027063617000")  # net_pcap0's own
SERVERS = 16

CONFIG = """[gantry]
name = bench-loop
workers = 1
connections = {connections}
buffers = {buffers}
buffer_size = 768
control = {dir}/gantry.sock

[interface lan]
device = net_pcap0,rx_pcap={pcap},infinite_rx=1
mtu = 576
address = 192.0.2.2/24

[vip pacs]
interface = lan
address = 192.0.2.100
port = 104
check = none
"""


def fold(total):
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def write_pcap(path, flows):
    """One ACK of each connection, in an order that no prefetcher guesses."""
    head = MAC + bytes.fromhex("02beaa000001" "0800")
    ip = bytearray(bytes.fromhex("4500002800004000400600000000000000000000"))
    ip[16:20] = bytes([192, 0, 2, 100])
    base = sum(struct.unpack("!10H", ip))
    step = 7919 if flows % 7919 else 7907
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        out = []
        for n in range(flows):
            i = n * step % flows
            client, port = 0x64400000 + (i & 0x3FFFF), 1024 + (i >> 18)
            ip[10:12] = struct.pack("!H", fold(base + (client >> 16) + (client & 0xFFFF)))
            ip[12:16] = struct.pack("!I", client)
            tcp = struct.pack("!HHIIBBHHH", port, 104, 1, 1, 0x50, 0x10, 65535, 0, 0)
            out.append(struct.pack("<IIII", 0, 0, 60, 60) + head + bytes(ip) + tcp + bytes(6))
        f.write(b"".join(out))


def stop(process):
    process.send_signal(signal.SIGINT)
    try:
        return process.communicate(timeout=60)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[0]


def run_testpmd(pcap, flows, seconds):
    """Received frames a second, of macswap."""
    command = ["dpdk-testpmd", "--no-pci", "--in-memory", "--file-prefix=gantry-bench-testpmd", "-l", "0,1",
               f"--vdev=net_pcap0,rx_pcap={pcap},infinite_rx=1", "--", "--forward-mode=macswap", "--no-flush-rx",
               f"--total-num-mbufs={flows + 20000}", "--mbuf-size=768", "--stats-period=1", "--auto-start"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True)
    time.sleep(seconds + 2 + flows / 500_000)
    text = stop(process)
    rates = [int(r) for r in re.findall(r"Rx-pps:\s+(\d+)", text)]
    rates = [r for r in rates if r > 0]
    if not rates:
        sys.exit(f"dpdk-testpmd forwarded nothing:\n{text[-2000:]}")
    return statistics.median(rates)


def ask(build, sock):
    out = subprocess.run([f"{build}/app/gantryctl/gantryctl", "-s", sock, "--json", "status"], capture_output=True, text=True)
    return json.loads(out.stdout) if out.returncode == 0 else None


def run_gantry(build, directory, pcap, flows, seconds):
    """Frames in a second, and the share of them that was forwarded by the table."""
    path, sock = f"{directory}/gantry.ini", f"{directory}/gantry.sock"
    with open(path, "w") as f:
        f.write(CONFIG.format(connections=max(int(flows / 0.8), 1000), buffers=flows + 20000, dir=directory, pcap=pcap))
        for i in range(SERVERS):
            f.write(f"[server pacs/s{i:02}]\naddress = 192.0.2.{120 + i}\nmac = 02:be:00:00:00:{i:02x}\n")
    process = subprocess.Popen([f"{build}/app/gantry/gantry", "run", path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    ready = process.stdout.readline()
    while ready and not ready.startswith("READY"):
        ready = process.stdout.readline()
    if not ready:
        sys.exit(f"gantry did not start: {process.communicate()[0]}")
    time.sleep(1 + flows / 2_000_000)
    first, t0 = ask(build, sock), time.monotonic()
    time.sleep(seconds)
    last, t1 = ask(build, sock), time.monotonic()
    stop(process)
    frames = {k: last["frames"][k] - first["frames"][k] for k in ("in", "forwarded")}
    untracked = last["vips"]["pacs"]["untracked"]
    if frames["in"] == 0:
        sys.exit(f"gantry received nothing; its drops: {last['drops']}")
    # A device without TX room would be tx-full; anything else that is dropped makes the figure worthless.
    if frames["forwarded"] < 0.999 * frames["in"] or untracked > 0:
        sys.exit(f"gantry dropped frames: {last['drops']}, untracked {untracked}")
    return frames["in"] / (t1 - t0)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--build", default="build")
    p.add_argument("--flows", default="1000,1000000")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--seconds", type=float, default=3)
    p.add_argument("--json")
    o = p.parse_args()
    rows = []
    print(f"{'flows':>10}  {'testpmd Mpps':>13} {'gantry Mpps':>12} {'share':>7}   of each round")
    for flows in [int(f) for f in o.flows.split(",")]:
        with tempfile.TemporaryDirectory(prefix="gantry-bench-") as directory:
            pcap = f"{directory}/flows.pcap"
            write_pcap(pcap, flows)
            rounds = [(run_testpmd(pcap, flows, o.seconds), run_gantry(o.build, directory, pcap, flows, o.seconds))
                      for _ in range(o.rounds)]
        shares = [g / t for t, g in rounds]
        row = {"flows": flows, "testpmd_mpps": statistics.median(t for t, _ in rounds) / 1e6,
               "gantry_mpps": statistics.median(g for _, g in rounds) / 1e6, "share": statistics.median(shares),
               "shares": shares}
        rows.append(row)
        print(f"{flows:>10}  {row['testpmd_mpps']:>13.1f} {row['gantry_mpps']:>12.1f} {100 * row['share']:>6.0f}%   "
              + " ".join(f"{100 * s:.0f}%" for s in shares), flush=True)
    if o.json:
        with open(o.json, "w") as f:
            json.dump({"rows": rows, "cpus": os.cpu_count()}, f, indent=1)
            f.write("\n")


main()
