/* SPDX-License-Identifier: BSD-3-Clause */
/* Does everything make progress? See progress.h. */
#include "progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "notify.h"
#include "run.h"

/* What passed between two looks counts only so far: if main itself was stopped, so may all have
 * been, and that is no worker's fault. */
#define STEP_MAX_MS 250

/* The number in an environment variable; 0: there is none. */
static uint64_t read_number(const char *name)
{
	const char *s = getenv(name);
	char *end;
	uint64_t n = s != NULL && *s >= '0' && *s <= '9' ? strtoull(s, &end, 10) : 0;

	return n != 0 && *end == '\0' ? n : 0;
}

/* sd_watchdog_enabled(3): for another process it says nothing to us; half of the interval is what
 * it asks for. */
void gt_progress_init(struct gt_progress *p)
{
	uint64_t pid = read_number("WATCHDOG_PID"), us = read_number("WATCHDOG_USEC");

	if (us == 0 || (pid != 0 && pid != (uint64_t)getpid()))
		return;
	us /= 2000;
	p->watchdog_ms = us > UINT32_MAX ? UINT32_MAX : us > 0 ? (uint32_t)us : 1;
}

static void tell(const struct gt_run *r, unsigned i, uint64_t now_ms)
{
	const struct gt_progress_worker *w = &r->progress.workers[i];
	double still_s = (double)(now_ms - w->turned_ms) / 1000;
	struct gt_event event = {.level = w->stuck ? LOG_CRIT : LOG_NOTICE,
				 .kind = "worker",
				 .what = "loop",
				 .old = w->stuck ? "turning" : "stuck",
				 .now = w->stuck ? "stuck" : "turning"};
	char who[48];

	snprintf(who, sizeof(who), "worker %u on CPU %d", i, r->lcores[i]->cpu);
	event.reason = who;
	if (w->stuck)
		gt_event(&r->events, event,
			 "%s is stuck: its loop has made no turn for %.1f s, its connections stand "
			 "still",
			 who, still_s);
	else
		gt_event(&r->events, event, "%s goes on: its loop had made no turn for %.1f s", who,
			 still_s);
}

static void look_at(struct gt_run *r, unsigned i, uint32_t step_ms, uint64_t now_ms)
{
	struct gt_progress_worker *w = &r->progress.workers[i];
	uint64_t cycles = __atomic_load_n(&r->lcores[i]->cycles, __ATOMIC_RELAXED);

	if (cycles == w->cycles) {
		w->still_ms += step_ms;
		if (w->still_ms < GT_STUCK_MS || w->stuck)
			return;
		w->stuck = true;
		tell(r, i, now_ms);
		return;
	}
	if (w->stuck) {
		w->stuck = false;
		tell(r, i, now_ms);
	}
	w->cycles = cycles;
	w->turned_ms = now_ms;
	w->still_ms = 0;
}

void gt_progress_look(struct gt_run *r, uint64_t now_ms)
{
	struct gt_progress *p = &r->progress;
	uint64_t step_ms = now_ms - p->looked_ms;
	bool all = true;

	if (p->looked_ms == 0)
		for (unsigned i = 0; i < r->n_lcores; i++)
			p->workers[i].turned_ms = now_ms;
	if (step_ms > STEP_MAX_MS)
		step_ms = STEP_MAX_MS;
	p->looked_ms = now_ms;
	for (unsigned i = 0; i < r->n_lcores; i++) {
		look_at(r, i, (uint32_t)step_ms, now_ms);
		all = all && !p->workers[i].stuck;
	}
	if (all && p->watchdog_ms != 0 && now_ms - p->fed_ms >= p->watchdog_ms) {
		gt_notify("WATCHDOG=1");
		p->fed_ms = now_ms;
	}
}

double gt_progress_stuck_s(const struct gt_run *r, unsigned worker, uint64_t now_ms)
{
	const struct gt_progress_worker *w = &r->progress.workers[worker];

	return w->stuck ? (double)(now_ms - w->turned_ms) / 1000 : 0;
}
