#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Captures on both sides of a direct-routing balancer, compared byte by byte.

same_packets.py CLIENT.pcap CLIENT-MAC BALANCER-MAC SERVER.pcap=MAC...

Every IP packet that the client sent to the balancer's MAC (fragments each for itself) came out at one of
the servers: once, unchanged behind its 14 bytes of Ethernet header, in a frame from the balancer's MAC
to that server's MAC, and in the order of its flow (but for what the client's kernel does to that). Nothing else
came out. A shared machine may lose a
packet before the balancer sees it, so up to one in a hundred may be missing; none may be altered.
Reads the files with the standard library alone, so that no other program's idea of a packet gets between.
"""
import collections
import struct
import sys


def frames(path):
    with open(path, "rb") as file:
        header = file.read(24)
        magic, = struct.unpack_from("<I", header)
        assert magic in (0xA1B2C3D4, 0xA1B23C4D), f"{path}: not a pcap of this machine"
        assert struct.unpack_from("<I", header, 20)[0] == 1, f"{path}: not Ethernet"
        while True:
            record = file.read(16)
            if len(record) < 16:
                return
            _, _, captured, length = struct.unpack("<IIII", record)
            assert captured == length, f"{path}: a frame was cut by the capture"
            yield file.read(captured)


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def flow(packet):
    """What stays together: addresses and ports, or the identification of a fragmented datagram."""
    if packet[0] >> 4 == 4:
        at = (packet[0] & 15) * 4
        if struct.unpack_from("!H", packet, 6)[0] & 0x3FFF:
            return packet[12:20], packet[4:6]
        return packet[12:20], packet[9], packet[at:at + 4]
    if packet[6] == 44:
        return packet[8:40], packet[44:48]
    return packet[8:40], packet[6], packet[40:44]


# A client sends from two CPUs, and what one of them captures first the other may hand to the wire first: the
# kernel's doing, not gantry's, which has one queue. More than a window of it would be odd all the same.
LATE_MAX = 64


def compare(sent, came):
    """How many packets that came were not sent (or not so often), and how far behind its turn one came."""
    places = collections.defaultdict(collections.deque)
    for place, packet in enumerate(sent):
        places[packet].append(place)
    strangers = late = latest = 0
    for packet in came:
        if not places[packet]:
            strangers += 1
            continue
        place = places[packet].popleft()
        latest = max(latest, place)
        late = max(late, latest - place)
    return strangers, late


def main():
    client_file, client_mac, balancer_mac = sys.argv[1], mac(sys.argv[2]), mac(sys.argv[3])
    sent, came = collections.defaultdict(list), collections.defaultdict(list)
    at = collections.defaultdict(set)
    errors, total = [], 0
    for frame in frames(client_file):
        if frame[:12] == balancer_mac + client_mac and frame[12:14] in (b"\x08\x00", b"\x86\xdd"):
            sent[flow(frame[14:])].append(frame[12:])
            total += 1
    for argument in sys.argv[4:]:
        path, server_mac = argument.rsplit("=", 1)
        count = 0
        for frame in frames(path):
            if frame[6:12] != balancer_mac or frame[12:14] not in (b"\x08\x00", b"\x86\xdd"):
                continue
            count += 1
            if frame[:6] != mac(server_mac):
                errors.append(f"{path}: a frame for {frame[:6].hex(':')}")
            came[flow(frame[14:])].append(frame[12:])
            at[flow(frame[14:])].add(path)
        print(f"      {path.rsplit('/', 1)[-1]}: {count} packets")
    for key, packets in came.items():
        strangers, late = compare(sent[key], packets)
        if strangers:
            errors.append(f"flow {key}: {strangers} packets altered or repeated")
        if late > LATE_MAX:
            errors.append(f"flow {key}: a packet came {late} behind its turn")
        if len(at[key]) > 1:
            errors.append(f"flow {key}: at several servers")
    arrived = sum(map(len, came.values()))
    if total - arrived > total // 100:
        errors.append(f"{total - arrived} of {total} packets are missing")
    print(f"      {total} packets in {len(sent)} flows sent, {arrived} came")
    for error in errors[:20]:
        print(error, file=sys.stderr)
    return 1 if errors or not total else 0


if __name__ == "__main__":
    sys.exit(main())
