#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""
gantry as a service: this script plays systemd (sd_notify(3), sd_watchdog_enabled(3)), stops a worker
from outside, reads what each thread may still do from /proc, and lets systemd-analyze judge the unit.

usage: test_service.py GANTRY GANTRYCTL [unittest arguments]
"""
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import unittest

import harness
from harness import GANTRYCTL, START_S, Case
from stop_thread import stopped, threads

SERVICE = os.environ.get("GANTRY_SERVICE")
NET_ADMIN, NET_RAW, IPC_LOCK, SYS_ADMIN = 12, 13, 14, 21


class Service(Case):
    def setUp(self):
        super().setUp()
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.notify.close)
        self.notify.bind(self.path("notify"))
        self.notify.settimeout(START_S)

    def start(self, watchdog_us=None, pid=None, **kwargs):
        env = {"NOTIFY_SOCKET": self.path("notify")}
        prefix = []
        if watchdog_us is not None:
            env["WATCHDOG_USEC"] = str(watchdog_us)
            env["WATCHDOG_PID"] = str(pid) if pid else ""
            if pid is None:  # systemd knows it before gantry runs
                prefix = ["sh", "-c", 'export WATCHDOG_PID=$$; exec "$@"', "sh"]
        g = self.gantry(env=env, prefix=prefix, **kwargs)
        while (said := self.notify.recv(200)) == b"WATCHDOG=1":
            pass
        self.assertEqual(said, b"READY=1")
        return g

    def pings(self, seconds):
        """When something came in the next seconds; anything but the watchdog's food is an error."""
        begun, times = time.monotonic(), []
        while (left := begun + seconds - time.monotonic()) > 0:
            self.notify.settimeout(left)
            try:
                self.assertEqual(self.notify.recv(200), b"WATCHDOG=1")
            except TimeoutError:
                break
            times.append(time.monotonic() - begun)
        self.notify.settimeout(START_S)
        return times

    def until(self, what, seconds=10):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if what():
                return True
            time.sleep(0.02)
        return False


class Watchdog(Service):
    def test_fed_at_half_the_interval(self):
        g = self.start(watchdog_us=2000000)
        times = self.pings(5.5)
        # Every second, that is 5; half of it for a machine under load, and never a flood.
        self.assertIn(len(times), range(3, 7), times)
        self.assertEqual(g.stop(), 0)
        while (said := self.notify.recv(200)) == b"WATCHDOG=1":
            pass
        self.assertEqual(said, b"STOPPING=1")

    def test_not_fed_where_nobody_asks(self):
        self.start()
        self.assertEqual(self.pings(1.5), [])

    def test_not_fed_for_another_process(self):
        self.start(watchdog_us=500000, pid=1)
        self.assertEqual(self.pings(1.5), [])

    def test_nonsense_is_ignored(self):
        for value in ("x", "0", "-5", "5x", ""):
            g = self.start(watchdog_us=value)
            self.assertEqual(self.pings(0.3), [])
            self.assertEqual(g.stop(), 0)
            self.assertEqual(self.notify.recv(200), b"STOPPING=1")

    def test_stuck_worker_is_told_and_starves_it(self):
        g = self.start(watchdog_us=1000000)
        self.assertGreater(len(self.pings(2.5)), 1)
        tid, = threads(g.process.pid, "rte-worker-1")
        with stopped(tid):
            self.assertTrue(g.log_has("worker 0 on CPU ", 10), g.err)
            line = next(line for line in g.err if " is stuck: " in line)
            self.assertRegex(line, r"CRITICAL: worker 0 on CPU \d+ is stuck: its loop has made no turn "
                                   r"for \d+\.\d s, its connections stand still$")
            self.pings(0.2)
            self.assertEqual(self.pings(3), [])
            worker, = self.ask(g, "status")["workers"]
            self.assertGreater(worker["stuck_s"], 1)
            self.assertIn("worker 0 IS STUCK", self.ctl(g, "status"))
            self.assertRegex(self.ctl(g, "metrics"), r'(?m)^gantry_worker_up\{worker="0",cpu="\d+"\} 0$')
            self.assertEqual(sum(" is stuck: " in line for line in g.err), 1)
        self.assertTrue(g.log_has("goes on: its loop had made no turn for", 10))
        self.assertGreater(len(self.pings(3)), 0)
        self.assertEqual(self.ask(g, "status")["workers"][0]["stuck_s"], 0)
        self.assertNotIn("STUCK", self.ctl(g, "status"))
        self.assertEqual(g.stop(), 0)

    def test_one_of_two_workers_is_enough(self):
        g = self.start(watchdog_us=1000000, gantry="workers = 2")
        tid, = threads(g.process.pid, "rte-worker-2")
        with stopped(tid):
            self.assertTrue(g.log_has("worker 1 on CPU ", 10), g.err)
            self.pings(0.2)
            self.assertEqual(self.pings(2), [])
            self.assertEqual([w["stuck_s"] > 0 for w in self.ask(g, "status")["workers"]],
                             [False, True])
        self.assertTrue(g.log_has("worker 1 on CPU", 10))
        self.assertEqual(g.stop(), 0)

    def test_stopped_main_starves_it_and_blames_no_worker(self):
        g = self.start(watchdog_us=1000000)
        g.process.send_signal(signal.SIGSTOP)
        self.pings(0.2)
        self.assertEqual(self.pings(3), [])
        g.process.send_signal(signal.SIGCONT)
        self.assertGreater(len(self.pings(3)), 0)
        self.assertFalse([line for line in g.err if "stuck" in line])


