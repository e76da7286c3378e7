#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""How long a datagram takes to a server and back, each after a pause.

rtt.py serve ADDRESS PORT                   echoes
rtt.py ask ADDRESS PORT COUNT PAUSE_MS      prints "RECEIVED MEDIAN P99 P99.9", in us; the pauses vary by half
"""
import random
import socket
import sys
import time


def serve(address, port):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((address, port))
    while True:
        data, peer = s.recvfrom(2048)
        s.sendto(data, peer)


def ask(address, port, count, pause_s):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.connect((address, port))
    s.settimeout(1)
    took = []
    for i in range(count):
        time.sleep(pause_s * random.uniform(0.5, 1.5))
        number = i.to_bytes(8, "big")
        t = time.perf_counter_ns()
        s.send(number)
        try:
            while s.recv(2048) != number:
                pass
        except TimeoutError:
            continue
        took.append(time.perf_counter_ns() - t)
    if not took:
        sys.exit("no answer")
    took.sort()
    print(len(took), *(f"{took[int(len(took) * share)] / 1000:.0f}" for share in (0.5, 0.99, 0.999)))


if sys.argv[1] == "serve":
    serve(sys.argv[2], int(sys.argv[3]))
ask(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]) / 1000)
