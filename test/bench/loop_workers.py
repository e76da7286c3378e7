# SPDX-License-Identifier: BSD-3-Clause
"""Two workers against one (scripts/bench --workers): each with a queue of its own, whose frames are its own connections'.

net_pcap has no receive-side scaling, so the files are made as a NIC with our key and table would deal the frames (docs/architecture.md,
"Several workers"); the workers check that in software for each frame, which one worker alone, and workers
behind such a NIC, need not. Rates are for a second of each worker's CPU time, as main and others share the two cores.
"""
import socket
import statistics
import tempfile
import time

from loop_device import VIP4, Gantry, write_config, write_pcap

FLOWS = 100_000
# Microsoft's, as gt_toeplitz_key
KEY = bytes.fromhex("6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa")


def low_bit_of(position):
    """What a set bit of the input adds to the lowest bit of the Toeplitz hash: of two workers, that is the worker."""
    bit = position + 31
    return KEY[bit // 8] >> (7 - bit % 8) & 1


MASK = sum(low_bit_of(95 - i) << i for i in range(96))


def worker_of(client, port):
    """Of two, by source and destination address, source and destination port."""
    vip = int.from_bytes(socket.inet_aton(VIP4), "big")
    return bin((client << 64 | vip << 32 | port << 16 | 104) & MASK).count("1") & 1


def run(build, directory, workers, files, seconds):
    """Frames a second of each worker's CPU time, of all of them."""
    device = ",".join(f"rx_pcap={directory}/{f}" for f in files) + ",infinite_rx=1"
    write_config(directory, "dr4", FLOWS, device, workers=workers)
    with Gantry(build, directory) as g:
        g.settle(3 * FLOWS)
        first = g.count()
        time.sleep(seconds)
        return workers * g.rate(first, g.count())


def measure(build, rounds, seconds, say):
    speedups, rates = [], {1: [], 2: []}
    with tempfile.TemporaryDirectory(prefix="gantry-bench-") as directory:
        for w in (0, 1):
            write_pcap(f"{directory}/{w}.pcap", "dr4", FLOWS, lambda client, port, w=w: worker_of(client, port) == w)
        for _ in range(rounds):
            rates[1].append(run(build, directory, 1, ["0.pcap"], seconds))
            rates[2].append(run(build, directory, 2, ["0.pcap", "1.pcap"], seconds))
            speedups.append(rates[2][-1] / rates[1][-1])
    result = {"flows": FLOWS, "one_mpps": statistics.median(rates[1]) / 1e6, "two_mpps": statistics.median(rates[2]) / 1e6,
              "speedup": statistics.median(speedups), "least": min(speedups), "most": max(speedups)}
    say(f"one worker {result['one_mpps']:.1f} Mpps, two {result['two_mpps']:.1f} Mpps: {result['speedup']:.2f} times "
        f"({result['least']:.2f} to {result['most']:.2f})")
    return result