@unittest.skipUnless(os.geteuid() == 0, "needs root, to have something to drop")
class Privileges(Case):
    def assert_dropped(self, g, *kept):
        """In every thread: these capabilities at most, and no new ones ever."""
        bits = sum(1 << c for c in kept)
        tasks = os.listdir(f"/proc/{g.process.pid}/task")
        self.assertGreater(len(tasks), 3)
        for tid in tasks:
            with open(f"/proc/{g.process.pid}/task/{tid}/status") as f:
                status = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
            for key in ("CapEff", "CapPrm"):
                self.assertEqual(int(status[key], 16), bits, (status["Name"], key, status[key]))
            self.assertEqual(int(status["CapInh"], 16), 0)
            self.assertEqual(status["NoNewPrivs"], "1", status["Name"])

    def veth(self):
        """A pair of Ethernets in this script's namespace; skips where it is the host's."""
        if not harness.own_network:
            self.skipTest("no network namespace of our own")
        subprocess.run(["ip", "link", "add", "gta", "type", "veth", "peer", "gtb"], check=True)
        self.addCleanup(subprocess.run, ["ip", "link", "del", "gta"])
        subprocess.run(["ip", "link", "set", "gtb", "up"], check=True)

    def test_without_a_kernel_interface(self):
        g = self.gantry(gantry="metrics = [::1]:19465\nworkers = 2\n")
        self.assert_dropped(g, NET_RAW)
        self.assertTrue(g.log_has("INFO: capabilities kept: cap_net_raw"))
        self.assertEqual(g.stop(), 0)

    def test_programs_of_checks_get_none(self):
        script, said = self.path("check"), self.path("said")
        with open(script, "w") as f:
            f.write(f"#!/bin/sh\ngrep -E '^(CapEff|CapPrm)' /proc/self/status >{said}.new\n"
                    f"mv {said}.new {said}\n")
        os.chmod(script, 0o755)
        g = self.gantry(more="[vip x]\ninterface = lan\naddress = 192.0.2.101\nport = 1\n"
                             f"check = e\n[check e]\ntype = exec\ncommand = {script}\n"
                             "[server x/a]\naddress = 192.0.2.13\n")
        end = time.monotonic() + 10
        while not os.path.exists(said) and time.monotonic() < end:
            time.sleep(0.02)
        with open(said) as f:
            self.assertEqual({int(line.split()[1], 16) for line in f}, {0})
        self.assertEqual(g.stop(), 0)

    def test_over_a_kernel_interface(self):
        self.veth()
        g = self.gantry(device="net_af_packet0,iface=gta")
        self.assert_dropped(g, NET_RAW, NET_ADMIN)
        self.assertEqual(g.stop(), 0)

    def test_what_the_unit_leaves_is_enough(self):
        self.veth()
        with open(SERVICE) as f:
            caps = re.search(r"^CapabilityBoundingSet=(.*)$", f.read(), re.M)[1]
        allowed = ",".join("+" + c[4:].lower() for c in caps.split())
        prefix = ["setpriv", f"--bounding-set=-all,{allowed}", "--inh-caps=-all", "--no-new-privs"]
        for device in ("net_af_packet0,iface=gta", "net_tap0,iface=gtt", "net_null0,no-rx=1"):
            g = self.gantry(device=device, prefix=prefix)
            self.assertEqual(g.stop(), 0)
            self.assertFalse([line for line in g.err if ": ERROR: " in line], g.err)
        g = self.gantry(device="net_af_packet0,iface=gta", interface="kernel = gtk", prefix=prefix)
        self.assert_dropped(g, NET_RAW, NET_ADMIN)
        self.assertEqual(g.stop(), 0)
        self.assertFalse([line for line in g.err if ": ERROR: " in line], g.err)
        # and for these devices not even SYS_ADMIN and IPC_LOCK
        prefix[1] = "--bounding-set=-all,+net_raw,+net_admin"
        g = self.gantry(device="net_af_packet0,iface=gta", prefix=prefix)
        self.assert_dropped(g, NET_RAW, NET_ADMIN)
        self.assertEqual(g.stop(), 0)

    def test_nobody_runs_it_without_devices_of_the_kernel(self):
        g = self.gantry(prefix=["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                                "--bounding-set=-all"])
        self.assert_dropped(g)
        self.assertTrue(g.log_has("INFO: capabilities kept: none"))
        self.assertEqual(g.stop(), 0)


@unittest.skipUnless(shutil.which("systemd-analyze"), "no systemd-analyze here")
class Unit(Case):
    def unit(self):
        """The unit with programs that exist here."""
        path = self.path("gantry.service")
        with open(SERVICE) as f, open(path, "w") as out:
            out.write(re.sub(r"(?m)^(Exec\w+)=/\S+/(gantry|gantryctl) ",
                             lambda m: f"{m[1]}={os.path.abspath(GANTRYCTL)} ", f.read()))
        return path

    def analyze(self, *args):
        return subprocess.run(["systemd-analyze", *args], capture_output=True, text=True, timeout=60)

    def test_verify(self):
        p = self.analyze("verify", "--man=no", self.unit())
        ours = [line for line in (p.stdout + p.stderr).splitlines() if "gantry" in line]
        self.assertEqual((p.returncode, ours), (0, []), p)

    def test_security(self):
        # 3.4 of 10 when it was written; 9.6 without any hardening. It needs the host's network.
        p = self.analyze("security", "--offline=yes", "--no-pager", "--threshold=40", self.unit())
        self.assertEqual(p.returncode, 0, p.stdout[-300:] + p.stderr)

    def test_paths_are_those_of_the_installation(self):
        with open(SERVICE) as f:
            text = f.read()
        self.assertNotIn("@", re.sub("@system-service", "", text))
        self.assertRegex(text, r"(?m)^ExecStart=/\S+/bin/gantry run /etc/gantry/gantry\.ini$")
        self.assertRegex(text, r"(?m)^Type=notify$")


if __name__ == "__main__":
    harness.main()
