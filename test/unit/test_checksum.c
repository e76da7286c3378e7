/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Internet checksum against the vectors of RFC 1071 and RFC 1624 (shared/algorithms.md) and
 * against a plain byte loop at every length and alignment.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/checksum.h"
#include "packet/rewrite.h"
#include "support.h"

static void checksum_rfc1071_example(void **state)
{
	static const uint8_t data[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};

	(void)state;
	assert_int_equal(support_sum(0, data, sizeof(data)), 0xddf2);
	assert_int_equal(rte_be_to_cpu_16(gt_checksum_fold(gt_checksum_add(0, data, sizeof(data)))),
			 0x220d);
}

static void checksum_update_rfc1624_example_gives_zero(void **state)
{
	(void)state;
	/* RFC 1624 4: equation 3 gives 0000, equation 2 would give FFFF. */
	assert_int_equal(gt_checksum_update(rte_cpu_to_be_16(0xdd2f), rte_cpu_to_be_16(0x5555),
					    rte_cpu_to_be_16(0x3285)),
			 0);
}

static void checksum_every_length_and_alignment_agrees_with_plain_loop(void **state)
{
	uint64_t seed = 1;

	(void)state;
	for (size_t len = 0; len < 200; len++) {
		for (size_t align = 0; align < 8; align++) {
			/* Ends with the block, so that ASan sees a read too far. */
			uint8_t *block = malloc(align + len + 1), *data = block + align + 1;
			uint16_t got;

			assert_non_null(block);
			for (size_t i = 0; i < len; i++)
				data[i] = (uint8_t)support_random(&seed);
			got = gt_checksum_fold(gt_checksum_add(0, data, len));
			assert_int_equal(rte_be_to_cpu_16(got),
					 (uint16_t)~support_sum(0, data, len));
			free(block);
		}
	}
}

static void checksum_pieces_add_up(void **state)
{
	uint8_t data[600];
	uint64_t seed = 2;

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = i < 300 ? 0xff : (uint8_t)support_random(&seed);
	for (size_t cut = 0; cut <= sizeof(data); cut += 2) {
		uint32_t sum = gt_checksum_add(0, data, cut);

		sum = gt_checksum_add(sum, data + cut, sizeof(data) - cut);
		assert_int_equal(rte_be_to_cpu_16(gt_checksum_fold(sum)),
				 (uint16_t)~support_sum(0, data, sizeof(data)));
	}
}

static void checksum_all_ones_64k_loses_no_carry(void **state)
{
	size_t len = 65536;
	uint8_t *data = malloc(len);

	(void)state;
	assert_non_null(data);
	for (size_t i = 0; i < len; i++)
		data[i] = 0xff;
	assert_int_equal(gt_checksum_fold(gt_checksum_add(0, data, len)), 0);
	assert_int_equal(gt_checksum_fold(gt_checksum_add(0xffff, data, len)), 0);
	free(data);
}

static void checksum_update_equals_full_recomputation(void **state)
{
	uint64_t seed = 3;

	(void)state;
	for (int round = 0; round < 200000; round++) {
		uint8_t data[8];
		uint16_t from, to, check, want;
		uint64_t r = support_random(&seed);

		memcpy(data, &r, 8);
		if (data[0] == 0)
			data[0] = 1; /* never all zero: then 0000 and FFFF mean the same */
		if (round % 3 == 0)  /* near the edges, where the two zeros meet */
			memset(data + 2, round % 2 ? 0xff : 0, 4);
		check = rte_cpu_to_be_16((uint16_t)~support_sum(0, data, 8));
		memcpy(&from, data + 6, 2);
		to = (uint16_t)support_random(&seed);
		if (round % 5 == 0)
			to = round % 2 ? 0xffff : 0;
		memcpy(data + 6, &to, 2);
		want = (uint16_t)~support_sum(0, data, 8);
		assert_int_equal(rte_be_to_cpu_16(gt_checksum_update(check, from, to)), want);
	}
}

/* ~(~check + sum) as it is written down, of every value. */
static void rewrite_apply_every_check_as_by_addition(void **state)
{
	static const uint16_t sums[] = {1, 2, 0x7fff, 0x8000, 0xfeff, 0xfffe, 0xffff};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(sums); i++) {
		for (uint32_t check = 0; check <= UINT16_MAX; check++) {
			rte_be16_t from = (rte_be16_t)check;
			uint8_t field[2];

			memcpy(field, &from, sizeof(field));
			gt_rewrite_apply(field, sums[i]);
			assert_int_equal(gt_copy_be16(field),
					 gt_checksum_fold((uint16_t)~from + (uint32_t)sums[i]));
		}
	}
}

static void rewrite_fold_half_is_fold(void **state)
{
	uint64_t seed = 4;

	(void)state;
	for (int round = 0; round < 200000; round++) {
		uint32_t half = (uint32_t)support_random(&seed) >> (round % 32);

		assert_int_equal(gt_rewrite_fold_half(half), gt_rewrite_fold(half));
		assert_int_equal((uint16_t)~gt_rewrite_fold(half), gt_checksum_fold(half));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checksum_rfc1071_example),
		cmocka_unit_test(checksum_update_rfc1624_example_gives_zero),
		cmocka_unit_test(checksum_every_length_and_alignment_agrees_with_plain_loop),
		cmocka_unit_test(checksum_pieces_add_up),
		cmocka_unit_test(checksum_all_ones_64k_loses_no_carry),
		cmocka_unit_test(checksum_update_equals_full_recomputation),
		cmocka_unit_test(rewrite_apply_every_check_as_by_addition),
		cmocka_unit_test(rewrite_fold_half_is_fold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
