/* SPDX-License-Identifier: BSD-3-Clause */
/* The measurements of `gantry bench`: the packet core; see bench.h and bench_measure.h. */
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

/* ---- rows of samples ---- */

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void sort(double *v, unsigned n)
{
	qsort(v, n, sizeof(*v), by_value);
}

void gt_bench_summarize(const struct gt_bench_samples *s, struct gt_bench_row *row)
{
	double v[4][GT_BENCH_SAMPLES_MAX], bound;
	unsigned n = 0;

	memcpy(v[0], s->floor_ns, s->n * sizeof(v[0][0]));
	memcpy(v[1], s->ns, s->n * sizeof(v[1][0]));
	sort(v[0], s->n);
	sort(v[1], s->n);
	row->rounds = s->n;
	row->floor_least_ns = v[0][0];
	row->floor_most_ns = v[0][s->n - 1];
	row->least_ns = v[1][0];
	row->most_ns = v[1][s->n - 1];
	bound = GT_BENCH_PHASE * v[0][s->n / 4];
	for (unsigned i = 0; i < s->n; i++) {
		if (s->floor_ns[i] > bound)
			continue;
		v[0][n] = s->floor_ns[i];
		v[1][n] = s->ns[i];
		v[2][n] = s->base_ns[i];
		v[3][n++] = s->base_ns[i] / s->ns[i];
	}
	for (unsigned i = 0; i < 4; i++)
		sort(v[i], n);
	row->best = n;
	row->floor_ns = v[0][n / 2];
	row->ns = v[1][n / 2];
	row->base_ns = v[2][n / 2];
	row->share = v[3][n / 2];
}

void gt_bench_tell(const struct gt_bench *b, struct gt_bench_row *row, const char *why)
{
	double least = b->least_floor_ns[row->v6];

	row->slow = row->vip != NULL && row->floor_ns > GT_BENCH_PHASE * least;
	if (why != NULL)
		snprintf(row->failed, sizeof(row->failed), "%s", why);
	b->sink->row(b->sink->ctx, row);
}

static struct gt_bench_row begin_row(const struct gt_config_vip *vip, const char *what,
				     uint32_t flows)
{
	return (struct gt_bench_row){.what = what,
				     .vip = vip->name,
				     .mode = gt_mode_name(vip->mode),
				     .v6 = !gt_addr_is_v4(&vip->address),
				     .flows = flows,
				     .random = true};
}

/* What was not forwarded as a known or a new connection is no figure, but for the few in 10^5 that
 * the table has no room for by design (flow.c, displace). True: all was. */
static bool took_all(const struct subject *s, char *why, size_t size)
{
	const struct gt_counters *c = &s->worker->counters;
	uint64_t untracked = 0;

	for (unsigned i = 0; i < GT_VIPS_MAX; i++)
		untracked += s->worker->vips[i].untracked;
	if (c->forwarded == c->in && untracked <= c->in / 50000)
		return true;
	snprintf(why, size, "%" PRIu64 " of %" PRIu64 " frames were dropped or found no room",
		 c->in - c->forwarded + untracked, c->in);
	return false;
}

/* ---- subjects ---- */

static uint32_t count_room(uint32_t flows)
{
	uint32_t room = (uint32_t)(flows / GT_BENCH_LOAD_MAX);

	return room < 1000 ? 1000 : room;
}

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
	else if (gt_traffic_establish(&s->traffic, s->worker, b->plan, n_flows, why, size))
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

/*
 * The machine's phases last for seconds or minutes, in which all rounds of a row may be slow. So
 * there are up to three times as many, until half of what is asked for was as fast as it can be.
 */
static bool has_enough(const struct gt_bench *b, const struct subject *s,
		       const struct gt_bench_samples *samples)
{
	double *least = &b->least_floor_ns[s->traffic.v6];
	unsigned best = 0;

	for (unsigned i = 0; i < samples->n; i++)
		if (*least == 0 || samples->floor_ns[i] < *least)
			*least = samples->floor_ns[i];
	for (unsigned i = 0; i < samples->n; i++)
		best += samples->floor_ns[i] <= GT_BENCH_PHASE * *least;
	return samples->n >= b->options->rounds &&
	       (best >= (b->options->rounds + 1) / 2 || samples->n >= 3 * b->options->rounds);
}

static void measure_kinds(const struct gt_bench *b, struct subject *base, struct subject *s,
			  double bytes)
{
	struct gt_bench_samples samples[KINDS_MAX] = {0};
	struct kind kinds[KINDS_MAX];
	unsigned n = choose_kinds(b, s, kinds);
	char why[120] = "";

	while (!has_enough(b, s, &samples[0])) {
		double base_ns = base == NULL ? 0 : sample_warm(b, base, order_random);

		for (unsigned k = 0; k < n; k++) {
			struct gt_bench_samples *to = &samples[k];

			to->base_ns[to->n] = base_ns;
			to->ns[to->n] = sample_warm(b, s, kinds[k].order);
			to->floor_ns[to->n++] = sample_floor(b, s);
		}
	}
	took_all(s, why, sizeof(why));
	for (unsigned k = 0; k < n; k++) {
		struct gt_bench_row row = begin_row(s->traffic.vip, kinds[k].what, s->n_flows);

		row.random = kinds[k].random;
		row.bytes = k == 0 ? bytes : 0;
		gt_bench_summarize(&samples[k], &row);
		gt_bench_tell(b, &row, why[0] != '\0' ? why : NULL);
	}
}

