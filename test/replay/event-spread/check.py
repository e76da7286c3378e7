"""Which server each connection has in each of the seven rounds."""
import json
import os
import sys

import pcapfile

out = sys.argv[1]
frames = pcapfile.read(os.path.join(out, "out.pcap"))
assert len(frames) == 2100
rounds = [{f.data[34:36]: f.data[5] for f in frames[i * 300 : i * 300 + 300]} for i in range(7)]
A, B, C = 0x0A, 0x0B, 0x0C
first, then = rounds[0], rounds[1]
assert set(first.values()) == {A, B, C}
assert all(then[k] == v for k, v in first.items() if v != B)
assert all(then[k] in (A, C) for k, v in first.items() if v == B)
assert all(r == then for r in rounds[2:]), "moved without need"
with open(os.path.join(out, "report.json")) as f:
    report = json.load(f)
assert report["connections"]["moved"] == sum(v == B for v in first.values())
