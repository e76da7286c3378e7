/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gt_tunnel_wrap for the ordinary packet, inline and by words: no tag, no fragment, and the link
 * layer's addresses are not carried along, as the next hop's follow. What is the same in all outer
 * headers of a far end is made ready by main (packet/outer.h). It leaves the same bytes behind
 * (test/unit/test_express.c compares). GUE over IPv6, which has a checksum of the whole packet, is
 * gt_tunnel_wrap's alone.
 */
#ifndef GT_PACKET_WRAP_H
#define GT_PACKET_WRAP_H

#include <netinet/in.h>

#include <rte_branch_prediction.h>
#include <rte_ether.h>

#include "base/bytes.h"
#include "base/frame.h"
#include "packet/outer.h"
#include "packet/rewrite.h"
#include "packet/tunnel.h"

/* A 16-bit word at its place, 0 to 3, among four that follow each other on the wire. */
static inline uint64_t gt_wrap_word(uint32_t v, unsigned place)
{
	return rte_cpu_to_be_64((uint64_t)v << (48 - 16 * place));
}

/* Room in front, and the EtherType: the frame has its new begin and length. Returns the place of
 * the outer header. */
static inline uint8_t *gt_wrap_grow(struct gt_frame *f, uint32_t len, uint32_t overhead,
				    uint16_t type)
{
	uint8_t *ip = f->data + RTE_ETHER_HDR_LEN - overhead;

	/* Ethernet pads short packets: what was padding would lie behind the outer packet. */
	if (likely(f->len == f->wire_len)) {
		f->len = f->wire_len = RTE_ETHER_HDR_LEN + overhead + len;
	} else {
		f->len += overhead;
		f->wire_len += overhead;
	}
	f->data = ip - RTE_ETHER_HDR_LEN;
	gt_write_be16(ip - 2, type);
	return ip;
}

/* GRE, or UDP and GUE; variation: as of struct gt_tunnel. len: of the inner packet. */
static inline void gt_wrap_shim(uint8_t *at, uint8_t kind, bool inner_v6, uint32_t variation,
				uint32_t len)
{
	uint64_t udp;

	if (kind == GT_TUNNEL_GRE) {
		gt_write_be32(at, inner_v6 ? RTE_ETHER_TYPE_IPV6 : RTE_ETHER_TYPE_IPV4);
		return;
	}
	udp = gt_wrap_word(GT_TUNNEL_GUE_SOURCE | (variation & 0x3fff), 0) |
	      gt_wrap_word(GT_TUNNEL_GUE_PORT, 1) | gt_wrap_word(12 + len, 2);
	memcpy(at, &udp, sizeof(udp));
	gt_write_be32(at + 8, (uint32_t)gt_tunnel_protocol(GT_TUNNEL_IPIP, !inner_v6) << 16);
}

/* Of an IPv4 outer header the first eight bytes, without the length: ToS, identification and DF are
 * the inner one's. */
static inline uint64_t gt_wrap_first_v4(const uint8_t *inner, bool inner_v6)
{
	if (inner_v6)
		return gt_wrap_word(0x4500 | (gt_read_be16(inner) >> 4 & 0xff), 0) |
		       gt_wrap_word(0x4000, 3);
	/* Version and header length are, too: it has no options. */
	return gt_rewrite_load(inner) & rte_cpu_to_be_64(0xffff0000ffff4000);
}

/*
 * len: bytes of the inner packet, which begins behind an Ethernet header without a tag. src: 0, or
 * that of this packet where it varies. The frame has its new begin and length, and all bytes but
 * for the two MACs and what is between the headers. Returns the outer header. Worker.
 */
static inline uint8_t *gt_wrap_v4(struct gt_frame *f, uint32_t len, bool inner_v6,
				  const struct gt_outer *w, rte_be32_t src, rte_be32_t dst)
{
	uint32_t overhead = w->overhead;
	uint64_t first = gt_wrap_first_v4(f->data + RTE_ETHER_HDR_LEN, inner_v6) |
			 gt_wrap_word(overhead + len, 1);
	/* Its upper end is version and ToS, or DF alone: nothing runs over the top. */
	uint16_t check = (uint16_t)~gt_rewrite_fold(first + w->sum + src);
	uint8_t *ip = gt_wrap_grow(f, len, overhead, RTE_ETHER_TYPE_IPV4);

	memcpy(ip, &first, 8);
	memcpy(ip + 8, w->fixed, 8);
	memcpy(ip + 16, &dst, 4);
	memcpy(ip + 10, &check, 2);
	if (src != 0)
		memcpy(ip + 12, &src, 4);
	return ip;
}

/* The same over IPv6. */
static inline uint8_t *gt_wrap_v6(struct gt_frame *f, uint32_t len, bool inner_v6,
				  const struct gt_outer *w, const struct gt_addr *src,
				  const struct gt_addr *dst, uint32_t variation)
{
	uint32_t head = gt_read_be32(f->data + RTE_ETHER_HDR_LEN), overhead = w->overhead;
	/* RFC 6438 3: the flow label tells a tunnel's connections apart. 0 would mean: none. */
	uint32_t label = variation & 0xfffff;
	uint64_t first = gt_rewrite_load(w->fixed);
	uint8_t *ip;

	label |= label == 0;
	/* The traffic class is the inner one's, which in IPv4 lies four bits further down. */
	label |= (head << (inner_v6 ? 0 : 4)) & 0x0ff00000;
	first |= rte_cpu_to_be_64((uint64_t)label << 32 | (overhead - 40 + len) << 16);
	ip = gt_wrap_grow(f, len, overhead, RTE_ETHER_TYPE_IPV6);
	memcpy(ip, &first, 8);
	memcpy(ip + 8, src->b, 16);
	memcpy(ip + 24, dst->b, 16);
	return ip;
}

#endif
