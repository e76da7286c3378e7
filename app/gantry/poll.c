/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The loop of a worker: receive a burst of each port, let the core judge it, sort by verdict, send.
 * Between bursts it takes up the newest plan and tells main that it has let go of older ones.
 */
#include "poll.h"

#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_prefetch.h>

#include "run.h"
#include "worker.h"

/* A worker that shares its CPU with main sleeps after so many polls without a frame... */
#define IDLE_POLLS_MAX 64
/* ... for so long: as a queue holds 1024 frames, 20 Mpps would not overrun it. */
#define IDLE_SLEEP_NS 50000

/* ---- sending ---- */

/* The device did not take it, or would only lose it. */
static void unsent(struct gt_lcore *l, unsigned out_if, struct rte_mbuf *m, uint8_t verdict,
		   enum gt_drop_reason why)
{
	struct gt_frame f = {.wire_len = m->pkt_len, .out_if = (uint8_t)out_if, .verdict = verdict};
	struct gt_counters *c = &l->worker->counters;

	if (verdict == GT_TX_UNASKED) {
		/* It never came in, so it is no drop; main counted it as sent. Readers add both. */
		c->interfaces[out_if].out_frames--;
		c->interfaces[out_if].out_bytes -= m->pkt_len;
	} else {
		gt_worker_unsent(l->worker, &f, why);
	}
	rte_pktmbuf_free(m);
}

static void flush_port(struct gt_lcore *l, unsigned i)
{
	struct gt_tx *t = &l->tx[i];
	/* A driver above the kernel's interfaces takes what then vanishes there. */
	bool down = __atomic_load_n(&l->shared->link_down[i], __ATOMIC_RELAXED);
	unsigned sent = 0, n = !down;

	/* Some drivers take a burst in parts. */
	while (n > 0 && sent < t->n) {
		n = rte_eth_tx_burst(l->ports[i], (uint16_t)l->index, &t->mbufs[sent],
				     (uint16_t)(t->n - sent));
		sent += n;
	}
	for (; sent < t->n; sent++)
		unsent(l, i, t->mbufs[sent], t->verdicts[sent],
		       down ? GT_DROP_LINK_DOWN : GT_DROP_TX_FULL);
	t->n = 0;
}

static void flush(struct gt_lcore *l)
{
	for (unsigned i = 0; i < l->n_ports; i++)
		if (l->tx[i].n > 0)
			flush_port(l, i);
}

static void queue(struct gt_lcore *l, unsigned out_if, struct rte_mbuf *m, uint8_t verdict)
{
	struct gt_tx *t = &l->tx[out_if];

	t->mbufs[t->n] = m;
	t->verdicts[t->n++] = verdict;
}

/* What main wants sent: at most a burst at a time. Returns how many. */
static unsigned send_for_main(struct gt_lcore *l)
{
	struct rte_mbuf *mbufs[GT_BURST_MAX];
	unsigned n = rte_ring_sc_dequeue_burst(l->transmit, (void **)mbufs, GT_BURST_MAX, NULL);

	for (unsigned i = 0; i < n; i++)
		queue(l, mbufs[i]->port, mbufs[i], (uint8_t)mbufs[i]->hash.usr);
	if (n > 0)
		flush(l);
	return n;
}

/* ---- verdicts ---- */

static void punt(struct gt_lcore *l, struct gt_frame *f)
{
	struct rte_mbuf *m = f->owner;

	m->port = f->in_if;
	if (rte_ring_sp_enqueue(l->punt, m) == 0)
		return;
	gt_worker_unpunted(l->worker, f);
	rte_pktmbuf_free(m);
}

/* What yields has half of the ring, so that a flood leaves room for the rest. */
static void to_kernel(struct gt_lcore *l, struct gt_frame *f)
{
	struct rte_mbuf *m = f->owner;
	bool room = !f->yields || rte_ring_free_count(l->kernel) > GT_KERNEL_RING / 2;

	m->port = f->in_if;
	if (room && rte_ring_sp_enqueue(l->kernel, m) == 0)
		return;
	gt_worker_unkernel(l->worker, f);
	rte_pktmbuf_free(m);
}

