/* SPDX-License-Identifier: BSD-3-Clause */
/* Lcores that take turns at a port; see bench_turns.h. */
#include "bench_turns.h"

#include <time.h>

#include <rte_ethdev.h>
#include <rte_launch.h>

#include "bench_measure.h"
#include "poll.h"
#include "run.h"

/* As testpmd asks for. */
#define BURST 32

/* Main looks so often whether a worker has had its frames. */
#define LOOK_MS 1

/* ---- what an lcore does in a sample ---- */

struct turn {
	struct gt_lcore *lcore; /* NULL: swaps MACs */
	uint16_t port, queue;
	uint64_t wanted; /* frames, before main says stop */
	bool stop;	 /* of who swaps MACs: a worker has its own */
	uint64_t frames; /* so far; a worker's when it is done */
	uint64_t ns;	 /* when it is done */
	bool done;
} __rte_cache_aligned;

static void swap_macs(struct rte_mbuf *m)
{
	struct rte_ether_hdr *h = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	struct rte_ether_addr dst = h->dst_addr;

	h->dst_addr = h->src_addr;
	h->src_addr = dst;
}

static void forward_plainly(struct turn *t)
{
	for (uint64_t frames = 0; !__atomic_load_n(&t->stop, __ATOMIC_RELAXED);) {
		struct rte_mbuf *mbufs[BURST];
		uint16_t n = rte_eth_rx_burst(t->port, t->queue, mbufs, BURST), sent;

		for (uint16_t i = 0; i < n; i++)
			swap_macs(mbufs[i]);
		sent = rte_eth_tx_burst(t->port, t->queue, mbufs, n);
		if (sent < n)
			rte_pktmbuf_free_bulk(&mbufs[sent], (unsigned)(n - sent));
		frames += n;
		__atomic_store_n(&t->frames, frames, __ATOMIC_RELAXED);
	}
}

static uint64_t count_frames(const struct gt_lcore *l)
{
	return __atomic_load_n(&l->worker->counters.in, __ATOMIC_RELAXED);
}

/* The lcore's function. The time is this thread's, from its first frame to its last. */
static int take_turn(void *arg)
{
	struct turn *t = arg;
	uint64_t begin = gt_bench_clock(), before = t->lcore != NULL ? count_frames(t->lcore) : 0;

	if (t->lcore != NULL) {
		gt_poll(t->lcore);
		t->frames = count_frames(t->lcore) - before;
	} else {
		forward_plainly(t);
	}
	t->ns = gt_bench_clock() - begin;
	__atomic_store_n(&t->done, true, __ATOMIC_RELEASE);
	return 0;
}

/* ---- main's part in it ---- */

static void sleep_ms(unsigned ms)
{
	struct timespec t = {.tv_nsec = ms * 1000000L};

	nanosleep(&t, NULL);
}

/* Has it had its frames? `before`: those of its worker at the start. */
static bool had_all(const struct turn *t, uint64_t before)
{
	uint64_t frames = t->lcore != NULL ? count_frames(t->lcore) - before
					   : __atomic_load_n(&t->frames, __ATOMIC_RELAXED);

	return frames >= t->wanted;
}

static bool launch(struct turn *t)
{
	struct gt_lcore *l = t->lcore;

	t->done = t->stop = false;
	t->frames = 0;
	if (l != NULL) {
		__atomic_store_n(&l->shared->stop, false, __ATOMIC_RELAXED);
		if (rte_rcu_qsbr_thread_register(l->shared->qsbr, l->index) != 0)
			return false;
	}
	return rte_eal_remote_launch(take_turn, t, t->queue + 1U) == 0;
}

/* Sleeps until each has had its frames. False: it took too long. */
static bool wait_for_all(const struct turn turns[], unsigned n, const uint64_t before[])
{
	uint64_t end = gt_clock_ms() + GT_BENCH_TURN_MS;

	for (; gt_clock_ms() < end; sleep_ms(LOOK_MS)) {
		unsigned ready = 0;

		for (unsigned i = 0; i < n; i++)
			ready += had_all(&turns[i], before[i]);
		if (ready == n)
			return true;
	}
	return false;
}

/* Those that are launched end. EAL's own wait would be a loop on the worker's core. */
static void end_turns(struct turn turns[], unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		bool *stop =
			turns[i].lcore != NULL ? &turns[i].lcore->shared->stop : &turns[i].stop;

		__atomic_store_n(stop, true, __ATOMIC_RELAXED);
	}
	for (unsigned i = 0; i < n; i++) {
		while (!__atomic_load_n(&turns[i].done, __ATOMIC_ACQUIRE))
			sleep_ms(LOOK_MS);
		rte_eal_wait_lcore(turns[i].queue + 1U);
	}
}

/* All of them at once, each until all have had as many frames as they want. */
static bool run_turns(struct turn turns[], unsigned n)
{
	uint64_t before[GT_BENCH_QUEUES_MAX] = {0};
	unsigned launched = 0;
	bool good;

	for (unsigned i = 0; i < n; i++)
		before[i] = turns[i].lcore != NULL ? count_frames(turns[i].lcore) : 0;
	while (launched < n && launch(&turns[launched]))
		launched++;
	good = launched == n && wait_for_all(turns, n, before);
	end_turns(turns, launched);
	return good;
}

/* ---- a sample ---- */

/* Nanoseconds a frame of all together, until each has had so many; 0: it took too long. */
static double time_turns(struct turn turns[], unsigned n, uint64_t wanted)
{
	double rate = 0;

	for (unsigned i = 0; i < n; i++)
		turns[i].wanted = wanted;
	if (!run_turns(turns, n))
		return 0;
	for (unsigned i = 0; i < n; i++)
		rate += (double)turns[i].frames / (double)turns[i].ns;
	return 1 / rate;
}

double gt_bench_take_turns(struct gt_lcore *const lcores[], unsigned n, uint16_t port,
			   uint64_t warm, uint64_t wanted)
{
	struct turn turns[GT_BENCH_QUEUES_MAX];

	for (unsigned i = 0; i < n; i++)
		turns[i] = (struct turn){.lcore = lcores != NULL ? lcores[i] : NULL,
					 .port = port,
					 .queue = (uint16_t)i};
	return time_turns(turns, n, warm) > 0 ? time_turns(turns, n, wanted) : 0;
}
