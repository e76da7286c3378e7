/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The numbers in the text format of Prometheus (exposition format 0.0.4): families with HELP and
 * TYPE, base units, names and labels as prometheus.io/docs/practices/naming asks. Written in
 * slices, so that main is never long at it: 50,000 servers are half a million lines.
 *
 * Everything is in one table of families (metrics_table.c); docs/metrics.md explains them.
 */
#ifndef GT_REPORT_METRICS_H
#define GT_REPORT_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node/node.h"
#include "pipeline/pipeline.h"

/* What only the application knows of a worker's loop... */
struct gt_metrics_loop {
	int cpu;
	bool stuck;	   /* its loop makes no turn */
	double busy_ratio; /* of the last second: 0 to 1 */
	double busy_s;	   /* in all */
};

/* ... and of an interface's device. */
struct gt_metrics_link {
	const char *name;
	bool up;
	uint32_t speed_mbps;
	uint64_t missed, errors;
};

/* All that is told of. One entry of `loops` for each worker, of `links` for each interface. */
struct gt_metrics {
	const struct gt_node *node;
	struct gt_worker *const *workers;
	unsigned n_workers;
	const struct gt_metrics_loop *loops;
	const struct gt_metrics_link *links;
	unsigned n_links;
	const char *name, *version, *dpdk;
	double start_s; /* since 1970 */
};

/* Where a text is. Begins as {0}. */
struct gt_metrics_cursor {
	uint32_t family, next;
};

/* The least room: a family's head and its longest line. */
#define GT_METRICS_ROOM_MIN 2048

/*
 * Writes the next lines, as many as fit into buf (of GT_METRICS_ROOM_MIN bytes or more) and as a
 * fraction of a millisecond allows: *used of them, perhaps none. No final '\0'. False: the text
 * ends with them. Between two slices the plan may be another: each line is of the plan that is in
 * force when it is written. Main.
 */
bool gt_metrics_write(const struct gt_metrics *m, struct gt_metrics_cursor *at, char *buf,
		      size_t size, size_t *used);

#endif
