"""One server for each client address."""
import os
import sys

import pcapfile

server = {}
for f in pcapfile.read(os.path.join(sys.argv[1], "out.pcap")):
    server.setdefault(f.data[26:30], set()).add(f.data[:6])
assert len(server) == 50 and all(len(s) == 1 for s in server.values())
assert len(set.union(*server.values())) == 3
