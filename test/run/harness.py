# SPDX-License-Identifier: BSD-3-Clause
"""
What the tests of `gantry run` from outside share: a gantry as a child that dies with the script and is
ended by its own id, its configuration, its control socket, frames and captures. Every wait is bounded.

The scripts are called as: test_X.py GANTRY GANTRYCTL [unittest arguments]
"""
import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

GANTRY, GANTRYCTL = sys.argv[1:3]
LAN_MAC = bytes.fromhex("020000000002")
CLIENT_MAC = bytes.fromhex("020000000201")
SERVER_MAC = bytes.fromhex("020000000101")
START_S, STOP_S = 10, 1.0
LIBC = ctypes.CDLL(None)


def die_with_parent():
    LIBC.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Gantry:
    """One gantry, its log and its READY line."""

    def __init__(self, config, prefix=(), env=None):
        self.out, self.err = [], []
        self.within_s = START_S
        self.name = os.path.basename(config)[:-len(".ini")]
        self.begun = time.monotonic()
        self.process = subprocess.Popen(
            [*prefix, GANTRY, "run", config], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env={**os.environ, **(env or {})},
            preexec_fn=die_with_parent)
        self.readers = [threading.Thread(target=self.read, args=a, daemon=True)
                        for a in ((self.process.stdout, self.out), (self.process.stderr, self.err))]
        for reader in self.readers:
            reader.start()

    @staticmethod
    def read(stream, lines):
        for line in stream:
            lines.append(line.rstrip("\n"))

    def wait_ready(self):
        while time.monotonic() < self.begun + self.within_s:
            for line in self.out:
                if line.startswith("READY "):
                    self.start_s = time.monotonic() - self.begun
                    return line
            if self.process.poll() is not None:
                break
            time.sleep(0.005)
        self.kill()
        raise AssertionError("not ready:\n" + "\n".join(self.out + self.err))

    def wait_end(self, seconds):
        self.process.wait(seconds)
        for reader in self.readers:
            reader.join(2)
        self.process.stdout.close()
        self.process.stderr.close()
        return self.process.returncode

    def stop(self, number=signal.SIGTERM):
        begun = time.monotonic()
        self.process.send_signal(number)
        code = self.wait_end(10)
        self.stop_s = time.monotonic() - begun
        return code

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.wait_end(5)
        # EAL's directory and telemetry are all that a killed one leaves beside its socket.
        for base in ("/var/run/dpdk", "/tmp/dpdk"):
            with contextlib.suppress(OSError):
                os.unlink(f"{base}/gantry-{self.name}/dpdk_telemetry.v2")
            with contextlib.suppress(OSError):
                os.rmdir(f"{base}/gantry-{self.name}")

    def log_has(self, words, seconds=2):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if any(words in line for line in self.err):
                return True
            time.sleep(0.01)
        return False


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ipv4(source, destination, protocol, payload):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, 0x4000, 64, protocol, 0,
                       socket.inet_aton(source), socket.inet_aton(destination))
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def syn(client, port, vip="192.0.2.100", vip_port=104):
    tcp = struct.pack("!HHIIBBHHH", port, vip_port, 1, 0, 5 << 4, 2, 65535, 0, 0)
    return LAN_MAC + CLIENT_MAC + b"\x08\x00" + ipv4(client, vip, 6, tcp)


def write_pcap(path, frames):
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for i, frame in enumerate(frames):
            f.write(struct.pack("<IIII", 1, i, len(frame), len(frame)) + frame)


def read_pcap(path):
    with open(path, "rb") as f:
        data = f.read()
    frames, at = [], 24
    while at < len(data):
        size = struct.unpack_from("<I", data, at + 8)[0]
        frames.append(data[at + 16:at + 16 + size])
        at += 16 + size
    return frames


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="gantry-run-")
        os.chmod(self.dir, 0o777)
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.count = 0

    def path(self, name):
        return os.path.join(self.dir, name)

    def config(self, device="net_null0,no-rx=1", name=None, gantry="", interface="", more="",
               hugepages="no", servers=None, control=None):
        """Writes a configuration; returns its path."""
        self.count += 1
        name = name or f"t{os.getpid()}-{self.count}"
        self.control = control or self.path(f"{name}.sock")
        servers = servers or "[server pacs/a]\naddress = 192.0.2.11\nmac = 02:00:00:00:01:01\n"
        path = self.path(f"{name}.ini")
        with open(path, "w") as f:
            f.write(f"[gantry]\nname = {name}\nhugepages = {hugepages}\nconnections = 20000\n"
                    f"control = {self.control}\n{gantry}\n"
                    f"[interface lan]\ndevice = {device}\naddress = 192.0.2.2/24\n{interface}\n"
                    "[vip pacs]\ninterface = lan\naddress = 192.0.2.100\nport = 104, 11112\n"
                    f"check = none\n{servers}{more}")
        return path

    def gantry(self, *args, env=None, prefix=(), start_s=START_S, **kwargs):
        g = Gantry(self.config(*args, **kwargs), prefix, env)
        g.within_s = start_s
        g.control, g.path = self.control, g.process.args[-1]
        self.addCleanup(g.kill)
        g.ready = g.wait_ready()
        return g

    def refused(self, words, *args, code=1, prefix=(), **kwargs):
        """It must end at once with this code, and one ERROR line that has all the words."""
        g = Gantry(self.config(*args, **kwargs), prefix)
        self.addCleanup(g.kill)
        self.assertEqual(g.wait_end(START_S), code, g.err)
        errors = [line for line in g.err if ": ERROR: " in line]
        self.assertEqual(len(errors), 1, g.err)
        for word in words:
            self.assertIn(word, errors[0])
        self.assertFalse(any(line.startswith("READY") for line in g.out))
        return g

    def edit(self, g, more):
        """Adds lines to its configuration; returns how many lines that has."""
        with open(g.path, "a+", encoding="ascii") as f:
            f.write(more)
            f.seek(0)
            return len(f.readlines())

    def weight(self, g, server):
        return self.ask(g, "status")["vips"]["pacs"]["servers"][server]["weight"]

    def ctl(self, g, *args, code=0):
        p = subprocess.run([GANTRYCTL, "-s", g.control, *args], capture_output=True, text=True,
                           timeout=20, stdin=subprocess.DEVNULL)
        self.assertEqual(p.returncode, code, p)
        return p.stdout if code == 0 else p.stderr

    def ask(self, g, *args):
        return json.loads(self.ctl(g, "--json", *args))

    def settled(self, g, frames):
        """The status once so many frames have come in and none is on its way."""
        until = time.monotonic() + 5
        while time.monotonic() < until:
            status = self.ask(g, "status")
            f = status["frames"]
            if f["in"] >= frames and f["in"] == f["forwarded"] + f["answered"] + f["kernel"] + \
                    f["dropped"]:
                break
            time.sleep(0.02)
        self.assertEqual(f["in"], f["forwarded"] + f["answered"] + f["kernel"] + f["dropped"])
        self.assertEqual(sum(status["drops"].values()), f["dropped"])
        self.assertEqual(f["in"], sum(i["in_frames"] for i in status["interfaces"].values()))
        return status


own_network = False


def enter_namespace():
    """A network of our own, so that a TAP here meets nobody else's."""
    global own_network
    if os.geteuid() != 0:
        return
    if LIBC.unshare(0x40000000) != 0:
        print("no network namespace of our own: going on in the host's", file=sys.stderr)
    else:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        own_network = True


def main():
    enter_namespace()
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=2)
