#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""
A worker's loop from outside: nothing that it gathers stays behind, what it leaves to devices changes no verdict, frames in
several buffers arrive whole, and an idle worker sleeps if it is told to.

Needs root for the cases with a TAP; the others run as anybody.

usage: test_worker.py GANTRY GANTRYCTL [unittest arguments]
"""
import glob
import json
import os
import socket
import struct
import subprocess
import sys
import time

import harness
from harness import CLIENT_MAC, LAN_MAC, SERVER_MAC, Case, checksum, ipv4, read_pcap, syn, write_pcap

WAYS = ("idle = poll", "idle = sleep")


def echo(number, bad=0):
    """An echo request to the VIP. bad: added to the checksum of its IPv4 header."""
    icmp = struct.pack("!BBHHH", 8, 0, 0, 7, number) + b"gantry"
    icmp = icmp[:2] + struct.pack("!H", checksum(icmp)) + icmp[4:]
    frame = LAN_MAC + CLIENT_MAC + b"\x08\0" + ipv4("192.0.2.51", "192.0.2.100", 1, icmp)
    return frame[:24] + struct.pack("!H", struct.unpack_from("!H", frame, 24)[0] ^ bad) + frame[26:]


def worker_cpu_s(g):
    for task in glob.glob(f"/proc/{g.process.pid}/task/*"):
        with open(f"{task}/comm", encoding="ascii") as f:
            if "worker" not in f.read():
                continue
        with open(f"{task}/schedstat", encoding="ascii") as f:
            return int(f.read().split()[0]) / 1e9
    raise AssertionError("no thread of a worker")


def idle_share(g, seconds=2.0):
    cpu, begun = worker_cpu_s(g), time.monotonic()
    time.sleep(seconds)
    return (worker_cpu_s(g) - cpu) / (time.monotonic() - begun)


class Tap(Case):
    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("needs root for a TAP")
        self.tap = f"gw{os.getpid() % 100000}"

    def start(self, way, more=""):
        g = self.gantry(device=f"net_tap0,iface={self.tap}", interface="mac = 02:00:00:00:00:02", gantry=way, more=more)
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.addCleanup(s.close)
        s.bind((self.tap, 0))
        return g, s

    @staticmethod
    def answers(s, wanted, seconds):
        """The numbers of the echo replies that come until all wanted ones are there."""
        got, until = set(), time.monotonic() + seconds
        while got != wanted and time.monotonic() < until:
            s.settimeout(max(0.01, until - time.monotonic()))
            try:
                f = s.recv(2048)
            except TimeoutError:
                break
            if f[12:14] == b"\x08\0" and f[34] == 0:
                got.add(struct.unpack_from("!H", f, 40)[0])
        return got

    def test_small_bursts_leave_at_once(self):
        for way in WAYS:
            g, s = self.start(way)
            sent = 0
            for n in (1, 2, 31, 32, 33, 1):
                for i in range(n):
                    s.send(echo(sent + i))
                wanted = set(range(sent, sent + n))
                self.assertEqual(self.answers(s, wanted, 5), wanted, way)
                sent += n
            self.assertEqual(self.settled(g, sent)["frames"]["answered"], sent)
            self.assertEqual(g.stop(), 0)
            s.close()

    def test_lone_frame_leaves_though_more_comes_in_without_end(self):
        g, s = self.start("", more="[interface wan]\ndevice = net_null1\naddress = 198.51.100.2/24\n")
        for i in range(20):  # less than a batch, and no turn of the loop is empty
            s.send(echo(i))
            self.assertEqual(self.answers(s, {i}, 5), {i})
        self.assertGreater(self.ask(g, "status")["drops"]["other-mac"], 1000)
        self.assertEqual(g.stop(), 0)

    def test_what_the_device_checks_gets_the_same_verdict(self):
        g, s = self.start("")
        # net_tap checks in software what it is asked to: a good stand-in for a NIC.
        self.assertTrue(g.log_has("net_tap0 does for us: IPv4 checksums, "), g.err)
        for i in range(20):
            s.send(echo(i, bad=0x0101 if i % 2 else 0))
        self.assertEqual(self.answers(s, set(range(0, 20, 2)), 5), set(range(0, 20, 2)))
        s.send(syn("192.0.2.51", 4711))
        ack = bytearray(syn("192.0.2.51", 4711))
        ack[47] = 16
        s.send(ack)
        ack[24] ^= 1  # of an established connection, but the header is broken
        s.send(ack)
        status = self.settled(g, 23)
        self.assertEqual(status["drops"].get("ip-checksum"), 11)
        self.assertEqual((status["frames"]["answered"], status["frames"]["forwarded"]), (10, 2))
        self.assertEqual(g.stop(), 0)

    def test_sleeping_worker_is_woken(self):
        g, s = self.start("idle = sleep")
        share = idle_share(g)
        print(f"  net_tap, idle = sleep: {100 * share:.1f} % of a core", file=sys.stderr)
        self.assertLess(share, 0.25)
        for i in range(50):
            time.sleep(0.005)  # it sleeps again by then
            s.send(echo(i))
            self.assertEqual(self.answers(s, {i}, 2), {i})
        self.assertLess(self.ask(g, "status")["workers"][0]["busy_percent"], 25)
        self.assertEqual(g.stop(), 0)


class Pcap(Case):
    def forwarded(self, frames, **kwargs):
        """What comes out of gantry of these frames."""
        write_pcap(self.path("in.pcap"), frames)
        g = self.gantry(device=f"net_pcap0,rx_pcap={self.path('in.pcap')},tx_pcap={self.path('out.pcap')}", **kwargs)
        self.settled(g, len(frames))
        self.assertEqual(g.stop(), 0)
        return [f for f in read_pcap(self.path("out.pcap")) if f[12:14] == b"\x08\0"]

    def test_all_have_left_at_the_end(self):
        for way in WAYS:
            for n in (1, 31, 32, 33, 77, 1000):
                frames = [syn("192.0.2.51", 10000 + i) for i in range(n)]
                out = self.forwarded(frames, interface="mac = 02:00:00:00:00:02", gantry=way)
                self.assertEqual(out, [SERVER_MAC + LAN_MAC + f[12:] for f in frames], f"{way}, {n} frames")

    def test_tables_made_by_several_threads_are_those_of_one(self):
        """A start has helpers (app/gantry/crew.c), replay has none: both choose the same servers for all."""
        more, vips = "", range(64)
        for v in vips:
            scheduler = "rendezvous" if v % 3 == 0 else "maglev"
            more += f"[vip v{v}]\ninterface = lan\naddress = 192.0.2.{101 + v}\nport = 104\ncheck = none\nscheduler = {scheduler}\n"
            for s in range(5):
                at = 20 + v % 16 * 5 + s  # each list of servers is that of four VIPs
                more += f"[server v{v}/s{s}]\naddress = 192.0.2.{at}\nmac = 02:00:00:00:00:{at:02x}\n"
        frames = [syn("198.18.0.1", 10000 + i, f"192.0.2.{101 + v}") for v in vips for i in range(20)]
        out = self.forwarded(frames, interface="mac = 02:00:00:00:00:02", more=more)
        path = self.path(f"t{os.getpid()}-{self.count}.ini")
        p = subprocess.run([harness.GANTRY, "replay", path, "--in", f"lan={self.path('in.pcap')}", "--out", f"lan={self.path('replay.pcap')}"],
                           capture_output=True, text=True, timeout=20)
        self.assertEqual(p.returncode, 0, p)
        self.assertEqual(len(out), len(frames))
        self.assertEqual(out, read_pcap(self.path("replay.pcap")))

    def test_frames_in_several_buffers_arrive_whole(self):
        frames = []
        for i in range(40):
            payload = bytes((i + j) % 251 for j in range(100 + 220 * i))
            tcp = struct.pack("!HHIIBBHHH", 5000 + i, 104, 1, 1, 5 << 4, 16, 65535, 0, 0)
            frames.append(LAN_MAC + CLIENT_MAC + b"\x08\0" + ipv4("192.0.2.51", "192.0.2.100", 6, tcp + payload))
        # 768 bytes of buffer, 128 of them headroom: up to 14 buffers a frame.
        out = self.forwarded(frames, interface="mac = 02:00:00:00:00:02\nmtu = 576", gantry="buffer_size = 768")
        self.assertEqual(out, [SERVER_MAC + LAN_MAC + f[12:] for f in frames])


class Idle(Case):
    def test_device_without_interrupts_is_asked_now_and_then(self):
        g = self.gantry(gantry="idle = sleep")
        self.assertTrue(g.log_has("interface lan: net_null0 does not tell when frames come, so worker 0 naps"), g.err)
        share = idle_share(g)
        print(f"  net_null, idle = sleep: {100 * share:.1f} % of a core", file=sys.stderr)
        self.assertLess(share, 0.4)  # 7 to 14 % on a virtual machine, where each nap costs 6 us
        status = self.ask(g, "status")
        self.assertLess(status["workers"][0]["busy_percent"], 25)
        self.assertEqual(status["workers"][0].get("stuck_s", 0), 0)
        self.assertEqual(g.stop(), 0)

    def test_busy_worker_is_busy_in_either_way(self):
        for way in WAYS:
            g = self.gantry(device="net_null0", gantry=way)  # as many frames as there is time for
            until = time.monotonic() + 5
            while self.ask(g, "status")["workers"][0]["busy_percent"] < 90:
                self.assertLess(time.monotonic(), until, way)
                time.sleep(0.2)
            self.assertEqual(g.stop(), 0)


class Interrupts(Case):
    def test_rx_interrupt_wakes_a_sleeping_worker(self):
        """A device with RX interrupts, which net_virtio_user is; the generator of test/bench at the other end."""
        latency = os.environ.get("LATENCY")
        with open("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", encoding="ascii") as f:
            if int(f.read()) < 300 or not latency or os.geteuid() != 0:
                self.skipTest("needs LATENCY, root and 300 free hugepages of 2 MB")
        path, mac = self.path("v.sock"), "02:00:00:00:00:02"
        p = subprocess.Popen([latency, "--no-pci", "--in-memory", "--single-file-segments",
                              f"--file-prefix=gantry-peer-{os.getpid()}", "-l", "0", "-m", "128",
                              f"--vdev=net_vhost0,iface={path}", "--log-level=error", "--", "500", "1", mac],
                             stdout=subprocess.PIPE, text=True, preexec_fn=harness.die_with_parent)
        self.addCleanup(p.kill)
        until = time.monotonic() + 10
        while not os.path.exists(path) and time.monotonic() < until:
            time.sleep(0.01)
        g = self.gantry(device=f"net_virtio_user0,path={path},queues=1,mac={mac}", hugepages="yes",
                        gantry="idle = sleep\neal = --single-file-segments")
        self.assertFalse(any("does not tell when frames come" in line for line in g.err), g.err)
        out = p.communicate(timeout=60)[0]
        self.assertEqual(p.returncode, 0, out)
        told = json.loads(out.splitlines()[-1])
        print(f"  net_virtio_user, idle = sleep: {told}", file=sys.stderr)
        self.assertGreaterEqual(told["received"], 0.99 * told["sent"])
        # Without them it would look once a millisecond: after half of that on average.
        self.assertLess(told["median_ns"], 350_000)
        share = idle_share(g)
        print(f"  net_virtio_user, idle = sleep: {100 * share:.1f} % of a core", file=sys.stderr)
        self.assertLess(share, 0.25)
        self.assertEqual(g.stop(), 0)


if __name__ == "__main__":
    harness.main()
