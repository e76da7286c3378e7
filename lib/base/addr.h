/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IP addresses and prefixes of both families in one shape: 16 bytes, an IPv4 address as its
 * IPv4-mapped form ::ffff:a.b.c.d (RFC 4291 2.5.5.2). So comparing, hashing and storing need no
 * family switch; a frame that carries an IPv4-mapped address in an IPv6 header is martian and never
 * meets these tables.
 */
#ifndef GT_BASE_ADDR_H
#define GT_BASE_ADDR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <rte_byteorder.h>

struct gt_addr {
	uint8_t b[16];
};

struct gt_mac {
	uint8_t b[6];
};

/* An address and the length of its prefix, 0 to 32 or 0 to 128 by its own family. */
struct gt_prefix {
	struct gt_addr addr;
	uint8_t len;
};

#define GT_ADDR_STRLEN	 46
#define GT_PREFIX_STRLEN 50
#define GT_MAC_STRLEN	 18

/* The second half of an IPv4 address as a word, as it stands in memory; the first is 0. */
static inline uint64_t gt_addr_word_v4(rte_be32_t v4)
{
#if RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN
	return (uint64_t)v4 << 32 | rte_cpu_to_be_32(0xffff);
#else
	return (uint64_t)rte_cpu_to_be_32(0xffff) << 32 | v4;
#endif
}

/* ... and back. */
static inline rte_be32_t gt_addr_word_to_v4(uint64_t word)
{
#if RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN
	return (rte_be32_t)(word >> 32);
#else
	return (rte_be32_t)word;
#endif
}

/* Written at once: bytes written piece by piece must be waited for where they are read together. */
static inline struct gt_addr gt_addr_from_v4(rte_be32_t v4)
{
	const uint64_t words[2] = {0, gt_addr_word_v4(v4)};
	struct gt_addr a;

	memcpy(a.b, words, sizeof(a.b));
	return a;
}

static inline bool gt_addr_is_v4(const struct gt_addr *a)
{
	uint64_t zero;
	uint32_t mapped;

	memcpy(&zero, a->b, 8);
	memcpy(&mapped, a->b + 8, 4);
	return (zero | (mapped ^ rte_cpu_to_be_32(0xffff))) == 0;
}

static inline rte_be32_t gt_addr_v4(const struct gt_addr *a)
{
	rte_be32_t v4;

	memcpy(&v4, &a->b[12], 4);
	return v4;
}

static inline bool gt_addr_equal(const struct gt_addr *a, const struct gt_addr *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

static inline bool gt_mac_equal(const struct gt_mac *a, const struct gt_mac *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

/*
 * All of these: Any caller, no allocation. Parsers take the whole string, without surrounding
 * blanks, and return 0 or -EINVAL with *out untouched. Formatters return buf.
 */
int gt_addr_parse(const char *s, struct gt_addr *out);
int gt_prefix_parse(const char *s, struct gt_prefix *out);
int gt_mac_parse(const char *s, struct gt_mac *out);
char *gt_addr_format(const struct gt_addr *a, char buf[GT_ADDR_STRLEN]);
char *gt_prefix_format(const struct gt_prefix *p, char buf[GT_PREFIX_STRLEN]);
char *gt_mac_format(const struct gt_mac *m, char buf[GT_MAC_STRLEN]);

/* Is `a` of the prefix's family and inside it? Any caller. */
bool gt_prefix_contains(const struct gt_prefix *p, const struct gt_addr *a);

/*
 * Addresses that no station may have: unspecified, loopback, multicast, IPv4 0/8 and 240/4 with the
 * limited broadcast, IPv6 ::/96 and IPv4-mapped (RFC 1122 3.2.1.3, RFC 6890, RFC 4291). The v6 form
 * looks at raw header bytes. Any caller.
 */
static inline bool gt_addr_is_martian_v4(rte_be32_t v4)
{
	uint32_t first = rte_be_to_cpu_32(v4) >> 24;

	return first == 0 || first == 127 || first >= 224;
}
bool gt_addr_is_martian_v6(const uint8_t v6[16]);
bool gt_addr_is_martian(const struct gt_addr *a);

static inline bool gt_mac_is_unicast(const struct gt_mac *m)
{
	static const struct gt_mac zero;

	return (m->b[0] & 1) == 0 && !gt_mac_equal(m, &zero);
}

#endif
