/* SPDX-License-Identifier: BSD-3-Clause */
/* Outer headers written, and read again in what routers quote; see tunnel.h. */
#include "packet/tunnel.h"

#include <netinet/in.h>

#include <rte_ether.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "packet/outer.h"
#include "packet/rewrite.h"

/* ToS, or traffic class, of an IP header: DSCP and ECN. */
static uint8_t traffic_class(const uint8_t *ip, bool v4)
{
	return (uint8_t)(v4 ? ip[1] : ip[0] << 4 | ip[1] >> 4);
}

/*
 * DF of an IPv4 outer header. RFC 2003 3.1: a set inner DF must be set outside; a clear one may be,
 * and is left clear: then a narrow link inside the tunnel cuts the outer packet, and the server
 * puts it together. No router cuts an IPv6 packet either, so 6in4 sets it, and the router's
 * complaint is passed on (RFC 4213 3.2.2).
 */
static bool outer_df(const uint8_t *inner, bool inner_v4)
{
	return !inner_v4 || (inner[6] & 0x40) != 0;
}

/* In words, and summed before it is stored: bytes just written one by one would have to be waited
 * for, some 10 ns. */
static void write_outer_v4(uint8_t *ip, const struct gt_tunnel *t, uint8_t protocol, uint8_t tos,
			   bool df, uint32_t total)
{
	rte_be32_t w[5] = {
		rte_cpu_to_be_32(0x45000000U | (uint32_t)tos << 16 | total),
		rte_cpu_to_be_32((uint32_t)t->ipv4_id << 16 | (df ? 0x4000U : 0U)),
		rte_cpu_to_be_32((uint32_t)GT_TUNNEL_TTL << 24 | (uint32_t)protocol << 16),
		gt_addr_v4(&t->src), gt_addr_v4(&t->dst)};
	uint64_t sum = (uint64_t)w[0] + w[1] + w[2] + w[3] + w[4];
	rte_be16_t check;

	sum = (sum & 0xffffffff) + (sum >> 32);
	check = gt_checksum_fold((uint32_t)((sum & 0xffff) + (sum >> 16)));
	memcpy(ip, w, sizeof(w));
	memcpy(ip + 10, &check, 2);
}

static void write_outer_v6(uint8_t *ip, const struct gt_tunnel *t, uint8_t protocol, uint8_t tc,
			   uint32_t payload)
{
	/* RFC 6438 3: the flow label tells a tunnel's connections apart. 0 would mean: none. */
	uint32_t label = t->variation & 0xfffff;

	label = label != 0 ? label : 1;
	ip[0] = (uint8_t)(0x60 | tc >> 4);
	ip[1] = (uint8_t)((uint32_t)tc << 4 | label >> 16);
	gt_write_be16(ip + 2, label);
	gt_write_be16(ip + 4, payload);
	ip[6] = protocol;
	ip[7] = GT_TUNNEL_TTL;
	memcpy(ip + 8, t->src.b, 16);
	memcpy(ip + 24, t->dst.b, 16);
}

static void write_gre(uint8_t *gre, bool inner_v4)
{
	gt_write_be16(gre, 0);
	gt_write_be16(gre + 2, inner_v4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6);
}

/*
 * `len` bytes at udp: UDP header, GUE header, inner packet. The checksum is left out over IPv4, as
 * RFC 768 allows: the inner packet has its own. Over IPv6 it is made: RFC 6935 would let it be 0
 * for tunnels, but not every NIC, firewall and Linux socket takes that. Only where a caller has not
 * the whole packet at hand (`whole` false) it is 0 after all.
 */
