/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Main's loop; see mainloop.h. It wakes every millisecond to look into the punt rings. An eventfd
 * would let it sleep, but each first frame of a pause would then cost the worker a system call, and
 * a worker makes none: a thousand short wakes of main are half a percent of its CPU, and an ARP
 * answer after at most a millisecond is what a kernel under load gives too.
 */
#include "mainloop.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include <rte_mbuf.h>

#include "control.h"
#include "events.h"
#include "mailbox.h"
#include "node/snat_alarm.h"
#include "notify.h"
#include "prober.h"
#include "reload.h"

#define WAKE_MS		 1
#define NODE_TICK_MS	 100
#define LINKS_MS	 100
#define SECOND_MS	 1000
#define LINKS_WAIT_MS	 2000
#define NEW_PLAN_WAIT_MS 1000
/* Punted frames of a turn: a flood of ARP must not keep main from its other work. */
#define PUNTED_MAX 256
/* Events of a turn: after a plan that took long to build, a thousand checks may have answers. */
#define EVENTS_MAX 256
/* Frames for the host's kernel in a millisecond: a system call each, of 1 to 2 us (measured). */
#define KERNEL_MAX	  256
#define KERNEL_MAX_SHARED 64

/* What the loop alone knows. */
struct loop {
	struct gt_run *r;
	int epoll_fd, signal_fd;
	bool stop;
	bool waiting; /* older plans wait for the workers */
	struct held {
		struct rte_mbuf *m;
		uint64_t plan;
		uint8_t out_if;
	} held[GT_ANSWERS_HELD]; /* wait until all workers use a plan, in order */
	unsigned n_held;
	uint64_t kernel_ms; /* in which kernel_left more frames may go to the kernel */
	unsigned kernel_left;
	uint64_t token; /* of the newest publication */
	uint64_t now_ms, node_tick_ms, second_ms, loads_ms, links_ms, links_until_ms, plan_again_ms;
	uint32_t n_missed[GT_WORKERS_MAX]; /* of each worker, that main has asked for */
	struct gt_snat_alarm snat_alarm;
	uint64_t cycles[GT_WORKERS_MAX], busy_cycles[GT_WORKERS_MAX]; /* a second ago */
};

static uint64_t clock_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

uint64_t gt_clock_ms(void)
{
	return clock_us() / 1000;
}

/* ---- frames ---- */

void gt_mainloop_emit(void *ctx, uint8_t interface, const uint8_t *frame, size_t len)
{
	struct gt_run *r = ctx;
	struct rte_mbuf *m = rte_pktmbuf_alloc(r->ports.list[interface].pool);
	char *data = m != NULL ? rte_pktmbuf_append(m, (uint16_t)len) : NULL;

	if (data != NULL) {
		memcpy(data, frame, len);
		if (gt_lcore_transmit(r->lcores[0], m, interface, GT_TX_UNASKED))
			return;
	}
	/* It is sent again by its own timer. The node has counted it: undo that. */
	r->node->counters.interfaces[interface].out_frames--;
	r->node->counters.interfaces[interface].out_bytes -= len;
	rte_pktmbuf_free(m);
}

/* If the ring to the worker is full, the answer is lost, and counted as gt_worker_unsent does. */
static void answer(struct gt_run *r, struct rte_mbuf *m, uint8_t out_if)
{
	struct gt_counters *c = &r->node->counters;

	if (gt_lcore_transmit(r->lcores[0], m, out_if, GT_ANSWER))
		return;
	c->answered--;
	c->drops[GT_DROP_TX_FULL]++;
	c->interfaces[out_if].out_frames--;
	c->interfaces[out_if].out_bytes -= m->pkt_len;
	rte_pktmbuf_free(m);
}

/* Gives the answers that waited for this plan or an older one. */
static void release_held(struct loop *l, uint64_t plan)
{
	unsigned n = 0;

	while (n < l->n_held && l->held[n].plan <= plan) {
		answer(l->r, l->held[n].m, l->held[n].out_if);
		n++;
	}
	l->n_held -= n;
	memmove(l->held, l->held + n, l->n_held * sizeof(l->held[0]));
}

/*
 * Who asks for a VIP has its connection's first packet ready, and the server's reply to that comes
 * within a fraction of a millisecond: it would be dropped, and repeated a second later, if the
 * workers did not know yet whom it is for. So the answer waits for the plan in which they do; in a
 * flood those beyond the room for such answers go at once.
 */
