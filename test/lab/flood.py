#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""
Many connections to a VIP without anybody at their ends: frames by AF_PACKET, which a balancer in direct
routing forwards as it would a real client's.

usage: flood.py send INTERFACE MAC VIP CONNECTIONS RATE open     SYN and ACK of each, once
       flood.py send INTERFACE MAC VIP CONNECTIONS RATE hold     ACKs round and round until SIGTERM
       flood.py send INTERFACE MAC VIP CONNECTIONS RATE once     an ACK of each, once
           prints how many frames were sent
       flood.py receive INTERFACE VIP FILE                       until SIGTERM: writes which clients it saw
"""
import signal
import socket
import struct
import sys
import time

PORT, PORTS, SYN, ACK = 9000, 1000, 0x02, 0x10


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


class Sender:
    """Frames at a rate, in bursts of a few milliseconds."""

    def __init__(self, interface, mac, vip, connections, rate):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self.socket.bind((interface, 0))
        own = self.socket.getsockname()[4]
        self.ethernet = bytes.fromhex(mac.replace(":", "")) + own + b"\x08\x00"
        self.vip, self.connections, self.rate = socket.inet_aton(vip), connections, rate
        self.sent, self.stopped, self.begun = 0, False, time.monotonic()
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "stopped", True))

    def frame(self, i, flags):
        head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, i & 0xffff, 0x4000, 64, 6, 0,
                           socket.inet_aton(f"198.18.{i // PORTS // 250}.{i // PORTS % 250 + 1}"),
                           self.vip)
        head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
        return (self.ethernet + head +
                struct.pack("!HHIIBBHHH", 1024 + i % PORTS, PORT, 1, 1, 0x50, flags, 1024, 0, 0)).ljust(60, b"\0")

    def send(self, frame):
        while True:
            try:
                self.socket.send(frame)
                break
            except OSError:  # ENOBUFS: the device is behind
                time.sleep(0.001)
        self.sent += 1
        if self.sent % 64 == 0:
            ahead = self.begun + self.sent / self.rate - time.monotonic()
            if ahead > 0:
                time.sleep(ahead)
            elif ahead < -0.05:  # no catching up in a flood
                self.begun -= ahead

    def run(self, how):
        if how == "open":
            for i in range(self.connections):
                self.send(self.frame(i, SYN))
                self.send(self.frame(i, ACK))
            return
        frames = [self.frame(i, ACK) for i in range(self.connections)]
        self.begun = time.monotonic()
        while not self.stopped:
            for frame in frames:
                self.send(frame)
                if self.stopped and how == "hold":
                    break
            if how == "once":
                break


def receive(interface, vip, path):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
    s.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
    s.bind((interface, 0))
    s.settimeout(0.1)
    seen, stopped, wanted = set(), [], socket.inet_aton(vip)
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    print("ready", flush=True)
    while True:
        try:
            frame = s.recv(64)
        except socket.timeout:
            if stopped:
                break
            continue
        if frame[30:34] == wanted:
            seen.add(frame[26:30] + frame[34:36])
    with open(path, "w", encoding="ascii") as f:
        f.writelines(key.hex() + "\n" for key in sorted(seen))


if sys.argv[1] == "send":
    sender = Sender(*sys.argv[2:5], int(sys.argv[5]), int(sys.argv[6]))
    sender.run(sys.argv[7])
    print(sender.sent, flush=True)
else:
    receive(*sys.argv[2:5])
