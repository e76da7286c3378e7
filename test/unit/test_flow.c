/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The connection table's rules one by one: what is found, what expires, what yields and what never
 * does, spilled and wide entries, ticks around their 24 bits. How it behaves when it is large and
 * full is in test_flow_load.c.
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

/* What the judge says, and what it was told. */
struct context {
	uint32_t timeout;
	bool rehashes;
	unsigned gone, evicted;
	uint16_t last_server, last_service;
	enum gt_flow_state last_state;
};

static void view(const void *ctx, uint16_t service, uint32_t value, struct gt_flow_view *v)
{
	(void)service;
	(void)value;
	v->timeout = ((const struct context *)ctx)->timeout;
}

static bool rehashes(const void *ctx, const struct gt_flow_key *key, uint32_t value)
{
	(void)key;
	(void)value;
	return ((const struct context *)ctx)->rehashes;
}

static void gone(void *ctx, uint16_t service, uint32_t value, enum gt_flow_state state,
		 bool evicted)
{
	struct context *c = ctx;

	c->gone++;
	c->evicted += evicted;
	c->last_server = (uint16_t)value;
	c->last_service = service;
	c->last_state = state;
}

struct fixture {
	struct gt_flow_table t;
	struct context c;
	struct gt_flow_judge judge;
};

/* 1: a table of two buckets, so that every key has the same two, eight places in all. */
static struct fixture make(uint32_t connections)
{
	struct fixture f = {.c = {.timeout = 1000000, .rehashes = true}};

	assert_int_equal(gt_flow_create(&f.t, connections, false,
					(const uint8_t *)"0123456789abcdef", &gt_memory_heap),
			 0);
	f.judge = (struct gt_flow_judge){view, rehashes, gone, NULL};
	return f;
}

static uint64_t hash_of(const struct gt_flow_table *t, const struct gt_flow_key *key)
{
	uint64_t hash;

	gt_flow_hash(t, key, &hash, 1);
	return hash;
}

static struct gt_flow_key narrow(uint32_t client, uint16_t port, uint16_t service)
{
	struct gt_flow_key k;

	gt_flow_key_narrow(&k, rte_cpu_to_be_32(client), rte_cpu_to_be_16(port), service);
	return k;
}

static struct gt_flow_key wide(uint32_t client, uint16_t port, uint16_t service, uint16_t dst_port)
{
	struct gt_addr a = support_addr("2001:db8::");
	struct gt_flow_key k;

	a.b[12] = (uint8_t)(client >> 24);
	a.b[13] = (uint8_t)(client >> 16);
	a.b[14] = (uint8_t)(client >> 8);
	a.b[15] = (uint8_t)client;
	gt_flow_key_wide(&k, &a, rte_cpu_to_be_16(port), service, rte_cpu_to_be_16(dst_port));
	return k;
}

static struct gt_flow_ref find(const struct fixture *f, struct gt_flow_key k)
{
	return gt_flow_find(&f->t, &k, hash_of(&f->t, &k));
}

static struct gt_flow_ref insert(struct fixture *f, struct gt_flow_key k, uint16_t server,
				 enum gt_flow_state state, uint32_t tick)
{
	f->judge.ctx = &f->c;
	return gt_flow_insert(&f->t, &k, hash_of(&f->t, &k), server, state, tick, &f->judge);
}

/* Walks the table as a report does. */
static uint64_t count_entries(const struct gt_flow_table *t)
{
	struct gt_flow_entry out[GT_FLOW_BUCKET_SLOTS];
	uint64_t n = 0;

	for (uint32_t i = 0; i < t->n_buckets; i++)
		n += gt_flow_read(t, i, 0, out);
	return n;
}

/* ---- insert, find, remove ---- */

