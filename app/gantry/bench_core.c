/* SPDX-License-Identifier: BSD-3-Clause */
/* `gantry bench`: the packet core; see bench.h and bench_measure.h. */
#include "bench_measure.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_tcp.h>

/* One VIP under test: its frames and a worker that knows its connections. */
struct subject {
	const struct gt_plan *plan;
	struct gt_traffic traffic;
	struct gt_worker *worker;
	uint32_t n_flows;
	uint64_t next;	/* in sequential order */
	uint64_t state; /* of the random order */
	uint32_t fresh; /* next connection that is not known yet */
	uint64_t now_ms;
};

/* ---- what a sample's frames are ---- */

typedef void order_fn(struct subject *s, struct gt_traffic_order *o, unsigned i);

static void order_random(struct subject *s, struct gt_traffic_order *o, unsigned i)
{
	(void)i;
	gt_traffic_order_request(&s->traffic, gt_bench_random(&s->state, s->n_flows),
				 RTE_TCP_ACK_FLAG, o);
}

static void order_sequential(struct subject *s, struct gt_traffic_order *o, unsigned i)
{
	(void)i;
	gt_traffic_order_request(&s->traffic, (uint32_t)(s->next++ % s->n_flows), RTE_TCP_ACK_FLAG,
				 o);
}

/* Of nat and snat half of the frames are replies, as where a study is retrieved. */
static void order_both_ways(struct subject *s, struct gt_traffic_order *o, unsigned i)
{
	if (i % 2 == 0)
		order_random(s, o, i);
	else
		gt_traffic_order_reply(&s->traffic, gt_bench_random(&s->state, s->n_flows), o);
}

static void order_new(struct subject *s, struct gt_traffic_order *o, unsigned i)
{
	(void)i;
	gt_traffic_order_request(&s->traffic, s->fresh++, RTE_TCP_SYN_FLAG, o);
}

static void order_some_new(struct subject *s, struct gt_traffic_order *o, unsigned i)
{
	/* 1 in 100, not at the same place of each burst */
	if (s->next++ % 100 == 0)
		order_new(s, o, i);
	else
		order_random(s, o, i);
}

/* ---- work ---- */

typedef void work_fn(struct subject *s);

