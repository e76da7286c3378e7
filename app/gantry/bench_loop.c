/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `gantry bench`: the whole worker loop, beside one that only swaps MACs, and beside the loop of
 * `dr`; see bench_measure.h. What is compared takes turns (bench_turns.h). The worker is that of
 * `gantry run`: a struct gt_lcore that gt_poll drives.
 */
#include <inttypes.h>
#include <stdio.h>

#include <rte_malloc.h>

#include "bench_device.h"
#include "bench_turns.h"
#include "run.h"
#include "worker.h"

/* Frames of a sample: 30 to 100 ms. Before it so many others, in which the caches become its own.
 */
#define SAMPLE (1024U * 1024)
#define WARM   (256U * 1024)

/* What a worker needs; its second frame finds a connection, in whatever state the first left it. */
#define PASSES 3

/* Rows of a number of connections: two of each of four modes and two families, and two workers'. */
#define WIRES_MAX 17

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

/* From now on it polls the ports of this device, which is like the one that it was made with. */
static void move_node(struct node *node, const struct gt_bench_device *d)
{
	for (unsigned i = 0; i < node->n; i++)
		for (unsigned j = 0; j < d->ports.n; j++)
			node->lcores[i]->ports[j] = d->ports.list[j].id;
}

/* ---- a loop: a device, and who polls it ---- */

struct loop {
	struct gt_bench_device device;
	struct node node; /* of one worker */
};

/* What a row is made of. */
struct loops {
	const struct gt_bench *b;
	struct loop own;
	struct loop base; /* all zero: there is none to compare with */
	struct node two;  /* two workers, if the own device has two queues */
	bool learned;	  /* the own worker has seen the handshakes */
};

/* Numbers of nodes, and of those of devices. */
enum { OWN = 1, TWO, BASE };

static bool passes_replies(const struct gt_bench_wire *wire)
{
	return wire->vip->mode == GT_MODE_NAT || wire->vip->mode == GT_MODE_SNAT;
}

/*
 * Where a connection's replies go only the worker knows that has it. So it gets the handshakes
 * before it runs, and what it sends tells the replies. A worker needs a device to be made, and a
 * device its file: the first one brings a single frame, and the one with the replies takes its
 * place.
 */
static bool open_learned(const struct gt_bench *b, const struct gt_bench_wire *wire,
			 struct gt_traffic *t, struct loop *loop, char *why, size_t size)
{
	struct gt_bench_wire single = *wire;

	single.n_flows = 1;
	single.twice = false;
	if (!gt_bench_device_open(&loop->device, b, &single, t, why, size) ||
	    !create_node(b, &loop->device, 1, wire->number, &loop->node) ||
	    !gt_traffic_establish(t, loop->node.lcores[0]->worker, b->plan, gt_clock_ms(),
				  wire->n_flows, why, size))
		return false;
	gt_bench_device_close(&loop->device);
	if (!gt_bench_device_open(&loop->device, b, wire, t, why, size))
		return false;
	move_node(&loop->node, &loop->device);
	return true;
}

/* learns: it is to see the handshakes. False: see why, which is left alone if there is no memory.
 * To be closed in any case. */
static bool open_loop(const struct gt_bench *b, const struct gt_bench_wire *wire, bool learns,
		      struct loop *loop, char *why, size_t size)
{
	struct gt_traffic t;
	bool good;

	if (gt_traffic_create(&t, b->config, wire->vip, b->macs, learns ? wire->n_flows : 1) != 0)
		return false;
	if (learns)
		good = open_learned(b, wire, &t, loop, why, size);
	else
		good = gt_bench_device_open(&loop->device, b, wire, &t, why, size) &&
		       create_node(b, &loop->device, 1, wire->number, &loop->node);
	gt_traffic_destroy(&t);
	return good;
}

static void close_loop(struct loop *loop)
{
	destroy_node(&loop->node);
	gt_bench_device_close(&loop->device);
}

/* ---- samples ---- */

/* Nanoseconds a frame of a node's workers on this device, or of swapping the MACs of each queue's
 * frames (NULL); 0: it took too long. */
static double sample(const struct gt_bench_device *d, const struct node *node)
{
	if (node == NULL)
		return gt_bench_take_turns(NULL, d->n_queues, d->port, WARM, SAMPLE);
	return gt_bench_take_turns(node->lcores, node->n, d->port, WARM, SAMPLE);
}

/* All of its connections are known and established, by their ACKs if not before. */
static bool establish(const struct gt_bench_device *d, const struct node *node)
{
	uint64_t frames = 0;

	for (unsigned i = 0; i < node->n; i++)
		frames = RTE_MAX(frames, (uint64_t)d->n_frames[i]);
	return node->n == 0 || gt_bench_take_turns(node->lcores, node->n, d->port, frames,
						   (PASSES - 1) * frames) > 0;
}

