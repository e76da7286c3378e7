/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fields of headers, at any alignment: read and written in host order (big-endian on the wire), or
 * copied as they stand. Any caller; the bytes must be there.
 */
#ifndef GT_BASE_BYTES_H
#define GT_BASE_BYTES_H

#include <stdint.h>
#include <string.h>

#include <rte_byteorder.h>

/* As it stands on the wire. */
static inline rte_be16_t gt_copy_be16(const uint8_t *p)
{
	rte_be16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline rte_be32_t gt_copy_be32(const uint8_t *p)
{
	rte_be32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint16_t gt_read_be16(const uint8_t *p)
{
	return rte_be_to_cpu_16(gt_copy_be16(p));
}

static inline uint32_t gt_read_be32(const uint8_t *p)
{
	return rte_be_to_cpu_32(gt_copy_be32(p));
}

/* The lower 16 bits of v: lengths and sums are counted in more. */
static inline void gt_write_be16(uint8_t *p, uint32_t v)
{
	rte_be16_t be = rte_cpu_to_be_16((uint16_t)v);

	memcpy(p, &be, sizeof(be));
}

static inline void gt_write_be32(uint8_t *p, uint32_t v)
{
	rte_be32_t be = rte_cpu_to_be_32(v);

	memcpy(p, &be, sizeof(be));
}

/* A source and a destination port, in network order, as the word that they are in a packet. */
static inline uint32_t gt_bytes_ports(rte_be16_t src, rte_be16_t dst)
{
#if RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN
	return (uint32_t)dst << 16 | src;
#else
	return (uint32_t)src << 16 | dst;
#endif
}

#endif