static void insert_then_find_then_remove_narrow_and_wide(void **state)
{
	struct fixture f = make(1000);

	(void)state;
	for (int w = 0; w < 2; w++) {
		struct gt_flow_key k = w ? wide(1, 2, 3, 4) : narrow(1, 2, 3);
		struct gt_flow_ref r = insert(&f, k, 77, GT_FLOW_ESTABLISHED, 5), again;

		assert_non_null(r.slot);
		again = find(&f, k);
		assert_ptr_equal(again.slot, r.slot);
		assert_int_equal(again.slot->value, 77);
		assert_int_equal(gt_flow_state(again), GT_FLOW_ESTABLISHED);
		assert_int_equal(gt_flow_idle(again.slot->meta, 9), 4);
		assert_true(f.t.entries == 1);
		gt_flow_remove(&f.t, r);
		assert_null(find(&f, k).slot);
		assert_true(f.t.entries == 0);
	}
	assert_int_equal(f.c.gone, 0);
	gt_flow_destroy(&f.t);
}

static void find_every_field_of_the_key_counts(void **state)
{
	struct fixture f = make(1); /* all in two buckets: nothing but the key tells them apart */

	(void)state;
	insert(&f, narrow(0x0a000001, 1000, 7), 1, GT_FLOW_SYN, 0);
	assert_non_null(find(&f, narrow(0x0a000001, 1000, 7)).slot);
	for (int bit = 0; bit < 32; bit++)
		assert_null(find(&f, narrow(0x0a000001 ^ 1U << bit, 1000, 7)).slot);
	for (int bit = 0; bit < 16; bit++) {
		assert_null(find(&f, narrow(0x0a000001, (uint16_t)(1000 ^ 1 << bit), 7)).slot);
		assert_null(find(&f, narrow(0x0a000001, 1000, (uint16_t)(7 ^ 1 << bit))).slot);
	}
	insert(&f, wide(5, 1000, 7, 80), 2, GT_FLOW_SYN, 0);
	assert_int_equal(find(&f, wide(5, 1000, 7, 80)).slot->value, 2);
	for (int byte = 0; byte < 16; byte++) {
		struct gt_flow_key k = wide(5, 1000, 7, 80);

		((uint8_t *)(byte < 8 ? &k.lo : &k.hi))[byte % 8] ^= 1;
		assert_null(find(&f, k).slot);
	}
	for (int bit = 0; bit < 16; bit++) {
		assert_null(find(&f, wide(5, (uint16_t)(1000 ^ 1 << bit), 7, 80)).slot);
		assert_null(find(&f, wide(5, 1000, (uint16_t)(7 ^ 1 << bit), 80)).slot);
		assert_null(find(&f, wide(5, 1000, 7, (uint16_t)(80 ^ 1 << bit))).slot);
	}
	gt_flow_destroy(&f.t);
}

/* A wide entry's halves must never be taken for narrow ones, nor the other way about. */
static void find_narrow_never_meets_half_of_a_wide_one(void **state)
{
	struct fixture f = make(1);
	struct gt_flow_key w = wide(5, 6, 7, 8), first, second;

	(void)state;
	insert(&f, w, 2, GT_FLOW_SYN, 0);
	memset(&first, 0, sizeof(first));
	first.lo = w.lo;
	second = first;
	second.lo = w.hi;
	assert_null(find(&f, first).slot);
	assert_null(find(&f, second).slot);
	gt_flow_destroy(&f.t);
	f = make(1);
	/* a narrow neighbour whose key is the wide one's second half */
	insert(&f, first, 3, GT_FLOW_SYN, 0);
	insert(&f, second, 4, GT_FLOW_SYN, 0);
	assert_null(find(&f, w).slot);
	assert_int_equal(find(&f, first).slot->value, 3);
	assert_int_equal(find(&f, second).slot->value, 4);
	gt_flow_destroy(&f.t);
}

static void insert_spilled_entries_are_found_in_their_second_bucket(void **state)
{
	struct fixture f = make(1);

	(void)state;
	assert_int_equal(f.t.n_buckets, 2);
	for (uint16_t i = 0; i < 8; i++)
		assert_non_null(
			insert(&f, narrow(i, i, 1), (uint16_t)(i + 1), GT_FLOW_SYN, 0).slot);
	assert_true(f.t.entries == 8);
	for (uint16_t i = 0; i < 8; i++)
		assert_int_equal(find(&f, narrow(i, i, 1)).slot->value, i + 1);
	assert_int_equal(f.c.gone, 0);
	/* also when their first bucket has room again */
	for (uint16_t i = 0; i < 8; i += 2)
		gt_flow_remove(&f.t, find(&f, narrow(i, i, 1)));
	for (uint16_t i = 0; i < 8; i++)
		assert_int_equal(find(&f, narrow(i, i, 1)).slot != NULL, i % 2);
	assert_true(f.t.entries == 4 && count_entries(&f.t) == 4);
	gt_flow_destroy(&f.t);
}

