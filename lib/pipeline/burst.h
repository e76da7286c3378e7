/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * express.c is compiled once for each kind of CPU below: what the compiler and a few lines in
 * flow/flow.h and base/hash.h make of the same source. All do the same with every frame; the worker
 * takes the best that its CPU can run, once, when it is created.
 */
#ifndef GT_PIPELINE_BURST_H
#define GT_PIPELINE_BURST_H

#include "pipeline/pipeline.h"

/* The stages of a burst, behind what gt_worker_burst does. Worker. */
typedef void gt_burst_fn(struct gt_worker *w, uint64_t now_ms, struct gt_frame *frames, unsigned n);

gt_burst_fn gt_burst_portable; /* any CPU that this build is for */
gt_burst_fn gt_burst_avx2;     /* x86 with AVX2, BMI2 and AES-NI */

/* The best one for this CPU. Any caller. */
gt_burst_fn *gt_burst_select(void);

/* What it was compiled for, for people. Any caller. */
const char *gt_burst_name(gt_burst_fn *burst);

#endif
