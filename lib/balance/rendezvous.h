/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Weighted rendezvous hashing (Thaler and Ravishankar 1998; weights as Mosberger's logarithmic
 * method) as a slot table. For each slot, each server draws a number u in (0, 1) that follows from
 * its identity and the slot alone; the one with the least -log2(u) / weight has the slot. Whatever
 * happens to a server, the scores of the others stay: no slot moves that need not (Maglev moves
 * some). The price: shares are random, so the fullest server has more than its part.
 *
 * All is integer arithmetic, libm rounds otherwise on every machine: nodes with the same servers
 * build the same table, byte for byte.
 */
#ifndef GT_BALANCE_RENDEZVOUS_H
#define GT_BALANCE_RENDEZVOUS_H

#include <stddef.h>
#include <stdint.h>

#include "balance/maglev.h"
#include "base/hash.h"

/* Fraction bits of a logarithm. */
#define GT_RENDEZVOUS_BITS 40

/* Steps of the logarithm's table: what the upper bits of a mantissa choose. */
#define GT_RENDEZVOUS_STEPS 128

struct gt_rendezvous_log {
	uint64_t log2[GT_RENDEZVOUS_STEPS];    /* of 1 + k / 128; 62 bits of fraction */
	uint64_t inverse[GT_RENDEZVOUS_STEPS]; /* of 1 + k / 128; 63 bits of fraction */
};

/* Makes the table, bit by bit: 10 us. Any caller. */
void gt_rendezvous_log_init(struct gt_rendezvous_log *log);

/*
 * -log2((2 h + 1) / 2^65) with 40 bits of fraction, at least 1: what a server draws by the hash h.
 * Off by less than 2^-36: a share of 1/65536 is wrong by less than a part in a million.
 * Any caller.
 */
uint64_t gt_rendezvous_draw(const struct gt_rendezvous_log *log, uint64_t h);

/*
 * Fills `table` of `size` slots. The order of `servers` does not matter, nor does a common factor
 * of their weights. 0, -EINVAL (n is 0, a weight is 0), -ENOMEM. Main.
 */
int gt_rendezvous_build(const struct gt_siphash_key *key, const struct gt_maglev_server *servers,
			size_t n, uint16_t *table, uint32_t size);

/*
 * The same table from an older one of the same key and size: only slots of servers that went or
 * lost weight are drawn anew, the others only against servers that came or gained. Lists without
 * two servers of one identity. Same errors. Main.
 */
int gt_rendezvous_update(const struct gt_siphash_key *key, const struct gt_maglev_server *old,
			 size_t n_old, const uint16_t *old_table,
			 const struct gt_maglev_server *servers, size_t n, uint16_t *table,
			 uint32_t size);

#endif
