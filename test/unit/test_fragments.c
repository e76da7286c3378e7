/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fates of datagrams in fragments: whole keys, 15 s and 1 s to the millisecond, 32 held and
 * 4096 remembered, who is replaced.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/counters.h"
#include "flow/fragments.h"
#include "support.h"

static struct gt_fragments make(void)
{
	struct gt_fragments f;

	assert_int_equal(
		gt_fragments_create(&f, (const uint8_t *)"0123456789abcdef", &gt_memory_heap), 0);
	return f;
}

static struct gt_fragment_key key(const char *src, const char *dst, uint32_t id, uint8_t protocol)
{
	struct gt_fragment_key k;

	memset(&k, 0, sizeof(k));
	k.src = support_addr(src);
	k.dst = support_addr(dst);
	k.id = id;
	k.protocol = protocol;
	return k;
}

static struct gt_fragment_key numbered(uint32_t n)
{
	struct gt_fragment_key k = key("203.0.113.9", "192.0.2.100", n, 17);

	return k;
}

static struct gt_fragment_fate send_to(uint16_t server)
{
	return (struct gt_fragment_fate){.verdict = GT_SEND, .server = server};
}

/* The server of a datagram, or -1 if it is not known. */
static int server_of(const struct gt_fragments *f, struct gt_fragment_key k, uint64_t now)
{
	struct gt_fragment_fate fate;

	return gt_fragments_find(f, &k, now, &fate) ? fate.server : -1;
}

static void decide_then_find_gives_the_fate(void **state)
{
	struct gt_fragments f = make();
	struct gt_fragment_key k = numbered(1);
	struct gt_fragment_fate drop = {.verdict = GT_DROP, .reason = GT_DROP_NO_SERVICE}, got;

	(void)state;
	assert_false(gt_fragments_find(&f, &k, 1000, &got));
	gt_fragments_decide(&f, &k, drop, 1000);
	assert_true(gt_fragments_find(&f, &k, 1000, &got));
	assert_int_equal(got.verdict, GT_DROP);
	assert_int_equal(got.reason, GT_DROP_NO_SERVICE);
	gt_fragments_decide(&f, &k, send_to(7), 2000);
	assert_int_equal(server_of(&f, k, 2000), 7);
	gt_fragments_destroy(&f);
}

static void find_every_field_of_the_key_counts(void **state)
{
	struct gt_fragments f = make();

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		const char *src = v6 ? "2001:db8:1::9" : "203.0.113.9";
		const char *dst = v6 ? "2001:db8::100" : "192.0.2.100";
		struct gt_fragment_key base = key(src, dst, 5, 17);

		gt_fragments_decide(&f, &base, send_to(1), 0);
		assert_int_equal(server_of(&f, base, 1), 1);
		for (int i = 0; i < 16; i++) {
			struct gt_fragment_key k = base;

			k.src.b[i] ^= 1;
			assert_int_equal(server_of(&f, k, 1), -1);
			k = base;
			k.dst.b[i] ^= 1;
			assert_int_equal(server_of(&f, k, 1), -1);
		}
		for (int bit = 0; bit < 32; bit++)
			assert_int_equal(server_of(&f, key(src, dst, 5U ^ 1U << bit, 17), 1), -1);
		assert_int_equal(server_of(&f, key(src, dst, 5, 6), 1), -1);
		/* the way back is another datagram */
		assert_int_equal(server_of(&f, key(dst, src, 5, 17), 1), -1);
	}
	gt_fragments_destroy(&f);
}

static void find_same_id_of_other_datagrams_are_kept_apart(void **state)
{
	struct gt_fragments f = make();

	(void)state;
	gt_fragments_decide(&f, &(struct gt_fragment_key){.src = support_addr("10.0.0.1"), .id = 9},
			    send_to(1), 0);
	gt_fragments_decide(&f, &(struct gt_fragment_key){.src = support_addr("10.0.0.2"), .id = 9},
			    send_to(2), 0);
	gt_fragments_decide(
		&f,
		&(struct gt_fragment_key){.src = support_addr("10.0.0.1"), .id = 9, .protocol = 17},
		send_to(3), 0);
	assert_int_equal(
		server_of(&f, (struct gt_fragment_key){.src = support_addr("10.0.0.1"), .id = 9},
			  1),
		1);
	assert_int_equal(
		server_of(&f, (struct gt_fragment_key){.src = support_addr("10.0.0.2"), .id = 9},
			  1),
		2);
	assert_int_equal(server_of(&f,
				   (struct gt_fragment_key){.src = support_addr("10.0.0.1"),
							    .id = 9,
							    .protocol = 17},
				   1),
			 3);
	gt_fragments_destroy(&f);
}

