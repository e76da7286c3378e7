/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rise, fall and when to check next. The bound on how long a fault stays unseen is played through
 * with a server that dies at every moment between two checks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "probe/health.h"

static const struct gt_health_rule rule = {
	.interval_ms = 2000, .timeout_ms = 1000, .rise = 2, .fall = 3};

static enum gt_health_change count(struct gt_health *h, enum gt_health_outcome outcome, uint64_t at)
{
	const struct gt_health_result r = {outcome, "because", at, at + 10, 10000};

	return gt_health_count(h, &r);
}

static void start_any_state_is_unchecked(void **state)
{
	struct gt_health h;

	(void)state;
	gt_health_start(&h, &rule, true);
	assert_true(h.up);
	assert_int_equal(h.last.outcome, GT_HEALTH_UNCHECKED);
	assert_int_equal(h.changed_ms, 0);
	gt_health_start(&h, &rule, false);
	assert_false(h.up);
}

static void count_fall_failures_in_a_row_goes_down(void **state)
{
	struct gt_health h;

	(void)state;
	gt_health_start(&h, &rule, true);
	assert_int_equal(count(&h, GT_HEALTH_SICK, 1000), GT_HEALTH_NO_CHANGE);
	assert_int_equal(count(&h, GT_HEALTH_SICK, 2000), GT_HEALTH_NO_CHANGE);
	assert_true(h.up);
	assert_int_equal(count(&h, GT_HEALTH_SICK, 3000), GT_HEALTH_WENT_DOWN);
	assert_false(h.up);
	assert_int_equal(h.changed_ms, 3010);
	assert_int_equal(h.changed_results, 3);
	assert_int_equal(h.changed_took_ms, 2010);
	assert_int_equal(h.sick, 3);
	assert_string_equal(h.last.reason, "because");
	assert_int_equal(h.last.duration_us, 10000);
}

static void count_success_between_failures_starts_anew(void **state)
{
	struct gt_health h;

	(void)state;
	gt_health_start(&h, &rule, true);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(
			count(&h, i % 3 == 2 ? GT_HEALTH_HEALTHY : GT_HEALTH_SICK, 1000 * i),
			GT_HEALTH_NO_CHANGE);
	assert_true(h.up);
}

/* The failures that turned it down are no successes that turn it up. */
static void count_rise_successes_in_a_row_goes_up(void **state)
{
	struct gt_health h;

	(void)state;
	gt_health_start(&h, &rule, true);
	for (unsigned i = 0; i < 10; i++)
		count(&h, GT_HEALTH_SICK, i);
	assert_false(h.up);
	assert_int_equal(count(&h, GT_HEALTH_HEALTHY, 5000), GT_HEALTH_NO_CHANGE);
	assert_int_equal(count(&h, GT_HEALTH_SICK, 6000), GT_HEALTH_NO_CHANGE);
	assert_int_equal(count(&h, GT_HEALTH_HEALTHY, 7000), GT_HEALTH_NO_CHANGE);
	assert_int_equal(count(&h, GT_HEALTH_HEALTHY, 8000), GT_HEALTH_WENT_UP);
	assert_true(h.up);
	assert_int_equal(h.changed_results, 2);
	assert_int_equal(h.changed_took_ms, 1010);
}

static void count_not_made_says_nothing(void **state)
{
	struct gt_health h;

	(void)state;
	gt_health_start(&h, &rule, true);
	assert_int_equal(count(&h, GT_HEALTH_UNCHECKED, 1), GT_HEALTH_BLIND);
	assert_int_equal(count(&h, GT_HEALTH_UNCHECKED, 2), GT_HEALTH_NO_CHANGE);
	assert_int_equal(count(&h, GT_HEALTH_SICK, 3), GT_HEALTH_SEES);
	assert_int_equal(count(&h, GT_HEALTH_SICK, 4), GT_HEALTH_NO_CHANGE);
	for (unsigned i = 0; i < 100; i++)
		count(&h, GT_HEALTH_UNCHECKED, 5 + i);
	assert_true(h.up);
	assert_int_equal(h.healthy + h.sick, 2);
	assert_int_equal(count(&h, GT_HEALTH_SICK, 200), GT_HEALTH_WENT_DOWN);
}

