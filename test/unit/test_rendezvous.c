/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rendezvous tables: the fixed-point logarithm against libm's, the tables against a naive search in
 * long double, no slot that moves without need, shares by weight within what chance allows, and
 * that an update gives what a whole build gives.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "balance/rendezvous.h"
#include "support.h"

#define SIZE 65537

static const struct gt_siphash_key key = {7, 0x67616e7472790001ULL};

static uint16_t table[SIZE], other[SIZE], third[SIZE];

/* n servers of one weight; values 1, 2, ... */
static void make_servers(struct gt_maglev_server *s, size_t n, uint32_t weight)
{
	uint64_t state = 1;

	for (size_t i = 0; i < n; i++)
		s[i] = (struct gt_maglev_server){.identity = support_random(&state),
						 .weight = weight,
						 .value = (uint16_t)(i + 1)};
}

static void build(const struct gt_maglev_server *s, size_t n, uint16_t *out)
{
	assert_int_equal(gt_rendezvous_build(&key, s, n, out, SIZE), 0);
}

/* ---- the logarithm ---- */

static void draw_is_the_logarithm_within_its_error(void **state)
{
	const double bound = ldexp(1, -36);
	struct gt_rendezvous_log log;
	uint64_t random = 3;
	double worst = 0;

	(void)state;
	gt_rendezvous_log_init(&log);
	for (int i = 0; i < 2000000; i++) {
		/* all magnitudes: also numbers near 0 and near 2^64 */
		uint64_t h = support_random(&random) >> (i % 64);
		long double exact;
		double off;

		if (i & 1)
			h = ~h;
		exact = 65 - log2l(2 * (long double)h + 1);
		off = fabs((double)(ldexpl((long double)gt_rendezvous_draw(&log, h),
					   -GT_RENDEZVOUS_BITS) -
				    exact));
		if (off > worst)
			worst = off;
	}
	printf("worst error of the logarithm: 2^%.1f\n", log2(worst));
	assert_true(worst < bound);
}

static void draw_at_its_ends_is_positive_and_in_order(void **state)
{
	struct gt_rendezvous_log log;
	uint64_t before;

	(void)state;
	gt_rendezvous_log_init(&log);
	assert_true(gt_rendezvous_draw(&log, 0) == 65ULL << GT_RENDEZVOUS_BITS);
	assert_true(gt_rendezvous_draw(&log, UINT64_MAX) == 1);
	/* It never rises with h, over the seams of the table too. */
	before = UINT64_MAX;
	for (unsigned bits = 1; bits < 64; bits++)
		for (uint64_t i = 0; i < 4096; i++) {
			uint64_t h = (1ULL << bits) + ((1ULL << bits) - 1) / 4096 * i;
			uint64_t draw = gt_rendezvous_draw(&log, h);

			assert_true(draw <= before && draw > 0);
			before = draw;
		}
}

/* ---- tables ---- */

/* SplitMix64's output function and Vigna's published first numbers for seed 1234567 (his test
 * vector): the slot's hash is that generator, started at the server's secret. */
static void slots_follow_a_published_generator(void **state)
{
	static const uint64_t published[] = {6457827717110365317ULL, 3203168211198807973ULL,
					     9817491932198370423ULL, 4593380528125082431ULL,
					     16408922859458223821ULL};
	uint64_t seed = 1234567;

	(void)state;
	for (int i = 0; i < 5; i++)
		assert_true(support_random(&seed) == published[i]);
}

/* The same by another way: the generator of support.c, and logarithms in long double. */
static uint16_t naive(const struct gt_maglev_server *s, size_t n, uint32_t slot)
{
	long double best = 0;
	uint16_t value = 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t in[2] = {s[i].identity, 1};
		uint64_t seed = gt_siphash(&key, in, sizeof(in)) + slot * 0x9e3779b97f4a7c15ULL;
		long double u = (2 * (long double)support_random(&seed) + 1) / ldexpl(1, 65);
		long double score = -logl(u) / s[i].weight;

		if (value == 0 || score < best) {
			best = score;
			value = s[i].value;
		}
	}
	return value;
}

static void build_agrees_with_long_double(void **state)
{
	struct gt_maglev_server s[23];
	uint64_t random = 11;

	(void)state;
	make_servers(s, 23, 1);
	for (size_t i = 0; i < 23; i++)
		s[i].weight = 1 + (uint32_t)(support_random(&random) % 65535);
	build(s, 23, table);
	for (uint32_t slot = 0; slot < SIZE; slot++)
		assert_int_equal(table[slot], naive(s, 23, slot));
}

static void build_does_not_depend_on_order_or_a_common_factor(void **state)
{
	struct gt_maglev_server s[9], t[9];

	(void)state;
	make_servers(s, 9, 3);
	s[4].weight = 7;
	build(s, 9, table);
	for (size_t i = 0; i < 9; i++) {
		t[i] = s[8 - i];
		t[i].weight *= 1000;
	}
	build(t, 9, other);
	assert_memory_equal(table, other, sizeof(table));
}

