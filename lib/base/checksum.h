/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Internet checksum (RFC 1071) and its incremental update (RFC 1624, equation 3). Sums are held
 * in network order as they lie in memory: one's complement addition does not care (RFC 1071 2(B)).
 */
#ifndef GT_BASE_CHECKSUM_H
#define GT_BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <rte_byteorder.h>

/*
 * Adds `len` bytes at any alignment to a running sum and returns it; start with 0. Only the last
 * piece may have an odd length. Any caller.
 */
uint32_t gt_checksum_add(uint32_t sum, const void *data, size_t len);

/* Folds a running sum into the field's value (its complement). Any caller. */
static inline rte_be16_t gt_checksum_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (rte_be16_t)~sum;
}

/*
 * The checksum after one 16-bit field of what it covers changed from `from` to `to`:
 * HC' = ~(~HC + ~m + m'). Equation 3 and not 2, which turns 0x0000 into 0xffff. Any caller.
 */
static inline rte_be16_t gt_checksum_update(rte_be16_t check, rte_be16_t from, rte_be16_t to)
{
	uint32_t sum = (uint16_t)~check + (uint32_t)(uint16_t)~from + to;

	return gt_checksum_fold(sum);
}

#endif
