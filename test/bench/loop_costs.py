# SPDX-License-Identifier: BSD-3-Clause
"""What main's work costs a worker (scripts/bench --costs): statistics read ten times a second, a thousand checks a second.

One running gantry, windows with and without in turns: what differs within a pair is the cost. The checks are of TCP, over the
loopback of a network namespace of its own, where something listens; they begin and end by a reload.
"""
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time

from loop_device import Gantry, write_config, write_pcap

FLOWS = 1000
CHECKED = 1000
# Windows that need no reload are so much shorter, and so many more: a machine that changes its speed then does so in few of them.
SHORT = 6


def listen():
    """The child that a namespace's checks meet: accepts and closes."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("0.0.0.0", 104))
    s.listen(4096)
    while True:
        s.accept()[0].close()


def window(g, seconds, work=None):
    """Rate of the worker for a while, and CPU time of main, while `work` is called ten times a second."""
    first, end = g.count(), time.monotonic() + seconds
    while time.monotonic() < end:
        if work:
            work()
        time.sleep(0.1)
    last = g.count()
    return g.rate(first, last), (last["main_ns"] - first["main_ns"]) / 1e9 / seconds


def pairs(rounds, without, with_it):
    """Median over rounds of the share that is lost, and of what main needs in addition."""
    lost, main = [], []
    for i in range(rounds):
        # which one is first takes turns
        first, second = (without(), with_it()) if i % 2 == 0 else reversed((with_it(), without()))
        lost.append(1 - second[0] / first[0])
        main.append(second[1] - first[1])
    return {"lost": statistics.median(lost), "least": min(lost), "most": max(lost), "main_cpu": statistics.median(main)}


def tell(say, name, r):
    say(f"{name:<36} {100 * r['lost']:>6.2f} % of the worker's rate ({100 * r['least']:.2f} to {100 * r['most']:.2f}), "
        f"{100 * r['main_cpu']:.1f} % of main's core")
    return r


def checks(build, directory, rounds, seconds, say):
    device = f"rx_pcap={directory}/flows.pcap,infinite_rx=1"
    more = "[check fast]\ntype = tcp\ninterval = 1s\ntimeout = 500ms\n"

    def configure(on):
        write_config(directory, "dr4", FLOWS, device, check="fast" if on else "none", servers=CHECKED, more=more)

    def measure(g, on):
        configure(on)
        g.ask("reload")
        time.sleep(1.5)  # the first checks of all come at once
        return window(g, seconds)

    configure(False)
    space = ["unshare", "--net", "sh", "-c", "ip link set lo up && ip route add local 10.77.0.0/16 dev lo && exec \"$@\"", "-"]
    with Gantry(build, directory, space) as g:
        # unshare and sh become gantry, whose namespace the listener joins
        listener = subprocess.Popen(["nsenter", "--net", f"--target={g.process.pid}", sys.executable, os.path.abspath(__file__), "--listen"])
        try:
            g.settle(3 * FLOWS)
            result = pairs(rounds, lambda: measure(g, False), lambda: measure(g, True))
            up = sum(s["state"] == "up" for s in g.ask("status").get("vips", {}).get("v", {}).get("servers", {}).values())
            result["servers_up"] = up
        finally:
            listener.terminate()
            listener.wait()
    return tell(say, f"{CHECKED} TCP checks a second", result)


def measure(build, rounds, seconds, say):
    with tempfile.TemporaryDirectory(prefix="gantry-bench-") as directory:
        write_pcap(f"{directory}/flows.pcap", "dr4", FLOWS)
        write_config(directory, "dr4", FLOWS, f"rx_pcap={directory}/flows.pcap,infinite_rx=1")
        with Gantry(build, directory) as g:
            g.settle(3 * FLOWS)
            statistics_read = tell(say, "statistics read 10 times a second",
                                   pairs(rounds * SHORT, lambda: window(g, seconds / SHORT),
                                         lambda: window(g, seconds / SHORT, lambda: g.ask("status"))))
        return {"statistics": statistics_read, "checks": checks(build, directory, rounds, seconds, say)}


if __name__ == "__main__" and sys.argv[1:] == ["--listen"]:
    listen()
