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

#endif