/* To the worker that owns it; the mbuf tells what a frame knows beside its bytes. */
static void hand(struct gt_lcore *l, struct gt_frame *f)
{
	struct rte_mbuf *m = f->owner;

	m->port = f->in_if;
	m->hash.usr = f->steered;
	if (rte_ring_mp_enqueue(l->shared->handed[f->to_worker], m) == 0)
		return;
	gt_worker_unhanded(l->worker, f);
	rte_pktmbuf_free(m);
}

static void carry_out(struct gt_lcore *l, struct gt_frame *frames, unsigned n)
{
	struct rte_mbuf *dropped[GT_TX_MAX];
	unsigned n_dropped = 0;

	for (unsigned i = 0; i < n; i++) {
		struct gt_frame *f = &frames[i];
		struct rte_mbuf *m = f->owner;

		switch ((enum gt_verdict)f->verdict) {
		case GT_SEND:
		case GT_ANSWER:
			gt_mbuf_sync(m, f);
			queue(l, f->out_if, m, f->verdict);
			break;
		case GT_PUNT:
			punt(l, f);
			break;
		case GT_HAND:
			hand(l, f);
			break;
		case GT_HELD:
			break;
		case GT_KERNEL:
			to_kernel(l, f);
			break;
		case GT_DROP:
			dropped[n_dropped++] = m;
			break;
		}
	}
	if (n_dropped > 0)
		rte_pktmbuf_free_bulk(dropped, n_dropped);
}

static void carry_out_released(struct gt_lcore *l)
{
	if (l->worker->n_released == 0)
		return;
	carry_out(l, l->worker->released, l->worker->n_released);
	l->worker->n_released = 0;
}

/* ---- receiving ---- */

static void handle(struct gt_lcore *l, const struct gt_plan *plan, uint64_t now_ms,
		   struct gt_frame *frames, unsigned n)
{
	gt_worker_burst(l->worker, plan, now_ms, frames, n);
	carry_out(l, frames, n);
	carry_out_released(l);
	flush(l);
}

/* One burst of what other workers handed over. Returns its frames. */
static unsigned take_handed(struct gt_lcore *l, const struct gt_plan *plan, uint64_t now_ms)
{
	struct rte_mbuf *mbufs[GT_BURST_MAX];
	struct gt_frame frames[GT_BURST_MAX];
	unsigned n = rte_ring_sc_dequeue_burst(l->shared->handed[l->index], (void **)mbufs,
					       GT_BURST_MAX, NULL);

	for (unsigned i = 0; i < n; i++) {
		gt_mbuf_frame(mbufs[i], (uint8_t)mbufs[i]->port, &frames[i]);
		frames[i].steered = (uint8_t)mbufs[i]->hash.usr;
	}
	if (n > 0)
		handle(l, plan, now_ms, frames, n);
	return n;
}

/* One burst of one port. Returns its frames. */
static unsigned receive(struct gt_lcore *l, unsigned in_if, const struct gt_plan *plan,
			uint64_t now_ms)
{
	struct rte_mbuf *mbufs[GT_BURST_MAX];
	struct gt_frame frames[GT_BURST_MAX];
	unsigned n = rte_eth_rx_burst(l->ports[in_if], (uint16_t)l->index, mbufs, GT_BURST_MAX);

	if (n == 0)
		return 0;
	for (unsigned i = 0; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(mbufs[i], void *));
	for (unsigned i = 0; i < n; i++)
		gt_mbuf_frame(mbufs[i], (uint8_t)in_if, &frames[i]);
	handle(l, plan, now_ms, frames, n);
	return n;
}