static void find_after_15_s_forgets(void **state)
{
	struct gt_fragments f = make();

	(void)state;
	gt_fragments_decide(&f, &(struct gt_fragment_key){.id = 1}, send_to(1), 100);
	assert_int_equal(server_of(&f, (struct gt_fragment_key){.id = 1}, 15099), 1);
	assert_int_equal(server_of(&f, (struct gt_fragment_key){.id = 1}, 15100), -1);
	gt_fragments_decide(&f, &(struct gt_fragment_key){.id = 1}, send_to(2), 15100);
	assert_int_equal(server_of(&f, (struct gt_fragment_key){.id = 1}, 15101), 2);
	gt_fragments_destroy(&f);
}

/* In a crowded set it is always one that ends first which goes: whoever is young stays. */
static void decide_replaces_the_one_that_ends_first(void **state)
{
	enum { N = 40000 };
	struct gt_fragments f = make();
	unsigned known = 0, young = 0;

	(void)state;
	for (uint32_t i = 0; i < N; i++) {
		struct gt_fragment_key k = numbered(i);

		gt_fragments_decide(&f, &k, send_to((uint16_t)(i % 60000)), i / 10);
		assert_int_equal(server_of(&f, k, i / 10), i % 60000);
	}
	for (uint32_t i = 0; i < N; i++) {
		int server = server_of(&f, numbered(i), N / 10);

		assert_true(server == -1 || server == (int)(i % 60000));
		known += server != -1;
		young += server != -1 && i >= N - 1024;
	}
	/* full: 4096 in 1024 sets of 4 */
	assert_int_equal(known, GT_FRAGMENT_DATAGRAMS);
	/* Of the last 1024 one is lost only if four more came to its set: P(>= 4 of mean 1) over
	 * an average of half of them, below 1 %. */
	assert_in_range(young, 1010, 1024);
	gt_fragments_destroy(&f);
}

static void decide_again_does_not_take_a_second_place(void **state)
{
	struct gt_fragments f = make();
	unsigned known = 0;

	(void)state;
	for (uint32_t i = 0; i < 1000; i++)
		for (int again = 0; again < 20; again++)
			gt_fragments_decide(&f, &(struct gt_fragment_key){.id = i}, send_to(1),
					    (uint64_t)again);
	for (uint32_t i = 0; i < 1000; i++)
		known += server_of(&f, (struct gt_fragment_key){.id = i}, 20) == 1;
	/* 1000 keys in 1024 sets: P(more than 4 of mean 1) x those beyond, about 0.4 % */
	assert_in_range(known, 985, 1000);
	gt_fragments_destroy(&f);
}

/* ---- held ---- */

static struct gt_frame frame(uintptr_t n)
{
	return (struct gt_frame){.len = (uint32_t)n, .owner = (void *)n};
}

static void hold_32_and_no_more(void **state)
{
	struct gt_fragments f = make();
	struct gt_frame out[GT_FRAGMENT_HELD_MAX];

	(void)state;
	for (uint32_t i = 0; i < 32; i++) {
		struct gt_frame x = frame(i + 1);
		struct gt_fragment_key k = numbered(i % 4);

		assert_true(gt_fragments_hold(&f, &x, &k, i));
	}
	assert_false(
		gt_fragments_hold(&f, &(struct gt_frame){0}, &(struct gt_fragment_key){0}, 32));
	assert_int_equal(f.n_held, 32);
	assert_int_equal(gt_fragments_expire(&f, 32, true, out), 32);
	for (uint32_t i = 0; i < 32; i++)
		assert_ptr_equal(out[i].owner, (void *)(uintptr_t)(i + 1));
	assert_int_equal(f.n_held, 0);
	gt_fragments_destroy(&f);
}

