/* SPDX-License-Identifier: BSD-3-Clause */
/* The measurements of `gantry bench`; see bench.h. */
#include "bench.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <rte_tcp.h>

#include "bench_traffic.h"

/* A sample lasts about so long: short against the minutes between a machine's changes of speed,
 * long against an interrupt. */
#define SAMPLE_FRAMES (64 * 1024)
#define LOAD_MAX      0.8

struct bench {
	const struct gt_config *config;
	const struct gt_bench_options *options;
	const struct gt_memory *memory;
	const struct gt_bench_sink *sink;
	struct gt_plan *plan;
	struct gt_mac macs[GT_INTERFACES_MAX];
	double ns_per_cycle;
};

/* One VIP under test: its frames and a worker that knows its connections. */
struct subject {
	const struct gt_plan *plan;
	struct gt_traffic traffic;
	struct gt_worker *worker;
	uint32_t n_flows;
	uint64_t next;	/* in sequential order */
	uint64_t state; /* of the random order */
	uint32_t fresh; /* next connection that is not known yet */
};

/* ---- order ---- */

/* xorshift64 (Marsaglia 2003), reduced without a division. */
static inline uint32_t random_flow(struct subject *s)
{
	s->state ^= s->state << 13;
	s->state ^= s->state >> 7;
	s->state ^= s->state << 17;
	return (uint32_t)((s->state >> 32) * s->n_flows >> 32);
}

static inline uint32_t next_flow(struct subject *s)
{
	if (s->next >= s->n_flows)
		s->next = 0;
	return (uint32_t)s->next++;
}

/* ---- bursts: what makes a round's frames ---- */

typedef void make_fn(struct subject *s);

static void make_random(struct subject *s)
{
	for (unsigned i = 0; i < GT_BURST_MAX; i++)
		gt_traffic_request(&s->traffic, i, random_flow(s), RTE_TCP_ACK_FLAG);
}

static void make_sequential(struct subject *s)
{
	for (unsigned i = 0; i < GT_BURST_MAX; i++)
		gt_traffic_request(&s->traffic, i, next_flow(s), RTE_TCP_ACK_FLAG);
}

/* Of nat and snat half of the frames are replies, as where a study is retrieved. */
static void make_both_ways(struct subject *s)
{
	for (unsigned i = 0; i < GT_BURST_MAX; i += 2) {
		gt_traffic_request(&s->traffic, i, random_flow(s), RTE_TCP_ACK_FLAG);
		gt_traffic_reply(&s->traffic, i + 1, random_flow(s));
	}
}

static void make_some_new(struct subject *s)
{
	for (unsigned i = 0; i < GT_BURST_MAX; i++) {
		/* 1 in 100, not at the same place of each burst */
		if (s->next++ % 100 == 0)
			gt_traffic_request(&s->traffic, i, s->fresh++, RTE_TCP_SYN_FLAG);
		else
			gt_traffic_request(&s->traffic, i, random_flow(s), RTE_TCP_ACK_FLAG);
	}
}

static void make_new(struct subject *s)
{
	for (unsigned i = 0; i < GT_BURST_MAX; i++)
		gt_traffic_request(&s->traffic, i, s->fresh++, RTE_TCP_SYN_FLAG);
}

/* ---- work ---- */

typedef void work_fn(struct subject *s);

static void work_core(struct subject *s)
{
	gt_worker_burst(s->worker, s->plan, GT_TRAFFIC_NOW_MS, s->traffic.frames, GT_BURST_MAX);
}

/* The least that a balancer could do. */
static void work_floor(struct subject *s)
{
	for (unsigned i = 0; i < GT_BURST_MAX; i++) {
		uint8_t *d = s->traffic.frames[i].data, mac[6];

		memcpy(mac, d, 6);
		memmove(d, d + 6, 6);
		memcpy(d + 6, mac, 6);
	}
}

/* Nanoseconds a frame of one sample. */
static double sample(const struct bench *b, struct subject *s, make_fn *make, work_fn *work,
		     unsigned n_frames)
{
	uint64_t begin = rte_rdtsc_precise();

	for (unsigned n = 0; n < n_frames; n += GT_BURST_MAX) {
		make(s);
		work(s);
	}
	return (double)(rte_rdtsc_precise() - begin) * b->ns_per_cycle / n_frames;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *v, unsigned n)
{
	qsort(v, n, sizeof(*v), by_value);
	return v[n / 2];
}

