/* SPDX-License-Identifier: BSD-3-Clause */
/* The general path, which takes every frame there is; see pipeline.c. */
#ifndef GT_PIPELINE_GENERAL_H
#define GT_PIPELINE_GENERAL_H

#include "pipeline/classify.h"

/* Stages 1 and 2: counts the frame in, finds its task, and makes the key of its connection, whose
 * service is 0 if it is about none. Worker. */
void gt_general_begin(struct gt_worker *worker, struct gt_frame *f, struct gt_work *w);

/* Stages 3 and 4, with w->hash: the frame gets its verdict. Worker. */
void gt_general_decide(struct gt_worker *worker, struct gt_frame *f, struct gt_work *w,
		       uint64_t now_ms);

/* For a frame that the express path has judged so far, and whose connection it has asked for:
 * gt_connection_path gave `bad` and the path. Counts it in; it gets its verdict. Worker. */
void gt_general_forward(struct gt_worker *worker, struct gt_frame *f, const struct gt_packet *p,
			uint16_t vip, enum gt_drop_reason bad, struct gt_path *path);

#endif
