/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gt_tunnel_wrap for the ordinary packet into IPv4, inline and by words: no tag, no fragment, and
 * the link layer's addresses are not carried along, as the next hop's follow. It leaves the same
 * bytes behind (test/unit/test_express.c compares).
 */
#ifndef GT_PACKET_WRAP_H
#define GT_PACKET_WRAP_H

#include <netinet/in.h>

#include <rte_ether.h>

#include "base/bytes.h"
#include "base/frame.h"
#include "packet/rewrite.h"
#include "packet/tunnel.h"

/* Four 16-bit words as they follow each other on the wire, given in host order. */
static inline uint64_t gt_wrap_words(uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
	return rte_cpu_to_be_64((uint64_t)a << 48 | (uint64_t)b << 32 | (uint64_t)c << 16 | d);
}

/* What is between the headers; variation: as of struct gt_tunnel. len: of the inner packet. */
static inline void gt_wrap_shim(uint8_t *at, uint8_t kind, bool inner_v6, uint32_t variation,
				uint32_t len)
{
	uint64_t udp;

	if (kind == GT_TUNNEL_GRE)
		gt_write_be32(at, inner_v6 ? RTE_ETHER_TYPE_IPV6 : RTE_ETHER_TYPE_IPV4);
	if (kind != GT_TUNNEL_GUE)
		return;
	udp = gt_wrap_words(GT_TUNNEL_GUE_SOURCE | (variation & 0x3fff), GT_TUNNEL_GUE_PORT,
			    12 + len, 0);
	memcpy(at, &udp, sizeof(udp));
	gt_write_be32(at + 8, (uint32_t)gt_tunnel_protocol(GT_TUNNEL_IPIP, !inner_v6) << 16);
}

/* len: bytes of the inner packet, which begins behind an Ethernet header without a tag. The frame
 * has its new begin and length, and all bytes but for the two MACs. Worker. */
static inline void gt_wrap_v4(struct gt_frame *f, uint32_t len, bool inner_v6, uint8_t kind,
			      rte_be32_t src, rte_be32_t dst, uint32_t variation)
{
	uint8_t *inner = f->data + RTE_ETHER_HDR_LEN;
	uint32_t overhead = gt_tunnel_overhead(kind, true), total = overhead + len;
	uint32_t tos = inner_v6 ? gt_read_be16(inner) >> 4 & 0xff : inner[1];
	uint32_t id = inner_v6 ? 0 : gt_read_be16(inner + 4);
	uint32_t df = inner_v6 ? 0x4000 : gt_read_be16(inner + 6) & 0x4000;
	uint64_t first = gt_wrap_words(0x4500 | tos, total, id, df);
	uint64_t second = gt_wrap_words(
		(uint32_t)GT_TUNNEL_TTL << 8 | gt_tunnel_protocol(kind, !inner_v6), 0, 0, 0);
	uint8_t *ip = inner - overhead;
	uint16_t check;

#if RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN
	second |= (uint64_t)src << 32;
#else
	second |= src;
#endif
	check = (uint16_t)~gt_rewrite_fold(gt_rewrite_halves(first) + gt_rewrite_halves(second) +
					   dst);
	/* Ethernet pads short packets: what was padding would lie behind the outer packet. */
	if (f->len == f->wire_len && RTE_ETHER_HDR_LEN + len < f->len)
		f->len = f->wire_len = RTE_ETHER_HDR_LEN + len;
	f->len += overhead;
	f->wire_len += overhead;
	f->data = ip - RTE_ETHER_HDR_LEN;
	gt_write_be16(ip - 2, RTE_ETHER_TYPE_IPV4);
	memcpy(ip, &first, 8);
	memcpy(ip + 8, &second, 8);
	memcpy(ip + 16, &dst, 4);
	memcpy(ip + 10, &check, 2);
	gt_wrap_shim(ip + 20, kind, inner_v6, variation, len);
}

#endif
