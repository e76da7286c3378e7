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

/*
 * Time that a turn of main's loop gives to events, and as much to starts and ends. A TLS handshake
 * takes half a millisecond, the start of a program a whole one, and a hundred of them may be due at
 * once: they take turns with ARP, which a kernel under load answers within some milliseconds, too.
 */
#define TURN_US 3000
/* A check whose events were put off for more than this part of its timeout was not the server's. */
#define LATE_SHARE 4
/* A check for which there is no room yet tries again so much later. */
#define NO_ROOM_WAIT_MS 10

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
	t->put_off_ms = 0;
	t->late_ms = 0;
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

void gt_target_cannot(struct gt_target *t, const char *what, int error)
{
	char a[GT_ADDR_STRLEN];

	gt_addr_format(&t->address, a);
	switch (error) {
	case ENETUNREACH:
	case EHOSTUNREACH:
		if (t->has_source)
			gt_target_done(t, GT_HEALTH_UNCHECKED, "no route from this host to %s", a);
		else
			gt_target_done(t, GT_HEALTH_UNCHECKED,
				       "no route from this host to %s: set kernel = NAME on "
				       "[interface %s]",
				       a, t->interface);
		break;
	case EMFILE:
	case ENFILE:
		gt_target_done(t, GT_HEALTH_UNCHECKED,
			       "no file descriptor is left: raise LimitNOFILE");
		break;
	case EPERM:
	case EACCES:
		gt_target_done(t, GT_HEALTH_UNCHECKED,
			       "this host's firewall or routes forbid to reach %s", a);
		break;
	default:
		gt_target_done(t, GT_HEALTH_UNCHECKED, "%s: %s", what, strerror(error));
		break;
	}
}

bool gt_target_was_late(const struct gt_target *t)
{
	uint64_t now = t->put_off_ms != 0 ? t->prober->now_ms - t->put_off_ms : 0;

	return t->late_ms + now > t->ask->timeout_ms / LATE_SHARE;
}

static int watch(const struct gt_prober *p, int fd, uint64_t token, uint32_t events, bool again)
{
	struct epoll_event e = {.events = events, .data.u64 = token};
	int op = again ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	return epoll_ctl(p->epoll_fd, op, fd, &e) == 0 ? 0 : -errno;
}

uint64_t gt_target_token(const struct gt_target *t)
{
	uint64_t generation = t->prober->slots[t->slot].generation;

	return GT_TOKEN(GT_SOURCE_PROBER, generation << GT_PROBER_SLOT_BITS | t->slot);
}

int gt_target_watch(struct gt_target *t, int fd, uint32_t events, bool again)
{
	return watch(t->prober, fd, gt_target_token(t), events, again);
}

int gt_prober_watch_shared(struct gt_prober *p, int fd, enum gt_prober_shared what, bool again)
{
	return watch(p, fd, GT_TOKEN(GT_SOURCE_PROBER, what), EPOLLIN, again);
}

uint32_t gt_target_serial(struct gt_target *t)
{
	return t->prober->serial++;
}

/* ---- all checks ---- */

struct gt_target *gt_prober_find(const struct gt_prober *p, uint64_t token)
{
	uint64_t id = GT_TOKEN_ID(token);
	size_t slot = id & ((1U << GT_PROBER_SLOT_BITS) - 1);
	uint32_t generation = (uint32_t)(id >> GT_PROBER_SLOT_BITS);
	struct gt_target *t = slot < p->slots_capacity ? p->slots[slot].target : NULL;

	return t != NULL && t->running && p->slots[slot].generation == generation ? t : NULL;
}

/* What is put off comes again at once, for no descriptor is watched by edges. */
static void handle(struct gt_prober *p, uint64_t token, uint32_t events)
{
	bool put_off = p->spent_us > TURN_US;
	struct gt_target *t;

	switch (GT_TOKEN_ID(token)) {
	case GT_SHARED_PING4:
		gt_pinger_event(p, GT_SHARED_PING4);
		return;
	case GT_SHARED_PING6:
		gt_pinger_event(p, GT_SHARED_PING6);
		return;
	case GT_SHARED_PROGRAMS:
		gt_programs_event(p);
		return;
	default:
		break;
	}
	t = gt_prober_find(p, token);
	if (t == NULL)
		return;
	if (put_off) {
		t->put_off_ms = t->put_off_ms != 0 ? t->put_off_ms : p->now_ms;
		return;
	}
	t->late_ms += t->put_off_ms != 0 ? p->now_ms - t->put_off_ms : 0;
	t->put_off_ms = 0;
	t->transport->event(t, events);
}

void gt_prober_event(struct gt_prober *p, uint64_t token, uint32_t events, uint64_t now_ms)
{
	uint64_t start_us = clock_us();

	p->now_ms = now_ms;
	handle(p, token, events);
	p->spent_us += clock_us() - start_us;
}

/* Begins the check, or puts it off. */
static void try_to_begin(struct gt_prober *p, struct gt_target *t)
{
	if (t->transport->has_room == NULL || t->transport->has_room(p)) {
		begin(p, t);
		return;
	}
	t->due_ms = p->now_ms + NO_ROOM_WAIT_MS;
	gt_target_heap_moved(&p->heap, t);
}

void gt_prober_run(struct gt_prober *p, uint64_t now_ms)
{
	uint64_t start_us = clock_us();
	/* Before new checks begin, those under way go on. */
	bool busy = p->spent_us > TURN_US;
	unsigned begun = 0;
	struct gt_target *t;

	p->now_ms = now_ms;
	p->spent_us = 0;
	while ((t = gt_target_heap_first(&p->heap)) != NULL && t->due_ms <= now_ms) {
		if (t->running)
			t->transport->timeout(t);
		else if (!busy && begun++ < GT_PROBER_STARTS_MAX)
			try_to_begin(p, t);
		else
			return;
		if (clock_us() - start_us > TURN_US)
			return;
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

struct gt_prober *gt_prober_create(const cpu_set_t *cpus, const struct gt_log *log)
{
	struct gt_prober *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->log = *log;
	p->cpus = *cpus;
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
	p->epoll_fd = -1; /* its owner has closed it */
	for (size_t i = 0; i < p->slots_capacity; i++)
		if (p->slots[i].target != NULL)
			gt_prober_remove(p, p->slots[i].target);
	if (p->kernel != NULL)
		p->kernel->redirect = NULL;
	free(p->via);
	gt_programs_destroy(p);
	gt_pinger_destroy(p);
	free(p->heap.list);
	free(p->slots);
	free(p);
}
