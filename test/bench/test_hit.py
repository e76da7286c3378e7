#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Ratios of `gantry bench` that hold on any machine, all within one run:

- a hit among a million connections against one among a thousand, and against the floor: if the burst's cache lines were not fetched
  ahead, it would be beyond the bounds anywhere; else it is far below on a loaded machine,
- the connection table's look-up against DPDK's rte_hash, which reads two lines for each key,
- the floor itself, which reads no connection: the same at a thousand and a million.

  test_hit.py GANTRY CONFIG
"""
import json
import subprocess
import sys

SKIP = 77
FEW, MANY = 1000, 1_000_000
# What is seen on a quiet machine, and what fails: a memory as slow as that of a loaded virtual machine passes.
TIMES_FEW = 6  # 1 to 2
TIMES_THE_FLOOR = 25  # 4 to 8
TIMES_RTE_HASH = 1.5  # 0.3 to 0.6
TIMES_FLOOR = 2.5  # 1


def main():
    gantry, config = sys.argv[1:]
    run = subprocess.run([gantry, "bench", config, "--what", "core,table", "--flows", f"{FEW},{MANY}", "--mode", "dr", "--rounds", "5", "--json"],
                         capture_output=True, text=True, timeout=280)
    if run.returncode != 0:
        print(f"skipped: gantry bench does not run here:\n{run.stderr}")
        return SKIP
    rows = [r for r in json.loads(run.stdout)["rows"] if r["order"] == "random"]
    missing = [r["failed"] for r in rows if "failed" in r]
    if missing:
        print(f"skipped: {missing[0]}")
        return SKIP

    def find(what, flows, family=None):
        found = [r for r in rows if (r["what"], r["flows"], r.get("family")) == (what, flows, family)]
        assert len(found) == 1, f"{what} of {flows} connections over {family}: {len(found)} rows"
        return found[0]

    checks = []
    for family in (4, 6):
        few, many = find("hit", FEW, family), find("hit", MANY, family)
        name = f"hit among 1 M over IPv{family}, of "
        # the least of all rounds: others only make it slower
        checks += [(name + "one among 1 k", many["least_ns"], few["least_ns"], TIMES_FEW),
                   (name + "the floor", many["least_ns"], many["floor_ns"], TIMES_THE_FLOOR),
                   (f"floor at 1 M over IPv{family}, of that at 1 k", many["floor_least_ns"], few["floor_least_ns"], TIMES_FLOOR)]
    for flows in (FEW, MANY):
        checks.append((f"look-up among {flows}, of rte_hash's", find("look-up", flows)["least_ns"], find("rte_hash", flows)["least_ns"],
                       TIMES_RTE_HASH))
    wrong = 0
    for what, ns, of_ns, bound in checks:
        bad = ns > bound * of_ns
        wrong += bad
        print(f"{what}: {ns:.1f} / {of_ns:.1f} ns = {ns / of_ns:.2f}, bound {bound}{' <- beyond it' * bad}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