static bool took_all(const struct node *node, char *why, size_t size)
{
	for (unsigned i = 0; i < node->n; i++)
		if (!gt_bench_took_all(node->lcores[i]->worker, why, size))
			return false;
	return true;
}

/* After handshakes all connections are established, which in `snat` takes an answer of the server:
 * others would go a slower path. But for the few without a place (gt_bench_took_all). */
static bool are_established(const struct gt_worker *w, uint32_t flows, char *why, size_t size)
{
	uint32_t tick = gt_tick(gt_clock_ms()), found = 0;

	for (uint32_t i = 0; i < w->flows.n_buckets; i++) {
		struct gt_flow_entry entries[GT_FLOW_BUCKET_SLOTS];
		unsigned n = gt_flow_read(&w->flows, i, tick, entries);

		for (unsigned j = 0; j < n; j++)
			found += entries[j].state == GT_FLOW_ESTABLISHED ||
				 entries[j].state == GT_FLOW_UDP;
	}
	if (found + flows / 50000 >= flows)
		return true;
	snprintf(why, size, "%" PRIu32 " of %" PRIu32 " connections are not established",
		 flows - found, flows);
	return false;
}

/* One round. False: a turn took too long. */
static bool measure_once(const struct loops *s, double *floor_ns, double *base_ns, double *ns)
{
	const struct gt_bench_device *own = &s->own.device;
	const struct loop *base = s->two.n > 0 ? &s->own : &s->base;

	*floor_ns = sample(own, NULL);
	*base_ns = base->node.n > 0 ? sample(&base->device, &base->node) : 0;
	*ns = sample(own, s->two.n > 0 ? &s->two : &s->own.node);
	return *floor_ns > 0 && *ns > 0 && (base->node.n == 0 || *base_ns > 0);
}

static bool measure(const struct loops *s, uint32_t flows, struct gt_bench_samples *samples,
		    char *why, size_t size)
{
	bool v6 = !gt_addr_is_v4(&s->own.device.vip.address);
	bool good = establish(&s->own.device, &s->own.node) && establish(&s->own.device, &s->two) &&
		    establish(&s->base.device, &s->base.node);

	while (good && !gt_bench_has_enough(s->b, v6, samples)) {
		unsigned i = samples->n;

		good = measure_once(s, &samples->floor_ns[i], &samples->base_ns[i],
				    &samples->ns[i]);
		samples->n += good;
	}
	if (!good) {
		snprintf(why, size, "in %d s the worker's CPU had no time for it",
			 GT_BENCH_TURN_MS / 1000);
		return false;
	}
	return took_all(&s->own.node, why, size) && took_all(&s->two, why, size) &&
	       took_all(&s->base.node, why, size) &&
	       (!s->learned || are_established(s->own.node.lcores[0]->worker, flows, why, size));
}

/* ---- what can be had ---- */

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

static struct gt_bench_wire make_wire(const struct gt_config_vip *vip, uint32_t flows,
				      unsigned workers, bool twice)
{
	return (struct gt_bench_wire){
		.vip = vip,
		.n_flows = flows,
		.twice = twice,
		.n_queues = workers,
		/* Each of two workers has about half of the connections. */
		.room = gt_bench_room(workers == 1 ? flows : flows / 2 * 9 / 8),
		.number = OWN};
}

/* What this is compared with: as many connections and frames of `dr` over IPv4. False: nothing. */
static bool make_base(const struct gt_bench *b, const struct gt_bench_wire *wire,
		      struct gt_bench_wire *base)
{
	const struct gt_config_vip *vip = gt_bench_base(b->config);

	if (vip == NULL || vip == wire->vip || wire->n_queues > 1)
		return false;
	*base = make_wire(vip, wire->n_flows, 1, wire->twice);
	base->number = BASE;
	return true;
}

static uint64_t count_bytes(const struct gt_bench *b, const struct gt_bench_wire *wire)
{
	uint64_t bytes = gt_bench_device_bytes(b, wire);
	struct gt_bench_wire base;

	if (make_base(b, wire, &base))
		return bytes + gt_bench_device_bytes(b, &base);
	/* One worker alone is there, too, next to the two. */
	return wire->n_queues == 1 ? bytes : bytes * 5 / 4;
}

static bool has_servers_elsewhere(const struct gt_config_vip *vip)
{
	for (unsigned i = 0; i < vip->n_servers; i++)
		if (vip->servers[i].interface != vip->interface)
			return true;
	return false;
}

