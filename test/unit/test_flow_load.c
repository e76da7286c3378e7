/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The connection table at its size and beyond: how many keys find no place at the load it is made
 * for, random work beside a plain model, and a flood of SYNs; crafted tuples are test_crafted's. It
 * prints the figures it asserts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "flow/flow.h"
#include "support.h"

/* By service: 1 half-open, 2 long. */
struct context {
	uint64_t gone[3], evicted[3];
	uint64_t states[GT_FLOW_STATES];
};

static void view(const void *ctx, uint16_t service, uint32_t value, struct gt_flow_view *v)
{
	(void)ctx;
	(void)service;
	(void)value;
	v->timeout = v->state == GT_FLOW_SYN ? GT_TICKS_SYN : GT_TICKS_ESTABLISHED;
}

static bool rehashes(const void *ctx, const struct gt_flow_key *key, uint32_t value)
{
	(void)ctx;
	(void)key;
	(void)value;
	return true;
}

static void gone(void *ctx, uint16_t service, uint32_t value, enum gt_flow_state state,
		 bool evicted)
{
	struct context *c = ctx;

	(void)value;
	c->gone[service]++;
	c->evicted[service] += evicted;
	c->states[state]++;
}

static struct gt_flow_table make(uint32_t connections, bool wide, uint64_t seed)
{
	struct gt_flow_table t;
	uint64_t random[2] = {support_random(&seed), support_random(&seed)};

	assert_int_equal(
		gt_flow_create(&t, connections, wide, (const uint8_t *)random, &gt_memory_heap), 0);
	return t;
}

static uint64_t hash_of(const struct gt_flow_table *t, const struct gt_flow_key *key)
{
	uint64_t hash;

	gt_flow_hash(t, key, &hash, 1);
	return hash;
}

static struct gt_flow_key make_key(uint64_t n, bool wide, uint16_t service)
{
	struct gt_flow_key k;

	if (wide) {
		struct gt_addr a = {{0x20, 1, 0xd, 0xb8}};

		memcpy(a.b + 8, &n, 8);
		gt_flow_key_wide(&k, &a, (rte_be16_t)(n >> 3), service, 80);
	} else {
		gt_flow_key_narrow(&k, (rte_be32_t)n, (rte_be16_t)(n >> 32), service);
	}
	return k;
}

/* ---- the load it is made for ---- */

/* Key i of a mixture. */
static struct gt_flow_key mixed_key(uint64_t *r, unsigned percent_wide)
{
	uint64_t n = support_random(r);

	return make_key(n, (n >> 50) % 100 < percent_wide, 2);
}

static double fill(unsigned percent_wide, uint32_t connections, uint64_t seed)
{
	struct gt_flow_table t = make(connections, percent_wide > 0, seed);
	struct context c = {0};
	struct gt_flow_judge judge = {view, rehashes, gone, &c};
	uint64_t failed = 0, r = seed + 100, check = seed + 100;

	for (uint32_t i = 0; i < connections; i++) {
		struct gt_flow_key k = mixed_key(&r, percent_wide);

		failed += gt_flow_insert(&t, &k, hash_of(&t, &k), 1, GT_FLOW_ESTABLISHED, 0, &judge)
				  .slot == NULL;
	}
	assert_true(t.entries == connections - failed);
	for (uint32_t i = 0; i < connections; i++) {
		struct gt_flow_key k = mixed_key(&check, percent_wide);

		failed -= gt_flow_find(&t, &k, hash_of(&t, &k)).slot == NULL;
	}
	/* Exactly those that found no place are not found. */
	assert_true(failed == 0);
	failed = connections - t.entries;
	gt_flow_destroy(&t);
	return (double)failed / connections;
}

static void insert_up_to_connections_fails_less_than_once_in_1000(void **state)
{
	(void)state;
	/* In a mixture a bucket with one of each has no place for another wide one, and one with
	 * two wide ones none for a narrow one. */
	for (unsigned wide = 0; wide <= 100; wide += 20) {
		double rate = 0;

		for (uint64_t seed = 0; seed < 3; seed++)
			rate += fill(wide, 100000, seed) / 3;
		print_message("%u %% wide: %.2g of the keys find no place at `connections`\n", wide,
			      rate);
		assert_true(rate < 1e-3);
	}
}

/* ---- beside a plain model ---- */

enum { MODEL = 4096 };

/* Keys of both widths come and go at random; the table must always know exactly the model's. */
static void random_work_agrees_with_a_plain_model(void **state)
{
	struct gt_flow_table t = make(1500, true, 5);
	struct context c = {0};
	struct gt_flow_judge judge = {view, rehashes, gone, &c};
	uint16_t *model = calloc(MODEL, sizeof(*model)); /* server, 0: not there */
	uint64_t seed = 9, entries = 0;

	(void)state;
	assert_non_null(model);
	for (int step = 0; step < 400000; step++) {
		uint64_t r = support_random(&seed);
		size_t i = r % MODEL;
		struct gt_flow_key k =
			make_key(i * 0x100000001ULL, i % 3 == 0, (uint16_t)(i % 2 + 1));
		uint64_t hash = hash_of(&t, &k);
		struct gt_flow_ref ref = gt_flow_find(&t, &k, hash);

		assert_int_equal(ref.slot != NULL, model[i] != 0);
		if (ref.slot != NULL) {
			assert_int_equal(ref.slot->value, model[i]);
			if (r >> 32 & 1) {
				gt_flow_remove(&t, ref);
				model[i] = 0;
				entries--;
			} else {
				gt_flow_touch(ref, GT_FLOW_UDP, (uint32_t)(r >> 40) % 100);
			}
		} else if (entries < 1500) {
			uint16_t server = (uint16_t)(1 + (r >> 20) % 65535);

			/* At tick 100 nobody was idle for a minute: none may be evicted. */
			ref = gt_flow_insert(&t, &k, hash, server, GT_FLOW_ESTABLISHED, 100,
					     &judge);
			if (ref.slot != NULL) {
				model[i] = server;
				entries++;
			}
		}
		assert_true(t.entries == entries);
	}
	assert_true(c.gone[1] == 0 && c.gone[2] == 0);
	free(model);
	gt_flow_destroy(&t);
}

