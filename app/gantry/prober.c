/* SPDX-License-Identifier: BSD-3-Clause */
/* The engine of the health checks; see prober.h. Who is checked is decided in prober_plan.c. */
#include "prober_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "events.h"

/* A token is a slot and its generation, so that an event of a check that is over finds nothing. */
#define SLOT_BITS 24
_Static_assert(GT_CONFIG_SERVERS_MAX < 1 << SLOT_BITS, "each server may have a slot");

static uint64_t clock_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* ---- one check ---- */

static void begin(struct gt_prober *p, struct gt_target *t)
{
	p->slots[t->slot].generation++;
	t->running = true;
	t->started_ms = p->now_ms;
	t->started_us = clock_us();
	t->due_ms = p->now_ms + t->ask->timeout_ms;
	gt_target_heap_moved(&p->heap, t);
	t->transport->start(t);
}

/* Ends what is under way, without a result. */
static void end(struct gt_prober *p, struct gt_target *t)
{
	if (!t->running)
		return;
	t->transport->stop(t);
	t->running = false;
	p->slots[t->slot].generation++;
}

void gt_target_done(struct gt_target *t, enum gt_health_outcome outcome, const char *fmt, ...)
{
	struct gt_prober *p = t->prober;
	char reason[GT_PROBE_REASON_MAX];
	struct gt_health_result result = {.outcome = outcome,
					  .reason = reason,
					  .started_ms = t->started_ms,
					  .ended_ms = p->now_ms,
					  .duration_us = (uint32_t)(clock_us() - t->started_us)};
	va_list ap;

	/* The reason may stand in what is freed below. */
	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	end(p, t);
	for (size_t i = 0; i < t->n_servers; i++)
		gt_node_health(p->node, t->servers[i], &result);
	t->due_ms = gt_health_next_ms(&p->node->healths[t->servers[0]], t->started_ms, p->now_ms,
				      (uint32_t)random());
	gt_target_heap_moved(&p->heap, t);
}

int gt_target_watch(struct gt_target *t, int fd, uint32_t events, bool again)
{
	const struct gt_prober *p = t->prober;
	uint64_t id = (uint64_t)p->slots[t->slot].generation << SLOT_BITS | t->slot;
	struct epoll_event e = {.events = events, .data.u64 = GT_TOKEN(GT_SOURCE_PROBER, id)};

	return epoll_ctl(p->epoll_fd, again ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &e) == 0 ? 0
											  : -errno;
}

uint32_t gt_target_serial(struct gt_target *t)
{
	return t->prober->serial++;
}

/* ---- all checks ---- */

void gt_prober_event(struct gt_prober *p, uint64_t token, uint32_t events, uint64_t now_ms)
{
	uint64_t id = GT_TOKEN_ID(token);
	size_t slot = id & ((1U << SLOT_BITS) - 1);
	struct gt_target *t = slot < p->slots_capacity ? p->slots[slot].target : NULL;

	p->now_ms = now_ms;
	if (t != NULL && t->running && p->slots[slot].generation == (uint32_t)(id >> SLOT_BITS))
		t->transport->event(t, events);
}

void gt_prober_run(struct gt_prober *p, uint64_t now_ms)
{
	unsigned begun = 0;
	struct gt_target *t;

	p->now_ms = now_ms;
	while ((t = gt_target_heap_first(&p->heap)) != NULL && t->due_ms <= now_ms) {
		if (t->running) {
			t->transport->timeout(t);
			continue;
		}
		if (begun++ == GT_PROBER_STARTS_MAX)
			return;
		begin(p, t);
	}
}

size_t gt_prober_count(const struct gt_prober *p)
{
	return p->heap.n;
}

/* ---- birth and end ---- */

int gt_prober_reserve(struct gt_prober *p, size_t n)
{
	size_t want = p->heap.n + n;
	struct gt_prober_slot *slots;

	if (gt_target_heap_reserve(&p->heap, want) != 0)
		return -ENOMEM;
	if (want <= p->slots_capacity)
		return 0;
	slots = reallocarray(p->slots, want, sizeof(*slots));
	if (slots == NULL)
		return -ENOMEM;
	memset(slots + p->slots_capacity, 0, (want - p->slots_capacity) * sizeof(*slots));
	p->slots = slots;
	p->slots_capacity = want;
	return 0;
}

void gt_prober_add(struct gt_prober *p, struct gt_target *t)
{
	while (p->slots[p->free_from].target != NULL)
		p->free_from++;
	t->slot = p->free_from;
	t->prober = p;
	p->slots[t->slot].target = t;
	gt_target_heap_add(&p->heap, t);
}

void gt_target_free(struct gt_target *t)
{
	if (t == NULL)
		return;
	gt_ask_release(t->ask);
	free(t->servers);
	free(t->key);
	free(t);
}

void gt_prober_remove(struct gt_prober *p, struct gt_target *t)
{
	end(p, t);
	gt_target_heap_remove(&p->heap, t);
	p->slots[t->slot].target = NULL;
	if (t->slot < p->free_from)
		p->free_from = t->slot;
	gt_target_free(t);
}

struct gt_prober *gt_prober_create(const struct gt_log *log)
{
	struct gt_prober *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->log = *log;
	p->epoll_fd = -1;
	/* Message IDs, and the jitter, of two gantries or of one that was started again differ. */
	p->serial = (uint32_t)clock_us() ^ (uint32_t)getpid() << 16;
	srandom(p->serial);
	return p;
}

void gt_prober_watch(struct gt_prober *p, int epoll_fd)
{
	p->epoll_fd = epoll_fd;
}

void gt_prober_kernel(struct gt_prober *p, struct gt_kernel *kernel)
{
	p->kernel = kernel;
}

void gt_prober_destroy(struct gt_prober *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->slots_capacity; i++)
		if (p->slots[i].target != NULL)
			gt_prober_remove(p, p->slots[i].target);
	if (p->kernel != NULL)
		p->kernel->redirect = NULL;
	free(p->via);
	free(p->heap.list);
	free(p->slots);
	free(p);
}
