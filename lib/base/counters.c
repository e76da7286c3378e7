/* SPDX-License-Identifier: BSD-3-Clause */
/* Names and sums of the counters; see counters.h. */
#include "base/counters.h"

#include <stddef.h>

static const struct {
	const char *name, *help;
} reasons[] = {
#define X(name, text, help) {text, help},
	GT_DROP_REASONS(X)
#undef X
};

const char *gt_drop_name(enum gt_drop_reason reason)
{
	return reasons[reason].name;
}

const char *gt_drop_help(enum gt_drop_reason reason)
{
	return reasons[reason].help;
}

void gt_counters_add(struct gt_counters *sum, const struct gt_counters *c)
{
	/* The struct is nothing but uint64_t, which the assert keeps true. */
	_Static_assert(sizeof(struct gt_counters) % sizeof(uint64_t) == 0, "only 64-bit counters");
	uint64_t *to = (uint64_t *)sum;
	const uint64_t *from = (const uint64_t *)c;

	for (size_t i = 0; i < sizeof(*sum) / sizeof(uint64_t); i++)
		to[i] += __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

uint64_t gt_counters_dropped(const struct gt_counters *c)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < GT_DROP_REASON_COUNT; i++)
		sum += c->drops[i];
	return sum;
}
