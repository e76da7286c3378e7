/* SPDX-License-Identifier: BSD-3-Clause */
/* The metrics of report/metrics.h from a running gantry: what it knows beside lib/. Main. */
#ifndef GT_APP_METRICS_H
#define GT_APP_METRICS_H

#include <jansson.h>

#include "report/metrics.h"
#include "run.h"

/* A text on its way. Begins as {0}. */
struct gt_metrics_walk {
	struct gt_metrics_cursor at;
	/* Asked of the devices once for each text: a NIC's counters take their time. */
	struct gt_metrics_link links[GT_INTERFACES_MAX];
};

/* The next slice; see gt_metrics_write. */
bool gt_metrics_more(struct gt_run *r, struct gt_metrics_walk *walk, char *buf, size_t size,
		     size_t *used);

/*
 * For gantryctl, which asks for one slice after the other: {"metrics": TEXT, "next": CURSOR}, the
 * last one without "next". cursor: "0:0", then what "next" said. NULL: it is none, or there is no
 * memory.
 */
json_t *gt_metrics_slice(struct gt_run *r, const char *cursor);

/* One worker's loop, for whoever tells of it. */
struct gt_metrics_loop gt_metrics_of_loop(const struct gt_run *r, unsigned worker);

#endif
