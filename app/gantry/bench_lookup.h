/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A burst's look-up in the connection table alone, as lib/pipeline/express.c does it. Compiled for
 * the same CPUs as that, so that what is inlined there is inlined here.
 */
#ifndef GT_APP_BENCH_LOOKUP_H
#define GT_APP_BENCH_LOOKUP_H

#include "flow/flow.h"

/* Finds and touches GT_BURST_MAX connections of IPv4; how many there were. Worker. */
typedef unsigned gt_bench_look_up_fn(const struct gt_flow_table *t, const struct gt_flow_key *keys,
				     uint32_t tick);

gt_bench_look_up_fn gt_bench_look_up_portable;
gt_bench_look_up_fn gt_bench_look_up_avx2; /* where gt_burst_select chooses gt_burst_avx2 */

#endif
