"""By datagram and by connection one server; every frame leaves once."""
import os
import sys
from collections import Counter

import pcapfile

came = pcapfile.read("in.pcap")
left = pcapfile.read(os.path.join(sys.argv[1], "out.pcap"))
assert Counter(f.data[12:] for f in came) == Counter(f.data[12:] for f in left)
port = {}  # of a datagram: its first fragment tells
for f in came:
    ident, fragment = f.data[18:20], int.from_bytes(f.data[20:22], "big")
    if fragment & 0x1FFF == 0 and fragment & 0x2000:
        port[ident] = f.data[34:36]
server = {}
for f in left:
    fragment = int.from_bytes(f.data[20:22], "big")
    key = port[f.data[18:20]] if fragment & 0x3FFF else f.data[34:36]
    server.setdefault(key, set()).add(f.data[:6])
assert len(server) == 40 and all(len(s) == 1 for s in server.values())
assert len(set.union(*server.values())) > 1
