# SPDX-License-Identifier: BSD-3-Clause
"""Captures as lists of frames, by the standard library alone: what the runner compares with, so it
shares no code with gantry (libpcap) or with what makes the cases (scapy)."""
import struct
from collections import namedtuple

# ns since 1970, bytes that were captured, bytes that the frame had
Frame = namedtuple("Frame", "ns data wire_len")

MAGIC = {0xA1B2C3D4: 1000, 0xA1B23C4D: 1}


def read(path):
    """The frames of a classic pcap of Ethernet."""
    with open(path, "rb") as f:
        raw = f.read()
    if len(raw) < 24:
        raise ValueError(f"{path}: too short for a pcap")
    for order in "<>":
        magic, major, minor, _, _, snaplen, link = struct.unpack_from(order + "IHHiIII", raw)
        if magic in MAGIC:
            break
    else:
        raise ValueError(f"{path}: not a pcap")
    if link != 1:
        raise ValueError(f"{path}: link type {link}")
    frames, at = [], 24
    while at < len(raw):
        s, fraction, caplen, wire_len = struct.unpack_from(order + "IIII", raw, at)
        at += 16
        if at + caplen > len(raw):
            raise ValueError(f"{path}: frame {len(frames) + 1} is cut")
        frames.append(Frame(s * 10**9 + fraction * MAGIC[magic], raw[at : at + caplen], wire_len))
        at += caplen
    return frames


def write(path, frames, order="<", nanoseconds=True, link=1):
    with open(path, "wb") as f:
        magic, unit = (0xA1B23C4D, 1) if nanoseconds else (0xA1B2C3D4, 1000)
        f.write(struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 262144, link))
        for ns, data, wire_len in frames:
            s, fraction = divmod(ns, 10**9)
            f.write(struct.pack(order + "IIII", s, fraction // unit, len(data), wire_len))
            f.write(data)
