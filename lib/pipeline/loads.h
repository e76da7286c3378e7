/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How many open connections the servers of least-connections have over all workers. A worker counts
 * its own and writes nothing that another reads in its fast path: main gathers the counts every
 * GT_LOADS_MS and publishes the sums, and each worker adds to a sum what it opened and closed since
 * then, times the number of workers, for the device spreads connections evenly and the others do
 * meanwhile what it does. (With its own alone, all of them would send everything to the server that
 * looked idlest at the last gathering.)
 *
 * One worker is exact. With W of them an estimate lacks what the others did otherwise than this one
 * since the last gathering: as each balances its own, a few connections (test_schedulers.c: 4
 * workers, 400 connections begun and 400 ended in an interval, 1200 open: at most 5 off a share).
 * Sums are read without a lock: one may be newer than the count beside it, for some ns, by what
 * changed in an interval.
 */
#ifndef GT_PIPELINE_LOADS_H
#define GT_PIPELINE_LOADS_H

#include <stdint.h>

#include "balance/plan.h"

#define GT_LOADS_MS 100

struct gt_worker;

struct gt_loads {
	unsigned n_workers;
	/* By server number, then: the sum of all workers, and what each of them had to do with it
	 */
	int32_t counts[];
};

/* NULL: no memory. To be freed by free(). Main. */
struct gt_loads *gt_loads_create(unsigned n_workers);

/* Gathers: all workers that were given these loads, in the order of their indexes. Main. */
void gt_loads_gather(struct gt_loads *loads, const struct gt_plan *plan,
		     struct gt_worker *const *workers);

/* What all workers have of a server, as the worker that has `own` of them thinks. Worker. */
static inline int64_t gt_loads_estimate(const struct gt_loads *loads, unsigned worker,
					uint16_t server, int64_t own)
{
	const int32_t *counts;
	int64_t sum, then;

	if (loads == NULL)
		return own;
	counts = &loads->counts[(size_t)server * (loads->n_workers + 1)];
	sum = __atomic_load_n(&counts[0], __ATOMIC_RELAXED);
	then = __atomic_load_n(&counts[1 + worker], __ATOMIC_RELAXED);
	return sum + (own - then) * loads->n_workers;
}

#endif
