"""a's share of the new connections at four moments of its slow start."""
import os
import sys

import pcapfile

frames = pcapfile.read(os.path.join(sys.argv[1], "out.pcap"))
assert len(frames) == 2401
for step, tenths in enumerate((1, 3, 7, 10)):
    got = sum(f.data[5] == 0x0A for f in frames[1 + 600 * step : 601 + 600 * step])
    wanted = 600 * tenths / (10 + tenths)
    assert abs(got - wanted) <= 12, f"{tenths} tenths: {got} of 600, not {wanted:.0f}"
