/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the pipeline share. */
#ifndef GT_PIPELINE_INTERNAL_H
#define GT_PIPELINE_INTERNAL_H

#include "packet/parse.h"
#include "pipeline/pipeline.h"

/* A frame that a device has brought. */
static inline void gt_worker_count_in(struct gt_worker *w, const struct gt_frame *f)
{
	w->counters.in++;
	w->counters.interfaces[f->in_if].in_frames++;
	w->counters.interfaces[f->in_if].in_bytes += f->wire_len;
}

static inline void gt_worker_drop(struct gt_worker *w, struct gt_frame *frame,
				  enum gt_drop_reason reason)
{
	frame->verdict = GT_DROP;
	frame->reason = (uint8_t)reason;
	w->counters.drops[reason]++;
}

/*
 * To the host's kernel. UDP, ICMP, what opens a connection and fragments yield: floods are made of
 * them, and what goes on (a health check, SSH, BGP, routing protocols) is to get through.
 */
void gt_worker_to_kernel(struct gt_worker *w, struct gt_frame *frame, const struct gt_packet *p);

/* The MAC of the next hop is not known: drops the frame and has main ask. */
void gt_worker_miss(struct gt_worker *w, struct gt_frame *frame, uint8_t interface,
		    const struct gt_addr *hop);

/* Goes on by this plan. A later one may lie where an earlier one lay that was freed. */
static inline void gt_worker_take_plan(struct gt_worker *w, const struct gt_plan *plan)
{
	w->plan_changes += w->plan != plan || w->plan_generation != plan->generation;
	w->plan = plan;
	w->plan_generation = plan->generation;
}

/* May another ICMP error be made in this tick? If so it counts as made. */
static inline bool gt_worker_may_tell(struct gt_worker *w)
{
	if (w->told_tick != w->tick) {
		w->told_tick = w->tick;
		w->may_tell = GT_TOLD_MAX;
	}
	if (w->may_tell == 0)
		return false;
	w->may_tell--;
	return true;
}

/* How this worker judges connections under w->plan. */
struct gt_flow_judge gt_worker_judge(struct gt_worker *w);

/* Appends the held frames that have waited too long (all, if `all`) to w->released, dropped. */
void gt_worker_expire_held(struct gt_worker *w, uint64_t now_ms, bool all);

#endif