static void count_long_reason_is_cut(void **state)
{
	struct gt_health h;
	char reason[1000];
	const struct gt_health_result r = {GT_HEALTH_SICK, reason, 0, 0, 0};

	(void)state;
	memset(reason, 'x', sizeof(reason));
	reason[sizeof(reason) - 1] = '\0';
	gt_health_start(&h, &rule, true);
	gt_health_count(&h, &r);
	assert_int_equal(strlen(h.last.reason), GT_PROBE_REASON_MAX - 1);
}

static void first_many_servers_are_spread(void **state)
{
	(void)state;
	/* Few: one a millisecond. */
	for (size_t k = 0; k < 10; k++)
		assert_int_equal(gt_health_first_ms(&rule, k, 10, 500), 500 + k);
	/* Many: over the interval, and evenly. */
	for (size_t k = 0; k < 50000; k++)
		assert_int_equal(gt_health_first_ms(&rule, k, 50000, 500), 500 + k / 25);
}

static void next_any_random_within_an_eighth(void **state)
{
	struct gt_health h;
	uint64_t least = UINT64_MAX, most = 0;

	(void)state;
	gt_health_start(&h, &rule, true);
	for (unsigned i = 0; i < 10000; i++) {
		uint64_t due = gt_health_next_ms(&h, 1000, 1010, (uint32_t)random());

		least = due < least ? due : least;
		most = due > most ? due : most;
	}
	assert_int_equal(least, 1000 + 2000 - 250);
	assert_int_equal(most, 1000 + 2000);
	/* Never in the past. */
	assert_int_equal(gt_health_next_ms(&h, 1000, 9000, 0), 9000);
	/* After a result that contradicts the state it is half of that. */
	count(&h, GT_HEALTH_SICK, 1000);
	assert_int_equal(gt_health_next_ms(&h, 1000, 1010, 0), 2000);
	assert_true(gt_health_next_ms(&h, 1000, 1010, 125) >= 1875);
}

/* Dies at `fault_ms`; each check takes `takes_ms` of failing. When is it down? */
static uint64_t play(const struct gt_health_rule *r, uint64_t fault_ms, uint64_t takes_ms)
{
	struct gt_health h;
	uint64_t now = 0;

	gt_health_start(&h, r, true);
	for (unsigned i = 0; i < 1000; i++) {
		bool dead = now >= fault_ms;
		uint64_t end = now + (dead ? takes_ms : 1);
		const struct gt_health_result result = {dead ? GT_HEALTH_SICK : GT_HEALTH_HEALTHY,
							"", now, end, 0};

		if (gt_health_count(&h, &result) == GT_HEALTH_WENT_DOWN)
			return end;
		now = gt_health_next_ms(&h, now, end, (uint32_t)random());
	}
	return UINT64_MAX;
}

static void next_dead_at_any_moment_is_down_in_time(void **state)
{
	const struct gt_health_rule rules[] = {
		{1, 2000, 1000, 2, 3},
		{1, 2000, 2000, 2, 3},
		{1, 100, 10, 1, 1},
		{1, 1000, 1000, 5, 10},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		for (uint64_t fault = 5000; fault < 5000 + rules[i].interval_ms; fault++)
			for (unsigned quick = 0; quick < 2; quick++) {
				uint64_t down =
					play(&rules[i], fault, quick ? 1 : rules[i].timeout_ms);

				assert_true(down - fault <=
					    (uint64_t)rules[i].interval_ms * rules[i].fall +
						    rules[i].timeout_ms);
			}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(start_any_state_is_unchecked),
		cmocka_unit_test(count_fall_failures_in_a_row_goes_down),
		cmocka_unit_test(count_success_between_failures_starts_anew),
		cmocka_unit_test(count_rise_successes_in_a_row_goes_up),
		cmocka_unit_test(count_not_made_says_nothing),
		cmocka_unit_test(count_long_reason_is_cut),
		cmocka_unit_test(first_many_servers_are_spread),
		cmocka_unit_test(next_any_random_within_an_eighth),
		cmocka_unit_test(next_dead_at_any_moment_is_down_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
