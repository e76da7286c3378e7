#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""
A worker with 64 million connections: it becomes ready, says its memory in one line of its log, answers, and ends.

On hugepages if enough are free, else on ordinary memory if that fits, else skipped with the reason (exit code 77).

usage: test_large.py GANTRY GANTRYCTL
"""
import re
import sys
import time

import harness
from harness import Case, Gantry

CONNECTIONS = 64_000_000
# 26 bytes of each, with buffers and rings; what others may need meanwhile is left to them
NEEDED_MB, SPARE_MB = 2000, 2000


def memory_mb():
    """Free hugepages, and what ordinary memory is available."""
    with open("/proc/meminfo", encoding="ascii") as f:
        found = {line.split(":")[0]: int(line.split()[1]) for line in f}
    return found.get("HugePages_Free", 0) * found.get("Hugepagesize", 0) / 1024, found["MemAvailable"] / 1024


def choose():
    """hugepages = yes, no; or None and why."""
    huge, ordinary = memory_mb()
    if huge >= NEEDED_MB:
        return "yes", None
    if ordinary >= NEEDED_MB + SPARE_MB:
        return "no", None
    return None, f"64 million connections need {NEEDED_MB} MB of hugepages ({huge:.0f} MB are free), or {NEEDED_MB + SPARE_MB} MB of memory " \
                 f"({ordinary:.0f} MB are available)"


class Large(Case):
    def test_64_million_connections(self):
        path = self.config(hugepages=HUGEPAGES)
        with open(path, "r+", encoding="ascii") as f:
            text = f.read().replace("connections = 20000\n", f"connections = {CONNECTIONS}\n")
            f.seek(0)
            f.write(text)
        g = Gantry(path)
        g.within_s = 60  # ordinary memory is taken page by page
        g.control = self.control
        self.addCleanup(g.kill)
        g.wait_ready()
        lines = [line for line in g.err if f"room for {CONNECTIONS} connections" in line]
        self.assertEqual(len(lines), 1, g.err)
        said = re.search(r"connections: (\d+) MB of (hugepages of \d+ MB|ordinary memory) on NUMA node \d+, ready in (\d+) ms", lines[0])
        self.assertIsNotNone(said, lines[0])
        self.assertTrue(1500 < int(said[1]) < NEEDED_MB, lines[0])
        self.assertEqual(said[2].startswith("hugepages"), HUGEPAGES == "yes", lines[0])
        begun = time.monotonic()
        status = self.ask(g, "status")
        took = time.monotonic() - begun
        self.assertEqual(status["node"], g.name)
        self.assertLess(took, 1)
        print(f"  ready after {g.start_s:.2f} s, status {1e3 * took:.0f} ms: {lines[0]}", file=sys.stderr)
        self.assertEqual(g.stop(), 0)


HUGEPAGES, why = choose()
if why is not None:
    print(f"SKIP: {why}")
    sys.exit(77)
harness.main()
