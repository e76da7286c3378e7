/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The express path: what nearly all frames are, packets of established connections without
 * anything unusual, judged and forwarded by few instructions. It never does something else than
 * the general path (classify.c to forward.c) would: it takes a frame only if it knows that, and
 * leaves every other one as it was. See express.c.
 */
#ifndef GT_PIPELINE_EXPRESS_H
#define GT_PIPELINE_EXPRESS_H

#include "pipeline/pipeline.h"

/* One frame of a burst on the express path. */
struct gt_express {
	const struct gt_plan_express *service;
	struct gt_flow_slot *slot; /* changing half of its entry, when it was found */
	uint8_t l3_len;		   /* bytes of its IP header: 20 or 40 */
	uint8_t protocol;
	bool taken; /* it is one */
};

/* Stage 1: is it one? Fills x, and key for the table. Nothing is changed. Worker. */
bool gt_express_classify(const struct gt_worker *w, const struct gt_frame *f, struct gt_express *x,
			 struct gt_flow_key *key);

/* Stage 3, for all frames of a burst before the first is decided: finds its entry, and prefetches
 * what that names. Worker. */
void gt_express_find(const struct gt_worker *w, struct gt_express *x, const struct gt_flow_key *key,
		     uint64_t hash);

/*
 * Stages 3 and 4: forwards it, counted in and out. False: its connection is not in the state for
 * that, nothing was changed, and the general path has to take it. Worker.
 */
bool gt_express_forward(struct gt_worker *w, struct gt_frame *f, const struct gt_express *x,
			const struct gt_flow_key *key);

#endif