static void handle_punted(struct loop *l, struct rte_mbuf *m)
{
	struct gt_node *node = l->r->node;
	uint64_t changes = node->changes;
	struct gt_frame f;

	gt_kernel_copy(&l->r->kernel, m);
	gt_mbuf_frame(m, (uint8_t)m->port, &f);
	gt_node_frame(node, &f, l->now_ms);
	if (f.verdict != GT_ANSWER) {
		rte_pktmbuf_free(m);
		return;
	}
	gt_mbuf_sync(m, &f);
	if (node->changes != changes && l->n_held < GT_ANSWERS_HELD)
		l->held[l->n_held++] = (struct held){m, l->r->plans + 1, f.out_if};
	else
		answer(l->r, m, f.out_if);
}

/* True: there are more. */
static bool take_punted(struct loop *l)
{
	struct gt_run *r = l->r;
	bool more = false;

	for (unsigned i = 0; i < r->n_lcores; i++) {
		unsigned n = 0;
		void *m;

		while (n < PUNTED_MAX && rte_ring_sc_dequeue(r->lcores[i]->punt, &m) == 0) {
			handle_punted(l, m);
			n++;
		}
		more = more || n == PUNTED_MAX;
	}
	return more;
}

/*
 * So many a millisecond, not a turn: a flood toward the own addresses costs main no more than that,
 * also where it shares its CPU with a worker.
 */
static void take_kernel(struct loop *l)
{
	if (l->kernel_ms != l->now_ms) {
		l->kernel_ms = l->now_ms;
		l->kernel_left = l->r->cpus.shared ? KERNEL_MAX_SHARED : KERNEL_MAX;
	}
	l->kernel_left -= gt_kernel_take(l->r, l->kernel_left);
}

void gt_mainloop_drain(struct gt_run *r)
{
	struct loop l = {.r = r, .now_ms = gt_clock_ms()};

	while (take_punted(&l))
		;
	while (gt_kernel_take(r, UINT_MAX))
		;
	release_held(&l, UINT64_MAX);
}

/* ---- what workers tell ---- */

/* Asks for the MACs that workers missed. What was overwritten meanwhile is missed again. */
static void take_missed(struct loop *l)
{
	for (unsigned i = 0; i < l->r->n_lcores; i++) {
		const struct gt_worker *w = l->r->lcores[i]->worker;
		uint32_t n = __atomic_load_n(&w->n_missed, __ATOMIC_ACQUIRE);

		if (n - l->n_missed[i] > GT_MISSED_MAX)
			l->n_missed[i] = n - GT_MISSED_MAX;
		for (; l->n_missed[i] != n; l->n_missed[i]++) {
			const struct gt_missed m = w->missed[l->n_missed[i] % GT_MISSED_MAX];

			gt_node_miss(l->r->node, m.interface, &m.addr);
		}
	}
}

static void watch_snat(struct loop *l)
{
	struct gt_snat_pair_key fullest = {.port = 0}, key;
	unsigned most = 0;
	uint64_t refused = 0;

	for (unsigned i = 0; i < l->r->n_lcores; i++) {
		const struct gt_worker *w = l->r->lcores[i]->worker;
		unsigned percent = gt_snat_fullest_percent(&w->snat, gt_tick(l->now_ms), &key);

		refused += __atomic_load_n(&w->counters.drops[GT_DROP_SNAT_FULL], __ATOMIC_RELAXED);
		if (percent > most) {
			most = percent;
			fullest = key;
		}
	}
	gt_snat_alarm_look(&l->snat_alarm, l->now_ms, refused, most, &fullest, &l->r->events);
}

/* ---- plans ---- */

/* A plan that main began at this time. */
static void publish(struct loop *l, uint64_t began_us)
{
	struct gt_plan_times *t = &l->r->plan_times;
	struct gt_shared *s = l->r->shared;

	t->last_us = clock_us() - began_us;
	t->sum_us += t->last_us;
	if (t->last_us > t->longest_us)
		t->longest_us = t->last_us;
	__atomic_store_n(&s->plan, l->r->node->plan, __ATOMIC_RELEASE);
	l->token = rte_rcu_qsbr_start(s->qsbr);
	l->waiting = true;
	l->r->plans++;
}

