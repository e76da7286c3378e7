# SPDX-License-Identifier: BSD-3-Clause
"""Schedulers, failover, fallback, groups. Where who gets what follows from the rules alone, it is
worked out by hand here."""
from casemaker import *  # noqa: F403
from events import event_args, syn_ack


@case
def failover():
    c = Case("failover", "The first server of the file takes everything. It goes down: its connection moves, new "
             "ones go to the second. It is back: new ones go to it, the others stay. Drained: the second "
             "again.",
             ini(vip(servers="bac", policy="failover")),
             args=event_args("1:down:pacs/b", "2:up:pacs/b", "3:drain:pacs/b", "3:down:pacs/a"))
    syn_ack(c, 1001, "pacs/b")
    syn_ack(c, 1002, "pacs/b")
    c.at(1)
    c.sent(tcp(1001, "A"), "pacs/a")
    syn_ack(c, 1003, "pacs/a")
    c.at(2)
    syn_ack(c, 1004, "pacs/b")
    for port, server in (1001, "pacs/a"), (1002, "pacs/b"), (1003, "pacs/a"), (1004, "pacs/b"):
        c.sent(tcp(port, "A"), server)
    c.at(3)
    syn_ack(c, 1005, "pacs/c")
    c.sent(tcp(1001, "A"), "pacs/c")
    c.sent(tcp(1002, "A"), "pacs/b")  # drained, not down
    c.connections = {"active": 5, "created": 5, "moved": 2}
    return c


@case
def failover_sticky():
    config = ini(vip(servers="ab", policy="failover", sticky_failover="yes"))
    c = Case("failover-sticky", "A recovered server gets nothing back, not even by a reload, until the present one "
             "fails or is drained.", config,
             args=event_args("1:down:pacs/a", "2:up:pacs/a", "3:reload:again.ini", "4:down:pacs/b",
                             "5:up:pacs/b", "6:drain:pacs/a", "7:enable:pacs/a"))
    c.files["again.ini"] = config.replace("lb1", "lb2")
    syn_ack(c, 1001, "pacs/a")
    c.at(1)
    c.sent(tcp(1001, "A"), "pacs/b")
    for second, server in (2, "b"), (3, "b"), (4, "a"), (5, "a"), (6, "b"), (7, "b"):
        c.at(second)
        syn_ack(c, 1000 + second, f"pacs/{server}")
        c.sent(tcp(1001, "A"), "pacs/b" if second < 4 else "pacs/a")
    c.connections = {"active": 7, "created": 7, "moved": 2}
    c.stderr = "vip pacs: new connections go to b now, not a"
    return c


@case
def fallback():
    c = Case("fallback", "The fallback gets nothing while another server takes new connections, and then "
             "everything; what it has it keeps.",
             ini(vip(servers="fab".replace("f", "d"), fallback="d")),
             args=event_args("0:drain:pacs/b", "1:down:pacs/a", "2:up:pacs/a", "3:drain:pacs/a",
                             "4:enable:pacs/b"))
    syn_ack(c, 1001, "pacs/a")
    c.at(1)
    c.sent(tcp(1001, "A"), "pacs/d")
    syn_ack(c, 1002, "pacs/d")
    c.at(2)
    syn_ack(c, 1003, "pacs/a")
    for port in 1001, 1002:
        c.sent(tcp(port, "A"), "pacs/d")
    c.at(3)
    syn_ack(c, 1004, "pacs/d")
    c.sent(tcp(1003, "A"), "pacs/a")
    c.at(4)
    syn_ack(c, 1005, "pacs/b")
    c.connections = {"active": 5, "created": 5, "moved": 1}
    return c


@case
def round_robin():
    c = Case("round-robin", "Weights 500, 100, 100: a a b a c a a, as nginx's documentation has it for 5, 1, 1. "
             "Known connections take no turn. A server that fails, and comes back, begins it anew.",
             ini(vip(servers={"a": {"weight": 500}, "b": {}, "c": {}}, scheduler="round-robin")),
             args=event_args("1:weight:pacs/a=100", "2:down:pacs/b", "3:up:pacs/b"))
    for i in range(14):
        syn_ack(c, 1001 + i, "pacs/" + "aabacaa"[i % 7])
    c.at(1)
    for i in range(4):
        syn_ack(c, 1101 + i, "pacs/" + "abca"[i])
    c.at(2)
    for i in range(3):
        syn_ack(c, 1201 + i, "pacs/" + "aca"[i])
    c.at(3)
    for i in range(3):
        syn_ack(c, 1301 + i, "pacs/" + "abc"[i])
    c.connections = {"active": 24, "created": 24, "moved": 0}
    return c


