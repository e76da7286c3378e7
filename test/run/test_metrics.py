#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""
gantry's numbers from outside: for Prometheus (judged by its own promtool), by gantryctl metrics and by
DPDK's telemetry (read by DPDK's own dpdk-telemetry.py). Every number is compared with what was sent.

usage: test_metrics.py GANTRY GANTRYCTL [unittest arguments]
"""
import contextlib
import http.client
import json
import os
import re
import resource
import shutil
import socket
import subprocess
import sys
import threading
import time
import unittest

import harness
from harness import GANTRYCTL, Case, syn, write_pcap

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
ALERTS = os.path.join(ROOT, "config/gantry-alerts.yml")
SAMPLE = re.compile(r'([a-z_]+)(?:\{(.*)\})? ([0-9.e+-]+)')
SERVERS = ("[server pacs/a]\naddress = 192.0.2.11\nmac = 02:00:00:00:01:01\n"
           "[server pacs/b-2]\naddress = 192.0.2.12\nstate = drain\n")


def parse(text):
    """{(name, labels): value}; a line that is no sample and no comment, or comes twice, is an error."""
    samples = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        name, labels, value = SAMPLE.fullmatch(line).groups()
        assert (name, labels) not in samples, line
        samples[name, labels] = float(value)
    return samples


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def promtool(*args, text=None):
    return subprocess.run(["promtool", *args], input=text, capture_output=True, text=True, timeout=60)


class Traffic(Case):
    """A gantry with /metrics, and one whose numbers are known."""

    def serve(self, **kwargs):
        self.port = free_port()
        return self.gantry(gantry=f"metrics = 127.0.0.1:{self.port}\n", **kwargs)

    def get(self, path="/metrics", method="GET"):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        self.addCleanup(c.close)
        c.request(method, path)
        r = c.getresponse()
        return r.status, r.headers, r.read().decode()

    def traffic(self):
        """A gantry that got 100 connections of 2 SYNs each, and 7 frames to no service."""
        frames = [syn("192.0.2.51", 1024 + i) for i in range(100)] * 2
        frames += [syn("192.0.2.51", 2000, vip_port=99)] * 7
        write_pcap(self.path("in.pcap"), frames)
        g = self.serve(device=f"net_pcap0,rx_pcap={self.path('in.pcap')},"
                              f"tx_pcap={self.path('out.pcap')}",
                       interface="mac = 02:00:00:00:00:02", servers=SERVERS)
        self.settled(g, 207)
        return g


class Metrics(Traffic):
    def test_promtool_finds_no_fault(self):
        g = self.serve(servers=SERVERS)
        status, headers, text = self.get()
        self.assertEqual(status, 200)
        self.assertEqual(headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8")
        p = promtool("check", "metrics", text=text)
        self.assertEqual((p.returncode, p.stdout, p.stderr), (0, "", ""))
        self.assertIn("gantry_build_info", text)
        self.assertEqual(g.stop(), 0)

    def test_numbers_are_what_was_sent(self):
        g = self.traffic()
        size = len(syn("192.0.2.51", 1024))
        m = parse(self.get()[2])
        expected = {
            ("gantry_received_frames_total", None): 207,
            ("gantry_frames_total", 'result="forwarded"'): 200,
            ("gantry_frames_total", 'result="dropped"'): 7,
            ("gantry_dropped_frames_total", 'reason="no-service"'): 7,
            ("gantry_dropped_frames_total", 'reason="not-ours"'): 0,
            ("gantry_connections_created_total", None): 100,
            ("gantry_interface_up", 'interface="lan"'): 1,
            ("gantry_interface_receive_frames_total", 'interface="lan"'): 207,
            ("gantry_interface_receive_bytes_total", 'interface="lan"'): 207 * size,
            ("gantry_vip_frames_total", 'vip="pacs"'): 200,
            ("gantry_vip_bytes_total", 'vip="pacs"'): 200 * size,
            ("gantry_vip_assigned_connections_total", 'vip="pacs"'): 100,
            ("gantry_vip_servers", 'vip="pacs"'): 2,
            ("gantry_vip_accepting_servers", 'vip="pacs"'): 1,
            ("gantry_server_up", 'vip="pacs",server="a"'): 1,
            ("gantry_server_enabled", 'vip="pacs",server="a"'): 1,
            ("gantry_server_enabled", 'vip="pacs",server="b-2"'): 0,
            ("gantry_server_accepting", 'vip="pacs",server="b-2"'): 0,
            ("gantry_server_mac_resolved", 'vip="pacs",server="a"'): 1,
            ("gantry_server_mac_resolved", 'vip="pacs",server="b-2"'): 0,
            ("gantry_server_weight", 'vip="pacs",server="a"'): 100,
            ("gantry_server_connections", 'vip="pacs",server="a"'): 100,
            ("gantry_server_frames_total", 'vip="pacs",server="a"'): 200,
            ("gantry_server_frames_total", 'vip="pacs",server="b-2"'): 0,
            ("gantry_neighbours_unresolved", None): 1,
        }
        self.assertEqual({k: m.get(k) for k in expected}, expected)
        worker = next(labels for name, labels in m if name == "gantry_worker_up")
        self.assertRegex(worker, r'^worker="0",cpu="\d+"$')
        self.assertEqual(m["gantry_worker_up", worker], 1)
        self.assertEqual(m["gantry_connection_table_entries", worker], 100)
        self.assertEqual(m["gantry_connection_table_capacity", worker], 20000)
        self.assertLess(abs(m["gantry_start_time_seconds", None] - time.time()), 60)
        self.ctl(g, "enable", "pacs/b-2")
        self.assertEqual(parse(self.get()[2])["gantry_server_enabled", 'vip="pacs",server="b-2"'], 1)

    @unittest.skipUnless(os.geteuid() == 0, "needs a network of its own")
    def test_checks_are_counted(self):
        """One server listens, at the other's address nobody does; both are this namespace's own."""
        if not harness.own_network:
            self.skipTest("no network namespace of our own")
        for address in ("192.0.2.21", "192.0.2.22"):
            subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)
            self.addCleanup(subprocess.run, ["ip", "address", "del", f"{address}/32", "dev", "lo"])
        with socket.create_server(("192.0.2.21", 2575)):
            self.serve(more="[vip hl7]\ninterface = lan\naddress = 192.0.2.101\nport = 2575\n"
                            "check = fast\n[check fast]\ntype = tcp\ninterval = 200ms\n"
                            "timeout = 200ms\nfall = 1\n"
                            "[server hl7/good]\naddress = 192.0.2.21\n"
                            "[server hl7/bad]\naddress = 192.0.2.22\n")
            until, m = time.monotonic() + 10, {}
            while time.monotonic() < until and m.get(
                    ("gantry_server_up", 'vip="hl7",server="bad"')) != 0:
                time.sleep(0.1)
                m = parse(self.get()[2])
        good, bad = 'vip="hl7",server="good"', 'vip="hl7",server="bad"'
        self.assertEqual(m["gantry_server_up", bad], 0)
        self.assertEqual(m["gantry_server_up", good], 1)
        self.assertGreater(m["gantry_server_checks_total", good + ',result="healthy"'], 0)
        self.assertEqual(m["gantry_server_checks_total", good + ',result="failed"'], 0)
        self.assertGreater(m["gantry_server_checks_total", bad + ',result="failed"'], 0)
        self.assertEqual(m["gantry_server_check_possible", good], 1)
        self.assertLess(0, m["gantry_server_check_duration_seconds", good])
        self.assertLess(m["gantry_server_check_duration_seconds", good], 0.2)
        self.assertNotIn(("gantry_server_checks_total", 'vip="pacs",server="a",result="healthy"'), m)

    def test_gantryctl_metrics_is_the_same(self):
        g = self.traffic()
        names = [[line.split(" ")[0] for line in text.splitlines() if not line.startswith("#")]
                 for text in (self.ctl(g, "metrics"), self.get()[2])]
        self.assertEqual(*names)
        self.assertIn("no place in the metrics", json.dumps(self.slice(g, "x")))
        self.assertIn("no place in the metrics", json.dumps(self.slice(g, "1:2:3")))
        self.assertEqual(self.slice(g, "4000000000:4000000000")["metrics"], "")

    def slice(self, g, cursor):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(5)
            s.connect(g.control)
            s.sendall(f"metrics {cursor}\n".encode())
            with s.makefile() as f:
                return json.loads(f.readline())

    def test_every_metric_is_in_the_document(self):
        self.serve(more="[vip web]\ninterface = lan\naddress = 192.0.2.101\nport = 80\nmode = snat\n"
                        "check = none\n[server web/c]\naddress = 192.0.2.13\n")
        told = set(re.findall(r"^# TYPE (\S+)", self.get()[2], re.M))
        with open(os.path.join(ROOT, "docs/metrics.md")) as f:
            described = set(re.findall(r"^\| `(gantry_[a-z_]+)", f.read(), re.M))
        self.assertEqual(told, described)
        with open(ALERTS) as f:
            self.assertLessEqual(set(re.findall(r"gantry_[a-z_]+", f.read())), told)

    def test_other_requests_are_answered_in_words(self):
        g = self.serve()
        status, _, text = self.get("/")
        self.assertEqual((status, text), (404, "the metrics of gantry are at /metrics\n"))
        status, headers, _ = self.get(method="POST")
        self.assertEqual((status, headers["Allow"]), (405, "GET, HEAD"))
        status, _, text = self.get(method="HEAD")
        self.assertEqual((status, text), (200, ""))
        self.assertEqual(g.stop(), 0)

    def test_address_in_use_is_told(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            port = s.getsockname()[1]
            self.refused([".ini:", "metrics: ", f"127.0.0.1:{port} is in use"],
                         gantry=f"metrics = 127.0.0.1:{port}")
        self.refused(["metrics: ", "203.0.113.9:9464 is no address of this machine"],
                     gantry="metrics = 203.0.113.9:9464")

    def test_reload_does_not_move_it(self):
        g = self.serve()
        with open(g.path, encoding="ascii") as f:
            text = f.read()
        with open(g.path, "w", encoding="ascii") as f:
            f.write(text.replace(f"metrics = 127.0.0.1:{self.port}", "metrics = 127.0.0.1:9"))
        err = self.ctl(g, "reload", code=1)
        self.assertIn(f"metrics = 127.0.0.1:9: it was 127.0.0.1:{self.port}", err)
        self.assertIn("only a restart", err)
        self.assertEqual(self.get()[0], 200)
        self.assertEqual(g.stop(), 0)

    def test_hostile_scrapers_do_not_disturb(self):
        g = self.serve()
        with contextlib.ExitStack() as stack:
            def connect():
                s = stack.enter_context(socket.create_connection(("127.0.0.1", self.port), 5))
                return s

            garbage = connect()
            with contextlib.suppress(OSError):
                garbage.sendall(os.urandom(4096).replace(b"\n", b"x") * 200)
            deaf = connect()
            with contextlib.suppress(OSError):
                deaf.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n" * 500)
            with contextlib.suppress(OSError):
                connect().sendall(b"GET /" + b"x" * 100000)
            for _ in range(40):  # more than there is room for, and silent
                with contextlib.suppress(OSError):
                    connect()
            begun = time.monotonic()
            for _ in range(20):  # main has not noticed
                self.settled(g, 0)
            self.assertLess(time.monotonic() - begun, 5)
        until = time.monotonic() + 15
        while time.monotonic() < until:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.get()[0] == 200:
                    break
            time.sleep(0.05)
        self.assertEqual(self.get()[0], 200)
        self.assertEqual(g.stop(), 0)
        self.assertLess(g.stop_s, harness.STOP_S)

    def test_many_servers_main_stays_quick(self):
        """10,000 VIPs with 50,000 servers: how long a scrape lasts, and what main does meanwhile."""
        vips = "".join(
            f"[vip v{i}]\ninterface = lan\naddress = 10.{i // 65536}.{i // 256 % 256}.{i % 256}\n"
            "port = 104\ncheck = none\nscheduler = round-robin\n" +
            "".join(f"[server v{i}/s{j}]\naddress = 192.0.2.{10 + j}\nmac = 02:00:00:00:01:0{j}\n"
                    for j in range(5)) for i in range(9999))
        g = self.serve(more=vips, start_s=60)
        waits, over = [], threading.Event()

        def ask():
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(20)
                s.connect(g.control)
                while not over.is_set():
                    begun = time.monotonic()
                    s.sendall(b"interfaces\n")
                    s.recv(65536)
                    waits.append(time.monotonic() - begun)
                    time.sleep(0.002)

        asker = threading.Thread(target=ask)
        asker.start()
        begun = time.monotonic()
        text = self.get()[2]
        took = time.monotonic() - begun
        over.set()
        asker.join()
        samples = parse(text)
        self.assertEqual(sum(name == "gantry_server_up" for name, _ in samples), 49996)
        waits.sort()
        print(f"  {len(samples)} samples, {len(text) >> 20} MB in {took:.2f} s; meanwhile {len(waits)} "
              f"other questions: median {waits[len(waits) // 2] * 1000:.1f} ms, "
              f"99 % {waits[len(waits) * 99 // 100] * 1000:.1f} ms, worst {waits[-1] * 1000:.1f} ms",
              file=sys.stderr)
        self.assertGreater(len(waits), 20)
        # The median says what main does; the worst is the machine's.
        self.assertLess(waits[len(waits) // 2], 0.1)
        self.assertEqual(g.stop(), 0)


class Alerts(unittest.TestCase):
    def test_alarms_ring(self):
        p = promtool("check", "rules", ALERTS)
        self.assertEqual(p.returncode, 0, p)
        with open(os.path.join(HERE, "alerts_test.yml")) as f:
            tests = f.read().replace("ALERTS\n", ALERTS + "\n", 1)
        with contextlib.ExitStack() as stack:
            path = f"/tmp/gantry-alerts-{os.getpid()}.yml"
            stack.callback(lambda: os.unlink(path))
            with open(path, "w") as f:
                f.write(tests)
            p = promtool("test", "rules", path)
        self.assertEqual(p.returncode, 0, p.stdout + p.stderr)


class Telemetry(Traffic):
    def tell(self, g, command):
        p = subprocess.run(["dpdk-telemetry.py", "-f", f"gantry-{g.name}"], input=command + "\n",
                           capture_output=True, text=True, timeout=20)
        self.assertEqual(p.returncode, 0, p)
        return next(iter(json.loads(p.stdout.splitlines()[-1]).values()))

    @unittest.skipUnless(shutil.which("dpdk-telemetry.py"), "no dpdk-telemetry.py here")
    def test_telemetry_says_what_was_sent(self):
        g = self.traffic()
        status = self.tell(g, "/gantry/status")
        self.assertEqual(status["node"], g.name)
        self.assertEqual((status["in"], status["forwarded"], status["dropped"]), (207, 200, 7))
        self.assertEqual(self.tell(g, "/gantry/drops")["no_service"], 7)
        self.assertEqual(self.tell(g, "/gantry/workers")["up"], [1])
        self.assertEqual(self.tell(g, "/gantry/vips")["connections"], [100])
        vip = self.tell(g, "/gantry/vip,pacs")
        self.assertEqual((vip["vip"], vip["frames"], vip["servers"]), ("pacs", 200, 2))
        servers = self.tell(g, "/gantry/servers,pacs")
        self.assertEqual(servers["server"], ["a", "b-2"])
        self.assertEqual(servers["frames"], [200, 0])
        self.assertEqual(servers["accepting"], [1, 0])
        self.assertEqual(self.tell(g, "/gantry/servers,pacs,1")["server"], ["b-2"])
        for wrong in ("/gantry/vip", "/gantry/vip,nosuch", "/gantry/servers,nosuch",
                      "/gantry/servers,pacs,x", "/gantry/vips,x"):
            self.assertIsNone(self.tell(g, wrong), wrong)
        self.assertIn("/gantry/servers", self.tell(g, "/"))
        self.assertEqual(self.tell(g, "/ethdev/list"), [0])
        self.assertEqual(g.stop(), 0)

    @unittest.skipUnless(shutil.which("dpdk-telemetry.py"), "no dpdk-telemetry.py here")
    def test_pages_fit(self):
        """Names as long as they may be: no answer is cut."""
        name = "n" * 61
        g = self.serve(more="".join(
            f"[vip {name}{i:02d}]\ninterface = lan\naddress = 198.51.100.{i}\nport = 1\ncheck = none\n"
            f"[server {name}{i:02d}/{name}{i:02d}]\naddress = 192.0.2.{i + 20}\n" for i in range(60)))
        for command, key in (("/gantry/vips", "vip"), ("/gantry/servers", "server")):
            names = []
            while page := self.tell(g, f"{command},{len(names)}" if key == "vip" else
                                    f"{command},,{len(names)}")[key]:
                names += page
            self.assertEqual(len(names), 61)
            self.assertEqual(len(set(names)), 61)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    harness.main()