static void write_gue(uint8_t *udp, const uint8_t *ip, const struct gt_tunnel *t, bool outer_v4,
		      bool inner_v4, uint32_t len, bool whole)
{
	uint8_t pseudo[4] = {0, IPPROTO_UDP, (uint8_t)(len >> 8), (uint8_t)len};
	rte_be16_t check;
	uint32_t sum;

	gt_write_be16(udp, GT_TUNNEL_GUE_SOURCE | (t->variation & 0x3fff));
	gt_write_be16(udp + 2, GT_TUNNEL_GUE_PORT);
	gt_write_be16(udp + 4, len);
	gt_write_be16(udp + 6, 0);
	/* Variant 0, data, no optional words; the inner protocol; no flags. */
	udp[8] = 0;
	udp[9] = inner_v4 ? IPPROTO_IPIP : IPPROTO_IPV6;
	gt_write_be16(udp + 10, 0);
	if (outer_v4 || !whole)
		return;
	sum = gt_checksum_add(gt_checksum_add(0, ip + 8, 32), pseudo, sizeof(pseudo));
	check = gt_checksum_fold(gt_checksum_add(sum, udp, len));
	if (check == 0)
		check = 0xffff;
	memcpy(udp + 6, &check, 2);
}

/* Makes room in front; the link layer moves there. */
static void grow(struct gt_frame *frame, const struct gt_packet *p, uint32_t bytes, bool outer_v4)
{
	uint8_t *d = frame->data - bytes;

	/* Ethernet pads short packets: what was padding would lie behind the outer packet. */
	if (frame->len == frame->wire_len && p->l3_end < frame->len)
		frame->len = frame->wire_len = p->l3_end;
	if (p->l3_off == RTE_ETHER_HDR_LEN) {
		uint64_t first, last;

		/* Its 14 bytes as two words that overlap: no call. */
		memcpy(&first, frame->data, 8);
		memcpy(&last, frame->data + 6, 8);
		memcpy(d, &first, 8);
		memcpy(d + 6, &last, 8);
	} else {
		memmove(d, frame->data, RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN);
	}
	gt_write_be16(d + p->l3_off - 2, outer_v4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6);
	frame->data = d;
	frame->len += bytes;
	frame->wire_len += bytes;
}

void gt_tunnel_wrap(struct gt_frame *frame, const struct gt_packet *p, const struct gt_tunnel *t)
{
	bool outer_v4 = gt_addr_is_v4(&t->dst), inner_v4 = p->kind == GT_PACKET_IPV4;
	uint32_t header = outer_v4 ? 20 : 40, overhead = gt_tunnel_overhead(t->kind, outer_v4);
	uint32_t inner = p->l3_end - p->l3_off;
	uint8_t protocol = gt_tunnel_protocol(t->kind, inner_v4), *ip, *at;

	grow(frame, p, overhead, outer_v4);
	ip = frame->data + p->l3_off;
	at = ip + overhead;
	if (outer_v4)
		write_outer_v4(ip, t, protocol, traffic_class(at, inner_v4), outer_df(at, inner_v4),
			       overhead + inner);
	else
		write_outer_v6(ip, t, protocol, traffic_class(at, inner_v4),
			       overhead - header + inner);
	if (t->kind == GT_TUNNEL_GRE)
		write_gre(ip + header, inner_v4);
	else if (t->kind == GT_TUNNEL_GUE)
		write_gue(ip + header, ip, t, outer_v4, inner_v4, 12 + inner,
			  p->l3_off + overhead + inner <= frame->len);
}

/* ---- ready made ---- */

/* What of an IPv4 header is always the same, and its sum with the destination. */
static void fix_v4(struct gt_outer *o, uint8_t protocol, rte_be32_t src, rte_be32_t dst)
{
	o->fixed[0] = GT_TUNNEL_TTL;
	o->fixed[1] = protocol;
	memcpy(o->fixed + 4, &src, 4);
	o->sum = gt_rewrite_fold(gt_rewrite_halves(gt_rewrite_load(o->fixed)) + dst);
}

