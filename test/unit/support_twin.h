/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker's twin, which takes every frame by the general path, one after the other: whatever the
 * express path does must be the same byte for byte, in frames, counters and memory.
 */
#ifndef GT_TEST_SUPPORT_TWIN_H
#define GT_TEST_SUPPORT_TWIN_H

#include "pipeline/pipeline.h"

/* A frame as it comes, in a block of its own, for the twin. */
struct gt_frame support_twin_copy(const struct gt_frame *f);

/*
 * The twin takes the copies of a burst that `worker` has had as `frames`; the process ends where
 * the two differ. The copies are freed, or held.
 */
void support_twin_burst(struct gt_worker *twin, const struct gt_worker *worker,
			const struct gt_plan *plan, uint64_t now_ms, const struct gt_frame *frames,
			struct gt_frame *copies, unsigned n);

/* Behind a tick or a flush of both: the same, and what they released. */
void support_twin_compare(struct gt_worker *twin, const struct gt_worker *worker,
			  const struct gt_plan *plan);

#endif