/* ---- subjects ---- */

static void destroy_subject(struct subject *s)
{
	gt_worker_destroy(s->worker);
	gt_traffic_destroy(&s->traffic);
	*s = (struct subject){0};
}

/* room: connections that the worker's table is for. */
static int create_subject(const struct bench *b, const struct gt_config_vip *vip, uint32_t n_flows,
			  uint32_t room, struct subject *s)
{
	struct gt_worker_params params;

	*s = (struct subject){
		.plan = b->plan, .n_flows = n_flows, .fresh = n_flows, .state = 0x9e3779b97f4a7c15};
	gt_worker_params_init(&params, b->config);
	params.connections = room < 1000 ? 1000 : room;
	params.wide = !gt_addr_is_v4(&vip->address) || gt_ports_count(vip) > GT_PORTS_EXPANDED_MAX;
	params.snat = vip->mode == GT_MODE_SNAT;
	params.steer = (struct gt_steer){.n_workers = 1};
	params.memory = *b->memory;
	for (unsigned i = 0; i < sizeof(params.random); i++)
		params.random[i] = (uint8_t)(0xa5 ^ 7 * i);
	s->worker = gt_worker_create(&params);
	/* Flows beyond n_flows are new ones: they are never learned. */
	if (s->worker != NULL &&
	    gt_traffic_create(&s->traffic, b->config, vip, b->macs, n_flows) == 0)
		return 0;
	destroy_subject(s);
	return -ENOMEM;
}

/* ---- rows ---- */

/* What was not forwarded as a known or a new connection is no figure. True: all was. */
static bool took_all(const struct subject *s, char *why, size_t size)
{
	const struct gt_counters *c = &s->worker->counters;
	uint64_t untracked = 0;

	for (unsigned i = 0; i < GT_VIPS_MAX; i++)
		untracked += s->worker->vips[i].untracked;
	if (c->forwarded == c->in && untracked == 0)
		return true;
	snprintf(why, size, "%" PRIu64 " of %" PRIu64 " frames were dropped or found no room",
		 c->in - c->forwarded + untracked, c->in);
	return false;
}

/* Rounds of: the floor, the base if there is one, the subject. */
static void measure_row(const struct bench *b, struct subject *base, struct subject *s,
			make_fn *make, struct gt_bench_row *row)
{
	double ns[GT_BENCH_ROUNDS_MAX], floor_ns[GT_BENCH_ROUNDS_MAX], base_ns[GT_BENCH_ROUNDS_MAX];
	unsigned n = b->options->rounds;

	/* The first one warms caches and branch predictors up. */
	sample(b, s, make, work_core, SAMPLE_FRAMES);
	for (unsigned i = 0; i < n; i++) {
		uint32_t fresh = s->fresh;

		floor_ns[i] = sample(b, s, make, work_floor, SAMPLE_FRAMES);
		s->fresh = fresh;
		base_ns[i] =
			base == NULL ? 0 : sample(b, base, make_random, work_core, SAMPLE_FRAMES);
		ns[i] = sample(b, s, make, work_core, SAMPLE_FRAMES);
	}
	row->floor_ns = median(floor_ns, n);
	row->base_ns = median(base_ns, n);
	row->ns = median(ns, n);
	row->least_ns = ns[0];
	row->most_ns = ns[n - 1];
	took_all(s, row->failed, sizeof(row->failed));
	b->sink->row(b->sink->ctx, row);
}

static void fail_row(const struct bench *b, struct gt_bench_row *row, const char *why)
{
	snprintf(row->failed, sizeof(row->failed), "%s", why);
	b->sink->row(b->sink->ctx, row);
	row->failed[0] = '\0';
}

static struct gt_bench_row begin_row(const struct gt_config_vip *vip, uint32_t flows)
{
	return (struct gt_bench_row){.what = "hit",
				     .vip = vip->name,
				     .mode = gt_mode_name(vip->mode),
				     .v6 = !gt_addr_is_v4(&vip->address),
				     .flows = flows};
}

/* So many connections a VIP can have: its source ports limit `snat`. */
static uint32_t most_flows(const struct gt_config_vip *vip, uint32_t room)
{
	size_t sources = vip->n_snat_addresses > 0 ? vip->n_snat_addresses : 1;
	/* Not each server gets the same share of them. */
	uint64_t ports = vip->n_servers * sources * 64512 * 9 / 10;

	return vip->mode == GT_MODE_SNAT && ports < room ? (uint32_t)ports : room;
}

