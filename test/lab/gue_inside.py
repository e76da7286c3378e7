#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""gue_inside.py IN.pcap OUT.pcap: what is inside the GUE packets of a capture, as a capture of bare IP, for
tshark 4.0 does not know GUE. Prints the number of packets, of source ports, and the lowest of them."""
import struct
import sys

LINKTYPE_RAW = 101


def main():
    ports, count = set(), 0
    with open(sys.argv[1], "rb") as file, open(sys.argv[2], "wb") as out:
        header = file.read(24)
        assert struct.unpack_from("<I", header)[0] in (0xA1B2C3D4, 0xA1B23C4D)
        out.write(header[:20] + struct.pack("<I", LINKTYPE_RAW))
        while len(record := file.read(16)) == 16:
            seconds, fraction, captured, length = struct.unpack("<IIII", record)
            packet = file.read(captured)[14:]
            if packet[0] >> 4 == 4:
                protocol, at = packet[9], (packet[0] & 15) * 4
            else:
                protocol, at = packet[6], 40
            if protocol != 17 or packet[at + 2:at + 4] != b"\x17\xc0":
                continue
            source, _, udp_length = struct.unpack_from("!HHH", packet, at)
            inner = packet[at + 12:at + udp_length]
            ports.add(source)
            count += 1
            out.write(struct.pack("<IIII", seconds, fraction, len(inner), len(inner)) + inner)
    print(count, len(ports), min(ports, default=0))


if __name__ == "__main__":
    main()
