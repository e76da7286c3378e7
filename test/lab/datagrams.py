#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Large UDP datagrams for the lab: what a client sends in fragments, a server must hold whole.

datagrams.py listen ADDRESS PORT FILE         appends "SOURCE LENGTH SHA256" for each datagram to FILE
datagrams.py send ADDRESS PORT COUNT BYTES    sends COUNT of them, each from a port of its own; prints
                                              "LENGTH SHA256" for each
"""
import hashlib
import random
import socket
import sys


def udp_socket(address):
    return socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)


def listen(address, port, path):
    receiver = udp_socket(address)
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    receiver.bind((address, port))
    with open(path, "a", buffering=1) as out:
        while True:
            data, source = receiver.recvfrom(65536)
            print(source[0], len(data), hashlib.sha256(data).hexdigest(), file=out)


def send(address, port, count, length):
    noise = random.Random(f"{address} {port}")
    for _ in range(count):
        data = noise.randbytes(length)
        with udp_socket(address) as sender:
            sender.sendto(data, (address, port))
        print(length, hashlib.sha256(data).hexdigest())


def main():
    command, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if command == "listen":
        listen(address, port, sys.argv[4])
    elif command == "send":
        send(address, port, int(sys.argv[4]), int(sys.argv[5]))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
