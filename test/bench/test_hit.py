#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A hit among 1 M connections against the floor of the same run: if the burst's cache lines were
not fetched ahead, it would be beyond the bound on any machine; else it is far below on a loaded one.

  test_hit.py GANTRY CONFIG
"""
import json
import subprocess
import sys

SKIP = 77
# 5 on a quiet machine, 15 where two others share the core
TIMES_THE_FLOOR = 25


def main():
    gantry, config = sys.argv[1:]
    run = subprocess.run([gantry, "bench", config, "--flows", "1000000", "--mode", "dr", "--json"],
                         capture_output=True, text=True, timeout=280)
    if run.returncode != 0:
        print(f"skipped: gantry bench does not run here:\n{run.stderr}")
        return SKIP
    rows = [r for r in json.loads(run.stdout)["rows"]
            if r["what"] == "hit" and r.get("order") == "random"]
    assert len(rows) == 2, "dr over IPv4 and IPv6"
    for r in rows:
        ratio = r["least_ns"] / r["floor_ns"]
        print(f"{r['vip']}: {r['least_ns']:.1f} ns, floor {r['floor_ns']:.1f} ns: {ratio:.1f} times")
        if ratio > TIMES_THE_FLOOR:
            print(f"more than {TIMES_THE_FLOOR} times the floor")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
