#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes vectors_tunnel.h: packets, and what scapy makes of them in each encapsulation and outer family.
Run it here after a change: ./make_tunnel_vectors.py && clang-format -i vectors_tunnel.h"""
import struct

from scapy.all import (
    Dot1Q, Ether, GRE, ICMP, ICMPv6PacketTooBig, IP, IPOption_Router_Alert, IPv6,
    IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, PadN, Padding, Raw, TCP, UDP, fragment, fragment6, raw,
)

M, C = '02:00:00:00:00:01', '02:c1:00:00:00:01'
A, V, A6, V6 = '203.0.113.9', '192.0.2.100', '2001:db8:1::9', '2001:db8::100'
SRC4, DST4, SRC6, DST6 = '192.0.2.2', '198.51.100.11', '2001:db8::2', '2001:db8:2::11'
LONG = bytes(range(256))
E = Ether(src=C, dst=M)
T = TCP(sport=40000, dport=104, flags='PA', seq=2, ack=9)

F4 = fragment(IP(src=A, dst=V, id=0x77aa, tos=0x28) / UDP(sport=40001, dport=514) / Raw(LONG), fragsize=96)
F6 = fragment6(IPv6(src=A6, dst=V6, tc=0x28) / IPv6ExtHdrFragment(id=0x77aabbcc) /
               UDP(sport=40001, dport=514) / Raw(LONG), 144)

INNER = {
    'tcp4': E / IP(src=A, dst=V, ttl=57, id=7) / T / b'0123456789',
    'tcp4_odd_df_ef_ect1': E / IP(src=A, dst=V, ttl=1, flags='DF', tos=0xb9) / T / b'odd',
    'tcp4_ce': E / IP(src=A, dst=V, tos=0x03) / T,
    'tcp4_ect0': E / IP(src=A, dst=V, tos=0x02) / T,
    'tcp4_cs7': E / IP(src=A, dst=V, tos=0xe0, flags='DF') / T,
    'tcp4_padded': E / IP(src=A, dst=V) / TCP(sport=1, dport=104) / Padding(b'\xaa' * 6),
    'tcp4_options': E / IP(src=A, dst=V, options=[IPOption_Router_Alert()], tos=0x10) / T,
    'tcp4_vlan': Ether(src=C, dst=M) / Dot1Q(vlan=42, prio=5) / IP(src=A, dst=V) / T / b'tagged',
    'tcp4_evil_bit': E / IP(src=A, dst=V, flags='evil') / T,
    'udp4_no_checksum': E / IP(src=A, dst=V) / UDP(sport=9, dport=514, chksum=0) / b'hello',
    'udp4_first': E / F4[0],
    'udp4_middle': E / F4[1],
    'udp4_last': E / F4[-1],
    'icmp4_error': E / IP(src='198.51.100.1', dst=V) / ICMP(type=3, code=4, nexthopmtu=1400) /
                   IP(src=V, dst=A) / TCP(sport=104, dport=40000),
    'tcp6': E / IPv6(src=A6, dst=V6, hlim=57, fl=0x12345) / T / b'0123456789',
    'tcp6_odd_ef_ce': E / IPv6(src=A6, dst=V6, hlim=1, tc=0xbb) / T / b'odd',
    'tcp6_ect0': E / IPv6(src=A6, dst=V6, tc=0x02) / T,
    'tcp6_dstopts': E / IPv6(src=A6, dst=V6) / IPv6ExtHdrDestOpt(options=[PadN(optdata=b'\0' * 4)]) / T,
    'tcp6_padded': E / IPv6(src=A6, dst=V6) / T / Padding(b'\xaa' * 5),
    'udp6_first': E / F6[0],
    'udp6_last': E / F6[-1],
    'icmp6_error': E / IPv6(src='2001:db8:7::1', dst=V6) / ICMPv6PacketTooBig(mtu=1400) /
                   IPv6(src=V6, dst=A6) / TCP(sport=104, dport=40000),
}
KINDS = ['IPIP', 'GRE', 'GUE']
# identification, variation: the label and the port follow from the second
NUMBERS = [(0, 0), (0xffff, 0xffffffff), (0x1234, 0xdeadbeef), (1, 0x00100000)]


def wrapped(frame, kind, v4, ident, variation):
    """By scapy's layers; GUE's four bytes by the draft (it has no layer for them)."""
    link = Ether(raw(frame))
    inner = link[IP] if link.haslayer(IP) and not link.haslayer(IPv6) else link[IPv6]
    if link.haslayer(IPv6) and link.haslayer(IP):
        inner = link[IPv6]
    inner_v4 = isinstance(inner, IP)
    body = raw(inner)
    body = body[:inner.len if inner_v4 else 40 + inner.plen]
    tos = inner.tos if inner_v4 else inner.tc
    number = 4 if inner_v4 else 41
    df = not inner_v4 or bool(inner.flags.DF)
    if kind == 'GRE':
        payload, proto = GRE(proto=0x0800 if inner_v4 else 0x86dd) / Raw(body), 47
    elif kind == 'GUE':
        udp = UDP(sport=0xc000 + variation % 16384, dport=6080)
        if v4:
            udp.chksum = 0
        payload, proto = udp / Raw(struct.pack('!BBH', 0, number, 0)) / Raw(body), 17
    else:
        payload, proto = Raw(body), number
    if v4:
        outer = IP(src=SRC4, dst=DST4, tos=tos, id=ident, flags='DF' if df else 0, ttl=64, proto=proto)
    else:
        outer = IPv6(src=SRC6, dst=DST6, tc=tos, fl=variation % 2**20 or 1, hlim=64, nh=proto)
    out = Ether(src=C, dst=M)
    if link.haslayer(Dot1Q):
        tag = link[Dot1Q]
        out = out / Dot1Q(vlan=tag.vlan, prio=tag.prio)
    return raw(out / outer / payload)


def cells(data):
    return '(const uint8_t[]){%s}' % ', '.join('0x%02x' % b for b in data)


with open('vectors_tunnel.h', 'w') as f:
    f.write('/* SPDX-License-Identifier: BSD-3-Clause */\n'
            '/* Made by make_tunnel_vectors.py with scapy. Do not edit. */\n'
            '#ifndef GT_TEST_VECTORS_TUNNEL_H\n#define GT_TEST_VECTORS_TUNNEL_H\n\n#include <stdint.h>\n\n'
            '#include "packet/tunnel.h"\n\n')
    f.write(f'#define TUNNEL_SRC4 "{SRC4}"\n#define TUNNEL_DST4 "{DST4}"\n'
            f'#define TUNNEL_SRC6 "{SRC6}"\n#define TUNNEL_DST6 "{DST6}"\n\n')
    f.write('static const struct {\n\tconst char *name;\n\tconst uint8_t *in;\n\tuint32_t in_len;\n'
            '\tuint8_t kind;\n\tuint8_t v4;\n\tuint16_t id;\n\tuint32_t variation;\n'
            '\tconst uint8_t *out;\n\tuint32_t out_len;\n} vectors_tunnel[] = {\n')
    n = 0
    for name, frame in INNER.items():
        for kind in KINDS:
            for v4 in 1, 0:
                ident, variation = NUMBERS[n % len(NUMBERS)]
                n += 1
                out = wrapped(frame, kind, v4, ident, variation)
                came = raw(frame)
                f.write('{"%s in %s over IPv%d",\n%s, %d, GT_TUNNEL_%s, %d, %d, 0x%x,\n%s, %d},\n' % (
                    name, kind.lower(), 4 if v4 else 6, cells(came), len(came), kind, v4, ident,
                    variation, cells(out), len(out)))
    f.write('};\n\n#endif\n')
