"""Unchanged but for MACs, in order and time; one server for each connection."""
import os
import sys

import pcapfile

out = sys.argv[1]
services = {(104).to_bytes(2, "big"), (11112).to_bytes(2, "big"), (11113).to_bytes(2, "big")}
came = [f for f in pcapfile.read(os.path.join(out, "in.pcap")) if f.data[36:38] in services]
left = pcapfile.read(os.path.join(out, "out.pcap"))
assert [(f.ns, f.data[12:], f.wire_len) for f in came] == [(f.ns, f.data[12:], f.wire_len) for f in left]
assert {f.data[6:12].hex() for f in left} == {"020000000001"}
server = {}
for f in left:
    server.setdefault(f.data[34:38], set()).add(f.data[:6].hex())
assert all(len(s) == 1 for s in server.values()), server
assert set.union(*server.values()) <= {"02000000010a", "02000000010b", "02000000010c"}
