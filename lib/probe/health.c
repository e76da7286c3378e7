/* SPDX-License-Identifier: BSD-3-Clause */
/* From results of checks to a server's state; see health.h. */
#include "probe/health.h"

#include <stdio.h>

void gt_health_start(struct gt_health *h, const struct gt_health_rule *rule, bool up)
{
	*h = (struct gt_health){.rule = *rule, .up = up};
}

static void note_last(struct gt_health *h, const struct gt_health_result *r)
{
	h->last.outcome = r->outcome;
	h->last.ended_ms = r->ended_ms;
	h->last.duration_us = r->duration_us;
	snprintf(h->last.reason, sizeof(h->last.reason), "%s", r->reason);
}

/* A result that contradicts the state. True: it was the last one that was wanting. */
static bool contradict(struct gt_health *h, const struct gt_health_result *r)
{
	if (h->against == 0)
		h->against_ms = r->started_ms;
	h->against++;
	if (h->against < (h->up ? h->rule.fall : h->rule.rise))
		return false;
	h->up = !h->up;
	h->changed_ms = r->ended_ms;
	h->changed_results = h->against;
	h->changed_took_ms = r->ended_ms - h->against_ms;
	h->against = 0;
	return true;
}

enum gt_health_change gt_health_count(struct gt_health *h, const struct gt_health_result *r)
{
	bool was_blind = h->last.outcome == GT_HEALTH_UNCHECKED && h->last.reason[0] != '\0';
	bool healthy = r->outcome == GT_HEALTH_HEALTHY;

	note_last(h, r);
	if (r->outcome == GT_HEALTH_UNCHECKED)
		return was_blind ? GT_HEALTH_NO_CHANGE : GT_HEALTH_BLIND;
	h->healthy += healthy;
	h->sick += !healthy;
	if (healthy == h->up) {
		h->against = 0;
	} else if (contradict(h, r)) {
		return healthy ? GT_HEALTH_WENT_UP : GT_HEALTH_WENT_DOWN;
	}
	return was_blind ? GT_HEALTH_SEES : GT_HEALTH_NO_CHANGE;
}

uint64_t gt_health_first_ms(const struct gt_health_rule *rule, size_t k, size_t n, uint64_t now_ms)
{
	size_t spread = n < rule->interval_ms ? n : rule->interval_ms;

	return now_ms + (n > 0 ? (uint64_t)k * spread / n : 0);
}

uint64_t gt_health_next_ms(const struct gt_health *h, uint64_t started_ms, uint64_t now_ms,
			   uint32_t random)
{
	uint32_t interval = h->against > 0 ? h->rule.interval_ms / 2 : h->rule.interval_ms;
	uint64_t due = started_ms + interval - random % (interval / 8 + 1);

	return due > now_ms ? due : now_ms;
}
