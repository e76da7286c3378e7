/* SPDX-License-Identifier: BSD-3-Clause */
/* The measurements of `gantry bench`, one after the other; see bench.h and bench_measure.h. */
#include "bench_measure.h"

#include <errno.h>
#include <stdlib.h>

bool gt_bench_is_wanted(const struct gt_bench *b, size_t i)
{
	const struct gt_config *c = b->config;

	for (size_t j = 0; j < i; j++)
		if (c->vips[j].mode == c->vips[i].mode &&
		    gt_addr_is_v4(&c->vips[j].address) == gt_addr_is_v4(&c->vips[i].address))
			return false;
	return (b->options->modes >> c->vips[i].mode & 1) != 0;
}

const struct gt_config_vip *gt_bench_base(const struct gt_config *c)
{
	for (size_t i = 0; i < c->n_vips; i++)
		if (c->vips[i].mode == GT_MODE_DR && gt_addr_is_v4(&c->vips[i].address))
			return &c->vips[i];
	return NULL;
}

uint32_t gt_bench_most_flows(const struct gt_config_vip *vip)
{
	size_t sources = vip->n_snat_addresses > 0 ? vip->n_snat_addresses : 1;
	/* Not each server gets the same share of them. */
	uint64_t ports = vip->n_servers * sources * GT_SNAT_PORTS * 9 / 10;

	return vip->mode != GT_MODE_SNAT || ports > UINT32_MAX ? UINT32_MAX : (uint32_t)ports;
}

uint64_t gt_bench_bytes(const struct gt_config *config, const struct gt_bench_options *options)
{
	static const struct gt_memory none;
	struct gt_bench b = {.config = config, .options = options, .memory = &none};
	uint64_t most = 0;

	for (unsigned i = 0; i < options->n_flows; i++) {
		if ((options->what & GT_BENCH_CORE) != 0)
			most = RTE_MAX(most, gt_bench_core_bytes(&b, options->flows[i]));
		if ((options->what & GT_BENCH_TABLE) != 0)
			most = RTE_MAX(most, gt_bench_tables_bytes(options->flows[i]));
	}
	if ((options->what & GT_BENCH_CORE) != 0)
		most = RTE_MAX(most, gt_bench_insertions_bytes(&b));
	for (unsigned i = 0; (options->what & GT_BENCH_LOOP) != 0 && i < options->n_loop_flows; i++)
		most = RTE_MAX(most, gt_bench_loops_bytes(&b, options->loop_flows[i]));
	return most;
}

static void measure_all(const struct gt_bench *b)
{
	const struct gt_bench_options *o = b->options;

	for (unsigned i = 0; i < o->n_flows; i++) {
		if ((o->what & GT_BENCH_CORE) != 0)
			gt_bench_core(b, o->flows[i]);
		if ((o->what & GT_BENCH_TABLE) != 0)
			gt_bench_tables(b, o->flows[i]);
	}
	if ((o->what & GT_BENCH_CORE) != 0)
		gt_bench_insertions(b);
	for (unsigned i = 0; (o->what & GT_BENCH_LOOP) != 0 && i < o->n_loop_flows; i++)
		gt_bench_loops(b, o->loop_flows[i]);
}

int gt_bench_measure(const struct gt_config *config, const struct gt_bench_options *options,
		     const struct gt_cpus *cpus, const struct gt_memory *memory,
		     const struct gt_bench_sink *sink)
{
	double least_floor_ns[2] = {0};
	struct gt_bench b = {.config = config,
			     .options = options,
			     .cpus = cpus,
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
	measure_all(&b);
	free(b.orders);
	gt_plan_free(b.plan);
	return 0;
}
