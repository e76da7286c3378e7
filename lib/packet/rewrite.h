/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gt_translate for the ordinary packet, inline and by words: TCP or UDP of one family, whole, right
 * behind an IPv4 header without options or an IPv6 header. It leaves the same bytes behind
 * (test/unit/test_express.c compares). One sum is made of what changes, and applied to each
 * checksum that covers it: RFC 1624 equation 3, and one's complement addition may be done in any
 * order and width (RFC 1071 2). Ports are both of a packet, as the word that they are in it.
 */
#ifndef GT_PACKET_REWRITE_H
#define GT_PACKET_REWRITE_H

#include <netinet/in.h>

#include "base/addr.h"
#include "base/bytes.h"

static inline uint64_t gt_rewrite_load(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Both halves of a word: to add up to 2^31 words without a carry. */
static inline uint64_t gt_rewrite_halves(uint64_t v)
{
	return (v & 0xffffffff) + (v >> 32);
}

/* One's complement sum of a sum's four 16-bit words, by two additions: what runs over the top of a
 * half comes back at its bottom from the rotated one. 0 only of 0. */
static inline uint16_t gt_rewrite_fold(uint64_t sum)
{
	uint32_t half;

	sum += sum >> 32 | sum << 32;
	half = (uint32_t)(sum >> 32);
	half += half >> 16 | half << 16;
	return (uint16_t)(half >> 16);
}

/* A checksum field to which `sum` is added: what came, and the complement of what went. */
static inline void gt_rewrite_apply(uint8_t *field, uint64_t sum)
{
	uint16_t check = (uint16_t)~gt_rewrite_fold(sum + (uint16_t)~gt_copy_be16(field));

	memcpy(field, &check, sizeof(check));
}

/* A source and a destination port, in network order, as the word that they are in a packet. */
static inline uint32_t gt_rewrite_ports(rte_be16_t src, rte_be16_t dst)
{
#if RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN
	return (uint32_t)dst << 16 | src;
#else
	return (uint32_t)src << 16 | dst;
#endif
}

/* Ports, and the L4 checksum; `sum`: of the addresses. */
static inline void gt_rewrite_l4(uint8_t *l4, uint8_t protocol, uint32_t ports, uint64_t sum)
{
	uint8_t *check = l4 + (protocol == IPPROTO_TCP ? 16 : 6);
	uint32_t went;

	memcpy(&went, l4, sizeof(went));
	memcpy(l4, &ports, sizeof(ports));
	sum += (uint64_t)(uint32_t)~went + ports;
	if (protocol == IPPROTO_TCP) {
		gt_rewrite_apply(check, sum);
		return;
	}
	/* None stays none, and one that becomes 0 would mean none (RFC 768). */
	if (gt_copy_be16(check) == 0)
		return;
	gt_rewrite_apply(check, sum);
	if (gt_copy_be16(check) == 0)
		memset(check, 0xff, 2);
}

/* The header's TTL is at least 2. Worker. */
static inline void gt_rewrite_v4(uint8_t *ip, uint8_t protocol, rte_be32_t src, rte_be32_t dst,
				 uint32_t ports)
{
	uint64_t sum = gt_rewrite_halves(~gt_rewrite_load(ip + 12)) + src + dst;

	memcpy(ip + 12, &src, sizeof(src));
	memcpy(ip + 16, &dst, sizeof(dst));
	ip[8]--;
	/* One less in the upper byte of its word. */
	gt_rewrite_apply(ip + 10, sum + rte_cpu_to_be_16(0xfeff));
	gt_rewrite_l4(ip + 20, protocol, ports, sum);
}

/* One address of an IPv6 header. Returns what that adds to a sum. */
static inline uint64_t gt_rewrite_address(uint8_t *at, const struct gt_addr *to)
{
	uint64_t went[2], came[2];

	memcpy(went, at, 16);
	memcpy(came, to->b, 16);
	memcpy(at, came, 16);
	return gt_rewrite_halves(~went[0]) + gt_rewrite_halves(~went[1]) +
	       gt_rewrite_halves(came[0]) + gt_rewrite_halves(came[1]);
}

/* The hop limit is at least 2, and UDP has a checksum. src, dst: NULL leaves it as it is. Worker.
 */
static inline void gt_rewrite_v6(uint8_t *ip, uint8_t protocol, const struct gt_addr *src,
				 const struct gt_addr *dst, uint32_t ports)
{
	uint64_t sum = 0;

	if (src != NULL)
		sum += gt_rewrite_address(ip + 8, src);
	if (dst != NULL)
		sum += gt_rewrite_address(ip + 24, dst);
	ip[7]--;
	gt_rewrite_l4(ip + 40, protocol, ports, sum);
}

#endif
