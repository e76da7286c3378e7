/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What `gantry bench` measures and how (bench_measure.c), apart from its command line and its
 * output (bench.c). Figures are nanoseconds a frame, medians over rounds in which everything that
 * is compared takes turns: the speed of a machine changes from minute to minute, a ratio within a
 * round does not.
 */
#ifndef GT_APP_BENCH_H
#define GT_APP_BENCH_H

#include "base/log.h"
#include "base/memory.h"
#include "config/config.h"

#define GT_BENCH_ROUNDS_MAX  99
#define GT_BENCH_SAMPLES_MAX 1024 /* of a row: an insertion has one for each 65536 connections */
#define GT_BENCH_FLOWS_MAX   16

struct gt_bench_options {
	uint32_t flows[GT_BENCH_FLOWS_MAX];
	unsigned n_flows;
	uint32_t modes; /* bit of each enum gt_mode */
	unsigned rounds;
};

/* One line of the result. */
struct gt_bench_row {
	const char *what; /* "hit", "insert", "replies", "1 % new", "look-up", "rte_hash" */
	const char *vip;  /* its name; NULL: no VIP, the table alone */
	const char *mode;
	bool v6;
	uint32_t flows;
	bool random;		  /* connections in random order, else one after the other */
	double ns;		  /* a frame: making it, and the core's work on it */
	double least_ns, most_ns; /* of all rounds */
	double floor_ns;	  /* the same without the core: making it, and swapping its MACs */
	double floor_least_ns, floor_most_ns;
	double base_ns; /* hits of the first `dr` VIP over IPv4 in the same rounds; 0: none */
	double share;	/* base_ns / ns of the same round, their median; 0: none */
	double bytes;	/* that a connection takes, at 80 % use; 0: not asked here */
	unsigned rounds, best; /* how many there were, and in the machine's best phase */
	bool slow;	       /* even its best rounds were in a slow phase of the machine */
	char failed[120];      /* why it could not be measured; empty: it was */
};

/* Gets each row as it is measured. */
struct gt_bench_sink {
	void (*row)(void *ctx, const struct gt_bench_row *row);
	void *ctx;
};

/*
 * Measures all that the options ask of all VIPs of the configuration, the first of each mode and
 * family. EAL must run. 0, -ENOMEM, -ENOSPC (no plan). Main, on the core that is to be measured.
 */
int gt_bench_measure(const struct gt_config *config, const struct gt_bench_options *options,
		     const struct gt_memory *memory, const struct gt_bench_sink *sink);

/* Bytes of memory that the largest of these measurements takes at once, with what it is compared
 * to. Any caller. */
uint64_t gt_bench_bytes(const struct gt_config *config, const struct gt_bench_options *options);

#endif
