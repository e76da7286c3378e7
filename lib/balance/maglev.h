/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Maglev hashing (Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer",
 * NSDI 2016, section 3.4) with weights. Permutations come from a stable identity of each server,
 * never from its position, so that nodes with the same servers build the same table, byte for byte.
 */
#ifndef GT_BALANCE_MAGLEV_H
#define GT_BALANCE_MAGLEV_H

#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"

struct gt_maglev_server {
	uint64_t identity; /* stable: a hash of the server's name and address */
	uint32_t weight;   /* above 0; relative to the others */
	uint16_t value;	   /* what its slots hold */
	uint16_t zero;	   /* always 0: no padding, so that lists can be compared as bytes */
};

/* A server's way through the table: slots (offset + j * skip) mod size, j = 0, 1, ... */
struct gt_maglev_permutation {
	uint32_t offset; /* below size */
	uint32_t skip;	 /* 1 to size - 1 */
};

/* Smallest table size that is used for n servers: a prime, 65537, or at least 100 n. Any caller. */
uint32_t gt_maglev_size(size_t n);

/* The permutation that follows from an identity under the key. Any caller. */
struct gt_maglev_permutation gt_maglev_permutation(const struct gt_siphash_key *key,
						   uint64_t identity, uint32_t size);

/*
 * Fills `table` of `size` slots, a prime. In turns, each server takes its next free slot; a server
 * of the largest weight every turn, another as often as its weight is of that. Each of n servers
 * gets at least one slot. 0, -EINVAL (n is 0 or above size, a weight is 0), -ENOMEM. Main.
 */
int gt_maglev_fill(const struct gt_maglev_server *servers,
		   const struct gt_maglev_permutation *permutations, size_t n, uint16_t *table,
		   uint32_t size);

/* Permutations and fill in one: order of `servers` does not matter. Same errors. Main. */
int gt_maglev_build(const struct gt_siphash_key *key, const struct gt_maglev_server *servers,
		    size_t n, uint16_t *table, uint32_t size);

/* The slot of a hash: multiply-shift over all its upper 32 bits. Worker. */
static inline uint32_t gt_maglev_slot(uint64_t hash, uint32_t size)
{
	return (uint32_t)(((hash >> 32) * size) >> 32);
}

#endif