/* Every frame another connection, into an empty table, until it is as full as it is meant to be. */
static void measure_insertion(const struct bench *b, const struct gt_config_vip *vip, uint32_t room)
{
	uint32_t flows = most_flows(vip, room);
	struct gt_bench_row row = begin_row(vip, flows);
	double ns[4096], floor_ns[4096];
	unsigned n = 0;
	struct subject s;

	row.what = "insert";
	if (create_subject(b, vip, 1, room, &s) != 0) {
		fail_row(b, &row, "not enough memory");
		return;
	}
	while (n < 4096 && s.fresh + SAMPLE_FRAMES <= flows) {
		uint32_t fresh = s.fresh;

		floor_ns[n] = sample(b, &s, make_new, work_floor, SAMPLE_FRAMES);
		s.fresh = fresh;
		ns[n++] = sample(b, &s, make_new, work_core, SAMPLE_FRAMES);
	}
	took_all(&s, row.failed, sizeof(row.failed));
	destroy_subject(&s);
	if (n == 0)
		return;
	row.floor_ns = median(floor_ns, n);
	row.ns = median(ns, n);
	row.least_ns = ns[0];
	row.most_ns = ns[n - 1];
	b->sink->row(b->sink->ctx, &row);
}

static void measure_vip(const struct bench *b, const struct gt_config_vip *vip, uint32_t flows,
			struct subject *base)
{
	struct gt_bench_row row = begin_row(vip, flows);
	uint32_t room = (uint32_t)(flows / LOAD_MAX);
	char why[sizeof(row.failed)];
	struct subject s;

	row.random = true;
	if (create_subject(b, vip, flows, room, &s) != 0) {
		fail_row(b, &row, "not enough memory");
		return;
	}
	if (!gt_traffic_establish(&s.traffic, s.worker, b->plan, s.n_flows, why, sizeof(why))) {
		fail_row(b, &row, why);
		destroy_subject(&s);
		return;
	}
	/* Of the table alone, all that a connection takes of a worker's memory beside counters. */
	row.bytes = (double)(s.worker->flows.n_buckets * sizeof(struct gt_flow_bucket)) /
		    (LOAD_MAX * (room < 1000 ? 1000 : room));
	measure_row(b, base, &s, make_random, &row);
	row.bytes = 0;
	row.random = false;
	measure_row(b, base, &s, make_sequential, &row);
	row.random = true;
	if (s.traffic.flows != NULL) {
		row.what = "both ways";
		measure_row(b, base, &s, make_both_ways, &row);
	}
	/* New ones find room, and do not go beyond it, in so many samples. */
	if ((double)SAMPLE_FRAMES * (b->options->rounds + 1) / 100 < flows * (1 - LOAD_MAX)) {
		row.what = "1 % new";
		measure_row(b, base, &s, make_some_new, &row);
	}
	destroy_subject(&s);
}

/* ---- the table against DPDK's ---- */

struct rte_key {
	rte_be32_t client, vip;
	rte_be16_t client_port, vip_port;
	uint32_t protocol;
};

struct tables {
	struct gt_flow_table ours;
	struct rte_hash *theirs;
	uint32_t n;
	uint64_t state;
	uint64_t found;
};

static void table_keys(const struct tables *t, const uint32_t flow[GT_BURST_MAX],
		       struct gt_flow_key ours[GT_BURST_MAX], struct rte_key theirs[GT_BURST_MAX])
{
	(void)t;
	for (unsigned i = 0; i < GT_BURST_MAX; i++) {
		rte_be32_t client = rte_cpu_to_be_32(0x64400000U + (flow[i] & 0x3ffff));
		rte_be16_t port = rte_cpu_to_be_16((uint16_t)(1024 + (flow[i] >> 18)));

		if (ours != NULL)
			gt_flow_key_narrow(&ours[i], client, port, 1);
		if (theirs != NULL)
			theirs[i] = (struct rte_key){client, 0xc0000264, port, 104, 6};
	}
}