static void renew_plan(struct loop *l)
{
	struct gt_node *node = l->r->node;
	uint64_t began_us;

	/* All that is retired was retired before the newest publication. */
	if (l->waiting && rte_rcu_qsbr_check(l->r->shared->qsbr, l->token, false) == 1) {
		gt_node_reclaim(node);
		l->waiting = false;
		gt_control_plan(l->r->control, l->r->plans, l->now_ms);
		release_held(l, l->r->plans);
		gt_reload_in_use(l->r->reload);
	}
	/* One at a time: however often something changes, each plan is once known to be in use. */
	began_us = clock_us();
	if (!l->waiting && gt_reload_adopt(l->r->reload))
		publish(l, began_us);
	if (!l->waiting && l->now_ms >= l->plan_again_ms && gt_node_plan_due(node, l->now_ms)) {
		uint64_t start_ms = gt_clock_ms();

		if (gt_node_refresh(node)) {
			publish(l, began_us);
			/* When hundreds of servers fail one after the other, large plans are not
			 * all that main does: half of its time is for the rest. */
			l->plan_again_ms = gt_clock_ms();
			l->plan_again_ms += l->plan_again_ms - start_ms;
		} else {
			l->plan_again_ms = l->now_ms + NEW_PLAN_WAIT_MS;
			release_held(l, UINT64_MAX);
		}
	}
}

/* ---- links ---- */

/* Reads the links; workers send nothing where one is down. True: all are up. */
static bool watch_links(struct loop *l)
{
	struct gt_run *r = l->r;
	bool all = gt_ports_update_links(&r->ports, l->now_ms, r->ready ? &r->events : NULL);

	for (unsigned i = 0; i < r->ports.n; i++) {
		struct gt_port *p = &r->ports.list[i];
		bool down = !p->link_up;

		if (r->ready && !down && (r->shared->link_down[i] || p->moved))
			gt_node_link_up(r->node, (uint8_t)i);
		p->moved = false;
		__atomic_store_n(&r->shared->link_down[i], down, __ATOMIC_RELAXED);
	}
	l->links_ms = l->now_ms + LINKS_MS;
	return all;
}

/* ---- being ready ---- */

static const char *plural(size_t n)
{
	return n == 1 ? "" : "s";
}

static void become_ready(struct loop *l)
{
	struct gt_run *r = l->r;
	const struct gt_config *c = r->node->config;
	size_t n_servers = 0;

	for (size_t i = 0; i < c->n_vips; i++)
		n_servers += c->vips[i].n_servers;
	for (unsigned i = 0; i < r->ports.n; i++)
		if (!r->ports.list[i].link_up)
			gt_log(&r->log, LOG_ERR, "interface %s: link is down",
			       r->ports.list[i].name);
	printf("READY %s: %zu interface%s, %zu VIP%s, %zu server%s, %u worker%s, control %s\n",
	       r->name, c->n_interfaces, plural(c->n_interfaces), c->n_vips, plural(c->n_vips),
	       n_servers, plural(n_servers), r->n_lcores, plural(r->n_lcores), c->control);
	fflush(stdout);
	gt_notify("READY=1");
	/* Without memory for checks it still forwards; the log says so. */
	gt_prober_configure(r->prober, r->node, l->now_ms);
	r->ready = true;
}

/* ---- time ---- */

static void measure_workers(struct loop *l)
{
	for (unsigned i = 0; i < l->r->n_lcores; i++) {
		const struct gt_lcore *w = l->r->lcores[i];
		uint64_t busy = __atomic_load_n(&w->busy_cycles, __ATOMIC_RELAXED);
		uint64_t all = __atomic_load_n(&w->cycles, __ATOMIC_RELAXED);

		if (all > l->cycles[i])
			l->r->busy_percent[i] = 100.0 * (double)(busy - l->busy_cycles[i]) /
						(double)(all - l->cycles[i]);
		l->cycles[i] = all;
		l->busy_cycles[i] = busy;
	}
}

static void gather_loads(const struct gt_run *r)
{
	struct gt_worker *workers[GT_WORKERS_MAX];

	gt_run_workers(r, workers);
	gt_loads_gather(r->shared->loads, r->node->plan, workers);
}

static void pass_time(struct loop *l)
{
	if (l->r->shared->loads != NULL && l->now_ms >= l->loads_ms) {
		gather_loads(l->r);
		l->loads_ms = l->now_ms + GT_LOADS_MS;
	}
	if (l->r->ready && l->now_ms >= l->links_ms)
		watch_links(l);
	if (l->now_ms >= l->node_tick_ms) {
		/* Announcements before the link is up would be lost. */
		if (l->r->ready)
			gt_node_tick(l->r->node, l->now_ms);
		else if (watch_links(l) || l->now_ms >= l->links_until_ms) {
			/* The servers are asked for, and the VIPs announced, at once. */
			gt_node_tick(l->r->node, l->now_ms);
			become_ready(l);
		}
		gt_progress_look(l->r, l->now_ms);
		l->node_tick_ms = l->now_ms + (l->r->ready ? NODE_TICK_MS : NODE_TICK_MS / 10);
	}
	if (l->now_ms >= l->second_ms) {
		l->second_ms = l->now_ms + SECOND_MS;
		measure_workers(l);
		watch_snat(l);
	}
}