static void insert_four_wide_fill_two_buckets(void **state)
{
	struct fixture f = make(1);

	(void)state;
	for (uint16_t i = 0; i < 4; i++)
		assert_non_null(
			insert(&f, wide(i, i, 1, 1), (uint16_t)(i + 1), GT_FLOW_UDP, 0).slot);
	for (uint16_t i = 0; i < 4; i++)
		assert_int_equal(find(&f, wide(i, i, 1, 1)).slot->value, i + 1);
	assert_int_equal(f.c.gone, 0);
	assert_true(f.t.entries == 4 && count_entries(&f.t) == 4);
	gt_flow_destroy(&f.t);
}

/* ---- ageing ---- */

static void sweep_frees_what_is_older_than_its_timeout(void **state)
{
	struct fixture f = make(100);

	(void)state;
	f.judge.ctx = &f.c;
	f.c.timeout = 10;
	insert(&f, narrow(1, 1, 9), 5, GT_FLOW_ESTABLISHED, 100);
	insert(&f, wide(1, 1, 8, 1), 6, GT_FLOW_UDP, 101);
	gt_flow_sweep(&f.t, f.t.n_buckets, 110, &f.judge);
	assert_true(f.t.entries == 2); /* at its timeout it still lives */
	gt_flow_sweep(&f.t, f.t.n_buckets, 111, &f.judge);
	assert_true(f.t.entries == 1);
	assert_int_equal(f.c.gone, 1);
	assert_int_equal(f.c.evicted, 0);
	assert_int_equal(f.c.last_server, 5);
	assert_int_equal(f.c.last_service, 9);
	assert_int_equal(f.c.last_state, GT_FLOW_ESTABLISHED);
	gt_flow_sweep(&f.t, f.t.n_buckets, 112, &f.judge);
	assert_true(f.t.entries == 0 && count_entries(&f.t) == 0);
	assert_int_equal(f.c.last_service, 8);
	assert_int_equal(f.c.last_server, 6);
	gt_flow_destroy(&f.t);
}

static void sweep_in_small_shares_passes_every_bucket(void **state)
{
	struct fixture f = make(1000);

	(void)state;
	f.judge.ctx = &f.c;
	for (uint32_t i = 0; i < 1000; i++)
		insert(&f, narrow(i, 1, 1), 1, GT_FLOW_SYN, 0);
	f.c.timeout = 0;
	for (uint32_t i = 0; i < f.t.n_buckets / 3 + 1; i++)
		gt_flow_sweep(&f.t, 3, 1, &f.judge);
	assert_true(f.t.entries == 0);
	assert_int_equal(f.c.gone, 1000);
	gt_flow_destroy(&f.t);
}

static void insert_takes_an_expired_place_before_it_evicts(void **state)
{
	struct fixture f = make(1);

	(void)state;
	f.c.timeout = 50;
	for (uint16_t i = 0; i < 8; i++)
		insert(&f, narrow(i, i, 1), 1, GT_FLOW_ESTABLISHED, 100);
	gt_flow_touch(find(&f, narrow(3, 3, 1)), GT_FLOW_ESTABLISHED, 59);
	assert_int_equal(f.c.gone, 0);
	assert_non_null(insert(&f, narrow(99, 1, 1), 2, GT_FLOW_SYN, 110).slot);
	assert_null(find(&f, narrow(3, 3, 1)).slot);
	assert_int_equal(f.c.gone, 1);
	assert_int_equal(f.c.evicted, 0);
	gt_flow_destroy(&f.t);
}

