/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receive-side scaling as a NIC does it, in software: the Toeplitz hash of a packet's addresses and
 * ports ("Verifying the RSS Hash Calculation", Microsoft), and the worker to whose queue the table
 * leads it. Devices that take our key and table (app/gantry/rss.h) come to the same result.
 */
#ifndef GT_BASE_TOEPLITZ_H
#define GT_BASE_TOEPLITZ_H

#include <stddef.h>
#include <stdint.h>

#include <rte_byteorder.h>

#include "base/addr.h"

#define GT_TOEPLITZ_KEY_BYTES 40
/* What the key is long enough for: two IPv6 addresses and two ports. */
#define GT_TOEPLITZ_INPUT_MAX 36
/* Entries of the indirection table, a power of two: entry i is worker i modulo workers. */
#define GT_TOEPLITZ_TABLE_SIZE 128U

/* The key of the hash. Microsoft's, that every NIC is tested with: owners are no secret, and who
 * aims at one worker only slows down those of his own clients that it has. */
extern const uint8_t gt_toeplitz_key[GT_TOEPLITZ_KEY_BYTES];

/* The hash of so many bytes, at most GT_TOEPLITZ_INPUT_MAX. It is linear: that of a xor b is the
 * xor of both. Any caller. */
uint32_t gt_toeplitz(const uint8_t *in, size_t len);

/* The hash of a packet's addresses and ports, each address by its own family. Any caller. */
uint32_t gt_toeplitz_tuple(const struct gt_addr *src, const struct gt_addr *dst,
			   rte_be16_t src_port, rte_be16_t dst_port);

/* The table's entry of a hash, and the worker that it names. Any caller. */
static inline uint8_t gt_toeplitz_entry(uint32_t hash)
{
	return hash % GT_TOEPLITZ_TABLE_SIZE;
}

static inline uint16_t gt_toeplitz_worker(uint8_t entry, uint16_t n_workers)
{
	return (uint16_t)(entry % n_workers);
}

#endif
