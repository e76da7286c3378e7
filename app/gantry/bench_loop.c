/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `gantry bench`: the whole worker loop, beside one that only swaps MACs; see bench_measure.h. Both
 * forward the same frames of the same port in turns, on a worker's lcore, while main sleeps. The
 * worker is that of `gantry run`: a struct gt_lcore that gt_poll drives.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_malloc.h>

#include "bench_device.h"
#include "poll.h"
#include "run.h"
#include "worker.h"

/* Frames of a sample: 30 to 100 ms. Before it so many others, in which the caches become its own.
 */
#define SAMPLE (1024U * 1024)
#define WARM   (256U * 1024)

/* As testpmd asks for, and a worker (poll.c). */
#define BURST 32

/* Main looks so often whether a worker has had its frames, and waits so long for that: a machine
 * with other work may give it little of its CPU. */
#define LOOK_MS 1
#define MOST_MS 60000

/* What a worker needs; its second frame finds a connection, in whatever state the first left it. */
#define PASSES 3

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
	for (uint64_t end = gt_clock_ms() + MOST_MS; gt_clock_ms() < end; sleep_ms(LOOK_MS)) {
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

/* ---- workers ---- */

/* Workers as in a node of so many. */
struct node {
	struct gt_shared *shared;
	struct gt_lcore *lcores[GT_BENCH_QUEUES_MAX];
	unsigned n;
};

static void destroy_node(struct node *node)
{
	for (unsigned i = 0; i < node->n; i++)
		gt_lcore_destroy(node->lcores[i]);
	gt_shared_destroy(node->shared);
	*node = (struct node){0};
}

/* number: which of the nodes here. False: no memory. To be destroyed in any case. */
static bool create_node(const struct gt_bench *b, const struct gt_bench_device *d, unsigned workers,
			unsigned number, struct node *node)
{
	static const struct gt_log quiet = {NULL, NULL};
	struct gt_config config = d->config;

	*node = (struct node){0};
	config.workers = (uint16_t)workers;
	if (gt_shared_create(workers, &node->shared) != 0)
		return false;
	node->shared->number = number;
	node->shared->plan = b->plan;
	for (unsigned i = 0; i < workers; i++) {
		int rc = gt_lcore_create(i, &config, &d->ports, b->cpus, node->shared, b->memory,
					 &quiet, &node->lcores[i]);

		node->n += node->lcores[i] != NULL;
		if (rc != 0)
			return false;
	}
	return true;
}

/* ---- samples ---- */

/* What one VIP's loops run on; the second node is only there with two queues. */
struct loops {
	const struct gt_bench *b;
	struct gt_bench_device device;
	struct node one, two;
};

/* Nanoseconds a frame of all of a node's workers together, or of swapping the MACs of each queue's
 * frames (NULL), after so many frames that do not count; 0: it took too long. */
static double sample(const struct loops *s, const struct node *node, uint64_t warm, uint64_t wanted)
{
	struct turn turns[GT_BENCH_QUEUES_MAX];
	unsigned n = node != NULL ? node->n : s->device.n_queues;
	double rate = 0;

	for (unsigned i = 0; i < n; i++)
		turns[i] = (struct turn){.lcore = node != NULL ? node->lcores[i] : NULL,
					 .port = s->device.port,
					 .queue = (uint16_t)i,
					 .wanted = warm};
	if (!run_turns(turns, n))
		return 0;
	for (unsigned i = 0; i < n; i++)
		turns[i].wanted = wanted;
	if (!run_turns(turns, n))
		return 0;
	for (unsigned i = 0; i < n; i++)
		rate += (double)turns[i].frames / (double)turns[i].ns;
	return 1 / rate;
}

/* All of its connections are known and established, by their ACKs. */
static bool establish(const struct loops *s, const struct node *node)
{
	uint64_t frames = 0;

	for (unsigned i = 0; i < node->n; i++)
		frames = RTE_MAX(frames, (uint64_t)s->device.n_frames[i]);
	return sample(s, node, frames, (PASSES - 1) * frames) > 0;
}

static bool took_all(const struct node *node, char *why, size_t size)
{
	for (unsigned i = 0; i < node->n; i++)
		if (!gt_bench_took_all(node->lcores[i]->worker, why, size))
			return false;
	return true;
}

static bool measure(const struct loops *s, struct gt_bench_samples *samples, char *why, size_t size)
{
	const struct node *node = s->two.n > 0 ? &s->two : &s->one;
	bool v6 = !gt_addr_is_v4(&s->device.vip.address);

	if (!establish(s, &s->one) || (s->two.n > 0 && !establish(s, &s->two)))
		goto too_long;
	while (!gt_bench_has_enough(s->b, v6, samples)) {
		unsigned i = samples->n;

		samples->floor_ns[i] = sample(s, NULL, WARM, SAMPLE);
		samples->base_ns[i] = s->two.n > 0 ? sample(s, &s->one, WARM, SAMPLE) : 0;
		samples->ns[i] = sample(s, node, WARM, SAMPLE);
		if (samples->floor_ns[i] <= 0 || samples->ns[i] <= 0 ||
		    (s->two.n > 0 && samples->base_ns[i] <= 0))
			goto too_long;
		samples->n++;
	}
	return took_all(&s->one, why, size) && took_all(&s->two, why, size);

too_long:
	snprintf(why, size, "in %d s the worker's CPU had no time for it", MOST_MS / 1000);
	return false;
}

/* ---- rows ---- */

/* What EAL can give: what its heap has free, and hugepages that it has not taken yet. */
static uint64_t count_available(const struct gt_bench *b)
{
	struct rte_malloc_socket_stats stats;
	uint64_t sum = b->config->hugepages ? gt_budget_available(b->config, b->cpus) : 0;

	for (int i = 0; i < RTE_MAX_NUMA_NODES; i++)
		if (rte_malloc_get_socket_stats(i, &stats) == 0)
			sum += stats.heap_freesz_bytes;
	return sum;
}

/* Each of two workers has about half of the connections. */
static uint32_t count_room(uint32_t flows, unsigned workers)
{
	return gt_bench_room(workers == 1 ? flows : flows / 2 * 9 / 8);
}

static uint64_t count_bytes(const struct gt_bench *b, const struct gt_config_vip *vip,
			    uint32_t flows, unsigned workers)
{
	uint32_t room = count_room(flows, workers);
	uint64_t bytes = gt_bench_device_bytes(b, vip, flows, workers, room);

	/* One worker alone is there, too, next to the two. */
	return workers == 1 ? bytes : bytes * 5 / 4;
}

static bool can_have(const struct gt_bench *b, const struct gt_config_vip *vip, uint32_t flows,
		     unsigned workers, char *why, size_t size)
{
	uint64_t needed = count_bytes(b, vip, flows, workers);

	if (vip->mode == GT_MODE_SNAT)
		snprintf(why, size,
			 "no server answers on net_pcap, so that its sessions stay half-open");
	else if (workers > 1 && vip->persistence == GT_PERSIST_SOURCE)
		/* By the client alone, which no NIC does (pipeline/steer.h). */
		snprintf(why, size, "with persistence = source workers hand frames to each other");
	else if (workers > b->cpus->n_workers)
		snprintf(why, size, "this process may use one CPU");
	else if (needed > count_available(b))
		snprintf(why, size, "not enough memory: %" PRIu64 " MB of %s are needed",
			 needed >> 20, b->config->hugepages ? "hugepages" : "memory");
	else
		return true;
	return false;
}

static void measure_row(const struct gt_bench *b, const struct gt_config_vip *vip, uint32_t flows,
			unsigned workers)
{
	struct gt_bench_row row = gt_bench_begin_row(vip, "loop", flows);
	struct gt_bench_samples samples = {0};
	static struct loops s; /* large, and one at a time */
	char why[sizeof(row.failed)] = "not enough memory";
	bool good;

	row.part = GT_BENCH_LOOP;
	row.workers = workers;
	if (!can_have(b, vip, flows, workers, why, sizeof(why))) {
		gt_bench_tell(b, &row, why);
		return;
	}
	s.b = b;
	good = gt_bench_device_open(&s.device, b, vip, flows, workers, count_room(flows, workers),
				    why, sizeof(why)) &&
	       create_node(b, &s.device, 1, 1, &s.one) &&
	       (workers == 1 || create_node(b, &s.device, workers, 2, &s.two)) &&
	       measure(&s, &samples, why, sizeof(why));
	if (samples.n > 0)
		gt_bench_summarize(&samples, &row);
	gt_bench_tell(b, &row, good ? NULL : why);
	destroy_node(&s.two);
	destroy_node(&s.one);
	gt_bench_device_close(&s.device);
}

/* Of which VIP two workers are measured: `dr` over IPv4, or else the first that can be. NULL: none.
 */
static const struct gt_config_vip *choose_two(const struct gt_bench *b)
{
	const struct gt_config_vip *vip = gt_bench_base(b->config);

	if (vip != NULL && (b->options->modes >> vip->mode & 1) != 0)
		return vip;
	for (size_t i = 0; i < b->config->n_vips; i++)
		if (gt_bench_is_wanted(b, i) && b->config->vips[i].mode != GT_MODE_SNAT)
			return &b->config->vips[i];
	return NULL;
}

uint64_t gt_bench_loops_bytes(const struct gt_bench *b, uint32_t flows)
{
	const struct gt_config_vip *two = choose_two(b);
	uint64_t most = two != NULL ? count_bytes(b, two, flows, 2) : 0;

	for (size_t i = 0; i < b->config->n_vips; i++)
		if (gt_bench_is_wanted(b, i) && b->config->vips[i].mode != GT_MODE_SNAT)
			most = RTE_MAX(most, count_bytes(b, &b->config->vips[i], flows, 1));
	return most;
}

void gt_bench_loops(const struct gt_bench *b, uint32_t flows)
{
	/* How fast the machine can be here: swapping MACs depends on the frames' number, and on how
	 * many queues they are in. */
	double least_ns[2] = {0}, two_least_ns[2] = {0};
	const struct gt_config_vip *two = choose_two(b);
	struct gt_bench mine = *b;

	mine.least_floor_ns = least_ns;
	for (size_t i = 0; i < b->config->n_vips; i++)
		if (gt_bench_is_wanted(b, i))
			measure_row(&mine, &b->config->vips[i], flows, 1);
	mine.least_floor_ns = two_least_ns;
	if (two != NULL && flows > 1)
		measure_row(&mine, two, flows, 2);
}
