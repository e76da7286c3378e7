#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Instructions a frame of the packet core, by callgrind, against recorded figures.

Times depend on the machine and its neighbours; instructions do not, so a change that makes a path
slower shows here before anybody measures it. A figure that leaves 3 % of what is recorded fails,
upwards and downwards: after a change that is meant, run with --record and commit the new figures.

  test_instructions.py [--record] INSTRUCTIONS CONFIG RECORDED BUILD

BUILD says what the program was built with; other compilers give other figures, and it is skipped.
"""
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile

WITHIN = 0.03
SKIP = 77
FLOWS, FRAMES = 256, 12800
KINDS = [f"{mode}{family}" for mode in ("dr", "nat", "snat", "tunnel") for family in (4, 6)]
KINDS += [f"{mode}{family} replies" for mode in ("nat", "snat") for family in (4, 6)]
KINDS += [f"{mode}{family} both" for mode in ("nat", "snat") for family in (4, 6)]
KINDS += [f"{mode}{family} new" for mode in ("dr", "nat", "snat", "tunnel") for family in (4, 6)]
KINDS += [f"{mode}4 fin" for mode in ("dr", "nat", "snat")] + ["dr4 flood", "dr6 flood"]


def count(program, config, kind):
    """Instructions of one frame of a kind."""
    vip, *rest = kind.split()
    with tempfile.NamedTemporaryFile() as out:
        run = subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out.name}",
             "--toggle-collect=gt_counted_burst", program, config, vip, str(FLOWS), str(FRAMES),
             *rest], capture_output=True, text=True, timeout=120)
    collected = re.search(r"Collected : (\d+)", run.stderr)
    if run.returncode != 0 or collected is None:
        sys.exit(f"{kind}: exit code {run.returncode}:\n{run.stderr}")
    return int(collected[1]) / FRAMES


def read(path):
    """The build that the figures are of, and the figures by kind."""
    with open(path, encoding="ascii") as f:
        lines = [line.strip() for line in f if line.strip() and not line.startswith("#")]
    figures = dict(line.rsplit(" ", 1) for line in lines[1:])
    return lines[0], {kind: float(figure) for kind, figure in figures.items()}


def main():
    record = sys.argv[1] == "--record"
    program, config, recorded, build = sys.argv[1 + record:]
    if shutil.which("valgrind") is None:
        print("skipped: valgrind is not installed (package valgrind)")
        return SKIP
    of_build, figures = read(recorded)
    if build != of_build and not record:
        print(f"skipped: built with {build}; the recorded figures are of {of_build}")
        return SKIP
    if record:
        print(f"# Instructions a frame: test_instructions.py --record wrote it.\n{build}")
    wrong = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        counts = list(pool.map(lambda kind: count(program, config, kind), KINDS))
    for kind, n in zip(KINDS, counts):
        if record:
            print(f"{kind} {n:.0f}")
            continue
        bad = abs(n / figures[kind] - 1) > WITHIN
        wrong += bad
        print(f"{kind:13} {n:6.0f}, recorded {figures[kind]:6.0f}{' <- not within 3 %' * bad}")
    if wrong:
        print("If that is meant, record the new figures: see the head of test_instructions.py.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