static void tick_wraps_around_24_bits(void **state)
{
	struct fixture f = make(100);
	struct gt_flow_ref r = insert(&f, narrow(1, 1, 1), 1, GT_FLOW_UDP, 0xfffff0);

	(void)state;
	f.judge.ctx = &f.c;
	f.c.timeout = 100;
	assert_int_equal(gt_flow_idle(r.slot->meta, 0x000010), 0x20);
	gt_flow_sweep(&f.t, f.t.n_buckets, 0x000010, &f.judge);
	assert_true(f.t.entries == 1);
	gt_flow_touch(r, GT_FLOW_UDP, 0x1000020); /* a tick that is not masked */
	assert_int_equal(gt_flow_idle(r.slot->meta, 0x21), 1);
	assert_int_equal(gt_flow_state(r), GT_FLOW_UDP);
	gt_flow_sweep(&f.t, f.t.n_buckets, 0x20 + 101, &f.judge);
	assert_true(f.t.entries == 0);
	/* the clock: 250 ms, and 48.5 days are once around */
	assert_int_equal(gt_tick(0), 0);
	assert_int_equal(gt_tick(249), 0);
	assert_int_equal(gt_tick(250), 1);
	assert_int_equal(gt_tick(250ULL << 24), 0);
	assert_int_equal(gt_tick((250ULL << 24) + 1000), 4);
	assert_int_equal(gt_tick(250ULL << 40), 0);
	gt_flow_destroy(&f.t);
}

static void touch_changes_state_and_time_and_nothing_else(void **state)
{
	struct fixture f = make(1);

	(void)state;
	/* The table's first slot has the mark of a spilled bucket: it must stay. */
	for (uint16_t i = 0; i < 8; i++)
		insert(&f, narrow(i, i, 1), (uint16_t)(i + 1), GT_FLOW_SYN, 0);
	for (int s = 0; s < GT_FLOW_STATES; s++) {
		for (uint16_t i = 0; i < 8; i++)
			gt_flow_touch(find(&f, narrow(i, i, 1)), (enum gt_flow_state)s, 0xffffffff);
		for (uint16_t i = 0; i < 8; i++) {
			struct gt_flow_ref r = find(&f, narrow(i, i, 1));

			assert_non_null(r.slot);
			assert_int_equal(r.slot->value, i + 1);
			assert_int_equal(gt_flow_state(r), s);
			assert_int_equal(gt_flow_idle(r.slot->meta, 0), 1);
		}
	}
	gt_flow_destroy(&f.t);
}

/* ---- who yields ---- */

struct resident {
	enum gt_flow_state state;
	uint32_t tick;
};

/*
 * Fills both buckets with eight residents (servers 1 to 8), lets a newcomer in at tick 10,000 and
 * returns the server of who had to go; 0: nobody, and the newcomer got no place; -1: it did, and
 * nobody went.
 */
static int who_yields(const struct resident residents[8], enum gt_flow_state newcomer, bool again)
{
	struct fixture f = make(1);
	struct gt_flow_ref r;
	int who = 0;

	f.c.rehashes = again;
	for (uint16_t i = 0; i < 8; i++)
		insert(&f, narrow(i, i, 1), (uint16_t)(i + 1), GT_FLOW_SYN, 0);
	for (uint16_t i = 0; i < 8; i++)
		gt_flow_touch(find(&f, narrow(i, i, 1)), residents[i].state, residents[i].tick);
	assert_true(f.t.entries == 8);
	r = insert(&f, narrow(99, 1, 1), 99, newcomer, 10000);
	if (r.slot != NULL) {
		who = f.c.gone == 0 ? -1 : f.c.last_server;
		assert_int_equal(f.c.evicted, f.c.gone);
		assert_ptr_equal(find(&f, narrow(99, 1, 1)).slot, r.slot);
	}
	assert_true(f.t.entries == 8 && count_entries(&f.t) == 8);
	for (uint16_t i = 0; i < 8; i++)
		assert_int_equal(find(&f, narrow(i, i, 1)).slot != NULL, who != i + 1);
	gt_flow_destroy(&f.t);
	return who;
}

