#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""No story of test/bench/bursts may stop a worker: no frame lost, and the worst burst a bounded multiple of a quiet one.

What happens is counted exactly: all but the thousand that go on expire, and a sixteenth of the connections moves. The bounds on time are wide: at
150,000 connections a sweep of the whole table at once, or a table built by the worker, would be a thousand times a quiet burst.

  test_bursts.py BURSTS CONFIG
"""
import json
import subprocess
import sys

CONNECTIONS = 150_000
TIMES_QUIET = 60  # 1.2 and 4 are seen


def run(bursts, config, *more):
    out = subprocess.run([bursts, config, "dr4", str(CONNECTIONS), "json", *more], stdout=subprocess.PIPE, check=True, text=True, timeout=250).stdout
    print(out)
    return json.loads(out)


def main():
    bursts, config = sys.argv[1:]
    quiet, expiry, down = run(bursts, config)
    # it ends itself if a connection moves whose server is there
    changes = run(bursts, config, "changes")[0]
    for story in (quiet, expiry, down, changes):
        assert story["lost"] == 0, story
        assert story["worst_us"] < TIMES_QUIET * quiet["median_us"], story
    # the thousand of 1,024 that were kept alive
    assert expiry["expired"] == CONNECTIONS - 1024 and quiet["expired"] == 0, expiry
    # one of 16 servers, by chance a bit more or less than a sixteenth; not all bursts fill the last few
    assert 0.7 < down["moved"] * 16 / CONNECTIONS < 1.3 and expiry["moved"] == 0, down
    assert changes["changes"] == 334 and changes["moved"] > 0 and changes["expired"] == 0, changes


main()