static void release_gives_one_datagrams_frames_in_order(void **state)
{
	struct gt_fragments f = make();
	struct gt_frame out[GT_FRAGMENT_HELD_MAX];

	(void)state;
	for (uint32_t i = 0; i < 30; i++) {
		struct gt_frame x = frame(i + 1);
		struct gt_fragment_key k = numbered(i % 3);

		assert_true(gt_fragments_hold(&f, &x, &k, 5));
	}
	for (uint32_t d = 0; d < 3; d++) {
		struct gt_fragment_key k = numbered((d + 1) % 3);
		unsigned n = gt_fragments_release(&f, &k, out);

		assert_int_equal(n, 10);
		for (uint32_t i = 0; i < n; i++)
			assert_ptr_equal(out[i].owner,
					 (void *)(uintptr_t)(i * 3 + (d + 1) % 3 + 1));
		assert_int_equal(gt_fragments_release(&f, &k, out), 0);
	}
	assert_int_equal(f.n_held, 0);
	gt_fragments_destroy(&f);
}

/* A key is compared whole, also with those that the hash puts beside it. */
static void find_and_release_compare_every_field(void **state)
{
	struct gt_fragment_key base = numbered(7);
	struct gt_frame out[GT_FRAGMENT_HELD_MAX];

	(void)state;
	for (int field = 0; field < 4; field++) {
		struct gt_fragments f = make();
		struct gt_fragment_key other = base;
		struct gt_frame x = frame(1);

		assert_true(gt_fragments_hold(&f, &x, &base, 0));
		for (uint32_t i = 0; i < 40000; i++) {
			struct gt_fragment_key k = base;

			k.id = i;
			if (i % 8 == 0) /* 4 of each set */
				gt_fragments_decide(&f, &k, send_to(1), 0);
			if (field == 0)
				k.src.b[15] ^= 1;
			else if (field == 1)
				k.dst.b[15] ^= 1;
			else if (field == 2)
				k.protocol ^= 1;
			else
				k.id ^= 0x10000000;
			assert_int_equal(server_of(&f, k, 1), -1);
			other = i == 7 ? k : other;
		}
		assert_int_equal(gt_fragments_release(&f, &other, out), 0);
		assert_int_equal(gt_fragments_release(&f, &base, out), 1);
		gt_fragments_destroy(&f);
	}
}

static void expire_after_a_second_oldest_first(void **state)
{
	struct gt_fragments f = make();
	struct gt_frame out[GT_FRAGMENT_HELD_MAX];

	(void)state;
	for (uint32_t i = 0; i < 10; i++) {
		struct gt_frame x = frame(i + 1);
		struct gt_fragment_key k = numbered(i);

		assert_true(gt_fragments_hold(&f, &x, &k, 100 * i));
	}
	assert_int_equal(gt_fragments_expire(&f, 999, false, out), 0);
	assert_int_equal(gt_fragments_expire(&f, 1000, false, out), 1);
	assert_ptr_equal(out[0].owner, (void *)1);
	/* One from the middle goes its own way; the order of the others stays. */
	assert_int_equal(gt_fragments_release(&f, &(struct gt_fragment_key){0}, out), 0);
	{
		struct gt_fragment_key k = numbered(2);

		assert_int_equal(gt_fragments_release(&f, &k, out), 1);
	}
	assert_int_equal(gt_fragments_expire(&f, 1300, false, out), 2);
	assert_ptr_equal(out[0].owner, (void *)2);
	assert_ptr_equal(out[1].owner, (void *)4);
	assert_int_equal(gt_fragments_expire(&f, 1000000, false, out), 6);
	assert_int_equal(f.n_held, 0);
	gt_fragments_destroy(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decide_then_find_gives_the_fate),
		cmocka_unit_test(find_every_field_of_the_key_counts),
		cmocka_unit_test(find_same_id_of_other_datagrams_are_kept_apart),
		cmocka_unit_test(find_after_15_s_forgets),
		cmocka_unit_test(decide_replaces_the_one_that_ends_first),
		cmocka_unit_test(decide_again_does_not_take_a_second_place),
		cmocka_unit_test(hold_32_and_no_more),
		cmocka_unit_test(release_gives_one_datagrams_frames_in_order),
		cmocka_unit_test(find_and_release_compare_every_field),
		cmocka_unit_test(expire_after_a_second_oldest_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