/* inserted - gone - removed = entries, over expiry, eviction and sweeps, in both widths */
static void entries_identity_holds_under_overload(void **state)
{
	struct gt_flow_table t = make(500, true, 6);
	struct context c = {0};
	struct gt_flow_judge judge = {view, rehashes, gone, &c};
	uint64_t seed = 10, inserted = 0, removed = 0, counted = 0;
	struct gt_flow_entry out[GT_FLOW_BUCKET_SLOTS];
	uint32_t tick = GT_TICK_MASK - 500; /* it wraps on the way */

	(void)state;
	for (int step = 0; step < 200000; step++) {
		uint64_t r = support_random(&seed);
		bool wide = r & 1;
		struct gt_flow_key k = make_key((r >> 8) % 4000, wide, 2);
		uint64_t hash = hash_of(&t, &k);
		struct gt_flow_ref ref = gt_flow_find(&t, &k, hash);

		if (ref.slot == NULL)
			inserted += gt_flow_insert(&t, &k, hash, 1,
						   (enum gt_flow_state)((r >> 30) % GT_FLOW_STATES),
						   tick, &judge)
					    .slot != NULL;
		else if (r >> 40 & 1)
			gt_flow_touch(ref, (enum gt_flow_state)((r >> 30) % GT_FLOW_STATES), tick);
		else
			gt_flow_remove(&t, ref), removed++;
		if (step % 7 == 0)
			tick = (tick + 1) & GT_TICK_MASK;
		if (step % 100 == 0)
			gt_flow_sweep(&t, 5, tick, &judge);
		assert_true(t.entries == inserted - removed - c.gone[2]);
	}
	for (uint32_t i = 0; i < t.n_buckets; i++)
		counted += gt_flow_read(&t, i, tick, out);
	assert_true(counted == t.entries);
	assert_true(c.evicted[2] > 0 && c.evicted[2] < c.gone[2]);
	gt_flow_destroy(&t);
}

/* ---- floods ---- */

static void syn_flood_costs_no_established_connection_its_entry(void **state)
{
	enum { ESTABLISHED = 60000, FLOOD = 1000000 };
	struct gt_flow_table t = make(100000, false, 7);
	struct context c = {0};
	struct gt_flow_judge judge = {view, rehashes, gone, &c};
	uint64_t seed = 11, check = 11, refused = 0, placed = 0;

	(void)state;
	for (int i = 0; i < ESTABLISHED; i++) {
		struct gt_flow_key k = make_key(support_random(&seed), false, 2);

		assert_non_null(gt_flow_insert(&t, &k, hash_of(&t, &k), (uint16_t)(i % 65535 + 1),
					       GT_FLOW_ESTABLISHED, 0, &judge)
					.slot);
	}
	/* All rest for over a minute, and the scheduler would find each again: the worst case. */
	for (int i = 0; i < FLOOD; i++) {
		struct gt_flow_key k = make_key(support_random(&seed), false, 1);
		uint32_t tick = GT_TICKS(100) + (uint32_t)i / 20000;

		if (gt_flow_insert(&t, &k, hash_of(&t, &k), 1, GT_FLOW_SYN, tick, &judge).slot)
			placed++;
		else
			refused++;
	}
	for (int i = 0; i < ESTABLISHED; i++) {
		struct gt_flow_key k = make_key(support_random(&check), false, 2);
		struct gt_flow_ref ref = gt_flow_find(&t, &k, hash_of(&t, &k));

		assert_non_null(ref.slot);
		assert_int_equal(ref.slot->value, i % 65535 + 1);
	}
	print_message("1 M SYNs: %llu placed, %llu without an entry, %llu of them evicted\n",
		      (unsigned long long)placed, (unsigned long long)refused,
		      (unsigned long long)c.evicted[1]);
	assert_true(c.gone[2] == 0);
	assert_true(t.entries == ESTABLISHED + placed - c.gone[1]);
	/* After the flood, who completes a handshake gets in where a SYN stands. */
	for (int i = 0; i < 1000; i++) {
		struct gt_flow_key k = make_key(support_random(&seed), false, 2);

		assert_non_null(gt_flow_insert(&t, &k, hash_of(&t, &k), 1, GT_FLOW_ESTABLISHED,
					       GT_TICKS(100) + 51, &judge)
					.slot);
	}
	gt_flow_destroy(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(insert_up_to_connections_fails_less_than_once_in_1000),
		cmocka_unit_test(random_work_agrees_with_a_plain_model),
		cmocka_unit_test(entries_identity_holds_under_overload),
		cmocka_unit_test(syn_flood_costs_no_established_connection_its_entry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
