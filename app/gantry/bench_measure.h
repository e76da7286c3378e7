/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the measurements of `gantry bench` share: the packet core (bench_core.c), the connection
 * table beside DPDK's (bench_tables.c) and the whole worker loop (bench_loop.c) take samples in
 * rounds and make rows of them (bench_rows.c). bench_measure.c runs one after the other.
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

/* The `connections` of a table that is to be as full as that with so many. Any caller. */
static inline uint32_t gt_bench_room(uint32_t flows)
{
	uint32_t room = (uint32_t)(flows / GT_BENCH_LOAD_MAX);

	return room < 1000 ? 1000 : room;
}

struct gt_bench {
	const struct gt_config *config;
	const struct gt_bench_options *options;
	const struct gt_cpus *cpus; /* EAL's lcores: its workers forward in loops */
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

/* Is VIP i the first of its mode and family, and its mode asked for? Main. */
bool gt_bench_is_wanted(const struct gt_bench *b, size_t i);

/* What others are compared with: the first IPv4 VIP of mode `dr`; NULL: none. Any caller. */
const struct gt_config_vip *gt_bench_base(const struct gt_config *config);

/* So many connections a VIP can have: its source ports limit `snat`. Any caller. */
uint32_t gt_bench_most_flows(const struct gt_config_vip *vip);

/* ---- bench_rows.c: all of these for main ---- */

/* A row of this VIP without figures. */
struct gt_bench_row gt_bench_begin_row(const struct gt_config_vip *vip, const char *what,
				       uint32_t flows);

/*
 * Have there been enough rounds of this family? The machine's phases last for seconds or minutes,
 * in which all rounds of a row may be slow. So there are up to three times as many, until half of
 * what is asked for was as fast as it can be.
 */
bool gt_bench_has_enough(const struct gt_bench *b, bool v6, const struct gt_bench_samples *samples);

/*
 * Makes the row's figures of the samples: medians over the rounds of the machine's best phase, that
 * is those in which the floor took hardly longer than its lower quartile. n is 1 at least.
 */
void gt_bench_summarize(const struct gt_bench_samples *s, struct gt_bench_row *row);

/* Tells the row; or, with why, that it could not be measured. */
void gt_bench_tell(const struct gt_bench *b, struct gt_bench_row *row, const char *why);

/* What was not forwarded as a known or a new connection is no figure, but for the few in 10^5 that
 * the table has no room for by design (flow_insert.c, displace). True: all was; else see why. */
bool gt_bench_took_all(const struct gt_worker *w, char *why, size_t size);

/* ---- time and chance ---- */

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

/* ---- the measurements, and the bytes that each takes at once; main ---- */

/* Rows of established connections of each wanted VIP. */
void gt_bench_core(const struct gt_bench *b, uint32_t flows);
uint64_t gt_bench_core_bytes(const struct gt_bench *b, uint32_t flows);

/* Rows of new connections of each wanted VIP, as many as the configuration has room for. */
void gt_bench_insertions(const struct gt_bench *b);
uint64_t gt_bench_insertions_bytes(const struct gt_bench *b);

/* Two rows: the connection table's look-up, and that of rte_hash. */
void gt_bench_tables(const struct gt_bench *b, uint32_t flows);

uint64_t gt_bench_tables_bytes(uint32_t flows);

/* Rows of the whole worker loop of each wanted VIP, both ways where it sees both, and of two
 * workers. */
void gt_bench_loops(const struct gt_bench *b, uint32_t flows);
uint64_t gt_bench_loops_bytes(const struct gt_bench *b, uint32_t flows);

#endif