static void table_order(struct tables *t, uint32_t flow[GT_BURST_MAX])
{
	for (unsigned i = 0; i < GT_BURST_MAX; i++) {
		t->state ^= t->state << 13;
		t->state ^= t->state >> 7;
		t->state ^= t->state << 17;
		flow[i] = (uint32_t)((t->state >> 32) * t->n >> 32);
	}
}

static void look_up_ours(struct tables *t)
{
	struct gt_flow_key keys[GT_BURST_MAX];
	uint64_t hashes[GT_BURST_MAX];
	uint32_t flow[GT_BURST_MAX];

	table_order(t, flow);
	table_keys(t, flow, keys, NULL);
	gt_flow_hash(&t->ours, keys, hashes, GT_BURST_MAX);
	for (unsigned i = 0; i < GT_BURST_MAX; i++)
		gt_flow_prefetch(&t->ours, hashes[i]);
	for (unsigned i = 0; i < GT_BURST_MAX; i++) {
		struct gt_flow_ref ref = gt_flow_find(&t->ours, &keys[i], hashes[i]);

		if (ref.slot == NULL)
			continue;
		gt_flow_touch(ref, GT_FLOW_ESTABLISHED, gt_tick(GT_TRAFFIC_NOW_MS));
		t->found++;
	}
}

static void look_up_theirs(struct tables *t)
{
	struct rte_key keys[GT_BURST_MAX];
	const void *pointers[GT_BURST_MAX];
	void *data[GT_BURST_MAX];
	uint64_t hits = 0;
	uint32_t flow[GT_BURST_MAX];

	table_order(t, flow);
	table_keys(t, flow, NULL, keys);
	for (unsigned i = 0; i < GT_BURST_MAX; i++)
		pointers[i] = &keys[i];
	rte_hash_lookup_bulk_data(t->theirs, pointers, GT_BURST_MAX, &hits, data);
	t->found += (uint64_t)__builtin_popcountll(hits);
}

static void order_alone(struct tables *t)
{
	struct gt_flow_key keys[GT_BURST_MAX];
	uint32_t flow[GT_BURST_MAX];

	table_order(t, flow);
	table_keys(t, flow, keys, NULL);
	/* The keys must be made, though nobody reads them. */
	__asm__ volatile("" : : "r"(keys) : "memory");
}

static double sample_table(const struct bench *b, struct tables *t, void (*work)(struct tables *))
{
	uint64_t begin = rte_rdtsc_precise();

	for (unsigned n = 0; n < SAMPLE_FRAMES; n += GT_BURST_MAX)
		work(t);
	return (double)(rte_rdtsc_precise() - begin) * b->ns_per_cycle / SAMPLE_FRAMES;
}

/* Nobody yields in a table that has room. */
static void never_view(const void *ctx, uint16_t service, uint32_t value, struct gt_flow_view *view)
{
	(void)ctx;
	(void)service;
	(void)value;
	view->timeout = UINT32_MAX;
}

static bool never_rehashes(const void *ctx, const struct gt_flow_key *key, uint32_t value)
{
	(void)ctx;
	(void)key;
	(void)value;
	return false;
}

static void never_gone(void *ctx, uint16_t service, uint32_t value, enum gt_flow_state state,
		       bool evicted)
{
	(void)ctx;
	(void)service;
	(void)value;
	(void)state;
	(void)evicted;
}

static int fill_tables(struct tables *t)
{
	const struct gt_flow_judge judge = {never_view, never_rehashes, never_gone, NULL};

	for (uint32_t n = 0; n < t->n; n += GT_BURST_MAX) {
		struct gt_flow_key ours[GT_BURST_MAX];
		struct rte_key theirs[GT_BURST_MAX];
		uint64_t hashes[GT_BURST_MAX];
		uint32_t flow[GT_BURST_MAX];

		for (unsigned i = 0; i < GT_BURST_MAX; i++)
			flow[i] = (n + i) % t->n;
		table_keys(t, flow, ours, theirs);
		gt_flow_hash(&t->ours, ours, hashes, GT_BURST_MAX);
		for (unsigned i = 0; i < GT_BURST_MAX && n + i < t->n; i++) {
			gt_flow_insert(&t->ours, &ours[i], hashes[i], 1, GT_FLOW_ESTABLISHED,
				       gt_tick(GT_TRAFFIC_NOW_MS), &judge);
			if (rte_hash_add_key_data(t->theirs, &theirs[i], NULL) < 0)
				return -ENOSPC;
		}
	}
	return 0;
}

