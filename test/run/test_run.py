#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""
`gantry run` and gantryctl from outside, without a lab: virtual devices of DPDK's (net_null, net_pcap,
net_tap) and ordinary memory. What comes up, what is answered, what is refused in which words, and
how fast it stops.

Needs root for the cases with a TAP and with another user; the others run as anybody. Runs in a
network namespace of its own where it may make one. Every gantry is a child that dies with this
script, and is ended by its own id; each wait is bounded.

usage: test_run.py GANTRY GANTRYCTL [unittest arguments]
"""
import contextlib
import datetime
import grp
import json
import os
import select
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import time

import harness
from harness import (CLIENT_MAC, GANTRY, GANTRYCTL, LAN_MAC, SERVER_MAC, START_S, STOP_S, Case,
                     checksum, ipv4, syn, write_pcap, read_pcap, die_with_parent)


class Life(Case):
    def test_run_two_interfaces_ready_and_status(self):
        g = self.gantry(more="[interface wan]\ndevice = net_null1,no-rx=1\n"
                             "address = 198.51.100.2/24, 2001:db8::2/64\n"
                             "[vip web]\ninterface = wan\naddress = 2001:db8::100\nport = 80\n"
                             "check = none\n[server web/b]\naddress = 2001:db8::11\n")
        name = os.path.basename(g.control)[:-5]
        self.assertEqual(g.ready, f"READY {name}: 2 interfaces, 2 VIPs, 2 servers, 1 worker, "
                                  f"control {g.control}")
        status = self.settled(g, 0)
        self.assertEqual(status["node"], name)
        self.assertEqual(list(status["interfaces"]), ["lan", "wan"])
        self.assertEqual(status["interfaces"]["wan"]["addresses"],
                         ["198.51.100.2/24", "2001:db8::2/64"])
        self.assertEqual(status["interfaces"]["lan"]["link"], "up")
        self.assertEqual(len(status["workers"]), 1)
        self.assertEqual(stat.S_IMODE(os.stat(g.control).st_mode), 0o600)
        self.assertEqual(g.stop(), 0)
        print(f"  started in {g.start_s:.2f} s, stopped in {g.stop_s:.2f} s", file=sys.stderr)

    def test_stop_under_load_within_a_second(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            g = self.gantry(device="net_null0")  # as many frames as there is time for
            time.sleep(0.3)
            self.assertEqual(g.stop(number), 0, g.err)
            self.assertLess(g.stop_s, STOP_S)
            self.assertFalse(os.path.exists(g.control))
            self.assertRegex(g.err[-1], r"NOTICE: stopped after \d+ s: \d+ frames in, "
                                        r"\d+ forwarded, \d+ answered, \d+ to the kernel, \d+ dropped$")
            self.assertNotIn("ERROR", "".join(g.err))

    def test_sighup_reloads(self):
        g = self.gantry()
        g.process.send_signal(signal.SIGHUP)
        self.assertTrue(g.log_has(f"NOTICE: reloaded {g.path}: nothing changed"))
        lines = self.edit(g, "weight = 50\ncolour = red\nport = x\n")
        g.process.send_signal(signal.SIGHUP)
        self.assertTrue(g.log_has(f"ERROR: {g.path} is wrong: 2 errors, and nothing changed"))
        self.assertTrue(g.log_has(f"ERROR: {g.path}:{lines - 1}: unknown key 'colour'"))
        self.assertTrue(g.log_has(f"ERROR: {g.path}:{lines}: port = x: "))
        self.assertEqual(self.weight(g, "a"), 100)
        self.assertEqual(g.stop(), 0)

    def test_reload_is_answered(self):
        g = self.gantry()
        lines = self.edit(g, "weight = 50\n[server pacs/b]\naddress = 192.0.2.12\n")
        self.assertEqual(self.ctl(g, "reload"),
                         f"gantry: reloaded {g.path}: 1 server added, 1 weight changed\n")
        self.assertEqual((self.weight(g, "a"), self.weight(g, "b")), (50, 100))
        self.edit(g, "weight = much\n[vip x]\n")
        err = self.ctl(g, "reload", code=2)
        self.assertIn(f"{g.path}:{lines + 1}: weight = much: ", err)
        self.assertIn(f"{g.path}:{lines + 2}: ", err)
        self.assertIn("nothing changed", err)
        told = subprocess.run([GANTRYCTL, "-s", g.control, "--json", "reload"], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, timeout=20, check=False)
        answer = json.loads(told.stdout)
        self.assertEqual((told.returncode, answer["exit_code"]), (2, 2))
        self.assertTrue(answer["messages"][0].startswith(f"{g.path}:{lines + 1}: "))
        os.rename(g.path, g.path + ".away")
        self.assertIn("No such file", self.ctl(g, "reload", code=2))
        os.rename(g.path + ".away", g.path)
        self.assertEqual(self.weight(g, "b"), 100)
        self.assertEqual(g.stop(), 0)

    def test_reload_of_what_is_settled_is_refused(self):
        g = self.gantry()
        with open(g.path, encoding="ascii") as f:
            text = f.read()
        with open(g.path, "w", encoding="ascii") as f:
            f.write(text.replace("connections = 20000", "connections = 20001\nworkers = 2")
                    .replace("[vip", "mtu = 9000\n[vip"))
        err = self.ctl(g, "reload", code=1)
        for words in (":4: connections = 20001: it was 20000", ":5: workers = 2: it was 1",
                      "interface lan: mtu = 9000: it was 1500", "only a restart"):
            self.assertIn(words, err)
        # The log calls it no success before it is one.
        self.assertTrue(g.log_has("control: reload: by uid "))
        self.assertTrue(g.log_has("asks for what only a restart of gantry changes"))
        self.assertTrue(g.log_has("(gantryctl): begun"))
        self.assertFalse(any("accepted" in line for line in g.err), g.err)
        self.assertEqual(g.stop(), 0)

    def test_who_checks_servers_is_told_when_it_begins(self):
        def times(words="are checked by this host's other interfaces"):
            return sum(words in line for line in g.err)

        g = self.gantry()
        self.assertEqual(times(), 0)
        checked = "\ncheck = tcp\n"
        with open(g.path, encoding="ascii") as f:
            unchecked = f.read()
        self.assertIn("\ncheck = none\n", unchecked)
        for i, (text, wanted) in enumerate(((checked, 1), (checked, 1), (None, 1), (checked, 2))):
            with open(g.path, "w", encoding="ascii") as f:
                f.write(unchecked if text is None else unchecked.replace("\ncheck = none\n", text, 1))
            self.assertIn("reloaded", self.ctl(g, "reload"))
            until = time.monotonic() + 2
            while times("reloaded") <= i and time.monotonic() < until:  # the line behind the notice
                time.sleep(0.01)
            self.assertEqual(times(), wanted)
        self.assertEqual(g.stop(), 0)

    def test_reloads_at_once_are_all_answered(self):
        g = self.gantry()
        asked = [subprocess.Popen([GANTRYCTL, "-s", g.control, "reload"], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, text=True) for _ in range(20)]
        for p in asked:
            self.assertIn("nothing changed", p.communicate(timeout=20)[0])
            self.assertEqual(p.returncode, 0)
        self.assertEqual(g.stop(), 0)

    def test_what_operators_said_is_shown_kept_and_reverted(self):
        g = self.gantry()
        self.ctl(g, "weight", "pacs/a", "7")
        self.ctl(g, "drain", "pacs/a")
        self.assertIn("1 server is as gantryctl said", self.ctl(g, "reload"))
        self.assertRegex(self.ctl(g, "servers"), r"drain \(file: enabled\) +7 \(file: 100\)")
        server = self.ask(g, "status")["vips"]["pacs"]["servers"]["a"]
        self.assertEqual((server["weight_in_file"], server["state_in_file"]), (100, "enabled"))
        self.assertIn("1 server changed", self.ctl(g, "revert", "all"))
        server = self.ask(g, "status")["vips"]["pacs"]["servers"]["a"]
        self.assertEqual((server["weight"], server["state"]), (100, "up"))
        self.assertNotIn("weight_in_file", server)
        self.assertIn("VIP pacs has a", self.ctl(g, "revert", "pacs/x", code=1))
        self.assertEqual(g.stop(), 0)

    def test_two_nodes_side_by_side(self):
        a, b = self.gantry(), self.gantry()
        self.assertNotEqual(self.ask(a, "status")["node"], self.ask(b, "status")["node"])
        self.assertEqual(a.stop(), 0)
        self.settled(b, 0)
        self.assertEqual(b.stop(), 0)

    def test_same_control_is_refused(self):
        g = self.gantry()
        self.refused(["another gantry listens at " + g.control, "`name`", "`control`"],
                     control=g.control)
        self.settled(g, 0)  # the first one is not disturbed
        self.assertEqual(g.stop(), 0)

    def test_stale_socket_is_replaced(self):
        g = self.gantry()
        g.kill()
        self.assertTrue(os.path.exists(g.control))
        err = self.ctl(g, "status", code=1)
        self.assertIn(f"no gantry listens at {g.control}: is it running?", err)
        again = self.gantry(control=g.control)
        self.settled(again, 0)
        self.assertEqual(again.stop(), 0)
        self.assertFalse(os.path.exists(g.control))

    def test_start_right_after_a_kill(self):
        g = self.gantry()
        g.process.kill()  # not waited for: its socket may still be there, and alive
        again = self.gantry(control=g.control)
        self.settled(again, 0)
        self.assertEqual(again.stop(), 0)

    def test_control_group_may_use_it(self):
        if os.geteuid() != 0:
            self.skipTest("needs root, to become others")
        g = self.gantry(gantry="control_group = daemon")
        st = os.stat(g.control)
        self.assertEqual((stat.S_IMODE(st.st_mode), st.st_uid), (0o660, 0))
        group = grp.getgrnam("daemon").gr_gid
        self.assertEqual(st.st_gid, group)

        def drain(gid):
            return subprocess.run(["setpriv", "--reuid=65534", f"--regid={gid}", "--clear-groups",
                                   GANTRYCTL, "-s", g.control, "drain", "pacs/a"],
                                  capture_output=True, text=True, timeout=10)

        self.assertEqual(drain(group).returncode, 0)
        self.assertTrue(g.log_has("control: drain pacs/a: by uid 65534 (nobody), pid "))
        p = drain(65534)
        self.assertEqual(p.returncode, 1)
        self.assertIn("no permission to use", p.stderr)

    def test_control_group_that_is_none(self):
        self.refused([".ini:6: control_group: ", "no group 'nosuch' on this host", "groupadd"],
                     gantry="control_group = nosuch")

    def test_directory_of_control_is_made(self):
        g = self.gantry(control=self.path("new/gantry.sock"))
        self.assertEqual(stat.S_IMODE(os.stat(self.path("new")).st_mode), 0o755)
        self.assertEqual(g.stop(), 0)

    def test_nothing_is_left_behind(self):
        g = self.gantry(name=f"left{os.getpid()}")
        self.assertEqual(g.stop(), 0)
        for base in ("/var/run/dpdk", "/tmp/dpdk"):
            self.assertFalse(os.path.exists(f"{base}/gantry-left{os.getpid()}"))

    def test_one_cpu_is_shared(self):
        cpu = min(os.sched_getaffinity(0))
        g = self.gantry(prefix=["taskset", "-c", str(cpu)])
        self.assertEqual(sum("share" in line for line in g.err), 1, g.err)
        self.settled(g, 0)
        self.assertEqual(g.stop(), 0)
        self.assertLess(g.stop_s, STOP_S)

    def test_systemd_is_told(self):
        for name in (self.path("notify"), f"\0gantry-notify-{os.getpid()}"):
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
                s.bind(name)
                s.settimeout(START_S)
                g = self.gantry(env={"NOTIFY_SOCKET": name.replace("\0", "@")})
                self.assertEqual(s.recv(100), b"READY=1")
                for good in (True, False):
                    if not good:
                        self.edit(g, "port = x\n")
                    before = time.monotonic_ns() // 1000
                    g.process.send_signal(signal.SIGHUP)
                    # sd_notify(3): the time lets systemd tell this reload from one before.
                    kind, stamp = s.recv(100).split(b"\nMONOTONIC_USEC=")
                    self.assertEqual(kind, b"RELOADING=1")
                    self.assertTrue(before <= int(stamp) <= time.monotonic_ns() // 1000)
                    self.assertEqual(s.recv(100), b"READY=1")
                self.assertEqual(g.stop(), 0)
                self.assertEqual(s.recv(100), b"STOPPING=1")


class Refusals(Case):
    def test_absent_devices(self):
        self.refused([".ini:8: device: ", "no interface nosuch on this machine"],
                     "net_af_packet0,iface=nosuch")
        self.refused(["say which interface of the kernel's: net_af_packet0,iface=eth1"],
                     "net_af_packet0")
        self.refused(["no PCI device 0000:ff:1f.7 on this machine"], "0000:ff:1f.7")
        self.refused(["net_nosuch0"], "net_nosuch0")
        self.refused(["net_pcap0", "/nonexistent.pcap"], "net_pcap0,rx_pcap=/nonexistent.pcap")

    def test_device_of_the_kernel(self):
        base = "/sys/bus/pci/devices"
        for device in sorted(os.listdir(base)) if os.path.isdir(base) else []:
            driver = os.path.basename(os.path.realpath(f"{base}/{device}/driver"))
            if driver == "virtio-pci":
                self.refused([device, "kernel's driver virtio-pci", "dpdk-devbind.py"], device)
                return
        self.skipTest("no virtio device here")

    def test_buffers_too_small(self):
        self.refused(["buffer_size", "mtu 9000", "buffer_size = 9146"], interface="mtu = 9000")

    def test_core_not_available(self):
        self.refused(["worker_cores: core 1023 is not available"], gantry="worker_cores = 1023")
        self.refused(["main_core: core 1022 is not available"], gantry="main_core = 1022")

    def test_too_little_memory(self):
        self.refused(["too little memory", "MB are needed", "lower `buffers`"],
                     gantry="buffers = 67108864")

    def test_no_hugepages(self):
        with open("/proc/meminfo") as f:
            free = next(int(line.split()[1]) for line in f if line.startswith("HugePages_Free"))
        if free == 0:
            self.refused(["no hugepages", "MB are needed", "> /", "nr_hugepages",
                          "hugepages = no"], hugepages="yes")
        elif free >= 40:
            g = self.gantry(hugepages="yes")
            self.settled(g, 0)
            self.assertEqual(g.stop(), 0)

    def test_no_permission(self):
        if os.geteuid() != 0:
            self.skipTest("needs root, to become nobody")
        nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        self.refused(["net_af_packet0 needs root, or the capability CAP_NET_RAW"],
                     "net_af_packet0,iface=lo", prefix=nobody)
        os.mkdir(self.path("closed"), 0o700)
        self.refused(["no permission to make the control socket"], prefix=nobody,
                     control=self.path("closed/gantry.sock"))

    def test_path_in_the_way(self):
        with open(self.path("file"), "w"):
            pass
        self.refused(["is in the way and no socket"], control=self.path("file"))
        self.assertTrue(os.path.exists(self.path("file")))

    def test_wrong_use(self):
        for args in ([], ["--nosuch"], ["a", "b"], ["/nonexistent.ini"]):
            p = subprocess.run([GANTRY, "run", *args], capture_output=True, timeout=10)
            self.assertEqual(p.returncode, 2, p)
        p = subprocess.run([GANTRY, "run", "--help"], capture_output=True, timeout=10, text=True)
        self.assertEqual((p.returncode, p.stderr), (0, ""))
        self.assertIn("usage: gantry run CONFIG", p.stdout)

    def test_not_in_this_version(self):
        p = subprocess.run([GANTRY, "run", self.config(
            more="[vip web]\ninterface = lan\naddress = 192.0.2.101\nport = 80\nmode = proxy\ncheck = none\n"
                 "[server web/a]\naddress = 192.0.2.11\n")],
                           capture_output=True, timeout=10, text=True)
        self.assertEqual(p.returncode, 2, p)
        self.assertIn("mode = proxy: ", p.stderr)


class Frames(Case):
    def pcap(self, frames, **kwargs):
        write_pcap(self.path("in.pcap"), frames)
        return self.gantry(device=f"net_pcap0,rx_pcap={self.path('in.pcap')},"
                                  f"tx_pcap={self.path('out.pcap')}",
                           interface="mac = 02:00:00:00:00:02", **kwargs)

    def test_frames_go_to_the_server_unchanged_but_for_macs(self):
        frames = [syn("192.0.2.51", 10000 + i) for i in range(200)]
        other = b"\x02\0\0\0\0\x99" + frames[0][6:]
        g = self.pcap(frames + [other])
        status = self.settled(g, 201)
        self.assertEqual(status["frames"]["forwarded"], 200)
        self.assertEqual(status["drops"], {"other-mac": 1})
        self.assertEqual(status["vips"]["pacs"]["servers"]["a"]["connections"], 200)
        self.assertEqual(g.stop(), 0)
        self.assertIn("201 frames in, 200 forwarded, 0 answered, 0 to the kernel, 1 dropped", g.err[-1])
        sent = [f for f in read_pcap(self.path("out.pcap")) if f[12:14] == b"\x08\x00"]
        self.assertEqual(sent, [SERVER_MAC + LAN_MAC + f[12:] for f in frames])

    def test_connections_are_shown(self):
        g = self.pcap([syn("192.0.2.51", 1024 + i) for i in range(1500)])
        self.settled(g, 1500)
        all_ = self.ask(g, "connections")
        self.assertEqual((all_["total"], all_["shown"], len(all_["connections"])),
                         (1500, 1000, 1000))
        all_ = self.ask(g, "connections", "5000")
        self.assertEqual(all_["shown"], 1500)
        self.assertEqual({c["client"] for c in all_["connections"]},
                         {f"192.0.2.51:{1024 + i}" for i in range(1500)})
        self.assertEqual({(c["vip"], c["server"], c["state"]) for c in all_["connections"]},
                         {("pacs", "a", "syn")})
        self.assertIn("the first 3 of 1500", self.ctl(g, "connections", "3"))
        for wrong in ("0", "x", "100001"):
            self.assertIn(f"'{wrong}': a limit is 1 to 100000",
                          self.ctl(g, "connections", wrong, code=2))
        self.assertEqual(g.stop(), 0)

    def test_connections_by_filters_and_in_order(self):
        clients = [f"192.0.2.{50 + i % 5}" for i in range(500)] + ["10.1.2.3"] * 7
        frames = [syn(c, 60000 - i) for i, c in enumerate(clients)]
        frames += [syn("192.0.2.60", 7, vip="192.0.2.101", vip_port=80)]
        g = self.pcap(frames, servers="[server pacs/a]\naddress = 192.0.2.11\n"
                      "mac = 02:00:00:00:01:01\n[server pacs/b]\naddress = 192.0.2.12\n"
                      "mac = 02:00:00:00:01:02\n",
                      more="[vip web]\ninterface = lan\naddress = 192.0.2.101\nport = 80\n"
                      "check = none\n[server web/a]\naddress = 192.0.2.11\n"
                      "mac = 02:00:00:00:01:01\n")
        self.settled(g, 508)

        def find(*args):
            answer = self.ask(g, "connections", *args)
            self.assertEqual(answer["total"], 508)
            self.assertEqual(answer["shown"], len(answer["connections"]))
            return answer["matched"], answer["connections"]

        self.assertEqual(find()[0], 508)
        n, found = find("--client", "10.0.0.0/8")
        self.assertEqual((n, {c["client"].split(":")[0] for c in found}), (7, {"10.1.2.3"}))
        self.assertEqual(find("--client=192.0.2.51")[0], 100)
        self.assertEqual(find("--client", "192.0.2.51", "--vip", "web")[0], 0)
        self.assertEqual(find("--vip", "web")[1][0]["client"], "192.0.2.60:7")
        self.assertEqual(find("--server", "a")[0] + find("--server", "b", "--vip", "pacs")[0], 508)
        self.assertEqual({c["server"] for c in find("--server", "b")[1]}, {"b"})
        self.assertEqual(find("--state", "syn")[0], 508)
        self.assertEqual(find("--state", "open", "--limit", "3")[0], 508)
        self.assertEqual(find("--state", "established")[0], 0)
        n, found = find("--sort", "client", "--limit", "20", "--vip", "pacs")
        wanted = sorted((socket.inet_aton(c), 60000 - i) for i, c in enumerate(clients))[:20]
        self.assertEqual(n, 507)
        self.assertEqual([c["client"] for c in found],
                         [f"{socket.inet_ntoa(a)}:{p}" for a, p in wanted])
        idle = [c["idle_s"] for c in find("--sort", "idle", "--limit", "508")[1]]
        self.assertEqual((len(idle), idle), (508, sorted(idle, reverse=True)))
        self.assertIn("the first 5 of 100 connections",
                      self.ctl(g, "connections", "--client", "192.0.2.51", "5"))
        for args, code, words in ((["--vip", "nosuch"], 1, "no VIP 'nosuch'"),
                                  (["--server", "x"], 1, "no server 'x'"),
                                  (["--vip", "web", "--server", "b"], 1, "no server 'b' of VIP web"),
                                  (["--state", "asleep"], 2, "a state is syn, established"),
                                  (["--sort", "age"], 2, "sort by idle, recent or client"),
                                  (["--client", "10.0.0/8"], 2, "a client is an address or"),
                                  (["--nosuch", "1"], 2, "no such option"),
                                  (["--vip"], 2, "or one without its value")):
            self.assertIn(words, self.ctl(g, "connections", *args, code=code))

    def test_drain_waits_for_the_last_connection(self):
        g = self.pcap([syn("192.0.2.51", 1024 + i) for i in range(30)])
        self.settled(g, 30)
        answer = self.ask(g, "drain", "pacs/a")
        self.assertEqual((answer["remaining"], answer["safe_to_stop"]), (30, False))
        self.assertIn("30 connections remain", self.ctl(g, "drain", "192.0.2.11"))
        begun = time.monotonic()
        err = self.ctl(g, "drain", "--wait", "--timeout", "1s", "pacs/a", code=1)
        self.assertGreater(time.monotonic() - begun, 1)
        self.assertIn("30 connections still remain on pacs/a", err)
        # Half-open ones are remembered for 30 s; then it may be stopped.
        begun = time.monotonic()
        p = subprocess.run([GANTRYCTL, "-s", g.control, "drain", "pacs/a", "--wait", "--timeout=2m"],
                           capture_output=True, text=True, timeout=130)
        self.assertEqual((p.returncode, p.stderr), (0, ""))
        lines = p.stdout.splitlines()
        self.assertRegex(lines[0], r"^pacs/a: 30 connections remain after \d+ s$")
        self.assertEqual(lines[-1], "pacs/a: safe to stop")
        self.assertIn("no connection remains: safe to stop", self.ctl(g, "remaining", "pacs/a"))
        self.ctl(g, "enable", "pacs/a")
        self.assertEqual(self.ctl(g, "remaining", "pacs/a"), "pacs/a: no connection remains\n")

    def test_held_fragments_are_counted_at_the_end(self):
        later = LAN_MAC + CLIENT_MAC + b"\x08\x00" + ipv4("192.0.2.51", "192.0.2.100", 17, b"x" * 64)
        head = bytearray(later)
        head[20:22] = struct.pack("!H", 100)  # a later fragment
        head[24:26] = b"\0\0"
        head[24:26] = struct.pack("!H", checksum(bytes(head[14:34])))
        g = self.pcap([bytes(head)])
        self.assertEqual(g.stop(), 0)
        self.assertIn("1 frames in, 0 forwarded, 0 answered, 0 to the kernel, 1 dropped", g.err[-1])

    def test_tap_answers_arp_and_echo(self):
        if os.geteuid() != 0:
            self.skipTest("needs root for a TAP")
        name = f"gr{os.getpid() % 100000}"
        g = self.gantry(device=f"net_tap0,iface={name}", interface="mac = 02:00:00:00:00:02")
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as s:
            s.bind((name, 0))
            arp = b"\xff" * 6 + CLIENT_MAC + bytes.fromhex("08060001080006040001") + CLIENT_MAC + \
                socket.inet_aton("192.0.2.51") + b"\0" * 6 + socket.inet_aton("192.0.2.100")
            self.assertEqual(self.exchange(s, arp, lambda f: f[20:22] == b"\0\2")[22:32],
                             LAN_MAC + socket.inet_aton("192.0.2.100"))
            echo = struct.pack("!BBHHH", 8, 0, 0, 7, 9) + b"gantry"
            echo = echo[:2] + struct.pack("!H", checksum(echo)) + echo[4:]
            frame = LAN_MAC + CLIENT_MAC + b"\x08\0" + ipv4("192.0.2.51", "192.0.2.100", 1, echo)
            reply = self.exchange(s, frame, lambda f: f[12:14] == b"\x08\0" and f[34] == 0)
            self.assertEqual(reply[:12], CLIENT_MAC + LAN_MAC)
            self.assertEqual(reply[38:48], echo[4:])
            self.assertEqual(checksum(reply[34:48]), 0)
        self.assertEqual(self.settled(g, 2)["frames"]["answered"], 2)
        self.assertEqual(g.stop(), 0)
        self.assertLess(g.stop_s, STOP_S)

    def cable(self, mtu=1500):
        """A pair of the kernel's interfaces; gantry's end is down, as after a boot."""
        if os.geteuid() != 0 or not shutil.which("ip"):
            self.skipTest("needs root and ip")
        near, far = f"gn{os.getpid() % 100000}", f"gf{os.getpid() % 100000}"
        if not self.ip("link", "add", near, "address", "02:00:00:00:00:02", "type", "veth",
                       "peer", "name", far):
            self.skipTest("no veth here")
        self.addCleanup(self.ip, "link", "del", near)
        self.ip("link", "set", far, "mtu", str(mtu), "up")
        return near, far

    @staticmethod
    def ip(*args):
        return subprocess.run(["ip", *args], stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=5).returncode == 0

    def packet_socket(self, name):
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.addCleanup(s.close)
        s.setsockopt(263, 8, 1)  # SOL_PACKET, PACKET_AUXDATA: where the kernel puts a tag
        s.bind((name, 0))
        return s

    def test_af_packet_frames_of_every_length_come_out_whole(self):
        for mtu, gantry in ((1500, ""), (9000, "buffer_size = 9312")):
            near, far = self.cable(mtu)
            g = self.gantry(device=f"net_af_packet0,iface={near}", interface=f"mtu = {mtu}",
                            gantry=gantry)
            s = self.packet_socket(far)
            for size in (54, 60, 1000, 1514, 1515, 1982, 2000, 4100, mtu + 14):
                if size > mtu + 14:
                    continue
                frame = syn("192.0.2.51", 20000)[34:]
                frame = LAN_MAC + CLIENT_MAC + b"\x08\0" + \
                    ipv4("192.0.2.51", "192.0.2.100", 6, frame + b"x" * (size - 54))
                self.assertEqual(len(frame), size)
                self.assertEqual(self.exchange(s, frame, lambda f: f[:6] == SERVER_MAC),
                                 SERVER_MAC + LAN_MAC + frame[12:])
            self.assertTrue(g.log_has(f"{near} was down, brought up"))
            self.assertEqual(g.stop(), 0)
            self.assertLess(g.stop_s, STOP_S)
            self.ip("link", "del", near)

    def test_af_packet_tagged_frames_stay_tagged(self):
        near, far = self.cable()
        g = self.gantry(device=f"net_af_packet0,iface={near}", interface="vlan = 100")
        s = self.packet_socket(far)
        plain = syn("192.0.2.51", 20000)
        frame = plain[:12] + b"\x81\0\x60\x64" + plain[12:]

        def tag(sent):
            s.send(sent)
            until = time.monotonic() + 0.5
            while select.select([s], [], [], max(0, until - time.monotonic()))[0]:
                data, extra, _, where = s.recvmsg(2048, 256)
                if where[2] != socket.PACKET_OUTGOING and data[:6] == SERVER_MAC:
                    self.assertEqual(data[12:], plain[12:])  # the kernel took the tag off
                    return struct.unpack_from("IIIHHHH", extra[0][2])[5]
            return None

        self.assertIn(0x6064, (tag(frame) for _ in range(20)))
        self.assertIsNone(tag(plain))
        self.assertGreater(self.ask(g, "drops")["drops"]["vlan"], 0)
        self.assertEqual(g.stop(), 0)

    def netdev(self, name):
        """The MTU, and whether it is promiscuous, as ip-link(8) tells them."""
        link = json.loads(subprocess.check_output(["ip", "-j", "link", "show", name]))[0]
        return link["mtu"], "PROMISC" in link["flags"]

    def test_kernel_interface_is_left_as_it_was(self):
        near, _ = self.cable()
        device = f"net_af_packet0,iface={near}"
        was = self.netdev(near)
        self.assertEqual(was, (1500, False))
        g = self.gantry(device=device, interface="mtu = 1400")
        self.assertEqual(self.netdev(near), (1400, True))  # else the rest proves nothing
        self.refused(["another gantry"], device=device, interface="mtu = 1300")
        self.assertEqual(self.netdev(near), (1400, True))
        self.assertEqual(g.stop(), 0)
        self.assertEqual(self.netdev(near), was)
        # What somebody else changed meanwhile is theirs, and what was so before stays.
        subprocess.check_call(["ip", "link", "set", near, "promisc", "on"])
        g = self.gantry(device=device, interface="mtu = 1400")
        subprocess.check_call(["ip", "link", "set", near, "mtu", "1450"])
        self.assertEqual(g.stop(), 0)
        self.assertEqual(self.netdev(near), (1450, True))

    def test_second_gantry_on_a_device_is_refused(self):
        near, _ = self.cable()
        g = self.gantry(device=f"net_af_packet0,iface={near}")
        self.refused([".ini:8: device: ", f"another gantry, pid {g.process.pid}, has {near}",
                      "another device"], device=f"net_af_packet0,iface={near}")
        self.settled(g, 0)
        g.process.kill()  # and none is in the way of the next one
        again = self.gantry(device=f"net_af_packet0,iface={near}")
        self.assertEqual(again.stop(), 0)

    def test_frames_without_room_are_counted_as_missed(self):
        near, far = self.cable()
        g = self.gantry(device=f"net_af_packet0,iface={near}")
        s = self.packet_socket(far)
        g.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, g.process.pid, os.WSTOPPED)
        for i in range(3000):  # the ring has 2048 frames
            s.send(syn("192.0.2.51", 1024 + i))
        g.process.send_signal(signal.SIGCONT)
        self.settled(g, 2048)
        lan = self.ask(g, "interfaces")["interfaces"]["lan"]
        self.assertGreaterEqual(lan["missed"], 900)
        self.assertGreaterEqual(lan["missed"] + lan["in_frames"], 3000)
        self.assertEqual(g.stop(), 0)

    def test_links_are_watched(self):
        near, far = self.cable()
        self.ip("link", "set", far, "down")
        g = self.gantry(device=f"net_af_packet0,iface={near}")
        self.assertGreater(g.start_s, 2)  # it waited for the link
        self.assertTrue(g.log_has("interface lan: link is down"))
        self.assertEqual(self.ask(g, "interfaces")["interfaces"]["lan"]["link"], "down")
        self.ip("link", "set", far, "up")
        self.assertTrue(g.log_has("interface lan: link is up"))
        self.ip("link", "set", far, "down")
        time.sleep(1.2)
        self.assertEqual(sum("link is down" in line for line in g.err), 2)
        self.assertEqual(g.stop(), 0)

    def exchange(self, s, frame, wanted):
        """Sends a frame until an answer comes."""
        for _ in range(20):
            s.send(frame)
            until = time.monotonic() + 0.25
            while select.select([s], [], [], max(0, until - time.monotonic()))[0]:
                answer, where = s.recvfrom(16384)
                if where[2] != socket.PACKET_OUTGOING and wanted(answer):
                    return answer
        self.fail("no answer")


class Control(Case):
    SERVERS = ("[server pacs/a]\naddress = 192.0.2.11\nmac = 02:00:00:00:01:01\n"
               "[server pacs/b]\naddress = 192.0.2.12\n")

    def test_commands_are_answered(self):
        g = self.gantry(servers=self.SERVERS)
        keys = {"status": "frames", "vips": "vips", "servers": "vips", "interfaces": "interfaces",
                "drops": "drops", "neighbours": "neighbours", "connections": "connections"}
        for command, key in keys.items():
            answer = self.ask(g, command)
            self.assertIn(key, answer)
            self.assertRegex(answer["version"], r"^\d+\.\d+\.\d+$")
            self.assertTrue(self.ctl(g, command).strip())
        neighbours = {n["address"]: n for n in self.ask(g, "neighbours")["neighbours"]}
        self.assertEqual(neighbours["192.0.2.11"]["mac"], "02:00:00:00:01:01")
        self.assertEqual(neighbours["192.0.2.11"]["state"], "static")
        self.assertEqual(neighbours["192.0.2.12"]["state"], "unresolved")
        self.assertIsNone(neighbours["192.0.2.12"]["mac"])

    def test_orders_are_carried_out_and_logged(self):
        g = self.gantry(servers=self.SERVERS)

        def state(name):
            return self.ask(g, "servers")["vips"]["pacs"]["servers"][name]["state"]

        for order, wanted in (("drain", "drain"), ("disable", "disabled"), ("enable", "up")):
            self.assertIn("pacs/a: ", self.ctl(g, order, "pacs/a"))
            self.assertEqual(state("a"), wanted)
            self.assertTrue(g.log_has(f"control: {order} pacs/a: by uid {os.geteuid()} ("))
            self.assertTrue(g.log_has(" (gantryctl): accepted"))
        self.ctl(g, "weight", "pacs/b", "7")
        self.assertTrue(g.log_has("control: weight pacs/b 7: by uid"))
        self.ctl(g, "weight", "pacs/x", "7", code=1)
        self.assertTrue(g.log_has("WARNING: control: weight pacs/x 7: by uid"))
        self.assertTrue(g.log_has(" (gantryctl): refused"))
        # what a client sends makes no lines of its own
        self.raw(g, json.dumps({"command": "drain", "arguments": ["a\nforged line"]}).encode() + b"\n")
        self.assertTrue(g.log_has("control: drain a?forged line: by uid"))
        lines = len(g.err)
        for reading in ("status", "connections", "neighbours", "drops"):
            self.ctl(g, reading)
        self.assertEqual(len(g.err), lines)

    def test_watch_tells_each_change(self):
        g = self.gantry(servers=self.SERVERS)
        p = subprocess.Popen([GANTRYCTL, "-s", g.control, "watch"], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
        self.addCleanup(p.wait, 5)
        self.addCleanup(p.kill)
        hello = json.loads(p.stdout.readline())
        self.assertEqual((hello["kind"], hello["node"]),
                         ("hello", os.path.basename(g.control)[:-5]))
        self.assertRegex(hello["version"], r"^\d+\.\d+\.\d+$")

        def next_of(kind):
            while True:
                e = json.loads(p.stdout.readline())
                self.assertRegex(e["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
                at = datetime.datetime.strptime(e["time"], "%Y-%m-%dT%H:%M:%S.%fZ")
                now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
                self.assertLess(abs((now - at).total_seconds()), 60)
                self.assertTrue(g.log_has(e["text"]))
                if e["kind"] == kind:
                    return e

        self.ctl(g, "drain", "pacs/a")
        e = next_of("server")
        self.assertEqual([e[k] for k in ("vip", "server", "what", "old", "new", "reason")],
                         ["pacs", "a", "state", "up", "drain", "operator"])
        self.ctl(g, "weight", "pacs/b", "7")
        e = next_of("server")
        self.assertEqual([e[k] for k in ("server", "what", "old", "new")],
                         ["b", "weight", "100", "7"])
        self.ctl(g, "drain", "pacs/b")
        e = next_of("vip")
        self.assertEqual([e[k] for k in ("vip", "what", "old", "new", "reason")],
                         ["pacs", "state", "up", "drain", "a is drained, b is drained"])
        self.assertTrue(g.log_has("CRITICAL: vip pacs (192.0.2.100): no server takes new"))
        self.ctl(g, "enable", "pacs/b")
        self.assertEqual(next_of("vip")["new"], "up")
        self.assertEqual(g.stop(), 0)
        self.assertEqual(p.wait(5), 1)
        self.assertIn("gantry ended the connection", p.stderr.read())
        p.stdout.close()
        p.stderr.close()

    def test_who_watches_and_does_not_read_is_let_go(self):
        g = self.gantry(servers=self.SERVERS)
        with contextlib.ExitStack() as stack:
            deaf = stack.enter_context(socket.socket(socket.AF_UNIX))
            deaf.connect(g.control)
            deaf.sendall(b"watch\n")
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(5)
                s.connect(g.control)
                for i in range(8000):  # each is an event of some 200 bytes
                    s.sendall(b"weight pacs/a %d\n" % (i % 2))
                    if i % 500 == 499 and g.log_has("watches and does not read: it is let go", 0.01):
                        break
                    self.assertIn(b"done", s.recv(65536))
            self.assertTrue(g.log_has("(python3) watches and does not read: it is let go"))
            for _ in range(8):
                s = stack.enter_context(socket.socket(socket.AF_UNIX))
                s.settimeout(5)
                s.connect(g.control)
                s.sendall(b"watch\n")
                self.assertIn(b"hello", s.recv(65536))
            self.assertIn("8 watch already", self.ctl(g, "watch", code=1))
        self.settled(g, 0)
        self.assertEqual(g.stop(), 0)

    def test_top_prints_one_frame_where_there_is_no_terminal(self):
        g = self.gantry(device="net_null0", servers=self.SERVERS)
        for args in ([], ["--once"]):
            out = self.ctl(g, "top", *args)
            self.assertRegex(out, r"frames/s  in [\d.]+[kM]  forwarded")
            self.assertRegex(out, r"workers  0 \(CPU \d+\): \d+ % busy")
            self.assertRegex(out, r"drops/s  [a-z-]+ [\d.]+[kM]")
            self.assertRegex(out, r"VIP / server +state +weight +open +new/s +frames/s +bit/s")
            self.assertNotIn("\033", out)
        self.assertIn("frames", json.loads(self.ctl(g, "top", "--json")))

    def test_mistakes_are_told(self):
        g = self.gantry(servers=self.SERVERS)
        self.assertIn("no server 'pacs/x'; VIP pacs has a, b",
                      self.ctl(g, "drain", "pacs/x", code=1))
        self.assertIn("do you mean pacs/a?", self.ctl(g, "drain", "PACS/a", code=1))
        self.assertIn("no server fits '*/x'", self.ctl(g, "drain", "*/x", code=1))
        self.assertIn("65535", self.ctl(g, "weight", "pacs/a", "65536", code=2))
        self.assertIn("65535", self.ctl(g, "weight", "pacs/a", "-1", code=2))
        self.assertIn("'-1' is no weight", self.raw(g, b"weight pacs/a -1\n")["error"])
        for args, words in ((["nosuch"], "no command 'nosuch'"),
                            (["drain"], "it is: gantryctl drain SERVER"),
                            (["--nosuch", "status"], "no such option"),
                            (["status", "--wait"], "no such option"),
                            (["drain", "pacs/a", "--wait", "--timeout", "10"], "with its unit"),
                            (["drain", "pacs/a", "--timeout", "10s"], "goes with --wait"),
                            ([], "which command?")):
            err = self.ctl(g, *args, code=2)
            self.assertIn(words, err)
            self.assertIn("gantryctl --help", err)
            self.assertEqual(err.count("\n"), 1)
        for option in ("--help", "--version"):
            self.assertIn("gantryctl", self.ctl(g, option))
        err = subprocess.run([GANTRYCTL, "-s", self.path("nosuch"), "status"], text=True,
                             capture_output=True, timeout=10)
        self.assertEqual(err.returncode, 1)
        self.assertIn("no gantry listens at", err.stderr)

    def raw(self, g, request):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(5)
            s.connect(g.control)
            s.sendall(request)
            data = b""
            while not data.endswith(b"\n"):
                part = s.recv(65536)
                if not part:
                    return None
                data += part
        return json.loads(data)

    def test_requests_in_any_form(self):
        g = self.gantry(servers=self.SERVERS)
        self.assertIn("frames", self.raw(g, b"  status \r\n"))
        self.assertIn("frames", self.raw(g, b'{"command": "status"}\n'))
        self.assertIn("shown", self.raw(g, b'{"command": "connections", "arguments": ["5"]}\n'))
        for wrong in (b"\n", b"{\n", b"[]\n", b'{"command": 1}\n', b'{"command":"status","arguments":1}\n',
                      b'{"command":"drain","arguments":[1]}\n', b"status a\n", b"a b c d e f\n",
                      b"\xff\xfe\n", b"drain pacs/\xff\n", b"\0\n", b"weight pacs/a\n",
                      b'{"command":"drain","arguments":["a\\u0000b"]}\n'):
            self.assertIn("error", self.raw(g, wrong), wrong)
        with socket.socket(socket.AF_UNIX) as s:  # several on one connection, in pieces
            s.settimeout(5)
            s.connect(g.control)
            for piece in (b"dro", b"ps\nvi", b"ps\ndrops\nneighbours\n"):
                s.sendall(piece)
                time.sleep(0.02)
            data = b""
            while data.count(b"\n") < 4:
                data += s.recv(65536)
        keys = [list(json.loads(line))[1] for line in data.splitlines()]
        self.assertEqual(keys, ["drops", "vips", "drops", "neighbours"])

    def test_hostile_clients_do_not_disturb(self):
        frames = [syn("192.0.2.51", 1024 + i) for i in range(5000)]
        write_pcap(self.path("in.pcap"), frames)
        g = self.gantry(device=f"net_pcap0,rx_pcap={self.path('in.pcap')}",
                        interface="mac = 02:00:00:00:00:02")
        self.settled(g, 5000)
        with contextlib.ExitStack() as stack:
            def connect():
                s = stack.enter_context(socket.socket(socket.AF_UNIX))
                s.settimeout(5)
                s.connect(g.control)
                return s

            for _ in range(3):  # gone before the answer, and in the middle of it
                s = connect()
                s.sendall(b"connections 100000\n")
                s.close()
                s = connect()
                s.sendall(b"connections 100000\n")
                s.recv(10)
                s.close()
            s = connect()  # a line without an end
            with contextlib.suppress(OSError):
                s.sendall(b"x" * 100000)
            self.assertIn(b"4095", s.recv(1000))
            flood = connect()  # many at once
            flood.sendall(b"status\n" * 500)
            deaf = connect()  # asks for ever and reads nothing
            deaf.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                for _ in range(1000):
                    deaf.send(b"connections 100000\n")
            for _ in range(20):
                connect()  # silent
            begun = time.monotonic()
            self.settled(g, 5000)
            self.assertLess(time.monotonic() - begun, 2)
            late = [connect() for _ in range(20)]  # more than there is room for
            answer = late[-1].recv(1000)
            self.assertIn(b"too many clients", answer)
        for _ in range(100):  # it takes a moment to see that they are gone
            if "frames" in self.raw(g, b"status\n"):
                break
            time.sleep(0.01)
        self.settled(g, 5000)
        self.assertEqual(self.ask(g, "connections", "100000")["shown"], 5000)
        self.assertEqual(g.stop(), 0)
        self.assertLess(g.stop_s, STOP_S)

    def test_silent_client_is_let_go(self):
        g = self.gantry()
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(13)
            s.connect(g.control)
            begun = time.monotonic()
            self.assertEqual(s.recv(10), b"")
            self.assertGreater(time.monotonic() - begun, 9)


    def test_stuck_gantry_is_told(self):
        g = self.gantry()
        g.process.send_signal(signal.SIGSTOP)
        begun = time.monotonic()
        self.assertIn("did not answer within 5 s", self.ctl(g, "status", code=1))
        self.assertLess(time.monotonic() - begun, 7)
        g.process.send_signal(signal.SIGCONT)
        self.settled(g, 0)


if __name__ == "__main__":
    harness.main()
