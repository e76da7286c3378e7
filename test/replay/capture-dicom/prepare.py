"""Selects the client's half and gives it gantry's MAC."""
import os
import sys

import pcapfile

frames = pcapfile.read("../captures/dicom-mixed.pcap")
to_vip = [f for f in frames if f.data[12:14] == b"\x08\x00" and f.data[30:34] == bytes([192, 0, 2, 100])]
pcapfile.write(os.path.join(sys.argv[1], "in.pcap"),
               [f._replace(data=bytes.fromhex("020000000001") + f.data[6:]) for f in to_vip])