/* ---- events ---- */

void gt_mainloop_block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static void take_signals(struct loop *l)
{
	struct signalfd_siginfo s;

	while (read(l->signal_fd, &s, sizeof(s)) == sizeof(s)) {
		if (s.ssi_signo == SIGHUP) {
			gt_reload_request(l->r->reload, NULL);
			continue;
		}
		gt_log(&l->r->log, LOG_NOTICE, "%s: stopping",
		       s.ssi_signo == SIGTERM ? "SIGTERM" : "SIGINT");
		l->stop = true;
	}
}

static int watch(struct loop *l)
{
	struct epoll_event e = {.events = EPOLLIN, .data.u64 = GT_TOKEN(GT_SOURCE_SIGNAL, 0)};
	sigset_t set;
	int rc;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	l->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (l->epoll_fd < 0 || l->signal_fd < 0 ||
	    epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, l->signal_fd, &e) != 0)
		return -errno;
	gt_prober_watch(l->r->prober, l->epoll_fd);
	gt_prober_kernel(l->r->prober, &l->r->kernel);
	if (gt_kernel_watch(&l->r->kernel, l->epoll_fd) != 0 ||
	    gt_reload_watch(l->r->reload, l->epoll_fd, GT_TOKEN(GT_SOURCE_RELOAD, 0)) != 0)
		return -errno;
	rc = gt_mailbox_open(l->epoll_fd, GT_TOKEN(GT_SOURCE_METRICS, 0));
	if (rc != 0)
		return rc;
	return gt_control_watch(l->r->control, l->epoll_fd, GT_TOKEN(GT_SOURCE_CONTROL, 0));
}

/* Waits for events, at most so long, and handles them. */
static int take_events(struct loop *l, int wait_ms)
{
	struct epoll_event events[EVENTS_MAX];
	int n = epoll_wait(l->epoll_fd, events, EVENTS_MAX, wait_ms);

	/* net_tap signals its own thread of events. */
	if (n < 0 && errno != EINTR)
		return -errno;
	l->now_ms = gt_clock_ms();
	for (int i = 0; i < n; i++) {
		uint64_t token = events[i].data.u64;

		switch (GT_TOKEN_SOURCE(token)) {
		case GT_SOURCE_SIGNAL:
			take_signals(l);
			break;
		case GT_SOURCE_CONTROL:
			gt_control_event(l->r->control, token, l->now_ms);
			break;
		case GT_SOURCE_PROBER:
			gt_prober_event(l->r->prober, token, events[i].events, l->now_ms);
			break;
		case GT_SOURCE_KERNEL:
			gt_kernel_event(l->r, (unsigned)GT_TOKEN_ID(token));
			break;
		case GT_SOURCE_RELOAD:
			gt_reload_event(l->r->reload);
			break;
		case GT_SOURCE_METRICS:
			gt_mailbox_event(l->r);
			break;
		default:
			break;
		}
	}
	return 0;
}

int gt_mainloop(struct gt_run *r)
{
	struct loop l = {.r = r, .epoll_fd = -1, .signal_fd = -1, .now_ms = gt_clock_ms()};
	bool soon = false;
	int rc = watch(&l);

	gt_progress_init(&r->progress);
	l.links_until_ms = l.now_ms + LINKS_WAIT_MS;
	while (rc == 0 && !l.stop) {
		rc = take_events(&l, soon ? 0 : WAKE_MS);
		soon = take_punted(&l);
		take_kernel(&l);
		take_missed(&l);
		soon = gt_control_run(r->control, l.now_ms) || soon;
		gt_prober_run(r->prober, l.now_ms);
		renew_plan(&l);
		pass_time(&l);
	}
	if (rc != 0)
		gt_log(&r->log, LOG_ERR, "main cannot wait for events: %s", strerror(-rc));
	release_held(&l, UINT64_MAX);
	gt_mailbox_close();
	if (l.epoll_fd >= 0)
		close(l.epoll_fd);
	if (l.signal_fd >= 0)
		close(l.signal_fd);
	return rc;
}