/* So many connections a VIP can have: its source ports limit `snat`. */
static uint32_t most_flows(const struct gt_config_vip *vip)
{
	size_t sources = vip->n_snat_addresses > 0 ? vip->n_snat_addresses : 1;
	/* Not each server gets the same share of them. */
	uint64_t ports = vip->n_servers * sources * GT_SNAT_PORTS * 9 / 10;

	return vip->mode != GT_MODE_SNAT || ports > UINT32_MAX ? UINT32_MAX : (uint32_t)ports;
}

static void measure_vip(const struct gt_bench *b, const struct gt_config_vip *vip, uint32_t flows,
			struct subject *base)
{
	struct gt_bench_row row = begin_row(vip, "hit", flows);
	struct gt_worker_params params = make_params(b, vip, count_room(flows));
	char why[sizeof(row.failed)];
	struct subject s;

	if (flows > most_flows(vip)) {
		snprintf(why, sizeof(why), "its source ports are enough for %u connections",
			 most_flows(vip));
		gt_bench_tell(b, &row, why);
	} else if (!create_subject(b, vip, flows, count_room(flows), &s, why, sizeof(why))) {
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
	uint32_t flows = RTE_MIN(room, most_flows(vip));
	struct gt_bench_row row = begin_row(vip, "insert", flows);
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
	took_all(&s, why, sizeof(why));
	destroy_subject(&s);
	gt_bench_summarize(&samples, &row);
	gt_bench_tell(b, &row, why[0] != '\0' ? why : NULL);
}

/* ---- the whole ---- */

/* The first of its mode and family, if its mode is asked for. */
static bool is_wanted(const struct gt_config *c, const struct gt_bench_options *o, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (c->vips[j].mode == c->vips[i].mode &&
		    gt_addr_is_v4(&c->vips[j].address) == gt_addr_is_v4(&c->vips[i].address))
			return false;
	return (o->modes >> c->vips[i].mode & 1) != 0;
}

static const struct gt_config_vip *find_base(const struct gt_config *c)
{
	for (size_t i = 0; i < c->n_vips; i++)
		if (c->vips[i].mode == GT_MODE_DR && gt_addr_is_v4(&c->vips[i].address))
			return &c->vips[i];
	return NULL;
}

static void measure_flows(const struct gt_bench *b, uint32_t flows)
{
	const struct gt_config_vip *base_vip = find_base(b->config);
	struct subject base = {0};
	char why[120];
	bool has_base = base_vip != NULL && create_subject(b, base_vip, flows, count_room(flows),
							   &base, why, sizeof(why));

	for (size_t i = 0; i < b->config->n_vips; i++)
		if (is_wanted(b->config, b->options, i))
			measure_vip(b, &b->config->vips[i], flows, has_base ? &base : NULL);
	if (has_base)
		destroy_subject(&base);
	gt_bench_tables(b, flows);
}

uint64_t gt_bench_bytes(const struct gt_config *config, const struct gt_bench_options *options)
{
	static const struct gt_memory none;
	struct gt_bench b = {.config = config, .options = options, .memory = &none};
	uint64_t most = 0;

	for (unsigned f = 0; f <= options->n_flows; f++) {
		/* The last one is the insertion's. */
		bool last = f == options->n_flows;
		uint32_t room = last ? config->connections : count_room(options->flows[f]);
		const struct gt_config_vip *base = last ? NULL : find_base(config);
		uint64_t base_bytes = 0,
			 bytes = last ? 0 : gt_bench_tables_bytes(options->flows[f]);

		if (base != NULL) {
			struct gt_worker_params params = make_params(&b, base, room);

			base_bytes = gt_worker_bytes(&params);
		}
		for (size_t i = 0; i < config->n_vips; i++) {
			const struct gt_config_vip *vip = &config->vips[i];
			struct gt_worker_params params = make_params(&b, vip, room);

			if (is_wanted(config, options, i) &&
			    (last || options->flows[f] <= most_flows(vip)))
				bytes = RTE_MAX(bytes, gt_worker_bytes(&params) + base_bytes);
		}
		most = RTE_MAX(most, bytes);
	}
	return most;
}

int gt_bench_measure(const struct gt_config *config, const struct gt_bench_options *options,
		     const struct gt_memory *memory, const struct gt_bench_sink *sink)
{
	double least_floor_ns[2] = {0};
	struct gt_bench b = {.config = config,
			     .options = options,
			     .memory = memory,
			     .sink = sink,
			     .least_floor_ns = least_floor_ns};
	int rc = gt_traffic_plan(config, b.macs, &b.plan);

	if (rc != 0)
		return rc;
	b.orders = calloc(GT_BENCH_SAMPLE, sizeof(*b.orders));
	if (b.orders == NULL) {
		gt_plan_free(b.plan);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < options->n_flows; i++)
		measure_flows(&b, options->flows[i]);
	for (size_t i = 0; i < config->n_vips; i++)
		if (is_wanted(config, options, i))
			measure_insertion(&b, &config->vips[i], config->connections);
	free(b.orders);
	gt_plan_free(b.plan);
	return 0;
}
