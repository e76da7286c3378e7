#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Runs the replay cases: frames in, frames out. See README.md for what a case is.

usage: run.py [--workers N] [GANTRY] [CASE...]     GANTRY: the binary, or the environment's GANTRY

With --workers each configuration gets that many: what a frame gets must be the same.
"""
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

import pcapfile

HERE = os.path.dirname(os.path.abspath(__file__))
DEFAULT_ARGS = "gantry.ini --in lan=in.pcap --out lan={out}/out.pcap"
TIMEOUT_S = 120


class Wrong(Exception):
    """What a case did not do as expected."""


def lines(path):
    """The lines of a file that say something."""
    with open(path) as f:
        return [line.strip() for line in f if line.strip() and not line.startswith("#")]


def run_gantry(gantry, case, args, out):
    words = [word.replace("{out}", out) for word in shlex.split(args)]
    # A build with sanitizers must not end like a gantry that was told nonsense.
    env = {"ASAN_OPTIONS": "exitcode=99", "LSAN_OPTIONS": "exitcode=99",
           "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1:exitcode=99", **os.environ}
    return subprocess.run([gantry, "replay", *words], cwd=case, env=env, capture_output=True,
                          text=True, timeout=TIMEOUT_S)


def check_exit(result, wanted):
    if result.returncode != wanted:
        raise Wrong(f"exit code {result.returncode}, not {wanted}\n{result.stderr}")


def frame_text(frame):
    s, ns = divmod(frame.ns, 10**9)
    return f"{s}.{ns:09d} {len(frame.data)}/{frame.wire_len} {frame.data.hex()}"


def check_pcap(expected, got):
    """Frame by frame: bytes, lengths and time."""
    if not os.path.exists(got):
        raise Wrong(f"{os.path.basename(got)} was not written")
    want, have = pcapfile.read(expected), pcapfile.read(got)
    for i, (w, h) in enumerate(zip(want, have)):
        if w != h:
            raise Wrong(
                f"{os.path.basename(got)}, frame {i + 1}:\n"
                f"  expected {frame_text(w)}\n  got      {frame_text(h)}"
            )
    if len(want) != len(have):
        more = (want if len(want) > len(have) else have)[min(len(want), len(have))]
        raise Wrong(
            f"{os.path.basename(got)}: {len(have)} frames, not {len(want)}; the first "
            f"{'missing' if len(want) > len(have) else 'unexpected'} one:\n  {frame_text(more)}"
        )


def check_subset(expected, got, where="report"):
    """Every key that is expected is there with its value; more keys are fine."""
    if isinstance(expected, dict):
        if not isinstance(got, dict):
            raise Wrong(f"{where}: {got!r} is no object")
        for key, value in expected.items():
            if key not in got:
                raise Wrong(f"{where}: no {key}, only {', '.join(got) or 'nothing'}")
            check_subset(value, got[key], f"{where}.{key}")
    elif expected != got:
        raise Wrong(f"{where}: {got!r}, not {expected!r}")


def check_identities(report):
    """What must hold in every report, whatever the case."""
    f = report["frames"]
    if f["in"] != f["forwarded"] + f["answered"] + f["kernel"] + f["dropped"]:
        raise Wrong(f"frames do not add up: {f}")
    if f["dropped"] != sum(report["drops"].values()):
        raise Wrong(f"drop reasons do not add up: {f['dropped']}, {report['drops']}")
    if min(report["drops"].values(), default=1) < 1:
        raise Wrong(f"a reason without drops: {report['drops']}")
    if [key for key in report if key != "snat"] != ["frames", "drops", "vips", "connections"]:
        raise Wrong(f"keys of the report: {list(report)}")
    servers = [s for vip in report["vips"].values() for s in vip["servers"].values()]
    c = report["connections"]
    if c["active"] < 0 or any(s["active"] < 0 for s in servers):
        raise Wrong("negative numbers of connections")
    if c["created"] != c["active"] + c["expired"]:
        raise Wrong(f"connections do not add up: {c}")
    # A reload may have taken VIPs and servers away, with what they got.
    if sum(vip["frames"] for vip in report["vips"].values()) > f["forwarded"]:
        raise Wrong("VIPs got more frames than were forwarded")
    for name, vip in report["vips"].items():
        for key in "frames", "bytes":
            if sum(s[key] for s in vip["servers"].values()) > vip[key]:
                raise Wrong(f"servers of {name} got more {key} than their VIP")


def check_outputs(case, out, result):
    """All expect* files of a case, and the report's identities if there is a report."""
    path = os.path.join(case, "expect.stderr")
    for pattern in lines(path) if os.path.exists(path) else []:
        if not re.search(pattern, result.stderr, re.M):
            raise Wrong(f"stderr has nothing like '{pattern}':\n{result.stderr}")
    for name in sorted(os.listdir(case)):
        if name.startswith("expect") and name.endswith(".pcap"):
            check_pcap(os.path.join(case, name), os.path.join(out, "out" + name[len("expect") :]))
    if os.path.exists(os.path.join(out, "report.json")):
        with open(os.path.join(out, "report.json")) as f:
            report = json.load(f)
        check_identities(report)
        expected = os.path.join(case, "expect.json")
        if os.path.exists(expected):
            with open(expected) as f:
                check_subset(json.load(f), report)
    elif result.returncode == 0:
        raise Wrong("no report was written")
    left = [name for name in os.listdir(out) if re.search(r"\.[A-Za-z0-9]{6}$", name)]
    if left:
        raise Wrong(f"temporary files are left behind: {left}")


