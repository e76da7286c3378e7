/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What `gantry bench` measures and how (bench_measure.h), apart from its command line (bench.c) and
 * its output (bench_output.c). Figures are nanoseconds a frame, medians over rounds in which
 * everything that is compared takes turns: the speed of a machine changes from minute to minute, a
 * ratio within a round does not.
 */
#ifndef GT_APP_BENCH_H
#define GT_APP_BENCH_H

#include "base/log.h"
#include "base/memory.h"
#include "config/config.h"
#include "cpus.h"

#define GT_BENCH_ROUNDS_MAX  99
#define GT_BENCH_SAMPLES_MAX 1024 /* of a row: an insertion has one for each 65536 connections */
#define GT_BENCH_FLOWS_MAX   16

/* What can be measured; bits. */
#define GT_BENCH_CORE  1U /* the packet core */
#define GT_BENCH_LOOP  2U /* the whole worker loop */
#define GT_BENCH_TABLE 4U /* the connection table alone */

struct gt_bench_options {
	unsigned what;
	uint32_t flows[GT_BENCH_FLOWS_MAX]; /* of core and table */
	unsigned n_flows;
	uint32_t loop_flows[GT_BENCH_FLOWS_MAX];
	unsigned n_loop_flows;
	uint32_t modes; /* bit of each enum gt_mode */
	unsigned rounds;
};

/* One line of the result. */
struct gt_bench_row {
	/* "hit", "insert", "both ways", "1 % new", "look-up", "rte_hash", "loop",
	 * "loop, both ways" */
	const char *what;
	const char *vip; /* its name; NULL: no VIP, the table alone */
	const char *mode;
	bool v6;
	uint32_t flows;
	bool random;		  /* connections in random order, else one after the other */
	unsigned part;		  /* GT_BENCH_LOOP, or 0: another */
	unsigned workers;	  /* 1; 2: a loop, a frame's time is that of both together */
	double ns;		  /* a frame: making it, and the core's work on it; a loop: all */
	double least_ns, most_ns; /* of all rounds */
	double floor_ns;	  /* the same without the core, swapping MACs instead */
	double floor_least_ns, floor_most_ns;
	/* What hits of the first `dr` VIP over IPv4 took in the same rounds, in a loop if this is
	 * one; of two workers, what one of them takes alone. 0: none */
	double base_ns;
	double share;	       /* base_ns / ns of the same round, their median; 0: none */
	double of_floor;       /* floor_ns / ns of the same round, their median */
	double bytes;	       /* that a connection takes, at 80 % use; 0: not asked here */
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
 * family. EAL must run, with cpus' main and as many workers as loops are to have; main shall be on
 * the core that is to be measured. 0, -ENOMEM, -ENOSPC (no plan). Main.
 */
int gt_bench_measure(const struct gt_config *config, const struct gt_bench_options *options,
		     const struct gt_cpus *cpus, const struct gt_memory *memory,
		     const struct gt_bench_sink *sink);

/* Bytes of memory that the largest of these measurements takes at once, with what it is compared
 * to. Any caller. */
uint64_t gt_bench_bytes(const struct gt_config *config, const struct gt_bench_options *options);

#endif