@case
def least_connections():
    c = Case("least-connections", "The fewest open ones take the next; equal ones take turns. What a FIN or a RST "
             "has ended counts no more, though it is remembered for a while.",
             ini(vip(servers="ab", scheduler="least-connections")),
             args=event_args("2:weight:pacs/b=300"))
    for port, server in (1001, "a"), (1002, "b"), (1003, "a"), (1004, "b"):
        syn_ack(c, port, f"pacs/{server}")
    c.sent(tcp(1002, "FA"), "pacs/b")
    c.sent(tcp(1004, "R"), "pacs/b")
    # a has 2, b none
    for port, server in (1005, "b"), (1006, "b"), (1007, "a"), (1008, "b"):
        syn_ack(c, port, f"pacs/{server}")
    c.at(2)
    # a has 3 of weight 100, b 3 of 300: b until it has 11 and 12 is 3 times 4
    for port in range(1101, 1109):
        syn_ack(c, port, "pacs/b")
    syn_ack(c, 1109, "pacs/a")  # 12 of 300 or 4 of 100: the turn is a's, who comes behind b
    syn_ack(c, 1110, "pacs/b")
    c.sent(tcp(1001, "A"), "pacs/a")
    return c


@case
def rendezvous():
    c = Case("rendezvous", "Weights, drains and failures steer the rendezvous table as any other; known connections "
             "stay.",
             ini(vip(servers={"a": {}, "b": {"weight": 0}}, scheduler="rendezvous")),
             args=event_args("1:weight:pacs/b=1", "1:drain:pacs/a", "2:enable:pacs/a",
                             "2:down:pacs/b"))
    syn_ack(c, 1001, "pacs/a")
    c.at(1)
    syn_ack(c, 1002, "pacs/b")
    c.sent(tcp(1001, "A"), "pacs/a")
    c.at(2)
    c.sent(tcp(1002, "A"), "pacs/a")
    syn_ack(c, 1003, "pacs/a")
    c.connections = {"active": 3, "created": 3, "moved": 1}
    return c


@case
def persistence_group():
    keys = {"persistence": "source", "persistence_group": "archive", "scheduler": "round-robin"}
    c = Case("persistence-group", "Clients meet the same server name at the DICOM and the web VIP, whichever they "
             "come to first. a fails for the web alone: new connections of its clients go to b at both VIPs, a "
             "known one stays. a recovers: they stay at b.",
             ini(vip("dicom", servers="ab", **keys),
                 vip("web", address="192.0.2.101", servers="ba", port="443", **keys)),
             args=event_args("1:down:web/a", "2:up:web/a"))

    def dicom(client, port, server, flags="S"):
        c.sent(tcp(port, flags, src=f"198.51.100.{client}"), f"dicom/{server}")

    def web(client, port, server):
        c.sent(tcp(port, "S", src=f"198.51.100.{client}", dst="192.0.2.101", dport=443), f"web/{server}")

    dicom(1, 1001, "a")  # dicom's turns: a, b; web's the same, for names decide and not the file
    dicom(2, 1001, "b")
    web(1, 1001, "a")
    web(2, 1001, "b")
    web(3, 1001, "a")
    web(4, 1001, "b")
    dicom(3, 1001, "a")
    dicom(4, 1001, "b")
    dicom(1, 1001, "a", "A")
    c.at(1)
    for client in 1, 2, 3, 4:
        dicom(client, 1002, "b")
        web(client, 1002, "b")
    dicom(1, 1001, "a", "A")
    c.at(2)
    for client in 1, 2, 3, 4:
        web(client, 1003, "b")
        dicom(client, 1003, "b")
    c.connections = {"moved": 0}
    return c
