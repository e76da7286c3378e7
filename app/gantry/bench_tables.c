/* SPDX-License-Identifier: BSD-3-Clause */
/* `gantry bench`: the connection table alone, beside DPDK's rte_hash; see bench_measure.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <rte_malloc.h>

#include "bench_lookup.h"
#include "bench_measure.h"
#include "pipeline/burst.h"

struct rte_key {
	rte_be32_t client, vip;
	rte_be16_t client_port, vip_port;
	uint32_t protocol;
};

struct tables {
	struct gt_flow_table ours;
	gt_bench_look_up_fn *look_up;
	struct rte_hash *theirs;
	uint32_t n;
	uint64_t state;
	uint64_t found;
	uint32_t tick; /* goes on, so that each hit writes, as it would */
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
	for (unsigned i = 0; i < GT_BURST_MAX; i++)
		flow[i] = gt_bench_random(&t->state, t->n);
}

static void look_up_ours(struct tables *t)
{
	struct gt_flow_key keys[GT_BURST_MAX];
	uint32_t flow[GT_BURST_MAX];

	table_order(t, flow);
	table_keys(t, flow, keys, NULL);
	t->found += t->look_up(&t->ours, keys, t->tick);
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

static double sample_table(struct tables *t, void (*work)(struct tables *))
{
	uint64_t begin = gt_bench_clock();

	for (unsigned n = 0; n < GT_BENCH_SAMPLE; n += GT_BURST_MAX)
		work(t);
	return gt_bench_since(begin);
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
				       t->tick, &judge);
			if (rte_hash_add_key_data(t->theirs, &theirs[i], NULL) < 0)
				return -ENOSPC;
		}
	}
	return 0;
}

/* Each has its cache to itself for a while before it is measured. */
static double sample_warm(struct tables *t, void (*work)(struct tables *))
{
	sample_table(t, work);
	return sample_table(t, work);
}

static void measure(const struct gt_bench *b, struct tables *t, struct gt_bench_row *ours,
		    struct gt_bench_row *theirs)
{
	struct gt_bench_samples s[2] = {{.n = b->options->rounds}, {.n = b->options->rounds}};

	for (unsigned i = 0; i < b->options->rounds; i++) {
		s[0].floor_ns[i] = s[1].floor_ns[i] = sample_warm(t, order_alone);
		s[0].ns[i] = sample_warm(t, look_up_ours);
		s[1].ns[i] = sample_warm(t, look_up_theirs);
		t->tick++;
	}
	gt_bench_summarize(&s[0], ours);
	gt_bench_summarize(&s[1], theirs);
	gt_bench_tell(b, ours, NULL);
	gt_bench_tell(b, theirs, NULL);
}

static uint32_t count_room(uint32_t flows)
{
	return (uint32_t)(flows / GT_BENCH_LOAD_MAX) + 64;
}

/* About: keys with their data padded to 16 bytes, 64 bytes for each 8 of a power of two of entries,
 * a ring of free places. Its interface does not tell. */
static uint64_t rte_hash_bytes(uint32_t room)
{
	uint64_t buckets = 8;

	while (buckets * 8 < room)
		buckets *= 2;
	return room * 32ULL + buckets * (64 + 8 * 4);
}

static uint64_t heap_bytes(void)
{
	struct rte_malloc_socket_stats stats;
	uint64_t sum = 0;

	for (int i = 0; i < RTE_MAX_NUMA_NODES; i++)
		if (rte_malloc_get_socket_stats(i, &stats) == 0)
			sum += stats.heap_allocsz_bytes;
	return sum;
}

uint64_t gt_bench_tables_bytes(uint32_t flows)
{
	return gt_flow_bytes(count_room(flows), false) + rte_hash_bytes(count_room(flows));
}

void gt_bench_tables(const struct gt_bench *b, uint32_t flows)
{
	static const uint8_t random[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
	uint32_t room = count_room(flows);
	struct rte_hash_parameters params = {.name = "gantry-bench",
					     .entries = room,
					     .key_len = sizeof(struct rte_key),
					     .hash_func = rte_hash_crc,
					     .socket_id = SOCKET_ID_ANY};
	struct gt_bench_row ours = {.what = "look-up", .mode = "", .flows = flows, .random = true};
	struct gt_bench_row theirs = ours;
	struct tables t = {.n = flows,
			   .state = 0x2545f4914f6cdd1d,
			   .tick = 1000,
			   .look_up = gt_bench_look_up_portable};
	char why[sizeof(ours.failed)];

#if defined(__x86_64__)
	if (gt_burst_select() == gt_burst_avx2)
		t.look_up = gt_bench_look_up_avx2;
#endif
	theirs.what = "rte_hash";
	/* Both take their room and are filled to 80 % of it. */
	ours.bytes = (double)gt_flow_bytes(room, false) / flows;
	theirs.bytes = -(double)heap_bytes() / flows;
	t.theirs = rte_hash_create(&params);
	theirs.bytes += (double)heap_bytes() / flows;
	if (t.theirs == NULL || gt_flow_create(&t.ours, room, false, random, b->memory) != 0 ||
	    fill_tables(&t) != 0) {
		snprintf(why, sizeof(why), "not enough memory: %" PRIu64 " MB are needed",
			 gt_bench_tables_bytes(flows) >> 20);
		gt_bench_tell(b, &ours, why);
	} else {
		measure(b, &t, &ours, &theirs);
	}
	rte_hash_free(t.theirs);
	gt_flow_destroy(&t.ours);
}
