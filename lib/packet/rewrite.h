/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gt_translate for the ordinary packet, inline and by words: TCP or UDP of one family, whole, right
 * behind an IPv4 header without options or an IPv6 header. It leaves the same bytes behind
 * (test/unit/test_express.c compares). One sum is made of what changes, and applied to each
 * checksum that covers it: RFC 1624 equation 3, and one's complement addition may be done in any
 * order and width (RFC 1071 2). Ports are both of a packet, as the word that they are in it. IPv6:
 * UDP has a checksum.
 */
#ifndef GT_PACKET_REWRITE_H
#define GT_PACKET_REWRITE_H

#include <netinet/in.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include <rte_branch_prediction.h>

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

/* The sum of two IPv6 addresses; or, with UINT64_MAX as flip, of their complements. */
static inline uint64_t gt_rewrite_sum(const uint8_t *p, const uint8_t *q, uint64_t flip)
{
#if defined(__AVX2__)
	__m128i low = _mm_loadu_si128((const __m128i *)(const void *)p);
	__m128i high = _mm_loadu_si128((const __m128i *)(const void *)q);
	__m256i w = _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
	__m128i two;

	w = _mm256_xor_si256(w, _mm256_set1_epi64x((long long)flip));
	/* the halves of four words */
	w = _mm256_add_epi64(_mm256_srli_epi64(w, 32),
			     _mm256_and_si256(w, _mm256_set1_epi64x(0xffffffff)));
	two = _mm_add_epi64(_mm256_castsi256_si128(w), _mm256_extracti128_si256(w, 1));
	two = _mm_add_epi64(two, _mm_unpackhi_epi64(two, two));
	return (uint64_t)_mm_cvtsi128_si64(two);
#else
	return gt_rewrite_halves(gt_rewrite_load(p) ^ flip) +
	       gt_rewrite_halves(gt_rewrite_load(p + 8) ^ flip) +
	       gt_rewrite_halves(gt_rewrite_load(q) ^ flip) +
	       gt_rewrite_halves(gt_rewrite_load(q + 8) ^ flip);
#endif
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

/* The same of a sum below 2^32. */
static inline uint16_t gt_rewrite_fold_half(uint32_t half)
{
	half += half >> 16 | half << 16;
	return (uint16_t)(half >> 16);
}

/*
 * A checksum field to which a folded sum, not 0, is added: of what came, and the complement of what
 * went. ~(~check + sum) is check - sum, and what that runs under 0 goes off once more: the same for
 * all values, 0 and 0xffff included (test_checksum.c).
 */
static inline void gt_rewrite_apply(uint8_t *field, uint32_t sum)
{
	uint32_t check = gt_copy_be16(field);
	uint16_t to = (uint16_t)(check - sum - (check < sum));

	memcpy(field, &to, sizeof(to));
}

/* The L4 checksum, by a folded sum. */
static inline void gt_rewrite_check(uint8_t *l4, uint8_t protocol, uint16_t sum)
{
	uint8_t *check = l4 + 6;

	if (likely(protocol == IPPROTO_TCP)) {
		gt_rewrite_apply(l4 + 16, sum);
		return;
	}
	/* None stays none, and one that becomes 0 would mean none (RFC 768). */
	if (gt_copy_be16(check) == 0)
		return;
	gt_rewrite_apply(check, sum);
	if (gt_copy_be16(check) == 0)
		memset(check, 0xff, 2);
}

/* Ports, and the L4 checksum; `sum`: of the addresses. */
static inline void gt_rewrite_l4(uint8_t *l4, uint8_t protocol, uint32_t ports, uint64_t sum)
{
	uint32_t went;

	memcpy(&went, l4, sizeof(went));
	memcpy(l4, &ports, sizeof(ports));
	sum += (uint64_t)(uint32_t)~went + ports;
	gt_rewrite_check(l4, protocol, gt_rewrite_fold(sum));
}

/* Of one end, source or destination, the port, and the checksum; `sum`: of its address, folded. */
static inline void gt_rewrite_port(uint8_t *l4, uint8_t protocol, uint8_t *at, rte_be16_t port,
				   uint32_t sum)
{
	rte_be16_t went = gt_copy_be16(at);

	memcpy(at, &port, sizeof(port));
	gt_rewrite_check(l4, protocol, gt_rewrite_fold_half(sum + (uint16_t)~went + port));
}

/* One less of a TTL, the upper byte of its word. */
#define GT_REWRITE_TTL rte_cpu_to_be_16(0xfeff)

/*
 * An IPv4 header's addresses, TTL, which is at least 2, and checksum. sum: what the addresses add.
 * Worker.
 */
static inline void gt_rewrite_ipv4(uint8_t *ip, rte_be32_t src, rte_be32_t dst, uint64_t sum)
{
	memcpy(ip + 12, &src, sizeof(src));
	memcpy(ip + 16, &dst, sizeof(dst));
	ip[8]--;
	gt_rewrite_apply(ip + 10, gt_rewrite_fold(sum + GT_REWRITE_TTL));
}

/* One address alone, source (which = 0) or destination (1), of which is known what it adds to a
 * sum, folded. Worker. */
static inline void gt_rewrite_ipv4_one(uint8_t *ip, unsigned which, rte_be32_t to, uint16_t sum)
{
	memcpy(ip + 12 + 4UL * which, &to, sizeof(to));
	ip[8]--;
	gt_rewrite_apply(ip + 10, gt_rewrite_fold_half((uint32_t)sum + GT_REWRITE_TTL));
}

/* An IPv6 header's addresses, and hop limit, which is at least 2. Worker. */
static inline void gt_rewrite_ipv6(uint8_t *ip, const struct gt_addr *src,
				   const struct gt_addr *dst)
{
	memcpy(ip + 8, src->b, 16);
	memcpy(ip + 24, dst->b, 16);
	ip[7]--;
}

/* One address alone. Worker. */
static inline void gt_rewrite_ipv6_one(uint8_t *ip, unsigned which, const struct gt_addr *to)
{
	memcpy(ip + 8 + 16UL * which, to->b, 16);
	ip[7]--;
}

#endif
