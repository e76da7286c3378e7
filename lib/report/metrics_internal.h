/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of metrics, between metrics_table.c, which has it, and metrics.c, which writes it. */
#ifndef GT_REPORT_METRICS_INTERNAL_H
#define GT_REPORT_METRICS_INTERNAL_H

#include "report/metrics.h"

/* What a family has one sample of, and so which labels. */
enum gt_metrics_scope {
	GT_METRICS_NODE,
	GT_METRICS_BUILD,
	GT_METRICS_RESULT, /* of a frame */
	GT_METRICS_REASON, /* of a drop */
	GT_METRICS_INTERFACE,
	GT_METRICS_WORKER,
	GT_METRICS_VIP,
	GT_METRICS_SERVER,
	GT_METRICS_CHECKED, /* a server and a result of its checks */
};

struct gt_metrics_view {
	const struct gt_metrics *m;
	const struct gt_plan *plan;
	struct gt_counters sum;
};

struct gt_metrics_family {
	const char *name, *type, *help;
	enum gt_metrics_scope scope;
	/* The sample of number i. False: there is none. */
	bool (*value)(const struct gt_metrics_view *v, const struct gt_metrics_family *f,
		      uint32_t i, double *value);
	size_t field; /* for `value`: of the struct that it reads */
};

extern const struct gt_metrics_family gt_metrics_families[];
extern const size_t gt_metrics_n_families;

#endif
