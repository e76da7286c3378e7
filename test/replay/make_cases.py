#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes the cases' folders: what comes in and what must come out, by scapy and by hand, never by
gantry. The folders are committed, so this is needed only to change a case.

usage: make_cases.py [--check] [CASE...]     --check: write nothing, tell which folders differ
"""
import filecmp
import os
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "make")]
sys.dont_write_bytecode = True

import casemaker  # noqa: E402
import drops, events, forward, formats, fragments, icmp, kernel, neighbours, schedulers, tables, tunnels  # noqa: E402,F401,E401
import wayback  # noqa: E402,F401


def cases():
    for function in casemaker.CASES:
        made = function()
        yield from made if isinstance(made, list) else [made]


def differs(folder, other):
    same = filecmp.dircmp(folder, other)
    _, mismatch, errors = filecmp.cmpfiles(folder, other, same.common_files, shallow=False)
    return same.left_only + same.right_only + mismatch + errors


def main():
    names = [name for name in sys.argv[1:] if name != "--check"]
    check, bad = "--check" in sys.argv, 0
    for case in cases():
        if names and case.name not in names:
            continue
        if not check:
            case.write()
            continue
        folder = os.path.join(HERE, case.name)
        with tempfile.TemporaryDirectory() as base:
            casemaker.HERE = base
            case.write()
            files = differs(folder, os.path.join(base, case.name)) if os.path.isdir(folder) else "all"
        if files:
            print(f"{case.name}: {files}")
            bad = 1
    return bad


if __name__ == "__main__":
    sys.exit(main())
