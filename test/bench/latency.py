#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""
What gantry adds to a frame's way: latency.c sends into net_memif and times what comes back, from gantry and,
in the same run, from dpdk-testpmd (macswap) in its place at the same rates. See scripts/bench --latency.

The forwarder has one core (1), the generator the other (0), beside gantry's main, which sleeps. Rounds of one
after the other, short ones, so that some fall between a machine's other work: that only ever adds time, so a figure
is that of its calmest round.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

from processes import start_gantry, stop

MAC = "02:70:63:61:70:01"
SHARES = (10, 50, 90)

CONFIG = """[gantry]
name = bench-latency
workers = 1
main_core = 0
worker_cores = 1
connections = 10000
idle = {idle}
control = {dir}/gantry.sock

[interface lan]
device = net_memif0,role=server,socket={dir}/memif.sock,socket-abstract=no,mac={mac}
address = 192.0.2.2/24

[vip pacs]
interface = lan
address = 192.0.2.100
port = 104
check = none
"""


def gantry(build, directory, idle):
    path = f"{directory}/gantry.ini"
    with open(path, "w", encoding="ascii") as f:
        f.write(CONFIG.format(dir=directory, mac=MAC, idle=idle))
        for i in range(16):
            f.write(f"[server pacs/s{i:02}]\naddress = 192.0.2.{120 + i}\nmac = 02:be:00:00:00:{i:02x}\n")
    return start_gantry(build, path)


def testpmd(directory):
    command = ["dpdk-testpmd", "--no-pci", "--in-memory", "--file-prefix=gantry-latency-testpmd", "-l", "0,1",
               f"--vdev=net_memif0,role=server,socket={directory}/memif.sock,socket-abstract=no,mac={MAC}", "--",
               "--forward-mode=macswap", "--total-num-mbufs=16383", "--auto-start"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, stdin=subprocess.PIPE, text=True)
    until = time.monotonic() + 20
    while not os.path.exists(f"{directory}/memif.sock"):
        if process.poll() is not None or time.monotonic() > until:
            sys.exit("dpdk-testpmd did not start")
        time.sleep(0.05)
    return process


def generate(build, directory, rates, seconds):
    command = [f"{build}/test/bench/latency", "--no-pci", "--in-memory", "--file-prefix=gantry-latency", "-l", "0",
               f"--vdev=net_memif0,role=client,socket={directory}/memif.sock,socket-abstract=no", "--log-level=error",
               "--", ",".join(rates), str(seconds), MAC]
    out = subprocess.run(command, capture_output=True, text=True, timeout=60 + 4 * seconds * len(rates), check=False)
    rows = [json.loads(line) for line in out.stdout.splitlines() if line.startswith("{")]
    if out.returncode != 0 or len(rows) != len(rates):
        sys.exit(f"the generator failed: {out.stdout}{out.stderr}")
    return rows


def one_round(o):
    rounds = {}
    rates = ["max"] + [f"{s}%" for s in SHARES]
    for who in ("gantry", "gantry, sleep", "testpmd"):
        with tempfile.TemporaryDirectory(prefix="gantry-latency-") as directory:
            process = testpmd(directory) if who == "testpmd" else gantry(o.build, directory, "sleep" if "sleep" in who else "poll")
            try:
                rounds[who] = generate(o.build, directory, rates, o.seconds)
            finally:
                stop(process)
        if who == "gantry":  # all others at its rates
            top = rounds[who][0]["rate"]
            rates = ["max"] + [str(round(top * s / 100)) for s in SHARES]
    return rounds


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--build", default="build")
    p.add_argument("--rounds", type=int, default=9)
    p.add_argument("--seconds", type=float, default=0.5)
    p.add_argument("--json")
    o = p.parse_args()
    rounds = [one_round(o) for _ in range(o.rounds)]
    rows = []
    print(f"{'load':>5} {'':14} {'Mpps':>6} {'median us':>10} {'p99 us':>8} {'p99.9 us':>9} {'lost':>8}")
    for i, load in enumerate(("max", *(f"{s}%" for s in SHARES))):
        for who in rounds[0]:
            at = [r[who][i] for r in rounds]
            row = {"load": load, "who": who, "rate": statistics.median(a["rate"] for a in at),
                   **{key: min(a[key] for a in at) for key in ("median_ns", "p99_ns", "p999_ns")}}
            row["lost"] = sum(a["sent"] - a["received"] for a in at) / sum(a["sent"] for a in at)
            rows.append(row)
            print(f"{load:>5} {who:14} {row['rate'] / 1e6:>6.2f} {row['median_ns'] / 1e3:>10.1f} {row['p99_ns'] / 1e3:>8.1f} "
                  f"{row['p999_ns'] / 1e3:>9.1f} {100 * row['lost']:>7.3f}%")
    if o.json:
        with open(o.json, "w", encoding="ascii") as f:
            json.dump({"rows": rows, "cpus": os.cpu_count()}, f, indent=1)
            f.write("\n")


main()
