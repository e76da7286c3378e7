/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The loop of a worker: receive a burst of each port, let the core judge it, sort by verdict, send.
 * Between bursts it takes up the newest plan and tells main that it has let go of older ones.
 */
#include "poll.h"

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_prefetch.h>

#include "run.h"
#include "worker.h"

/*
 * Frames asked of a port at once: so long the bucket of a connection has to come from memory. Of
 * 16, 32 and 64 (net_pcap) a frame took 31.8, 29.4 and 29.4 ns with 1,000 connections, and 65, 54
 * and 53 with a million.
 */
#define RX_BURST GT_BURST_MAX

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
	if (rte_ring_mp_enqueue(l->shared->handed[f->to_worker], m) == 0) {
		gt_wake_up(&l->shared->wake[f->to_worker]);
		return;
	}
	gt_worker_unhanded(l->worker, f);
	rte_pktmbuf_free(m);
}

/* All but SEND, of which nearly all frames are. */
static void carry_out_one(struct gt_lcore *l, struct gt_frame *f)
{
	switch ((enum gt_verdict)f->verdict) {
	case GT_SEND:
	case GT_ANSWER:
		gt_mbuf_sync(f->owner, f);
		gt_transmit_one(l, f->out_if, f->owner, f->verdict);
		break;
	case GT_PUNT:
		punt(l, f);
		break;
	case GT_HAND:
		hand(l, f);
		break;
	case GT_KERNEL:
		to_kernel(l, f);
		break;
	case GT_HELD:
	case GT_DROP:
		break;
	}
}

static void carry_out(struct gt_lcore *l, struct gt_frame *frames, unsigned n)
{
	struct rte_mbuf *dropped[GT_RELEASED_MAX];
	unsigned n_dropped = 0;

	for (unsigned i = 0; i < n;) {
		if (likely(frames[i].verdict == GT_SEND)) {
			i += gt_transmit_run(l, &frames[i], n - i);
			continue;
		}
		if (frames[i].verdict == GT_DROP)
			dropped[n_dropped++] = frames[i].owner;
		else
			carry_out_one(l, &frames[i]);
		i++;
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
	gt_transmit_batches(l);
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

/* Those whose IPv4 header the device found right. It may have meant the inner one of a tunnel, and
 * then tells of the outer one if that is wrong. Others are judged in software: the verdict is ours.
 */
static void take_checks(struct rte_mbuf **mbufs, struct gt_frame *frames, unsigned n)
{
	const uint64_t told = RTE_MBUF_F_RX_IP_CKSUM_MASK | RTE_MBUF_F_RX_OUTER_IP_CKSUM_BAD;

	for (unsigned i = 0; i < n; i++)
		frames[i].ipv4_good = (mbufs[i]->ol_flags & told) == RTE_MBUF_F_RX_IP_CKSUM_GOOD;
}

/* One burst of one port. Returns its frames. */
static unsigned receive(struct gt_lcore *l, unsigned in_if, const struct gt_plan *plan,
			uint64_t now_ms)
{
	struct rte_mbuf *mbufs[RX_BURST];
	struct gt_frame frames[RX_BURST];
	unsigned n = rte_eth_rx_burst(l->ports[in_if], (uint16_t)l->index, mbufs, RX_BURST);

	if (n == 0)
		return 0;
	for (unsigned i = 0; i < n; i++) {
		rte_prefetch0(rte_pktmbuf_mtod(mbufs[i], void *));
		gt_mbuf_frame(mbufs[i], (uint8_t)in_if, &frames[i]);
	}
	if (l->checks_ipv4[in_if])
		take_checks(mbufs, frames, n);
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

/* Returns how many frames it had. */
static unsigned turn(struct gt_lcore *l, const struct gt_plan *plan, uint64_t now_ms)
{
	unsigned n = gt_transmit_for_main(l);

	for (unsigned i = 0; i < l->n_ports; i++)
		n += receive(l, i, plan, now_ms);
	if (l->worker->steer.n_workers > 1)
		n += take_handed(l, plan, now_ms);
	return n;
}

static void each_ms(struct gt_lcore *l, const struct gt_plan *plan, uint64_t now_ms)
{
	gt_worker_tick(l->worker, plan, now_ms);
	carry_out_released(l);
	gt_transmit_batches(l);
	send_lacp(l);
}

/* Counts the time since *tsc, and begins anew. */
static void pass(struct gt_lcore *l, uint64_t *tsc, bool busy)
{
	uint64_t now = rte_rdtsc();

	count_cycles(l, now - *tsc, busy);
	*tsc = now;
}

int gt_poll(void *arg)
{
	struct gt_lcore *l = arg;
	struct rte_rcu_qsbr *qsbr = l->shared->qsbr;
	struct time t = {.step_tsc = rte_get_tsc_hz() / 1000};
	uint64_t tsc = rte_rdtsc();

	gt_idle_begin(&l->idle);
	rte_rcu_qsbr_thread_online(qsbr, l->index);
	while (!__atomic_load_n(&l->shared->stop, __ATOMIC_RELAXED)) {
		const struct gt_plan *plan = current_plan(l);
		bool new_ms = advance(&t, tsc);
		unsigned n = turn(l, plan, t.now_ms);

		if (new_ms)
			each_ms(l, plan, t.now_ms);
		n += gt_transmit_due(l, tsc, n == 0);
		rte_rcu_qsbr_quiescent(qsbr, l->index);
		pass(l, &tsc, n > 0);
		if (n > 0)
			gt_idle_busy(&l->idle, tsc);
		else if (gt_idle_rest(l, tsc))
			pass(l, &tsc, false);
	}
	gt_transmit_all(l);
	rte_rcu_qsbr_thread_offline(qsbr, l->index);
	rte_rcu_qsbr_thread_unregister(qsbr, l->index);
	return 0;
}

/* ---- the end ---- */

void gt_lcore_finish(struct gt_lcore *l, uint64_t now_ms)
{
	while (gt_transmit_for_main(l) > 0)
		;
	/* Not gt_worker_flush: it sweeps the whole table, seconds of a large one. All that is held
	 * has waited long enough by then. */
	gt_worker_tick(l->worker, current_plan(l), now_ms + 2 * GT_FRAGMENT_HELD_MS);
	carry_out_released(l);
	gt_transmit_all(l);
}
