#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes vectors_ping.h: echo requests and replies as scapy makes them."""
from scapy.all import ICMP, IP, Raw, raw
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest

DATA = b"\x5a" * 8 + b"\xc3" * 8 + b"gantry check".ljust(16, b"\0")  # token, secret, who


def emit(name, data):
    rows = [", ".join(f"0x{b:02x}" for b in data[i:i + 12]) for i in range(0, len(data), 12)]
    print(f"static const uint8_t {name}[] = {{\n\t" + ",\n\t".join(rows) + "};")


print("/* SPDX-License-Identifier: BSD-3-Clause */\n/* Made by make_ping_vectors.py; do not edit. */")
emit("ping_request4", raw(ICMP(type=8, id=0x1234, seq=0xBEEF) / Raw(DATA)))
emit("ping_reply4", raw(ICMP(type=0, id=0x1234, seq=0xBEEF) / Raw(DATA)))
emit("ping_packet4", raw(IP(src="192.0.2.11", dst="192.0.2.2", options=[b"\x01" * 4])
                         / ICMP(type=0, id=0x1234, seq=0xBEEF) / Raw(DATA)))
# The checksum of ICMPv6 covers addresses, and is the kernel's: none here.
emit("ping_request6", raw(ICMPv6EchoRequest(cksum=0, id=0x1234, seq=0xBEEF, data=DATA)))
emit("ping_reply6", raw(ICMPv6EchoReply(cksum=0, id=0x1234, seq=0xBEEF, data=DATA)))
emit("ping_unreachable4", raw(ICMP(type=3, code=1) / IP(dst="192.0.2.11")
                              / ICMP(type=8, id=0x1234, seq=0xBEEF) / Raw(DATA)))
