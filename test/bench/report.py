#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Measures, and writes the tables and the plot of docs/performance.md.

  test/bench/report.py DIR [PART...]       measures these parts (all: core own bursts layouts loop costs scale changes), writes DIR/PART.json,
                                           then the page from all that is in DIR
  test/bench/report.py DIR --write         writes the page only

BUILD (build) is the build tree. All of it takes about 25 minutes of a machine without other work; needs root and hugepages.
"""
import json
import os
import subprocess
import sys

import plot

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD", "build")
PAGE, PLOT = "docs/performance.md", "docs/performance.svg"
CONFIG = "config/bench.ini"

PARTS = {
    "core": [f"{BUILD}/app/gantry/gantry", "bench", CONFIG, "--what", "core,table", "--json"],
    "own": [f"{BUILD}/app/gantry/gantry", "bench", CONFIG, "--what", "loop", "--json"],
    "bursts": [f"{BUILD}/test/bench/bursts", CONFIG, "dr4", "1000000", "json"],
    "layouts": [f"{BUILD}/test/bench/layouts"],
    "loop": ["scripts/bench", "--flows", "1000,1000000", "--modes", "dr,nat,tunnel", "--rounds", "5", "--json"],
    "costs": ["scripts/bench", "--costs", "--rounds", "9", "--seconds", "3", "--json"],
    "scale": ["scripts/bench", "--scale", "--flows", "1000000", "--rounds", "5", "--seconds", "4", "--json"],
    "changes": [f"{BUILD}/test/bench/bursts", CONFIG, "dr4", "10000000", "json", "changes"],
}
MODES = ("dr", "nat", "snat", "tunnel")


def measure(directory, parts):
    os.makedirs(directory, exist_ok=True)
    subprocess.run(["ninja", "-C", BUILD, "app/gantry/gantry", "app/gantryctl/gantryctl", "test/bench/bursts", "test/bench/layouts"],
                   check=True, stdout=subprocess.DEVNULL)
    for part in parts:
        print(f"{part}: {' '.join(PARTS[part])}", flush=True)
        out = subprocess.run(PARTS[part], stdout=subprocess.PIPE, check=True, text=True).stdout
        json.loads(out)
        with open(f"{directory}/{part}.json", "w", encoding="ascii") as f:
            f.write(out)


# ---- tables ----

def count(n):
    for unit, size in (("M", 1_000_000), ("k", 1_000)):
        if n >= size and n % size == 0:
            return f"{n // size} {unit}"
    return str(n)


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def core_ns(row):
    return row["ns"] - row["floor_ns"]


class Core:
    """The rows of `gantry bench`."""

    def __init__(self, data):
        self.machine, self.rows = data["machine"], data["rows"]
        self.flows = sorted({r["flows"] for r in self.rows if r["what"] == "look-up"})

    def find(self, what, mode, family, flows=None, order="random"):
        for r in self.rows:
            if (r["what"], r.get("mode"), r.get("family"), r["order"]) == (what, mode, family, order) and flows in (None, r["flows"]):
                return r
        return None

    def cell(self, row, share=False):
        if row is None or "failed" in row:
            return "-"
        text = f"{core_ns(row):.0f}"
        if share and "of_dr" in row:
            # of the core alone: the floor is no balancer's work
            dr = row["dr_ns"] - self.find("hit", "dr", 4, row["flows"])["floor_ns"]
            text += f" ({100 * dr / core_ns(row):.0f} %)"
        return text + ("*" if row.get("slow") else "")

    def hits(self):
        rows = []
        for what in ("hit", "both ways"):
            for mode in MODES:
                for family in (4, 6):
                    found = [self.find(what, mode, family, n) for n in self.flows]
                    if any(found):
                        name = f"`{mode}` IPv{family}" + (", both ways" if what != "hit" else "")
                        rows.append([name] + [self.cell(r, (mode, family, what) != ("dr", 4, "hit")) for r in found])
        for what, name in (("look-up", "connection table alone"), ("rte_hash", "`rte_hash` in its place")):
            rows.append([name] + [self.cell(self.find(what, None, None, n)) for n in self.flows])
        floors = [self.find("hit", "dr", 4, n) for n in self.flows]
        rows.append(["floor (not in the above)"] + [f"{r['floor_ns']:.0f}" if r and "failed" not in r else "-" for r in floors])
        return table(["core, nanoseconds a frame (of `dr` IPv4's speed)"] + [count(n) for n in self.flows], rows)

    def others(self):
        at = 1_000_000 if 1_000_000 in self.flows else self.flows[-1]
        rows = []
        for mode in MODES:
            for family in (4, 6):
                hit, insert = self.find("hit", mode, family, at), self.find("insert", mode, family)
                if hit is None:
                    continue
                rows.append([f"`{mode}` IPv{family}", self.cell(hit), self.cell(self.find("hit", mode, family, at, "sequential")),
                             self.cell(self.find("1 % new", mode, family, at)), self.cell(insert), f"{hit['bytes']:.0f}" if "bytes" in hit else "-"])
        return table([f"core, nanoseconds a frame at {count(at)}", "hits", "in order", "1 % new", "all new", "bytes a connection"], rows)

    def about(self):
        m = self.machine
        slow = sum(bool(r.get("slow")) for r in self.rows)
        best = sum(r.get("best_rounds", 0) for r in self.rows)
        rounds = sum(r.get("rounds", 0) for r in self.rows)
        floors = [r["floor_ns"] for r in self.rows if r.get("family") == 4 and "floor_ns" in r]
        text = (f"{m['cpu']}, TSC {m['tsc_ghz']:.2f} GHz, {os.cpu_count()} CPUs, {'hugepages' if m['hugepages'] else 'no hugepages'}. "
                f"Floors (IPv4) from {min(floors):.1f} to {max(floors):.1f} ns; {rounds - best} of {rounds} rounds were in a slow phase of the "
                "machine and left out.")
        return text + (f" {slow} rows (*) have slow rounds only." if slow else "")


def bursts(data):
    rows = [[r["what"], str(r["bursts"]), *(f"{r[k]:.1f}" for k in ("median_us", "p999_us", "worst_us", "first_us")), str(r["lost"]),
             str(r["moved"]), str(r["expired"])] for r in data]
    return table(["microseconds", "bursts", "median", "99.9 %", "worst", "first", "frames lost", "moved", "expired"], rows)


def layouts(data):
    flows = sorted({r["flows"] for r in data})
    alone = {r["flows"]: r["ns"] for r in data if r["what"].startswith("keys")}
    rows = []
    for what in dict.fromkeys(r["what"] for r in data if not r["what"].startswith("keys")):
        mine = {r["flows"]: r for r in data if r["what"] == what}
        last = mine[flows[-1]]
        rows.append([what, *(f"{mine[n]['ns'] - alone[n]:.1f}" for n in flows), f"{last['bytes']:.0f}",
                     f"{100 * last['no_place'] / flows[-1]:.2g} %" if last["no_place"] else "none"])
    return table(["nanoseconds a look-up, keys and hashes off"] + [count(n) for n in flows] + ["bytes an entry", "without a place"], rows)


def loop(data):
    rows = [[count(r["flows"]), "testpmd macswap" if r["kind"] == "testpmd" else f"`{r['kind'][:-1]}` IPv{r['kind'][-1]}", f"{r['mpps']:.1f}",
             f"{1e3 / r['mpps']:.0f}", f"{100 * r['of_testpmd']:.0f} %", "" if r["kind"] == "testpmd" else f"{100 * r['of_dr']:.0f} %",
             f"{r['least_mpps']:.1f}-{r['most_mpps']:.1f}", f"{r['best_rounds']}/{r['rounds']}"] for r in data["rows"]]
    return table(["connections", "", "Mpps", "ns a frame", "of testpmd", "of `dr` IPv4", "least-most", "rounds"], rows)


def costs(data):
    names = {"statistics": "statistics read 10 times a second", "checks": "1,000 TCP checks a second"}
    rows = [[names[k], f"{100 * r['lost']:.1f} % ({100 * r['least']:.1f} to {100 * r['most']:.1f})", f"{100 * r['main_cpu']:.0f} % of a core"]
            for k, r in data["costs"].items()]
    return table(["", "of the worker's rate (least to most of all pairs)", "main needs in addition"], rows)


def name(row):
    return f"`{row['mode']}` IPv{row['family']}" + (", both ways" if row["what"].endswith("both ways") else "")


def measured(data, workers):
    return [r for r in data["rows"] if r["workers"] == workers and "failed" not in r]


def mark(row):
    return "*" if row.get("slow") else ""


def own(data):
    """One worker, by `gantry bench`."""
    rows = [[count(r["flows"]), name(r), f"{r['mpps']:.1f}{mark(r)}", f"{r['ns']:.0f}", f"{r['floor_ns']:.0f}", f"{100 * r['of_macswap']:.0f} %",
             f"{100 * r['of_dr']:.0f} %" if "of_dr" in r else "", f"{r['best_rounds']}/{r['rounds']}"] for r in measured(data, 1)]
    return table(["connections", "", "Mpps", "ns a frame", "macswap, ns", "of macswap", "of `dr` IPv4", "rounds"], rows)


def workers(data):
    """Two workers, by `gantry bench`."""
    rows = [[count(r["flows"]), name(r), f"{1e3 / r['one_ns']:.1f}", f"{r['mpps']:.1f}{mark(r)}", f"{r['speedup']:.2f}",
             f"{1e3 / r['floor_ns']:.1f}", f"{r['best_rounds']}/{r['rounds']}"] for r in measured(data, 2)]
    return table(["connections", "", "one worker, Mpps", "two workers", "times", "two times macswap", "rounds"], rows)


def scale(data):
    def ms(r, what):
        before, after = r["without"][what], r["with"][what]
        return f"{before['median_ms']:.1f} / {before['p99_ms']:.0f} -> {after['median_ms']:.1f} / {after['p99_ms']:.0f}"
    rows = [[f"{r['vips']:,} x {r['servers']:,}", f"{r['ready_s']:.1f}", f"{r['resident_mb']:.0f} + {r['hugepages_mb']:.0f}",
             f"{r['orders_a_minute']:.0f}", f"{r['plan_ms']['mean']:.1f} / {r['plan_ms']['longest']:.0f}",
             f"{r['order']['median_ms']:.1f} / {r['order']['p99_ms']:.0f}", f"{100 * r['rate']:.0f} % ({100 * r['least']:.0f} to {100 * r['most']:.0f})",
             str(sum(r["dropped"].values()) + r["missed"]), f"{100 * (r['main_with'] - r['main_without']):.0f} %", ms(r, "question"), ms(r, "arp"),
             f"{r['with']['status']['median_ms']:.0f}", f"{r['main_waited_s']:.1f}"] for r in data["scale"]]
    return table(["VIPs x servers", "ready, s", "memory, MB + hugepages", "orders a minute", "a plan on main, mean / longest",
                  "order in force, median / 99 %", "worker's rate", "frames lost", "main needs in addition", "question, median / 99 %",
                  "ARP, median / 99 %", "`status`", "main without a CPU, s"], rows)


def changes(data):
    rows = [[count(10_000_000), str(r["mb"]), str(r["changes"]), str(r["bursts"]), *(f"{r[k]:.1f}" for k in ("median_us", "p999_us", "worst_us")),
             str(r["lost"]), str(r["moved"])] for r in data]
    return table(["connections", "MB", "changes", "bursts", "median, us", "99.9 %", "worst", "frames lost", "moved"], rows)


# ---- the page ----

def put(page, name, text):
    """Replaces what stands between the marks of a block."""
    begin, end = f"<!-- {name}: made by test/bench/report.py -->\n", f"<!-- end of {name} -->"
    before, rest = page.split(begin)
    return before + begin + text + "\n" + end + rest.split(end, 1)[1]


def write(directory):
    with open(PAGE, encoding="utf-8") as f:
        page = f.read()
    blocks = {"bursts": bursts, "layouts": layouts, "loop": loop, "costs": costs, "scale": scale, "changes": changes}
    for part in PARTS:
        try:
            with open(f"{directory}/{part}.json", encoding="ascii") as f:
                data = json.load(f)
        except FileNotFoundError:
            print(f"{part}: not measured, left as it is")
            continue
        if part == "core":
            core = Core(data)
            for name, text in (("machine", core.about()), ("hits", core.hits()), ("others", core.others())):
                page = put(page, name, text)
            with open(PLOT, "w", encoding="utf-8") as f:
                f.write(plot.draw(plot.series_of(core)))
        elif part == "own":
            page = put(put(page, "own", own(data)), "workers", workers(data))
        else:
            page = put(page, part, blocks[part](data))
    with open(PAGE, "w", encoding="utf-8") as f:
        f.write(page)


def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    os.chdir(ROOT)
    directory, parts = sys.argv[1], sys.argv[2:]
    if parts != ["--write"]:
        unknown = [p for p in parts if p not in PARTS]
        if unknown:
            sys.exit(f"no part {', '.join(unknown)}\n{__doc__}")
        measure(directory, parts or list(PARTS))
    write(directory)


if __name__ == "__main__":
    main()