void gt_outer_init(struct gt_outer *o, uint8_t kind, bool inner_v6, const struct gt_addr *src,
		   const struct gt_addr *dst, uint32_t mtu)
{
	bool v4 = gt_addr_is_v4(dst);
	uint32_t overhead = gt_tunnel_overhead(kind, v4);
	uint8_t protocol = gt_tunnel_protocol(kind, !inner_v6);

	*o = (struct gt_outer){.overhead = (uint8_t)overhead};
	o->fits[inner_v6] = (uint16_t)(mtu > overhead ? mtu - overhead : 0);
	if (kind != GT_TUNNEL_IPIP)
		o->flags |= GT_OUTER_SHIM;
	if (src == NULL)
		o->flags |= GT_OUTER_VARIES;
	if (v4) {
		fix_v4(o, protocol, src != NULL ? gt_addr_v4(src) : 0, gt_addr_v4(dst));
		return;
	}
	o->flags |= GT_OUTER_V6;
	o->fixed[0] = 0x60;
	o->fixed[6] = protocol;
	o->fixed[7] = GT_TUNNEL_TTL;
}

/* ---- what routers quote ---- */

/* The outer header, as we write it: no options, no extension headers, whole. Its length, or 0. */
static uint32_t read_outer(const uint8_t *ip, uint32_t len, bool v6, struct gt_tunnel *t,
			   uint8_t *protocol)
{
	rte_be32_t src, dst;

	if (v6) {
		if (len < 40 || ip[0] >> 4 != 6)
			return 0;
		memcpy(t->src.b, ip + 8, 16);
		memcpy(t->dst.b, ip + 24, 16);
		*protocol = ip[6];
		return 40;
	}
	/* A later fragment of it has no inner header. */
	if (len < 20 || ip[0] != 0x45 || (gt_read_be16(ip + 6) & 0x1fff) != 0)
		return 0;
	memcpy(&src, ip + 12, 4);
	memcpy(&dst, ip + 16, 4);
	t->src = gt_addr_from_v4(src);
	t->dst = gt_addr_from_v4(dst);
	*protocol = ip[9];
	return 20;
}

/* What is between the outer and the inner header: its length; *v4: the inner family. UINT32_MAX:
 * none of ours. */
static uint32_t read_shim(const uint8_t *b, uint32_t len, uint8_t protocol, struct gt_tunnel *t,
			  bool *v4)
{
	*v4 = protocol == IPPROTO_IPIP;
	if (protocol == IPPROTO_IPIP || protocol == IPPROTO_IPV6) {
		t->kind = GT_TUNNEL_IPIP;
		return 0;
	}
	if (protocol == IPPROTO_GRE && len >= 4 && gt_read_be16(b) == 0) {
		t->kind = GT_TUNNEL_GRE;
		*v4 = gt_read_be16(b + 2) == RTE_ETHER_TYPE_IPV4;
		return *v4 || gt_read_be16(b + 2) == RTE_ETHER_TYPE_IPV6 ? 4 : UINT32_MAX;
	}
	if (protocol == IPPROTO_UDP && len >= 12 && gt_read_be16(b + 2) == GT_TUNNEL_GUE_PORT &&
	    b[8] == 0) {
		t->kind = GT_TUNNEL_GUE;
		*v4 = b[9] == IPPROTO_IPIP;
		return *v4 || b[9] == IPPROTO_IPV6 ? 12 : UINT32_MAX;
	}
	return UINT32_MAX;
}

bool gt_tunnel_quoted(const uint8_t *ip, uint32_t len, bool outer_v6, struct gt_tunnel *t,
		      struct gt_packet *inner)
{
	uint8_t protocol = 0;
	uint32_t header = read_outer(ip, len, outer_v6, t, &protocol), shim;
	bool v4 = false;

	if (header == 0)
		return false;
	shim = read_shim(ip + header, len - header, protocol, t, &v4);
	if (shim == UINT32_MAX)
		return false;
	header += shim;
	if (gt_parse_embedded(ip + header, len - header, !v4, inner) != GT_PARSE_OK)
		return false;
	inner->l3_off = (uint16_t)header;
	return true;
}