static void build_refuses_nonsense(void **state)
{
	struct gt_maglev_server s[2];

	(void)state;
	make_servers(s, 2, 1);
	assert_int_equal(gt_rendezvous_build(&key, s, 0, table, SIZE), -22);
	s[1].weight = 0;
	assert_int_equal(gt_rendezvous_build(&key, s, 2, table, SIZE), -22);
	s[1].weight = 65536;
	assert_int_equal(gt_rendezvous_build(&key, s, 2, table, SIZE), -22);
	assert_int_equal(gt_rendezvous_update(&key, s, 1, table, s, 2, other, SIZE), -22);
}

/* Each server's slots are within five standard deviations of its share. */
static void shares_follow_weights_within_chance(void **state)
{
	static const uint32_t weights[] = {1, 1, 2, 5, 10, 100, 100, 65535, 3000, 40000};
	struct gt_maglev_server s[10];
	unsigned count[11] = {0};
	double sum = 0;

	(void)state;
	make_servers(s, 10, 1);
	for (size_t i = 0; i < 10; i++) {
		s[i].weight = weights[i];
		sum += weights[i];
	}
	build(s, 10, table);
	for (uint32_t i = 0; i < SIZE; i++)
		count[table[i]]++;
	for (size_t i = 0; i < 10; i++) {
		double p = weights[i] / sum, mean = p * SIZE, sd = sqrt(mean * (1 - p));

		assert_true(fabs(count[i + 1] - mean) <= 5 * sd + 1);
	}
}

/* ---- what moves ---- */

/* `changed`: value of the server that something happened to. Only slots to it or from it move. */
static unsigned moves_needlessly(const uint16_t *from, const uint16_t *to, uint16_t changed)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < SIZE; i++)
		n += from[i] != to[i] && from[i] != changed && to[i] != changed;
	return n;
}

static void changes_move_no_slot_that_need_not(void **state)
{
	struct gt_maglev_server s[33];

	(void)state;
	for (size_t n = 2; n <= 32; n += 10) {
		make_servers(s, n + 1, 100);
		build(s, n, table);
		/* one more */
		build(s, n + 1, other);
		assert_int_equal(moves_needlessly(table, other, (uint16_t)(n + 1)), 0);
		for (uint32_t i = 0; i < SIZE; i++)
			assert_true(other[i] == table[i] || other[i] == n + 1);
		/* one less */
		build(s + 1, n - 1, other);
		assert_int_equal(moves_needlessly(table, other, 1), 0);
		for (uint32_t i = 0; i < SIZE; i++)
			assert_true(other[i] == table[i] || table[i] == 1);
		/* more weight only gains, less only loses */
		s[1].weight = 150;
		build(s, n, other);
		for (uint32_t i = 0; i < SIZE; i++)
			assert_true(other[i] == table[i] || other[i] == 2);
		s[1].weight = 50;
		build(s, n, other);
		for (uint32_t i = 0; i < SIZE; i++)
			assert_true(other[i] == table[i] || table[i] == 2);
	}
}

/* Servers come, go and change weights at random: an update is a build. */
static void update_is_what_a_build_gives(void **state)
{
	struct gt_maglev_server all[24], s[24], old[24];
	size_t n = 0, n_old;
	uint64_t random = 5;
	bool in[24] = {false};

	(void)state;
	make_servers(all, 24, 100);
	for (size_t i = 0; i < 6; i++) {
		in[i] = true;
		s[n++] = all[i];
	}
	build(s, n, table);
	for (int round = 0; round < 60; round++) {
		memcpy(old, s, sizeof(old));
		n_old = n;
		for (uint64_t k = support_random(&random) % 4; k > 0; k--) {
			size_t i = support_random(&random) % 24;

			if (support_random(&random) % 2)
				in[i] = !in[i];
			else
				all[i].weight = 1 + (uint32_t)(support_random(&random) % 300);
			if (support_random(&random) % 8 == 0)
				all[i].value = (uint16_t)(100 + round); /* another number */
		}
		n = 0;
		for (size_t i = 0; i < 24; i++)
			if (in[i] || (n == 0 && i == 23))
				s[n++] = all[i];
		assert_int_equal(gt_rendezvous_update(&key, old, n_old, table, s, n, other, SIZE),
				 0);
		build(s, n, third);
		assert_memory_equal(other, third, sizeof(other));
		memcpy(table, other, sizeof(table));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(draw_is_the_logarithm_within_its_error),
		cmocka_unit_test(draw_at_its_ends_is_positive_and_in_order),
		cmocka_unit_test(slots_follow_a_published_generator),
		cmocka_unit_test(build_agrees_with_long_double),
		cmocka_unit_test(build_does_not_depend_on_order_or_a_common_factor),
		cmocka_unit_test(build_refuses_nonsense),
		cmocka_unit_test(shares_follow_weights_within_chance),
		cmocka_unit_test(changes_move_no_slot_that_need_not),
		cmocka_unit_test(update_is_what_a_build_gives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