/* A bond speaks LACP in its receive and send functions, which it wants called every 100 ms. */
static void send_lacp(struct gt_lcore *l)
{
	struct rte_mbuf *none = NULL;

	for (unsigned i = 0; i < l->n_ports; i++)
		if (l->lacp[i])
			rte_eth_tx_burst(l->ports[i], (uint16_t)l->index, &none, 0);
}

/* ---- the loop ---- */

/*
 * The TSC tells when a millisecond is over, for next to nothing; which one it is, the clock that
 * main reads too tells then. So both agree for ever, though EAL's idea of the TSC's speed may be
 * wrong by parts in a thousand.
 */
struct time {
	uint64_t now_ms;
	uint64_t next_tsc, step_tsc;
};

static bool advance(struct time *t, uint64_t tsc)
{
	if (tsc < t->next_tsc)
		return false;
	t->now_ms = gt_clock_ms();
	t->next_tsc = tsc + t->step_tsc;
	return true;
}

static void rest(unsigned *idle_polls)
{
	static const struct timespec nap = {.tv_nsec = IDLE_SLEEP_NS};

	if (++*idle_polls <= IDLE_POLLS_MAX)
		return;
	*idle_polls = 0;
	nanosleep(&nap, NULL);
}

static const struct gt_plan *current_plan(const struct gt_lcore *l)
{
	return __atomic_load_n(&l->shared->plan, __ATOMIC_ACQUIRE);
}

static void count_cycles(struct gt_lcore *l, uint64_t cycles, bool busy)
{
	__atomic_store_n(&l->cycles, l->cycles + cycles, __ATOMIC_RELAXED);
	if (busy)
		__atomic_store_n(&l->busy_cycles, l->busy_cycles + cycles, __ATOMIC_RELAXED);
}

int gt_poll(void *arg)
{
	struct gt_lcore *l = arg;
	struct rte_rcu_qsbr *qsbr = l->shared->qsbr;
	struct time t = {.step_tsc = rte_get_tsc_hz() / 1000};
	uint64_t last_tsc = rte_rdtsc();
	unsigned idle_polls = 0;

	/* A nap is to last what it says, not 50 us longer (the default slack). */
	if (l->cpu_shared)
		prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL, 0UL);
	rte_rcu_qsbr_thread_online(qsbr, l->index);
	while (!__atomic_load_n(&l->shared->stop, __ATOMIC_RELAXED)) {
		const struct gt_plan *plan = current_plan(l);
		uint64_t tsc = rte_rdtsc();
		bool new_ms = advance(&t, tsc);
		unsigned n = send_for_main(l);

		for (unsigned i = 0; i < l->n_ports; i++)
			n += receive(l, i, plan, t.now_ms);
		if (l->worker->steer.n_workers > 1)
			n += take_handed(l, plan, t.now_ms);
		if (new_ms) {
			gt_worker_tick(l->worker, plan, t.now_ms);
			carry_out_released(l);
			flush(l);
			send_lacp(l);
		}
		rte_rcu_qsbr_quiescent(qsbr, l->index);
		tsc = rte_rdtsc();
		count_cycles(l, tsc - last_tsc, n > 0);
		last_tsc = tsc;
		if (n > 0)
			idle_polls = 0;
		else if (l->cpu_shared)
			rest(&idle_polls);
	}
	rte_rcu_qsbr_thread_offline(qsbr, l->index);
	rte_rcu_qsbr_thread_unregister(qsbr, l->index);
	return 0;
}

/* ---- the end ---- */

void gt_lcore_finish(struct gt_lcore *l, uint64_t now_ms)
{
	while (send_for_main(l) > 0)
		;
	/* Not gt_worker_flush: it sweeps the whole table, seconds of a large one. All that is held
	 * has waited long enough by then. */
	gt_worker_tick(l->worker, current_plan(l), now_ms + 2 * GT_FRAGMENT_HELD_MS);
	carry_out_released(l);
	flush(l);
}