#define EST GT_FLOW_ESTABLISHED
#define OLD (10000 - 240) /* 60 s */

static void insert_full_evicts_in_the_promised_order(void **state)
{
	/* the oldest SYN first, even if all others are older */
	struct resident a[8] = {
		{EST, 0},	  {GT_FLOW_FIN, 0},    {GT_FLOW_CLOSED, 0}, {GT_FLOW_SYN, 9000},
		{GT_FLOW_UDP, 0}, {GT_FLOW_SYN, 8999}, {GT_FLOW_SYN, 9999}, {EST, 1}};
	/* no SYN: the oldest closed one */
	struct resident b[8] = {{EST, 0}, {GT_FLOW_FIN, 0},	  {GT_FLOW_CLOSED, 9001},
				{EST, 2}, {GT_FLOW_CLOSED, 9000}, {EST, 3},
				{EST, 4}, {GT_FLOW_FIN, 1}};
	/* no closed: the oldest FIN */
	struct resident c[8] = {{EST, 0}, {EST, 1}, {GT_FLOW_FIN, 9001}, {EST, 2},
				{EST, 3}, {EST, 4}, {GT_FLOW_FIN, 9000}, {EST, 5}};
	/* only established and UDP: the longest idle */
	struct resident d[8] = {{EST, 9}, {EST, 8}, {GT_FLOW_UDP, 7}, {EST, 6},
				{EST, 5}, {EST, 4}, {GT_FLOW_UDP, 3}, {EST, 4}};
	/* none idle for 60 s but one, by a tick */
	struct resident e[8] = {{EST, OLD + 1}, {EST, OLD + 1}, {EST, OLD + 1}, {EST, OLD},
				{EST, OLD + 1}, {EST, OLD + 1}, {EST, OLD + 1}, {EST, OLD + 1}};

	(void)state;
	assert_int_equal(who_yields(a, EST, true), 6);
	assert_int_equal(who_yields(a, GT_FLOW_SYN, true), 6);
	assert_int_equal(who_yields(b, EST, true), 5);
	assert_int_equal(who_yields(b, GT_FLOW_SYN, true), 5);
	assert_int_equal(who_yields(c, EST, true), 7);
	assert_int_equal(who_yields(c, GT_FLOW_SYN, true), 7);
	assert_int_equal(who_yields(d, EST, true), 7);
	assert_int_equal(who_yields(d, GT_FLOW_UDP, true), 7);
	assert_int_equal(who_yields(e, EST, true), 4);
	e[3].tick++;
	assert_int_equal(who_yields(e, EST, true), 0);
}

static void insert_full_never_evicts_what_the_scheduler_would_send_elsewhere(void **state)
{
	struct resident d[8] = {{EST, 9}, {EST, 8}, {GT_FLOW_UDP, 7}, {EST, 6},
				{EST, 5}, {EST, 4}, {GT_FLOW_UDP, 3}, {EST, 4}};

	(void)state;
	assert_int_equal(who_yields(d, EST, false), 0);
	/* that a half-open or closed one would go elsewhere does not save it */
	d[2].state = GT_FLOW_CLOSED;
	assert_int_equal(who_yields(d, EST, false), 3);
}

static void insert_full_a_syn_evicts_no_established_one(void **state)
{
	struct resident d[8] = {{EST, 9}, {EST, 8}, {GT_FLOW_UDP, 7}, {EST, 6},
				{EST, 5}, {EST, 4}, {GT_FLOW_UDP, 3}, {EST, 4}};

	(void)state;
	assert_int_equal(who_yields(d, GT_FLOW_SYN, true), 0);
	/* Nor does the record that a SYN's source leaves behind (persistence = source). */
	assert_int_equal(who_yields(d, GT_FLOW_SOURCE, true), 0);
}

static void insert_full_source_records_yield_like_established_ones(void **state)
{
	struct resident d[8] = {{EST, 9}, {EST, 8}, {GT_FLOW_SOURCE, 1}, {EST, 6},
				{EST, 5}, {EST, 4}, {GT_FLOW_UDP, 3},	 {EST, 4}};

	(void)state;
	assert_int_equal(who_yields(d, EST, true), 3);
	assert_int_equal(who_yields(d, GT_FLOW_SYN, true), 0);
}

