"""Each frame leaves once, unchanged but for 12 bytes of MACs; a connection keeps its server."""
import json
import os
import sys
from collections import Counter

import pcapfile

out = sys.argv[1]
came, left = pcapfile.read("in.pcap"), pcapfile.read(os.path.join(out, "out.pcap"))
assert [f.data[12:] for f in came] == [f.data[12:] for f in left]
assert [f.ns for f in came] == [f.ns for f in left]
assert {f.data[6:12].hex() for f in left} == {"020000000001"}
server = {}
for f in left:
    server.setdefault(f.data[26:30] + f.data[34:36], set()).add(f.data[:6].hex())
assert len(server) == 400 and all(len(s) == 1 for s in server.values())
shares = Counter(next(iter(s)) for s in server.values())
# Binomial: four standard deviations are 35 around 100, and 40 around 200.
assert set(shares) == {"02000000010a", "02000000010b", "02000000010c"}, shares
assert abs(shares["02000000010a"] - 100) < 35 and abs(shares["02000000010b"] - 100) < 35, shares
assert abs(shares["02000000010c"] - 200) < 40, shares
with open(os.path.join(out, "report.json")) as f:
    servers = json.load(f)["vips"]["pacs"]["servers"]
assert {s: v["connections"] for s, v in servers.items()} == {
    "a": shares["02000000010a"], "b": shares["02000000010b"], "c": shares["02000000010c"], "d": 0}
assert servers["a"]["frames"] == 3 * shares["02000000010a"]
