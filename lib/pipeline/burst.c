/* SPDX-License-Identifier: BSD-3-Clause */
/* A burst's begin; see burst.h. */
#include "pipeline/burst.h"

#include "base/cpu.h"
#include "pipeline/internal.h"

gt_burst_fn *gt_burst_select(void)
{
#if defined(__x86_64__)
	if (gt_cpu_has_avx2())
		return gt_burst_avx2;
#endif
	return gt_burst_portable;
}

const char *gt_burst_name(gt_burst_fn *burst)
{
#if defined(__x86_64__)
	if (burst == gt_burst_avx2)
		return "AVX2, BMI2 and AES-NI";
#endif
	(void)burst;
	return "any CPU";
}

void gt_worker_burst(struct gt_worker *w, const struct gt_plan *plan, uint64_t now_ms,
		     struct gt_frame *frames, unsigned n)
{
	gt_worker_take_plan(w, plan);
	w->tick = gt_tick(now_ms);
	w->n_released = 0;
	if (w->fragments.n_held > 0)
		gt_worker_expire_held(w, now_ms, false);
	w->burst(w, now_ms, frames, n);
}
