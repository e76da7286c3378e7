# SPDX-License-Identifier: BSD-3-Clause
"""What the benches of whole processes share: a gantry, and the end of whatever was started."""
import signal
import subprocess
import sys


def start_gantry(build, path):
    process = subprocess.Popen([f"{build}/app/gantry/gantry", "run", path], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True)
    ready = process.stdout.readline()
    said = ready
    while ready and not ready.startswith("READY"):
        ready = process.stdout.readline()
        said += ready
    if not ready:
        sys.exit(f"gantry did not start: {said}")
    return process


def stop(process):
    process.send_signal(signal.SIGINT)
    try:
        return process.communicate(timeout=60)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[0]
