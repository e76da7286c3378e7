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

static void begin(struct gt_worker *w, const struct gt_plan *plan, uint64_t now_ms)
{
	gt_worker_take_plan(w, plan);
	w->tick = gt_tick(now_ms);
	w->n_released = 0;
	if (w->fragments.n_held > 0)
		gt_worker_expire_held(w, now_ms, false);
}

void gt_worker_burst(struct gt_worker *w, const struct gt_plan *plan, uint64_t now_ms,
		     struct gt_frame *frames, unsigned n)
{
	begin(w, plan, now_ms);
	w->burst(w, now_ms, frames, n, NULL, NULL);
}

unsigned gt_worker_receive(struct gt_worker *w, const struct gt_plan *plan, uint64_t now_ms,
			   struct gt_frame frames[GT_BURST_MAX], gt_receive_fn *receive, void *ctx)
{
	unsigned n = receive(ctx, frames, GT_RECEIVE_PART);

	if (n == 0)
		return 0;
	begin(w, plan, now_ms);
	return w->burst(w, now_ms, frames, n, n == GT_RECEIVE_PART ? receive : NULL, ctx);
}