static bool can_have(const struct gt_bench *b, const struct gt_bench_wire *wire, char *why,
		     size_t size)
{
	const struct gt_config_vip *vip = wire->vip;
	uint64_t needed = count_bytes(b, wire);

	if (wire->n_flows > gt_bench_most_flows(vip))
		snprintf(why, size, "its source ports are enough for %u connections",
			 gt_bench_most_flows(vip));
	else if (wire->twice && has_servers_elsewhere(vip))
		snprintf(why, size, "replies come by another interface, and only one has frames");
	else if (wire->n_queues > 1 && vip->persistence == GT_PERSIST_SOURCE)
		/* By the client alone, which no NIC does (pipeline/steer.h). */
		snprintf(why, size, "with persistence = source workers hand frames to each other");
	else if (wire->n_queues > b->cpus->n_workers)
		snprintf(why, size, "this process may use one CPU");
	else if (needed > count_available(b))
		snprintf(why, size, "not enough memory: %" PRIu64 " MB of %s are needed",
			 needed >> 20, b->config->hugepages ? "hugepages" : "memory");
	else
		return true;
	return false;
}

/* ---- rows ---- */

static bool open_loops(struct loops *s, const struct gt_bench_wire *wire, char *why, size_t size)
{
	struct gt_bench_wire base;

	s->learned = passes_replies(wire) && wire->n_queues == 1;
	if (!open_loop(s->b, wire, s->learned, &s->own, why, size))
		return false;
	if (wire->n_queues > 1 && !create_node(s->b, &s->own.device, wire->n_queues, TWO, &s->two))
		return false;
	return !make_base(s->b, wire, &base) || open_loop(s->b, &base, false, &s->base, why, size);
}

static void close_loops(struct loops *s)
{
	destroy_node(&s->two);
	close_loop(&s->own);
	close_loop(&s->base);
}

static void measure_row(const struct gt_bench *b, const struct gt_bench_wire *wire)
{
	struct gt_bench_row row = gt_bench_begin_row(
		wire->vip, wire->twice ? "loop, both ways" : "loop", wire->n_flows);
	struct gt_bench_samples samples = {0};
	static struct loops s; /* large, and one at a time */
	char why[sizeof(row.failed)] = "not enough memory";
	bool good;

	row.part = GT_BENCH_LOOP;
	row.workers = wire->n_queues;
	if (!can_have(b, wire, why, sizeof(why))) {
		gt_bench_tell(b, &row, why);
		return;
	}
	s.b = b;
	good = open_loops(&s, wire, why, sizeof(why)) &&
	       measure(&s, wire->n_flows, &samples, why, sizeof(why));
	if (samples.n > 0)
		gt_bench_summarize(&samples, &row);
	gt_bench_tell(b, &row, good ? NULL : why);
	close_loops(&s);
}

/* Of which VIP two workers are measured: `dr` over IPv4, or else the first that can be, which in
 * `snat` would need a file of replies for each. NULL: none. */
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

/* One worker with each wanted VIP, both ways where it sees both, and two workers. */
static unsigned choose_wires(const struct gt_bench *b, uint32_t flows,
			     struct gt_bench_wire wires[WIRES_MAX])
{
	const struct gt_config_vip *two = choose_two(b);
	unsigned n = 0;

	for (size_t i = 0; i < b->config->n_vips; i++) {
		if (!gt_bench_is_wanted(b, i))
			continue;
		wires[n] = make_wire(&b->config->vips[i], flows, 1, false);
		if (passes_replies(&wires[n++]))
			wires[n++] = make_wire(&b->config->vips[i], flows, 1, true);
	}
	if (two != NULL && flows > 1)
		wires[n++] = make_wire(two, flows, 2, false);
	return n;
}

uint64_t gt_bench_loops_bytes(const struct gt_bench *b, uint32_t flows)
{
	struct gt_bench_wire wires[WIRES_MAX];
	unsigned n = choose_wires(b, flows, wires);
	uint64_t most = 0;

	for (unsigned i = 0; i < n; i++)
		if (flows <= gt_bench_most_flows(wires[i].vip))
			most = RTE_MAX(most, count_bytes(b, &wires[i]));
	return most;
}

void gt_bench_loops(const struct gt_bench *b, uint32_t flows)
{
	/* How fast the machine can be here: swapping MACs depends on the frames' number, and on how
	 * many queues they are in. Of one queue, of its frames twice, of two. */
	double least_ns[3][2] = {0};
	struct gt_bench_wire wires[WIRES_MAX];
	unsigned n = choose_wires(b, flows, wires);
	struct gt_bench mine = *b;

	for (unsigned i = 0; i < n; i++) {
		mine.least_floor_ns = least_ns[wires[i].n_queues > 1 ? 2 : wires[i].twice];
		measure_row(&mine, &wires[i]);
	}
}
