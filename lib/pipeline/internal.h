/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the pipeline share. */
#ifndef GT_PIPELINE_INTERNAL_H
#define GT_PIPELINE_INTERNAL_H

#include "pipeline/pipeline.h"

static inline void gt_worker_drop(struct gt_worker *w, struct gt_frame *frame,
				  enum gt_drop_reason reason)
{
	frame->verdict = GT_DROP;
	frame->reason = (uint8_t)reason;
	w->counters.drops[reason]++;
}

/* The MAC of the next hop is not known: drops the frame and has main ask. */
void gt_worker_miss(struct gt_worker *w, struct gt_frame *frame, uint8_t interface,
		    const struct gt_addr *hop);

/* How this worker judges connections under w->plan. */
struct gt_flow_judge gt_worker_judge(struct gt_worker *w);

/* Appends the held frames that have waited too long (all, if `all`) to w->released, dropped. */
void gt_worker_expire_held(struct gt_worker *w, uint64_t now_ms, bool all);

#endif
