#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Makes a large capture of small frames, to measure `gantry replay` by.

usage: make_pcap.py FILE [FRAMES [CONNECTIONS]]      2000000 frames of 100000 connections

60-byte TCP frames from many clients to 192.0.2.100:104, MAC 02:00:00:00:00:01, a microsecond apart:
first a SYN of each connection, then ACKs of connections in a mixed order (a step that is prime to
their number).
"""
import struct
import sys

STEP = 7919
CHUNK = 100_000


def words_sum(data):
    return sum(int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2))


def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    n = int(sys.argv[2]) if len(sys.argv) > 2 else 2_000_000
    connections = int(sys.argv[3]) if len(sys.argv) > 3 else 100_000
    link = bytes.fromhex("020000000001" "0200000000fe" "0800")
    ip = bytes.fromhex("4500002c" "00004000" "40060000") + bytes(4) + bytes([192, 0, 2, 100])
    base = words_sum(ip)
    record = struct.Struct("<IIII")
    frames = []
    for i in range(connections):
        client, port = 0xC6120000 + i // 50_000, 1024 + i % 50_000  # 198.18.0.0/15
        total = base + (client >> 16) + (client & 0xFFFF)
        total = (total & 0xFFFF) + (total >> 16)
        header = ip[:10] + struct.pack("!HI", total ^ 0xFFFF, client) + ip[16:]
        frames.append(link + header + struct.pack("!HHIIBB", port, 104, i, 1, 0x60, 0))
    tails = {flag: struct.pack("!HHHI", 0xFFFF, 0, 0, 0x020405B4).ljust(12, b"\0") for flag in (2, 16)}
    with open(sys.argv[1], "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1))
        for start in range(0, n, CHUNK):
            out = []
            for i in range(start, min(start + CHUNK, n)):
                flag = 2 if i < connections else 16
                frame = frames[i * STEP % connections]
                s, us = divmod(i, 1_000_000)
                out.append(record.pack(1_700_000_000 + s, us * 1000, 60, 60))
                out.append(frame[:47] + bytes([flag]) + tails[flag])
            f.write(b"".join(out))


if __name__ == "__main__":
    main()
