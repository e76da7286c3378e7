/* SPDX-License-Identifier: BSD-3-Clause */
/* What all workers together counted: each number is read whole, the set is no snapshot. Main. */
#ifndef GT_REPORT_SUMS_H
#define GT_REPORT_SUMS_H

#include "pipeline/pipeline.h"

/* Of a VIP and of a server, by its number in the plan. */
struct gt_vip_counters gt_sum_vip(struct gt_worker *const *workers, unsigned n, uint32_t vip);
/* `active` and `open` are never below 0: a connection may move while two workers are read. */
struct gt_server_counters gt_sum_server(struct gt_worker *const *workers, unsigned n,
					uint32_t server);

#endif