static void measure_tables(const struct bench *b, uint32_t flows)
{
	static const uint8_t random[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
	uint32_t room = (uint32_t)(flows / LOAD_MAX) + 64;
	struct rte_hash_parameters params = {.name = "gantry-bench",
					     .entries = room,
					     .key_len = sizeof(struct rte_key),
					     .hash_func = rte_hash_crc,
					     .socket_id = SOCKET_ID_ANY};
	struct gt_bench_row ours = {.what = "look-up", .mode = "", .flows = flows, .random = true};
	struct gt_bench_row theirs = ours;
	double ns[2][GT_BENCH_ROUNDS_MAX], floor_ns[GT_BENCH_ROUNDS_MAX];
	struct tables t = {.n = flows, .state = 0x2545f4914f6cdd1d};
	unsigned n = b->options->rounds;

	theirs.what = "rte_hash";
	t.theirs = rte_hash_create(&params);
	if (t.theirs == NULL || gt_flow_create(&t.ours, room, false, random, b->memory) != 0 ||
	    fill_tables(&t) != 0) {
		fail_row(b, &ours, "not enough memory");
	} else {
		for (unsigned i = 0; i < n; i++) {
			floor_ns[i] = sample_table(b, &t, order_alone);
			ns[0][i] = sample_table(b, &t, look_up_ours);
			ns[1][i] = sample_table(b, &t, look_up_theirs);
		}
		ours.floor_ns = theirs.floor_ns = median(floor_ns, n);
		ours.ns = median(ns[0], n);
		theirs.ns = median(ns[1], n);
		ours.least_ns = ns[0][0];
		ours.most_ns = ns[0][n - 1];
		theirs.least_ns = ns[1][0];
		theirs.most_ns = ns[1][n - 1];
		b->sink->row(b->sink->ctx, &ours);
		b->sink->row(b->sink->ctx, &theirs);
	}
	rte_hash_free(t.theirs);
	gt_flow_destroy(&t.ours);
}

/* ---- the whole ---- */

static bool is_first_of_its_kind(const struct gt_config *c, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (c->vips[j].mode == c->vips[i].mode &&
		    gt_addr_is_v4(&c->vips[j].address) == gt_addr_is_v4(&c->vips[i].address))
			return false;
	return true;
}

static const struct gt_config_vip *find_base(const struct gt_config *c)
{
	for (size_t i = 0; i < c->n_vips; i++)
		if (c->vips[i].mode == GT_MODE_DR && gt_addr_is_v4(&c->vips[i].address))
			return &c->vips[i];
	return NULL;
}

static void measure_flows(const struct bench *b, uint32_t flows)
{
	const struct gt_config_vip *base_vip = find_base(b->config);
	char why[120];
	struct subject base = {0};
	bool has_base =
		base_vip != NULL &&
		create_subject(b, base_vip, flows, (uint32_t)(flows / LOAD_MAX), &base) == 0;

	has_base = has_base && gt_traffic_establish(&base.traffic, base.worker, b->plan,
						    base.n_flows, why, sizeof(why));
	for (size_t i = 0; i < b->config->n_vips; i++) {
		const struct gt_config_vip *vip = &b->config->vips[i];

		if ((b->options->modes >> vip->mode & 1) != 0 && is_first_of_its_kind(b->config, i))
			measure_vip(b, vip, flows, has_base ? &base : NULL);
	}
	if (base.worker != NULL)
		destroy_subject(&base);
	measure_tables(b, flows);
}

int gt_bench_measure(const struct gt_config *config, const struct gt_bench_options *options,
		     const struct gt_memory *memory, const struct gt_bench_sink *sink)
{
	struct bench b = {.config = config,
			  .options = options,
			  .memory = memory,
			  .sink = sink,
			  .ns_per_cycle = 1e9 / (double)rte_get_tsc_hz()};
	int rc = gt_traffic_plan(config, b.macs, &b.plan);

	if (rc != 0)
		return rc;
	for (unsigned i = 0; i < options->n_flows; i++)
		measure_flows(&b, options->flows[i]);
	for (size_t i = 0; i < config->n_vips; i++)
		if ((options->modes >> config->vips[i].mode & 1) != 0 &&
		    is_first_of_its_kind(config, i))
			measure_insertion(&b, &config->vips[i], config->connections);
	gt_plan_free(b.plan);
	return 0;
}
