#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The far end of tunnels, for a kernel without ipip, gre and fou: decapsulate.py [TUN]

Takes IP in IP, GRE and GUE (UDP port 6080) over IPv4 and IPv6 from raw and UDP sockets, so that the
kernel has judged the outer packet (its UDP checksum too) and has put its fragments together, and
writes what was inside to a TUN interface, where the kernel judges that. Strict: what is not just as
RFC 2784 and the GUE draft have it without options is told on stderr and not passed on. Shares
nothing with gantry. Counts go to stderr at the end (SIGTERM).
"""
import fcntl
import os
import selectors
import signal
import socket
import struct
import sys

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000
GRE_TYPES = {0x0800: 4, 0x86DD: 6}
counts = {}


def open_tun(name):
    tun = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    return tun


def open_socket(family, kind, protocol):
    s = socket.socket(family, kind, protocol)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 23)
    s.setblocking(False)
    if kind == socket.SOCK_DGRAM:
        if family == socket.AF_INET6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        s.bind(("", 6080))
    return s


def behind_ip(packet):
    """A raw IPv4 socket hands over the outer header too."""
    return packet[(packet[0] & 15) * 4:]


def from_ipip(version):
    return lambda data: data if data[0] >> 4 == version else None


def from_gre(data):
    flags, kind = struct.unpack_from("!HH", data)
    inner = data[4:]
    return inner if flags == 0 and GRE_TYPES.get(kind) == inner[0] >> 4 else None


def from_gue(data):
    head, proto, flags = struct.unpack_from("!BBH", data)
    inner = data[4:]
    return inner if head == 0 and flags == 0 and {4: 4, 41: 6}.get(proto) == inner[0] >> 4 else None


def main():
    tun = open_tun(sys.argv[1] if len(sys.argv) > 1 else "gtun")
    poll = selectors.DefaultSelector()
    for family, outer in (socket.AF_INET, 4), (socket.AF_INET6, 6):
        for name, kind, protocol, unwrap in (
                ("ipip", socket.SOCK_RAW, 4, from_ipip(4)), ("ipip", socket.SOCK_RAW, 41, from_ipip(6)),
                ("gre", socket.SOCK_RAW, 47, from_gre), ("gue", socket.SOCK_DGRAM, 0, from_gue)):
            cut = family == socket.AF_INET and kind == socket.SOCK_RAW
            poll.register(open_socket(family, kind, protocol), selectors.EVENT_READ,
                          (f"{name}/IPv{outer}", unwrap, cut))

    def leave(*_):
        print(" ".join(f"{k}={v}" for k, v in sorted(counts.items())), file=sys.stderr)
        os._exit(0)

    signal.signal(signal.SIGTERM, leave)
    print("listening", flush=True)
    while True:
        for key, _ in poll.select():
            name, unwrap, cut = key.data
            for _ in range(256):
                try:
                    data = key.fileobj.recv(65535)
                except BlockingIOError:
                    break
                inner = unwrap(behind_ip(data) if cut else data)
                if inner is None:
                    print(f"odd {name}: {data[:64].hex()}", file=sys.stderr, flush=True)
                    continue
                word = f"{name}.{inner[0] >> 4}"
                counts[word] = counts.get(word, 0) + 1
                os.write(tun, inner)


if __name__ == "__main__":
    main()
