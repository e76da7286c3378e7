#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The whole worker loop against dpdk-testpmd; see scripts/bench."""
import argparse
import json
import os
import statistics
import sys
import tempfile

import loop_costs
import loop_scale
import loop_workers
from loop_device import family, run_gantry, run_testpmd, write_pcap

KINDS = [mode + family for mode in ("dr", "nat", "snat", "tunnel") for family in "46"]
# A round in which testpmd was slower than this, relative to its best, was in another phase of the machine.
PHASE = 0.85


def kinds_of(text):
    """dr,snat6 -> dr4, dr6, snat6; dr4 always first: others are compared with it."""
    kinds = []
    for word in text.split(","):
        found = [k for k in KINDS if word in (k, k[:-1])]
        if not found:
            raise argparse.ArgumentTypeError(f"'{word}' is none of {', '.join(KINDS)}, dr, nat, snat, tunnel, costs")
        kinds += found
    return ["dr4"] + [k for k in kinds if k != "dr4"]


def measure(o, flows, say):
    """Rounds of testpmd and each kind, one after the other."""
    rates = {kind: [] for kind in ["testpmd", *o.modes]}
    with tempfile.TemporaryDirectory(prefix="gantry-bench-") as directory:
        for f in {family(k) for k in o.modes}:
            write_pcap(f"{directory}/{f}.pcap", f"dr{f}", flows)
        for _ in range(o.rounds):
            rates["testpmd"].append(run_testpmd(f"{directory}/4.pcap", flows, 768, o.seconds))
            for kind in o.modes:
                rates[kind].append(run_gantry(o.build, directory, kind, f"{directory}/{family(kind)}.pcap", flows, o.seconds))
    best = [i for i, r in enumerate(rates["testpmd"]) if r >= PHASE * max(rates["testpmd"])]
    rows = []
    for kind, all_rates in rates.items():
        of_testpmd = [r / t for r, t in zip(all_rates, rates["testpmd"])]
        of_dr = [r / d for r, d in zip(all_rates, rates["dr4"])]
        row = {"flows": flows, "kind": kind, "mpps": statistics.median(all_rates[i] for i in best) / 1e6,
               "of_testpmd": statistics.median(of_testpmd[i] for i in best), "of_dr": statistics.median(of_dr[i] for i in best),
               "least_mpps": min(all_rates) / 1e6, "most_mpps": max(all_rates) / 1e6, "rounds": o.rounds, "best_rounds": len(best),
               "shares": of_testpmd}
        rows.append(row)
        say(f"{flows:>10}  {kind:<10} {row['mpps']:>7.1f} {1e3 / row['mpps']:>9.1f} {100 * row['of_testpmd']:>10.0f}% "
            f"{100 * row['of_dr']:>6.0f}%   {row['least_mpps']:.1f}-{row['most_mpps']:.1f}".ljust(78) + f"{len(best)}/{o.rounds}")
    return rows


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--build", default="build")
    p.add_argument("--flows", type=lambda s: [int(n) for n in s.split(",")], default=[1000, 1000000])
    p.add_argument("--modes", type=kinds_of, default=["dr4"])
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--seconds", type=int, default=3)
    p.add_argument("--costs", action="store_true")
    p.add_argument("--workers", action="store_true")
    p.add_argument("--scale", action="store_true")
    p.add_argument("--shapes", type=lambda s: [tuple(int(n) for n in x.split("x")) for x in s.split(",")])
    p.add_argument("--json", nargs="?", const="-")
    o = p.parse_args()

    def say(text):
        print(text, file=sys.stderr if o.json == "-" else sys.stdout, flush=True)

    result = {"cpus": os.cpu_count()}
    if o.costs:
        result["costs"] = loop_costs.measure(o.build, o.rounds, o.seconds, say)
    elif o.workers:
        result["workers"] = loop_workers.measure(o.build, o.rounds, o.seconds, say)
    elif o.scale:
        result["scale"] = loop_scale.measure(o.build, o.flows[-1], o.rounds, o.seconds, say, o.shapes)
    else:
        say(f"{'flows':>10}  {'':<10} {'Mpps':>7} {'ns/frame':>9} {'of testpmd':>11} {'of dr4':>7}   least-most".ljust(78) + "best")
        result["rows"] = [row for flows in o.flows for row in measure(o, flows, say)]
    if o.json == "-":
        print(json.dumps(result, indent=1))
    elif o.json:
        with open(o.json, "w", encoding="ascii") as f:
            f.write(json.dumps(result, indent=1) + "\n")


main()
