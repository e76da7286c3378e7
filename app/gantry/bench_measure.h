/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the measurements of `gantry bench` share: the packet core (bench_measure.c) and the
 * connection table beside DPDK's (bench_tables.c) take samples in rounds and make rows of them.
 */
#ifndef GT_APP_BENCH_MEASURE_H
#define GT_APP_BENCH_MEASURE_H

#include <stdint.h>
#include <time.h>

#include "bench.h"
#include "bench_traffic.h"

/* A sample lasts about so long: short against the minutes between a machine's changes of speed,
 * long against an interrupt. */
#define GT_BENCH_SAMPLE (64 * 1024)

/* How full a table is that is measured; bytes a connection are told of the same load. */
#define GT_BENCH_LOAD_MAX 0.8

struct gt_bench {
	const struct gt_config *config;
	const struct gt_bench_options *options;
	const struct gt_memory *memory;
	const struct gt_bench_sink *sink;
	struct gt_plan *plan;
	struct gt_mac macs[GT_INTERFACES_MAX];
	struct gt_traffic_order *orders; /* of a sample */
	/* Of this run, IPv4 and IPv6: how fast the machine can be. 0: not known yet */
	double *least_floor_ns;
};

/* The floor in another phase of the machine is longer than this, relative to its best. */
#define GT_BENCH_PHASE 1.15

/* Nanoseconds a frame of each round. */
struct gt_bench_samples {
	double ns[GT_BENCH_SAMPLES_MAX], floor_ns[GT_BENCH_SAMPLES_MAX];
	double base_ns[GT_BENCH_SAMPLES_MAX]; /* all 0: nothing to compare with */
	unsigned n;
};

/*
 * Makes the row's figures of the samples: medians over the rounds of the machine's best phase, that
 * is those in which the floor took hardly longer than its lower quartile. n is 1 at least.
 */
void gt_bench_summarize(const struct gt_bench_samples *s, struct gt_bench_row *row);

/* Tells the row; or, with why, that it could not be measured. */
void gt_bench_tell(const struct gt_bench *b, struct gt_bench_row *row, const char *why);

/* What this thread has used of its core, in nanoseconds: what else runs there, and what the
 * hypervisor takes away, does not count. */
static inline uint64_t gt_bench_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Nanoseconds since `begin`, of gt_bench_clock, for each frame of a sample. */
static inline double gt_bench_since(uint64_t begin)
{
	return (double)(gt_bench_clock() - begin) / GT_BENCH_SAMPLE;
}

/* xorshift64 (Marsaglia 2003), reduced to less than n without a division. */
static inline uint32_t gt_bench_random(uint64_t *state, uint32_t n)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (uint32_t)((*state >> 32) * n >> 32);
}

/* Two rows: the connection table's look-up, and that of rte_hash. */
void gt_bench_tables(const struct gt_bench *b, uint32_t flows);

/* Bytes that gt_bench_tables takes. */
uint64_t gt_bench_tables_bytes(uint32_t flows);

#endif