static void insert_wide_into_full_evicts_the_pair_that_minds_least(void **state)
{
	struct fixture f = make(1);
	struct gt_flow_ref r;

	(void)state;
	for (uint16_t i = 0; i < 8; i++)
		insert(&f, narrow(i, i, 1), (uint16_t)(i + 1), EST, 9999);
	/* A wide one needs a pair; of each pair one half is fresh. */
	assert_null(insert(&f, wide(1, 1, 1, 1), 50, EST, 10000).slot);
	assert_int_equal(f.c.gone, 0);
	for (uint16_t i = 0; i < 8; i++) {
		struct gt_flow_ref x = find(&f, narrow(i, i, 1));

		gt_flow_touch(x, GT_FLOW_SYN, 9000);
	}
	r = insert(&f, wide(1, 1, 1, 1), 50, EST, 10000);
	assert_non_null(r.slot);
	assert_int_equal(f.c.gone, 2);
	assert_int_equal(f.c.evicted, 2);
	assert_true(f.t.entries == 7 && count_entries(&f.t) == 7);
	assert_ptr_equal(find(&f, wide(1, 1, 1, 1)).slot, r.slot);
	gt_flow_destroy(&f.t);
}

static void insert_narrow_into_full_of_wide_evicts_one(void **state)
{
	struct fixture f = make(1);

	(void)state;
	for (uint16_t i = 0; i < 4; i++)
		insert(&f, wide(i, i, 1, 1), (uint16_t)(i + 1), GT_FLOW_SYN, i == 2 ? 5 : 6);
	assert_non_null(insert(&f, narrow(9, 9, 9), 9, GT_FLOW_SYN, 10).slot);
	assert_int_equal(f.c.gone, 1);
	assert_int_equal(f.c.last_server, 3);
	assert_true(f.t.entries == 4 && count_entries(&f.t) == 4);
	for (uint16_t i = 0; i < 4; i++)
		assert_int_equal(find(&f, wide(i, i, 1, 1)).slot != NULL, i != 2);
	/* The other half of the pair is free for another narrow one. */
	assert_non_null(insert(&f, narrow(10, 9, 9), 10, GT_FLOW_SYN, 10).slot);
	assert_int_equal(f.c.gone, 1);
	assert_int_equal(find(&f, narrow(9, 9, 9)).slot->value, 9);
	gt_flow_destroy(&f.t);
}

/* ---- reports ---- */

static void read_gives_what_was_inserted(void **state)
{
	struct fixture f = make(100);
	struct gt_flow_entry out[GT_FLOW_BUCKET_SLOTS];
	struct gt_addr v4 = support_addr("10.0.0.5"), v6 = support_addr("2001:db8::9");
	unsigned seen = 0;

	(void)state;
	insert(&f, narrow(0x0a000005, 1234, 7), 21, EST, 100);
	insert(&f, wide(9, 4321, 8, 80), 22, GT_FLOW_FIN, 200);
	for (uint32_t i = 0; i < f.t.n_buckets; i++) {
		unsigned n = gt_flow_read(&f.t, i, 300, out);

		for (unsigned j = 0; j < n; j++, seen++) {
			bool first = out[j].value == 21;

			assert_memory_equal(&out[j].client, first ? &v4 : &v6, 16);
			assert_int_equal(out[j].client_port, rte_cpu_to_be_16(first ? 1234 : 4321));
			assert_int_equal(out[j].dst_port, first ? 0 : rte_cpu_to_be_16(80));
			assert_int_equal(out[j].service, first ? 7 : 8);
			assert_int_equal(out[j].value, first ? 21 : 22);
			assert_int_equal(out[j].state, first ? EST : GT_FLOW_FIN);
			assert_int_equal(out[j].idle_ticks, first ? 200 : 100);
		}
	}
	assert_int_equal(seen, 2);
	gt_flow_destroy(&f.t);
}

/* ---- the hash of keys ---- */