static void work_core(struct subject *s)
{
	gt_worker_burst(s->worker, s->plan, s->now_ms, s->traffic.frames, GT_BURST_MAX);
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

static void prepare(const struct gt_bench *b, struct subject *s, order_fn *order)
{
	/* Every hit notes another time, as the first one of a connection in 250 ms does. */
	s->now_ms += 250;
	for (unsigned i = 0; i < GT_BENCH_SAMPLE; i++)
		order(s, &b->orders[i], i);
}

/* Nanoseconds a frame of what was prepared. */
static double run(const struct gt_bench *b, struct subject *s, work_fn *work)
{
	uint64_t begin = gt_bench_clock();

	for (unsigned n = 0; n < GT_BENCH_SAMPLE; n += GT_BURST_MAX) {
		for (unsigned i = 0; i < GT_BURST_MAX; i++)
			gt_traffic_make(&s->traffic, i, &b->orders[n + i]);
		work(s);
	}
	return gt_bench_since(begin);
}

/* Others have had the caches in between: it gets them back with other frames first. */
static double sample_warm(const struct gt_bench *b, struct subject *s, order_fn *order)
{
	prepare(b, s, order);
	run(b, s, work_core);
	prepare(b, s, order);
	return run(b, s, work_core);
}

/* The floor of the frames that are prepared. */
static double sample_floor(const struct gt_bench *b, struct subject *s)
{
	run(b, s, work_floor);
	return run(b, s, work_floor);
}

/* ---- subjects ---- */

static struct gt_worker_params make_params(const struct gt_bench *b,
					   const struct gt_config_vip *vip, uint32_t room)
{
	struct gt_worker_params params;

	gt_worker_params_init(&params, b->config);
	params.connections = room;
	params.wide = !gt_addr_is_v4(&vip->address) || gt_ports_count(vip) > GT_PORTS_EXPANDED_MAX;
	params.snat = vip->mode != GT_MODE_SNAT	     ? GT_CONFIG_SNAT_NONE
		      : gt_addr_is_v4(&vip->address) ? GT_CONFIG_SNAT_V4
						     : GT_CONFIG_SNAT_V6;
	params.steer = (struct gt_steer){.n_workers = 1};
	params.memory = *b->memory;
	for (unsigned i = 0; i < sizeof(params.random); i++)
		params.random[i] = (uint8_t)(0xa5 ^ 7 * i);
	return params;
}

/* All of a worker's memory that grows with its connections, for each of those it is meant to have:
 * its entry, and in `snat` its session and what notes whose a port is. */
static double count_bytes(const struct gt_worker_params *params)
{
	struct gt_worker_params more = *params;

	more.connections += 1000000;
	return (double)(gt_worker_bytes(&more) - gt_worker_bytes(params)) /
	       (1000000 * GT_BENCH_LOAD_MAX);
}

static void destroy_subject(struct subject *s)
{
	gt_worker_destroy(s->worker);
	gt_traffic_destroy(&s->traffic);
	*s = (struct subject){0};
}

/* With the handshakes of n_flows connections, in a worker for `room` of them. False: see why. */
static bool create_subject(const struct gt_bench *b, const struct gt_config_vip *vip,
			   uint32_t n_flows, uint32_t room, struct subject *s, char *why,
			   size_t size)
{
	struct gt_worker_params params = make_params(b, vip, room);
	/* There must be one to draw from, though it may not be established. */
	uint32_t learned = n_flows > 0 ? n_flows : 1;

	*s = (struct subject){.plan = b->plan,
			      .n_flows = n_flows,
			      .fresh = n_flows,
			      .state = 0x9e3779b97f4a7c15,
			      .now_ms = GT_TRAFFIC_NOW_MS};
	s->worker = gt_worker_create(&params);
	if (s->worker == NULL ||
	    gt_traffic_create(&s->traffic, b->config, vip, b->macs, learned) != 0)
		snprintf(why, size, "not enough memory: %" PRIu64 " MB of %s are needed",
			 gt_worker_bytes(&params) >> 20,
			 b->config->hugepages ? "hugepages" : "memory");
	else if (gt_traffic_establish(&s->traffic, s->worker, b->plan, GT_TRAFFIC_NOW_MS, n_flows,
				      why, size))
		return true;
	destroy_subject(s);
	return false;
}

/* ---- established connections ---- */

/* What is measured of a VIP, in one round after the other. */
struct kind {
	const char *what;
	bool random;
	order_fn *order;
};

#define KINDS_MAX 4

static unsigned choose_kinds(const struct gt_bench *b, const struct subject *s,
			     struct kind kinds[KINDS_MAX])
{
	/* Each round has two samples, and new ones find room in both, however many rounds it takes.
	 */
	double new_ones = (double)GT_BENCH_SAMPLE * 2 * 3 * b->options->rounds / 100;
	unsigned n = 0;

	kinds[n++] = (struct kind){"hit", true, order_random};
	if (s->n_flows > 1)
		kinds[n++] = (struct kind){"hit", false, order_sequential};
	if (s->traffic.flows != NULL)
		kinds[n++] = (struct kind){"both ways", true, order_both_ways};
	if (new_ones < s->n_flows * (1 - GT_BENCH_LOAD_MAX))
		kinds[n++] = (struct kind){"1 % new", true, order_some_new};
	return n;
}

static void measure_kinds(const struct gt_bench *b, struct subject *base, struct subject *s,
			  double bytes)
{
	struct gt_bench_samples samples[KINDS_MAX] = {0};
	struct kind kinds[KINDS_MAX];
	unsigned n = choose_kinds(b, s, kinds);
	char why[120] = "";

	while (!gt_bench_has_enough(b, s->traffic.v6, &samples[0])) {
		double base_ns = base == NULL ? 0 : sample_warm(b, base, order_random);

		for (unsigned k = 0; k < n; k++) {
			struct gt_bench_samples *to = &samples[k];

			to->base_ns[to->n] = base_ns;
			to->ns[to->n] = sample_warm(b, s, kinds[k].order);
			to->floor_ns[to->n++] = sample_floor(b, s);
		}
	}
	gt_bench_took_all(s->worker, why, sizeof(why));
	for (unsigned k = 0; k < n; k++) {
		struct gt_bench_row row =
			gt_bench_begin_row(s->traffic.vip, kinds[k].what, s->n_flows);

		row.random = kinds[k].random;
		row.bytes = k == 0 ? bytes : 0;
		gt_bench_summarize(&samples[k], &row);
		gt_bench_tell(b, &row, why[0] != '\0' ? why : NULL);
	}
}

static void measure_vip(const struct gt_bench *b, const struct gt_config_vip *vip, uint32_t flows,
			struct subject *base)
{
	struct gt_bench_row row = gt_bench_begin_row(vip, "hit", flows);
	struct gt_worker_params params = make_params(b, vip, gt_bench_room(flows));
	char why[sizeof(row.failed)];
	struct subject s;

	if (flows > gt_bench_most_flows(vip)) {
		snprintf(why, sizeof(why), "its source ports are enough for %u connections",
			 gt_bench_most_flows(vip));
		gt_bench_tell(b, &row, why);
	} else if (!create_subject(b, vip, flows, gt_bench_room(flows), &s, why, sizeof(why))) {
		gt_bench_tell(b, &row, why);
	} else {
		measure_kinds(b, base, &s, count_bytes(&params));
		destroy_subject(&s);
	}
}

/* ---- new connections ---- */

/* Every frame another connection, into an empty table, until it is as full as it is meant to be. */
static void measure_insertion(const struct gt_bench *b, const struct gt_config_vip *vip,
			      uint32_t room)
{
	uint32_t flows = RTE_MIN(room, gt_bench_most_flows(vip));
	struct gt_bench_row row = gt_bench_begin_row(vip, "insert", flows);
	struct gt_bench_samples samples = {0};
	char why[sizeof(row.failed)] = "";
	struct subject s;

	if (flows < GT_BENCH_SAMPLE)
		return;
	if (!create_subject(b, vip, 0, room, &s, why, sizeof(why))) {
		gt_bench_tell(b, &row, why);
		return;
	}
	while (samples.n < GT_BENCH_SAMPLES_MAX && s.fresh + GT_BENCH_SAMPLE <= flows) {
		prepare(b, &s, order_new);
		samples.floor_ns[samples.n] = sample_floor(b, &s);
		samples.ns[samples.n++] = run(b, &s, work_core);
	}
	gt_bench_took_all(s.worker, why, sizeof(why));
	destroy_subject(&s);
	gt_bench_summarize(&samples, &row);
	gt_bench_tell(b, &row, why[0] != '\0' ? why : NULL);
}

void gt_bench_insertions(const struct gt_bench *b)
{
	for (size_t i = 0; i < b->config->n_vips; i++)
		if (gt_bench_is_wanted(b, i))
			measure_insertion(b, &b->config->vips[i], b->config->connections);
}

/* ---- the whole ---- */

void gt_bench_core(const struct gt_bench *b, uint32_t flows)
{
	const struct gt_config_vip *base_vip = gt_bench_base(b->config);
	struct subject base = {0};
	char why[120];
	bool has_base = base_vip != NULL && create_subject(b, base_vip, flows, gt_bench_room(flows),
							   &base, why, sizeof(why));

	for (size_t i = 0; i < b->config->n_vips; i++)
		if (gt_bench_is_wanted(b, i))
			measure_vip(b, &b->config->vips[i], flows, has_base ? &base : NULL);
	if (has_base)
		destroy_subject(&base);
}

/* The largest worker for `room` connections of a VIP that can have so many. */
static uint64_t largest_bytes(const struct gt_bench *b, uint32_t room, uint32_t flows)
{
	uint64_t most = 0;

	for (size_t i = 0; i < b->config->n_vips; i++) {
		const struct gt_config_vip *vip = &b->config->vips[i];
		struct gt_worker_params params = make_params(b, vip, room);

		if (gt_bench_is_wanted(b, i) && flows <= gt_bench_most_flows(vip))
			most = RTE_MAX(most, gt_worker_bytes(&params));
	}
	return most;
}

uint64_t gt_bench_core_bytes(const struct gt_bench *b, uint32_t flows)
{
	const struct gt_config_vip *base = gt_bench_base(b->config);
	uint64_t bytes = largest_bytes(b, gt_bench_room(flows), flows);
	struct gt_worker_params params;

	if (base == NULL || bytes == 0)
		return bytes;
	params = make_params(b, base, gt_bench_room(flows));
	return bytes + gt_worker_bytes(&params);
}

uint64_t gt_bench_insertions_bytes(const struct gt_bench *b)
{
	return largest_bytes(b, b->config->connections, 0);
}
