/* SPDX-License-Identifier: BSD-3-Clause */
/* The result of `gantry bench` on stdout: tables that grow row by row, or one JSON object. */
#ifndef GT_APP_BENCH_OUTPUT_H
#define GT_APP_BENCH_OUTPUT_H

#include <jansson.h>
#include <stdbool.h>

#include "bench.h"

struct gt_bench_output {
	json_t *rows; /* NULL: tables */
	/* of the row before */
	bool begun;
	unsigned part;
	uint32_t flows;
	unsigned rounds, best; /* of all rows */
};

/* Begins it; `cpu` is the one that is measured. Main, after EAL. */
void gt_bench_output_begin(struct gt_bench_output *out, const struct gt_config *config, int cpu,
			   bool json);

/* The sink's function; ctx: a struct gt_bench_output. Main. */
void gt_bench_output_row(void *ctx, const struct gt_bench_row *row);

/* Ends it, with all that was measured if that is good. 0; another: stdout does not take it. Main.
 */
int gt_bench_output_end(struct gt_bench_output *out, const struct gt_config *config,
			const struct gt_cpus *cpus, bool good);

#endif