static void hash_of_keys_depends_on_every_field(void **state)
{
	struct fixture f = make(1);
	uint64_t n = 0;

	(void)state;
	for (int w = 0; w < 2; w++) {
		struct gt_flow_key base = w ? wide(1, 2, 3, 4) : narrow(1, 2, 3);
		uint64_t h = hash_of(&f.t, &base);

		for (int bit = 0; bit < 64; bit++) {
			struct gt_flow_key k = base;

			k.lo ^= 1ULL << bit;
			n += hash_of(&f.t, &k) == h;
			k = base;
			k.hi ^= 1ULL << bit;
			n += w && hash_of(&f.t, &k) == h;
			k = base;
			if (bit < 16)
				k.port ^= (uint16_t)(1U << bit);
			else if (bit < 32)
				k.dst_port ^= (uint16_t)(1U << (bit - 16));
			else if (bit < 48)
				k.service ^= (uint16_t)(1U << (bit - 32));
			n += w && bit < 48 && hash_of(&f.t, &k) == h;
		}
	}
	assert_true(n == 0);
	gt_flow_destroy(&f.t);
}

static void hash_of_a_mixed_burst_equals_one_by_one(void **state)
{
	struct fixture f = make(1);
	struct gt_flow_key keys[64];
	uint64_t hashes[64], seed = 4;

	(void)state;
	for (int round = 0; round < 100; round++) {
		unsigned n = (unsigned)(support_random(&seed) % 65);

		for (unsigned i = 0; i < n; i++) {
			uint64_t r = support_random(&seed);

			keys[i] = r & 1 ? narrow((uint32_t)(r >> 8), (uint16_t)(r >> 40), 5)
					: wide((uint32_t)(r >> 8), (uint16_t)(r >> 40), 5,
					       (uint16_t)(r >> 48));
		}
		gt_flow_hash(&f.t, keys, hashes, n);
		for (unsigned i = 0; i < n; i++)
			assert_true(hashes[i] == hash_of(&f.t, &keys[i]));
	}
	gt_flow_destroy(&f.t);
}

static void create_takes_the_bytes_it_says(void **state)
{
	struct fixture f = make(1000);
	uint64_t bytes = gt_flow_bytes(1000, false);

	(void)state;
	assert_true(bytes == f.t.n_buckets * 64ULL);
	assert_true(bytes >= 16 * 1000 && bytes <= 33 * 1000);
	assert_true(gt_flow_bytes(1000, true) >= 2 * 16 * 1000);
	assert_true(gt_flow_bytes(0, false) > 0);
	gt_flow_destroy(&f.t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(insert_then_find_then_remove_narrow_and_wide),
		cmocka_unit_test(find_every_field_of_the_key_counts),
		cmocka_unit_test(find_narrow_never_meets_half_of_a_wide_one),
		cmocka_unit_test(insert_spilled_entries_are_found_in_their_second_bucket),
		cmocka_unit_test(insert_four_wide_fill_two_buckets),
		cmocka_unit_test(sweep_frees_what_is_older_than_its_timeout),
		cmocka_unit_test(sweep_in_small_shares_passes_every_bucket),
		cmocka_unit_test(insert_takes_an_expired_place_before_it_evicts),
		cmocka_unit_test(tick_wraps_around_24_bits),
		cmocka_unit_test(touch_changes_state_and_time_and_nothing_else),
		cmocka_unit_test(insert_full_evicts_in_the_promised_order),
		cmocka_unit_test(insert_full_never_evicts_what_the_scheduler_would_send_elsewhere),
		cmocka_unit_test(insert_full_a_syn_evicts_no_established_one),
		cmocka_unit_test(insert_full_source_records_yield_like_established_ones),
		cmocka_unit_test(insert_wide_into_full_evicts_the_pair_that_minds_least),
		cmocka_unit_test(insert_narrow_into_full_of_wide_evicts_one),
		cmocka_unit_test(read_gives_what_was_inserted),
		cmocka_unit_test(hash_of_keys_depends_on_every_field),
		cmocka_unit_test(hash_of_a_mixed_burst_equals_one_by_one),
		cmocka_unit_test(create_takes_the_bytes_it_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