def helper(case, script, out):
    """Runs a case's own script with the directory of the outputs."""
    path = os.path.join(case, script)
    if not os.path.exists(path):
        return
    env = dict(os.environ, PYTHONPATH=HERE, PYTHONDONTWRITEBYTECODE="1")
    result = subprocess.run(
        [sys.executable, path, out], cwd=case, env=env, capture_output=True, text=True,
        timeout=TIMEOUT_S,
    )
    if result.returncode != 0:
        raise Wrong(f"{script}: {result.stdout}{result.stderr}")


def run_once(gantry, case, out):
    """Runs a case; returns all that it wrote."""
    args = DEFAULT_ARGS
    if os.path.exists(os.path.join(case, "args")):
        args = " ".join(lines(os.path.join(case, "args")))
    wanted = 0
    if os.path.exists(os.path.join(case, "expect.exit")):
        wanted = int(lines(os.path.join(case, "expect.exit"))[0])
    helper(case, "prepare.py", out)
    result = run_gantry(gantry, case, args + " --report {out}/report.json", out)
    check_exit(result, wanted)
    check_outputs(case, out, result)
    helper(case, "check.py", out)
    written = {"stdout": result.stdout.encode(), "stderr": result.stderr.encode()}
    for name in os.listdir(out):
        with open(os.path.join(out, name), "rb") as f:
            written[name] = f.read().replace(out.encode(), b"")
    return written


def run_commands(gantry, case, out):
    """A case of command lines: EXIT | PATTERN of stderr or stdout | ARGUMENTS."""
    for line in lines(os.path.join(case, "commands")):
        wanted, pattern, args = (part.strip() for part in f"{line} ".split(" | ", 2))
        result = run_gantry(gantry, case, args, out)
        try:
            check_exit(result, int(wanted))
            if not re.search(pattern, result.stderr or result.stdout, re.M):
                raise Wrong(f"says nothing like '{pattern}': {result.stderr or result.stdout}")
            if wanted == "2" and result.stdout:
                raise Wrong(f"wrong use, but on stdout: {result.stdout}")
        except Wrong as wrong:
            raise Wrong(f"{args}: {wrong}") from None


# What one worker has room for is the point of these; or they name lines of their files.
ONE_WORKER = {"table-full", "table-full-syn", "fragments-full", "tunnel-too-big-limit", "usage"}


def with_workers(case, to, workers):
    """A copy of a case whose configurations have so many workers."""
    copy = shutil.copytree(case, os.path.join(to, os.path.basename(case)))
    os.symlink(os.path.join(HERE, "captures"), os.path.join(to, "captures"))
    for name in os.listdir(copy):
        if not name.endswith(".ini"):
            continue
        path = os.path.join(copy, name)
        with open(path) as f:
            text = f.read()
        key = f"[gantry]\nworkers = {workers}\n"
        text = re.sub(r"^\[gantry\]\n", key, text, flags=re.M) if "[gantry]" in text else key + text
        with open(path, "w") as f:
            f.write(text)
    return copy


def run_case(gantry, case):
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        if os.path.exists(os.path.join(case, "commands")):
            run_commands(gantry, case, first)
            return
        a = run_once(gantry, case, first)
        b = run_once(gantry, case, second)
        for name in a:
            if a[name].replace(first.encode(), b"") != b.get(name, b"").replace(
                second.encode(), b""
            ):
                raise Wrong(f"{name} differs between two runs of the same")


def main():
    args = sys.argv[1:]
    workers = 1
    if args[:1] == ["--workers"]:
        workers, args = int(args[1]), args[2:]
    gantry = args.pop(0) if args and os.path.isfile(args[0]) else None
    gantry = os.environ.get("GANTRY") or gantry
    if gantry is None:
        sys.exit(__doc__)
    gantry = os.path.abspath(gantry)
    names = args or sorted(
        name for name in os.listdir(HERE) if os.path.exists(os.path.join(HERE, name, "gantry.ini"))
    )
    if workers > 1:
        # Source ports depend on the number of workers: these cases have twins with four (snat-*-workers).
        names = [name for name in names if name not in ONE_WORKER and "snat" not in name]
    failed = []
    for name in names:
        case = os.path.join(HERE, name)
        try:
            with tempfile.TemporaryDirectory() as to:
                run_case(gantry, with_workers(case, to, workers) if workers > 1 else case)
        except Exception as e:  # a case must not stop the others
            failed.append(name)
            kind = "" if isinstance(e, Wrong) else f"{type(e).__name__}: "
            print(f"FAIL {name}: {kind}{e}")
    print(f"replay: {len(names) - len(failed)} of {len(names)} cases passed")
    if failed:
        print("failed: " + " ".join(failed))
    return 1 if failed or not names else 0


if __name__ == "__main__":
    sys.exit(main())
