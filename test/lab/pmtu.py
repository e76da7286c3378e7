#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What a client's kernel learns of the way to an address: pmtu.py ADDRESS PORT [BYTES]

Sends UDP datagrams with DF set, each as long as the kernel thinks will pass; or of BYTES, which it
cuts into fragments without DF; until its opinion has not changed for a second. Prints that.
"""
import socket
import sys
import time

# linux/in.h, linux/in6.h: (level, MTU_DISCOVER, MTU, bytes of headers)
OPTIONS = {socket.AF_INET: (socket.IPPROTO_IP, 10, 14, 28), socket.AF_INET6: (socket.IPPROTO_IPV6, 23, 24, 48)}
PMTUDISC_WANT, PMTUDISC_DO = 1, 2


def main():
    address, port = sys.argv[1], int(sys.argv[2])
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    level, discover, mtu_of, headers = OPTIONS[family]
    s = socket.socket(family, socket.SOCK_DGRAM)
    length = int(sys.argv[3]) if len(sys.argv) > 3 else None
    s.setsockopt(level, discover, PMTUDISC_WANT if length else PMTUDISC_DO)
    s.connect((address, port))
    end = time.monotonic() + 6
    mtu, since = s.getsockopt(level, mtu_of), time.monotonic()
    while time.monotonic() < min(end, since + 1):
        try:
            s.send(b"x" * (length or mtu - headers))
        except OSError:
            pass  # EMSGSIZE: an ICMP error came; ECONNREFUSED: nobody listens there, it got through
        time.sleep(0.1)
        now = s.getsockopt(level, mtu_of)
        if now != mtu:
            mtu, since = now, time.monotonic()
    print(mtu)


if __name__ == "__main__":
    main()
