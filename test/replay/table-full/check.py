"""How many have an entry nobody can know by hand; what must add up is this."""
import json
import os
import sys

with open(os.path.join(sys.argv[1], "report.json")) as f:
    report = json.load(f)
vip, connections = report["vips"]["pacs"], report["connections"]
assert connections["expired"] == 0, connections
assert 8 <= connections["active"] <= 32, connections
assert connections["created"] == connections["active"] == vip["connections"]
# The tracked ones are found three times, the others are untracked in each packet.
assert vip["untracked"] == 3 * (200 - connections["active"]), vip
