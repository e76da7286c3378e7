#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes vectors_packets.h (scapy's bytes for the expression above each array) and vectors_aes.h
(AESENC rounds made from FIPS 197's definitions, not from gantry's). Run it here after a change:
./make_vectors.py && clang-format -i vectors_*.h"""
import random
import sys

from scapy.all import *  # noqa: F401,F403
from scapy.layers.ipsec import AH  # noqa: F401

M, C, S = '02:00:00:00:00:01', '02:c1:00:00:00:01', '02:53:00:00:00:01'
A, V, A6, V6 = '203.0.113.9', '192.0.2.100', '2001:db8:1::9', '2001:db8::100'
E = Ether(src=C, dst=M)
R = Ether(src=M, dst=C)  # the way back
I = IP(src=A, dst=V, ttl=57, id=7)
B = IP(src=V, dst=A, ttl=64, id=7)
I6 = IPv6(src=A6, dst=V6, hlim=57)
B6 = IPv6(src=V6, dst=A6, hlim=64)
T = TCP(sport=40000, dport=104, flags='S', seq=1)
U = UDP(sport=40001, dport=514)
F6 = IPv6ExtHdrFragment
D6 = IPv6ExtHdrDestOpt(options=[PadN(optdata=b'\0' * 4)])
LONG = bytes(range(256)) * 3

PACKETS = [
    # valid, IPv4
    ('tcp4', "E/I/T"),
    ('tcp4_data', "E/I/TCP(sport=40000,dport=104,flags='PA',seq=2,ack=9)/b'0123456789'"),
    ('tcp4_options', "E/I/TCP(sport=40000,dport=104,flags='SEC',options=[('MSS',1460),('SAckOK',b''),('Timestamp',(1,0)),('NOP',None),('WScale',7)])"),
    ('tcp4_max_options', "E/I/TCP(sport=40000,dport=104,flags='A',dataofs=15)/(b'\\1'*40)"),
    ('tcp4_padded', "E/I/T/Padding(b'\\0'*6)"),
    ('tcp4_ip_options', "E/IP(src=A,dst=V,options=[IPOption_Router_Alert()])/T"),
    ('tcp4_max_ip_options', "E/IP(src=A,dst=V,options=[IPOption_NOP() for _ in range(40)])/T"),
    ('tcp4_df', "E/IP(src=A,dst=V,flags='DF')/T"),
    ('tcp4_vlan', "Ether(src=C,dst=M)/Dot1Q(vlan=42,prio=5,id=1)/I/T"),
    ('tcp4_vlan_4095', "Ether(src=C,dst=M)/Dot1Q(vlan=4095)/I/T"),
    ('tcp4_priority', "Ether(src=C,dst=M)/Dot1Q(vlan=0,prio=7)/I/T"),
    ('tcp4_broadcast', "Ether(src=C,dst='ff:ff:ff:ff:ff:ff')/I/T"),
    ('udp4', "E/I/U/b'hello'"),
    ('udp4_empty', "E/I/U"),
    ('udp4_no_checksum', "E/I/UDP(sport=40001,dport=514,chksum=0)/b'hello'"),
    ('udp4_padded', "E/I/U/b'hi'/Padding(b'\\0'*16)"),
    ('udp4_shorter_than_ip', "E/I/UDP(sport=40001,dport=514,len=10)/b'hello'"),
    ('gre4', "E/IP(src=A,dst=V,proto=47)/b'\\0\\0\\x08\\0'"),
    ('bare4', "E/IP(src=A,dst=V,proto=253)"),
    ('arp', "Ether(src=C,dst='ff:ff:ff:ff:ff:ff')/ARP(op=1,hwsrc=C,psrc=A,pdst=V)"),
    ('arp_vlan', "Ether(src=C,dst='ff:ff:ff:ff:ff:ff')/Dot1Q(vlan=42)/ARP(op=1,hwsrc=C,psrc=A,pdst=V)"),
    # fragments, IPv4
    ('udp4_first', "E/fragment(IP(src=A,dst=V,id=0x77aa)/U/LONG,fragsize=256)[0]"),
    ('udp4_middle', "E/fragment(IP(src=A,dst=V,id=0x77aa)/U/LONG,fragsize=256)[1]"),
    ('udp4_last', "E/fragment(IP(src=A,dst=V,id=0x77aa)/U/LONG,fragsize=256)[-1]"),
    ('tcp4_first', "E/fragment(IP(src=A,dst=V,id=0x77ab)/T/LONG,fragsize=24)[0]"),
    ('tcp4_first_exact', "E/IP(src=A,dst=V,flags='MF')/TCP(sport=40000,dport=104,dataofs=6)/(b'\\1'*4)"),
    ('tcp4_second_at_16', "E/IP(src=A,dst=V,frag=2,proto=6)/(b'x'*24)"),
    # malformed, IPv4
    ('bad4_version', "E/IP(src=A,dst=V,version=5)/T"),
    ('bad4_ihl_0', "E/IP(src=A,dst=V,ihl=0)/T"),
    ('bad4_ihl_4', "E/IP(src=A,dst=V,ihl=4)/T"),
    ('bad4_ihl_beyond_total', "E/IP(src=A,dst=V,ihl=15,len=40)/T/(b'x'*40)"),
    ('bad4_total_0', "E/IP(src=A,dst=V,len=0)/T"),
    ('bad4_total_19', "E/IP(src=A,dst=V,len=19)/T"),
    ('bad4_total_one_over', "E/IP(src=A,dst=V,len=41)/T"),
    ('bad4_total_65535', "E/IP(src=A,dst=V,len=65535)/T"),
    ('bad4_checksum', "E/IP(src=A,dst=V,chksum=0x1234)/T"),
    ('bad4_checksum_0', "E/IP(src=A,dst=V,chksum=0)/T"),
    ('bad4_tcp_cut', "E/IP(src=A,dst=V,proto=6)/(b'x'*19)"),
    ('bad4_tcp_doff_4', "E/I/TCP(sport=40000,dport=104,dataofs=4)"),
    ('bad4_tcp_doff_0', "E/I/TCP(sport=40000,dport=104,dataofs=0)"),
    ('bad4_tcp_doff_beyond', "E/I/TCP(sport=40000,dport=104,dataofs=6)/b'xyz'"),
    ('bad4_tcp_doff_in_padding', "E/I/TCP(sport=40000,dport=104,dataofs=6)/b'xyz'/Padding(b'\\0'*20)"),
    ('bad4_udp_cut', "E/IP(src=A,dst=V,proto=17)/(b'x'*7)"),
    ('bad4_udp_cut_padded', "E/IP(src=A,dst=V,proto=17)/(b'x'*7)/Padding(b'\\0'*20)"),
    ('bad4_udp_len_7', "E/I/UDP(sport=1,dport=514,len=7)/b'hello'"),
    ('bad4_udp_len_0', "E/I/UDP(sport=1,dport=514,len=0)/b'hello'"),
    ('bad4_udp_len_over', "E/I/UDP(sport=1,dport=514,len=14)/b'hello'"),
    ('bad4_udp_len_in_padding', "E/I/UDP(sport=1,dport=514,len=14)/b'hello'/Padding(b'\\0'*9)"),
    ('bad4_icmp_cut', "E/IP(src=A,dst=V,proto=1)/(b'\\x08\\0'+b'x'*5)"),
    ('bad4_tiny_8', "E/IP(src=A,dst=V,flags='MF',proto=6)/raw(T)[:8]"),
    ('bad4_tiny_16', "E/IP(src=A,dst=V,flags='MF',proto=6)/raw(T)[:16]"),
    ('bad4_tiny_options', "E/IP(src=A,dst=V,flags='MF')/TCP(sport=40000,dport=104,dataofs=10)/(b'\\1'*12)"),
    ('bad4_overlap_8', "E/IP(src=A,dst=V,frag=1,proto=6)/(b'x'*32)"),
    ('bad4_overlap_8_more', "E/IP(src=A,dst=V,frag=1,flags='MF',proto=6)/(b'x'*32)"),
    ('bad4_fragment_empty', "E/IP(src=A,dst=V,frag=3,proto=17)"),
    ('bad4_first_empty', "E/IP(src=A,dst=V,flags='MF',proto=17)"),
    ('bad4_fragment_not_8', "E/IP(src=A,dst=V,frag=3,flags='MF',proto=17)/(b'x'*13)"),
    ('bad4_fragment_death', "E/IP(src=A,dst=V,frag=8189,proto=1)/(b'x'*32)"),
    ('bad4_fragment_death_by_header', "E/IP(src=A,dst=V,frag=8189,proto=1)/(b'x'*8)"),
    ('bad4_fragment_death_by_one', "E/IP(src=A,dst=V,frag=8189,proto=1)/(b'x'*4)"),
    ('udp4_fragment_at_the_end', "E/IP(src=A,dst=V,frag=8189,proto=1)/(b'x'*3)"),
    ('bad_vlan_twice', "Ether(src=C,dst=M)/Dot1Q(vlan=42)/Dot1Q(vlan=42)/I/T"),
    ('bad_vlan_qinq_inside', "Ether(src=C,dst=M)/Dot1Q(vlan=42)/Dot1AD(vlan=42)/I/T"),
    ('bad_vlan_qinq', "Ether(src=C,dst=M)/Dot1AD(vlan=7)/Dot1Q(vlan=42)/I/T"),
    ('bad_type_lldp', "Ether(src=C,dst=M,type=0x88cc)/(b'x'*46)"),
    ('bad_type_length', "Ether(src=C,dst=M,type=38)/(b'x'*46)"),
    # valid, IPv6
    ('tcp6', "E/I6/T"),
    ('tcp6_padded', "E/I6/T/Padding(b'\\0'*6)"),
    ('tcp6_vlan', "Ether(src=C,dst=M)/Dot1Q(vlan=42)/I6/T"),
    ('udp6', "E/I6/U/b'hello'"),
    ('echo6', "E/I6/ICMPv6EchoRequest(id=1,seq=2,data=b'abc')"),
    ('tcp6_hbh', "E/I6/IPv6ExtHdrHopByHop(options=[RouterAlert()])/T"),
    ('udp6_dstopts', "E/I6/IPv6ExtHdrDestOpt(options=[PadN(optdata=b'\\0'*20)])/U/b'hello'"),
    ('tcp6_routing_done', "E/I6/IPv6ExtHdrRouting(type=4,segleft=0,addresses=[V6])/T"),
    ('tcp6_ah', "E/I6/AH(nh=6,payloadlen=4,spi=1,seq=1,icv=b'\\0'*12)/T"),
    ('tcp6_atomic', "E/I6/F6(m=0,offset=0,id=0x12345678)/T"),
    ('tcp6_all', "E/I6/IPv6ExtHdrHopByHop(options=[RouterAlert()])/D6/IPv6ExtHdrRouting(type=4,segleft=0,addresses=[V6])/F6(m=0,offset=0,id=1)/AH(nh=60,payloadlen=4,spi=1,seq=1,icv=b'\\0'*12)/D6/T"),
    ('tcp6_chain_8', "E/I6/D6/D6/D6/D6/D6/D6/D6/D6/T"),
    ('esp6', "E/IPv6(src=A6,dst=V6,nh=50)/(b'x'*24)"),
    ('nonext6', "E/IPv6(src=A6,dst=V6,nh=59)"),
    ('udp6_first', "E/IPv6(src=A6,dst=V6)/F6(m=1,offset=0,id=0x89abcdef,nh=17)/(raw(U)+b'x'*24)"),
    ('udp6_later', "E/IPv6(src=A6,dst=V6)/F6(m=1,offset=4,id=0x89abcdef,nh=17)/(b'x'*24)"),
    ('udp6_last', "E/IPv6(src=A6,dst=V6)/F6(m=0,offset=7,id=0x89abcdef,nh=17)/(b'x'*5)"),
    ('tcp6_first_dstopts', "E/IPv6(src=A6,dst=V6)/F6(m=1,offset=0,id=1)/D6/TCP(sport=40000,dport=104,dataofs=6)/(b'\\1'*4)"),
    ('udp6_later_hbh', "E/IPv6(src=A6,dst=V6)/IPv6ExtHdrHopByHop(options=[RouterAlert()])/F6(m=0,offset=4,id=2,nh=17)/(b'x'*24)"),
    ('dad6', "Ether(src=C,dst='33:33:ff:00:01:00')/IPv6(src='::',dst='ff02::1:ff00:100',hlim=255)/ICMPv6ND_NS(tgt=V6)"),
    ('ns6', "Ether(src=C,dst='33:33:ff:00:01:00')/IPv6(src=A6,dst='ff02::1:ff00:100',hlim=255)/ICMPv6ND_NS(tgt=V6)/ICMPv6NDOptSrcLLAddr(lladdr=C)"),
    # malformed, IPv6
    ('bad6_version', "E/IPv6(src=A6,dst=V6,version=4)/T"),
    ('bad6_plen_over', "E/IPv6(src=A6,dst=V6,plen=21)/T"),
    ('bad6_plen_cuts_tcp', "E/IPv6(src=A6,dst=V6,plen=19)/T"),
    ('bad6_plen_0', "E/IPv6(src=A6,dst=V6,plen=0)/T"),
    ('bad6_jumbo', "E/IPv6(src=A6,dst=V6,plen=0)/IPv6ExtHdrHopByHop(options=[Jumbo(jumboplen=100)])/T"),
    ('bad6_udp_len_over', "E/I6/UDP(sport=1,dport=514,len=14)/b'hello'"),
    ('bad6_tcp_doff_4', "E/I6/TCP(sport=40000,dport=104,dataofs=4)"),
    ('bad6_icmp_cut', "E/IPv6(src=A6,dst=V6,nh=58)/b'\\x80\\0xxxxx'"),
    ('bad6_chain_9', "E/I6/D6/D6/D6/D6/D6/D6/D6/D6/D6/T"),
    ('bad6_chain_beyond', "E/IPv6(src=A6,dst=V6)/IPv6ExtHdrDestOpt(len=9,options=[PadN(optdata=b'\\0'*4)])/T"),
    ('bad6_chain_ends', "E/IPv6(src=A6,dst=V6,nh=60)/b'\\x06\\0\\1\\2'"),
    ('bad6_chain_only', "E/IPv6(src=A6,dst=V6,nh=60)"),
    ('bad6_hbh_second', "E/I6/D6/IPv6ExtHdrHopByHop(options=[RouterAlert()])/T"),
    ('bad6_hbh_twice', "E/I6/IPv6ExtHdrHopByHop(options=[RouterAlert()])/IPv6ExtHdrHopByHop(options=[RouterAlert()])/T"),
    ('bad6_routing_left', "E/I6/IPv6ExtHdrRouting(type=4,segleft=1,addresses=[V6])/T"),
    ('bad6_routing_type0', "E/I6/IPv6ExtHdrRouting(type=0,segleft=1,addresses=[V6])/T"),
    ('bad6_fragment_twice', "E/I6/F6(m=0,offset=0,id=1)/F6(m=1,offset=0,id=2)/T/(b'x'*4)"),
    ('bad6_tiny', "E/IPv6(src=A6,dst=V6)/F6(m=1,offset=0,id=1,nh=6)/raw(T)[:16]"),
    ('bad6_tiny_udp_chain', "E/IPv6(src=A6,dst=V6)/F6(m=1,offset=0,id=1,nh=60)/raw(IPv6ExtHdrDestOpt(nh=17,options=[PadN(optdata=b'\\0'*4)]))"),
    ('bad6_tiny_chain_cut', "E/IPv6(src=A6,dst=V6)/F6(m=1,offset=0,id=1,nh=60)/(b'\\x06\\4\\1\\4\\0\\0\\0\\0'*2)"),
    ('bad6_overlap_8', "E/IPv6(src=A6,dst=V6)/F6(m=0,offset=1,id=1,nh=6)/(b'x'*24)"),
    ('bad6_fragment_empty', "E/IPv6(src=A6,dst=V6)/F6(m=0,offset=5,id=1,nh=17)"),
    ('bad6_fragment_not_8', "E/IPv6(src=A6,dst=V6)/F6(m=1,offset=5,id=1,nh=17)/(b'x'*9)"),
    ('bad6_fragment_death', "E/IPv6(src=A6,dst=V6)/F6(m=0,offset=8191,id=1,nh=17)/(b'x'*8)"),
    ('bad6_fragment_death_by_chain', "E/IPv6(src=A6,dst=V6)/D6/F6(m=0,offset=8191,id=1,nh=17)/(b'x'*7)"),
    ('udp6_fragment_at_the_end', "E/IPv6(src=A6,dst=V6)/F6(m=0,offset=8191,id=1,nh=17)/(b'x'*7)"),
    ('bad6_unspecified_echo', "E/IPv6(src='::',dst=V6)/ICMPv6EchoRequest()"),
    ('bad6_unspecified_udp', "E/IPv6(src='::',dst=V6)/U"),
    ('bad6_unspecified_na', "E/IPv6(src='::',dst='ff02::1',hlim=255)/ICMPv6ND_NA(tgt=V6)"),
    ('bad6_unspecified_mld', "Ether(src=C,dst='33:33:00:00:00:16')/IPv6(src='::',dst='ff02::16',hlim=1)/IPv6ExtHdrHopByHop(options=[RouterAlert()])/ICMPv6MLReport2()"),
    ('bad6_unspecified_fragment', "E/IPv6(src='::',dst=V6)/F6(m=0,offset=5,id=1,nh=58)/(b'x'*8)"),
    ('mapped6_destination', "E/IPv6(src=A6,dst='::ffff:192.0.2.100')/T"),
    # echo and what must come back
    ('echo4_even', "E/I/ICMP(type=8,id=0x1234,seq=5)/b'abcdefgh'"),
    ('echo4_even_reply', "R/B/ICMP(type=0,id=0x1234,seq=5)/b'abcdefgh'"),
    ('echo4_odd', "E/I/ICMP(type=8,id=0x1234,seq=6)/b'abcdefg'"),
    ('echo4_odd_reply', "R/B/ICMP(type=0,id=0x1234,seq=6)/b'abcdefg'"),
    ('echo4_empty', "E/I/ICMP(type=8,id=0x1234,seq=6)"),
    ('echo4_empty_reply', "R/B/ICMP(type=0,id=0x1234,seq=6)"),
    ('echo4_zero', "E/I/ICMP(type=8,id=0,seq=0)/(b'\\0'*56)"),
    ('echo4_zero_reply', "R/B/ICMP(type=0,id=0,seq=0)/(b'\\0'*56)"),
    ('echo4_padded', "E/I/ICMP(type=8,id=0x1234,seq=5)/b'abc'/Padding(b'\\0'*15)"),
    ('echo4_padded_reply', "R/B/ICMP(type=0,id=0x1234,seq=5)/b'abc'/Padding(b'\\0'*15)"),
    ('echo4_options', "E/IP(src=A,dst=V,ttl=3,id=7,options=[IPOption_Router_Alert()])/ICMP(type=8,id=9,seq=1)/b'abc'"),
    ('echo4_options_reply', "R/IP(src=V,dst=A,ttl=64,id=7,options=[IPOption_Router_Alert()])/ICMP(type=0,id=9,seq=1)/b'abc'"),
    ('echo4_vlan', "Ether(src=C,dst=M)/Dot1Q(vlan=42,prio=3)/I/ICMP(type=8,id=9,seq=1)/b'abc'"),
    ('echo4_vlan_reply', "Ether(src=M,dst=C)/Dot1Q(vlan=42,prio=3)/B/ICMP(type=0,id=9,seq=1)/b'abc'"),
    ('echo4_first', "E/fragment(I/ICMP(type=8,id=9,seq=1)/LONG,fragsize=400)[0]"),
    ('echo4_first_reply', "R/fragment(B/ICMP(type=0,id=9,seq=1)/LONG,fragsize=400)[0]"),
    ('echo4_later', "E/fragment(I/ICMP(type=8,id=9,seq=1)/LONG,fragsize=400)[1]"),
    ('echo4_later_reply', "R/fragment(B/ICMP(type=0,id=9,seq=1)/LONG,fragsize=400)[1]"),
    ('echo4_damaged', "E/I/ICMP(type=8,id=9,seq=1,chksum=0xbeef)/b'abc'"),
    ('echo6_even', "E/I6/ICMPv6EchoRequest(id=1,seq=2,data=b'abcd')"),
    ('echo6_even_reply', "R/B6/ICMPv6EchoReply(id=1,seq=2,data=b'abcd')"),
    ('echo6_odd', "E/I6/ICMPv6EchoRequest(id=1,seq=2,data=b'abc')"),
    ('echo6_odd_reply', "R/B6/ICMPv6EchoReply(id=1,seq=2,data=b'abc')"),
    ('echo6_zero', "E/I6/ICMPv6EchoRequest(id=0,seq=0,data=b'\\0'*8)"),
    ('echo6_zero_reply', "R/B6/ICMPv6EchoReply(id=0,seq=0,data=b'\\0'*8)"),
    ('echo6_dstopts', "E/I6/D6/ICMPv6EchoRequest(id=1,seq=2,data=b'abc')"),
    ('echo6_dstopts_reply', "R/B6/D6/ICMPv6EchoReply(id=1,seq=2,data=b'abc')"),
    ('echo6_first', "E/fragment6(I6/F6(id=5)/ICMPv6EchoRequest(id=1,seq=2,data=LONG),500)[0]"),
    ('echo6_first_reply', "R/fragment6(B6/F6(id=5)/ICMPv6EchoReply(id=1,seq=2,data=LONG),500)[0]"),
    ('echo6_later', "E/fragment6(I6/F6(id=5)/ICMPv6EchoRequest(id=1,seq=2,data=LONG),500)[1]"),
    ('echo6_later_reply', "R/fragment6(B6/F6(id=5)/ICMPv6EchoReply(id=1,seq=2,data=LONG),500)[1]"),
    # ICMP errors about a connection from V to A
    ('error4_tcp', "E/I/ICMP(type=3,code=1)/IP(src=V,dst=A)/TCP(sport=104,dport=40000)"),
    ('error4_tcp_8', "E/I/ICMP(type=3,code=4,nexthopmtu=1400)/raw(IP(src=V,dst=A)/TCP(sport=104,dport=40000))[:28]"),
    ('error4_udp_options', "E/I/ICMP(type=11,code=0)/IP(src=V,dst=A,options=[IPOption_Router_Alert()])/UDP(sport=514,dport=40001)/b'hello'"),
    ('error6_tcp', "E/I6/ICMPv6PacketTooBig(mtu=1280)/IPv6(src=V6,dst=A6)/TCP(sport=104,dport=40000)"),
    ('error6_tcp_8', "E/I6/ICMPv6DestUnreach(code=1)/raw(IPv6(src=V6,dst=A6)/TCP(sport=104,dport=40000))[:48]"),
    ('error6_udp_chain', "E/I6/ICMPv6TimeExceeded()/IPv6(src=V6,dst=A6)/D6/F6(m=1,offset=0,id=3)/UDP(sport=514,dport=40001)/b'hello'"),
]

CELL_BYTES = 'static const uint8_t v_%s[%d] = {%s};\n'


def write_packets(out):
    out.write('/* SPDX-License-Identifier: BSD-3-Clause */\n'
              '/*\n * Made by make_vectors.py with scapy 2.5: the names in the expressions are defined'
              ' there. Do not edit.\n */\n'
              '#ifndef GT_TEST_VECTORS_PACKETS_H\n#define GT_TEST_VECTORS_PACKETS_H\n\n'
              '#include <stdint.h>\n\n'
              '#pragma GCC diagnostic push\n'
              '#pragma GCC diagnostic ignored "-Wunused-const-variable"\n')
    for name, expression in PACKETS:
        data = raw(eval(expression))
        # An expression may hold */ or /*, and a comment must not.
        text = expression.replace('*/', '* /').replace('/*', '/ *')
        out.write('/* %s */\n' % text)
        out.write(CELL_BYTES % (name, len(data), ', '.join('0x%02x' % b for b in data)))
    out.write('#pragma GCC diagnostic pop\n\n#endif\n')


def gmul(a, b):
    p = 0
    while b:
        if b & 1:
            p ^= a
        a = (a << 1) ^ (0x11b if a & 0x80 else 0)
        b >>= 1
    return p


def make_sbox():
    box = []
    for x in range(256):
        inverse = next((y for y in range(256) if gmul(x, y) == 1), 0)
        value = 0
        for i in range(8):
            bit = 0x63 >> i
            for k in (0, 4, 5, 6, 7):
                bit ^= inverse >> ((i + k) % 8)
            value |= (bit & 1) << i
        box.append(value)
    return box


SBOX = make_sbox()


def aesenc(state, key):
    """One AESENC over bytes as they lie in memory (FIPS 197 5.1: column by column)."""
    grid = [[SBOX[state[4 * c + r]] for c in range(4)] for r in range(4)]
    grid = [row[r:] + row[:r] for r, row in enumerate(grid)]
    matrix = [[2, 3, 1, 1], [1, 2, 3, 1], [1, 1, 2, 3], [3, 1, 1, 2]]
    out = bytearray(16)
    for c in range(4):
        for r in range(4):
            for k in range(4):
                out[4 * c + r] ^= gmul(grid[k][c], matrix[r][k])
            out[4 * c + r] ^= key[4 * c + r]
    return bytes(out)


def write_aes(out):
    # The example of Intel's AES-NI white paper (323641), most significant byte first there.
    state = bytes.fromhex('7b5b54657374566563746f725d53475d')[::-1]
    key = bytes.fromhex('48692853686179295b477565726f6e5d')[::-1]
    assert aesenc(state, key)[::-1].hex() == 'a8311c2f9fdba3c58b104b58ded7e595'
    rng = random.Random(1)
    out.write('/* SPDX-License-Identifier: BSD-3-Clause */\n'
              '/*\n * Made by make_vectors.py: block xor keys[0], AESENC by keys[1], keys[2], keys[3]'
              ' and keys[0];\n * the first 8 bytes. Do not edit.\n */\n'
              '#ifndef GT_TEST_VECTORS_AES_H\n#define GT_TEST_VECTORS_AES_H\n\n'
              '#include <stdint.h>\n\n'
              'static const struct {\n\tuint8_t keys[64], block[16], hash[8];\n} vectors_aes[] = {\n')
    fixed = [(b'\0' * 64, b'\0' * 16), (b'\xff' * 64, b'\xff' * 16), (b'\0' * 64, b'\x01' + b'\0' * 15)]
    for i in range(16):
        keys, block = fixed[i] if i < len(fixed) else (rng.randbytes(64), rng.randbytes(16))
        k = [keys[j:j + 16] for j in range(0, 64, 16)]
        s = bytes(a ^ b for a, b in zip(block, k[0]))
        for key in (k[1], k[2], k[3], k[0]):
            s = aesenc(s, key)
        cells = ['{' + ', '.join('0x%02x' % b for b in x) + '}' for x in (keys, block, s[:8])]
        out.write('{%s},\n' % ', '.join(cells))
    out.write('};\n\n#endif\n')


if __name__ == '__main__':
    with open('vectors_packets.h', 'w') as f:
        write_packets(f)
    with open('vectors_aes.h', 'w') as f:
        write_aes(f)
    sys.exit(0)
