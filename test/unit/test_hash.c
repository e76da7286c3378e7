/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SipHash-2-4 against its paper's vectors; the AES hash against FIPS 197's worked example and
 * AESENC's values computed elsewhere, the vector code beside its portable twin, and that it is not
 * linear as CRC32c and Toeplitz are.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/cpu.h"
#include "base/hash.h"
#include "support.h"
#include "vectors_aes.h"

static struct gt_siphash_key counting_key(void)
{
	return (struct gt_siphash_key){0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL};
}

static void siphash_reference_vectors(void **state)
{
	/* From vectors_sip64 of the authors' reference implementation, inputs 00, 01, ... of the
	 * length; as little-endian numbers. 15 is the paper's own (appendix A). */
	static const struct {
		size_t len;
		uint64_t hash;
	} rows[] = {
		{0, 0x726fdb47dd0e0e31ULL},  {1, 0x74f839c593dc67fdULL},
		{7, 0xab0200f58b01d137ULL},  {8, 0x93f5f5799a932462ULL},
		{15, 0xa129ca6149be45e5ULL}, {63, 0x958a324ceb064572ULL},
	};
	struct gt_siphash_key key = counting_key();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t *in = malloc(rows[i].len + 1);

		assert_non_null(in);
		for (size_t j = 0; j < rows[i].len; j++)
			in[j + 1] = (uint8_t)j; /* unaligned */
		assert_true(gt_siphash(&key, in + 1, rows[i].len) == rows[i].hash);
		free(in);
	}
}

static void siphash_four_equals_one_by_one(void **state)
{
	struct gt_siphash_key key = counting_key();
	uint64_t seed = 3, words[5][4], one[5], out[4];

	(void)state;
	for (int n = 0; n < 1000; n++) {
		for (int i = 0; i < 5; i++)
			for (int j = 0; j < 4; j++)
				words[i][j] = support_random(&seed);
		gt_siphash_four(&key, words, 5, out);
		for (int j = 0; j < 4; j++) {
			for (int i = 0; i < 5; i++)
				one[i] = words[i][j];
			assert_true(out[j] == gt_siphash(&key, one, sizeof(one)));
		}
	}
}

static void siphash_key_from_seed_stays_what_it_is(void **state)
{
	struct gt_siphash_key key = gt_siphash_key_from_seed(0x1122334455667788ULL);

	(void)state;
	/* Peers agree by it: no version may change it. "gantry" and 00 01. */
	assert_true(key.k0 == 0x1122334455667788ULL);
	assert_true(key.k1 == 0x67616e7472790001ULL);
}

static void hex(const char *text, uint8_t *out)
{
	for (size_t i = 0; text[2 * i] != '\0'; i++) {
		unsigned byte;

		assert_int_equal(sscanf(text + 2 * i, "%2x", &byte), 1);
		out[i] = (uint8_t)byte;
	}
}

/*
 * FIPS 197 appendix B: the first four rounds of its example. The fourth's key is the first again,
 * not w[16..19], so its result is the appendix's start of round 5 with one key taken away and the
 * other put there.
 */
static void aeshash_portable_gives_fips197_rounds(void **state)
{
	uint8_t in[16], round5[16], w4[16];
	struct gt_aeshash_key key;
	uint64_t out, want;

	(void)state;
	hex("3243f6a8885a308d313198a2e0370734", in);
	hex("2b7e151628aed2a6abf7158809cf4f3c", key.round[0]);
	hex("a0fafe1788542cb123a339392a6c7605", key.round[1]);
	hex("f2c295f27a96b9435935807a7359f67f", key.round[2]);
	hex("3d80477d4716fe3e1e237e446d7a883b", key.round[3]);
	hex("ef44a541a8525b7fb671253bdb0bad00", w4);
	hex("e0927fe8c86363c0d9b1355085b8be01", round5);
	for (int i = 0; i < 16; i++)
		round5[i] ^= w4[i] ^ key.round[0][i];
	memcpy(&want, round5, 8);
	gt_aeshash_portable(&key, in, 16, &out, 1);
	assert_true(out == want);
}

/* By a program of its own from FIPS 197's definitions, which gives Intel's AESENC example. */
static void aeshash_agrees_with_aesenc_computed_elsewhere(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors_aes) / sizeof(vectors_aes[0]); i++) {
		struct gt_aeshash_key key;
		uint64_t out = 0;

		memcpy(key.round, vectors_aes[i].keys, 64);
		gt_aeshash_portable(&key, vectors_aes[i].block, 16, &out, 1);
		assert_memory_equal(&out, vectors_aes[i].hash, 8);
	}
}

static void aeshash_aesni_equals_portable(void **state)
{
#if defined(__x86_64__)
	uint64_t seed = 7;
	uint8_t *block = malloc(64 * 24 + 1), *data = block + 1;

	(void)state;
	if (!gt_cpu_has_aes())
		skip();
	assert_non_null(block);
	for (int round = 0; round < 3000; round++) {
		uint64_t a[64], b[64], random[2] = {support_random(&seed), support_random(&seed)};
		size_t n = support_random(&seed) % 65, stride = round % 2 == 0 ? 16 : 24;
		struct gt_aeshash_key key;

		gt_aeshash_key_init(&key, (const uint8_t *)random);
		for (size_t i = 0; i < n * stride; i++)
			data[i] = round % 10 != 0   ? (uint8_t)support_random(&seed)
				  : round % 20 == 0 ? 0xff
						    : 0;
		gt_aeshash_aesni(&key, data, stride, a, n);
		gt_aeshash_portable(&key, data, stride, b, n);
		assert_memory_equal(a, b, n * 8);
	}
	free(block);
	assert_ptr_equal(gt_aeshash_select(), gt_aeshash_aesni);
#else
	(void)state;
	skip();
#endif
}

static void aeshash_key_init_depends_on_every_random_byte(void **state)
{
	uint8_t random[16] = {0};
	struct gt_aeshash_key base, other;

	(void)state;
	gt_aeshash_key_init(&base, random);
	for (int i = 0; i < 16; i++) {
		random[i] ^= 0x10;
		gt_aeshash_key_init(&other, random);
		for (int r = 0; r < 4; r++)
			assert_memory_not_equal(base.round[r], other.round[r], 16);
		random[i] ^= 0x10;
	}
	for (int r = 1; r < 4; r++)
		assert_memory_not_equal(base.round[0], base.round[r], 16);
}

/* Each input bit flips about half of the output bits. */
static void aeshash_avalanches(void **state)
{
	enum { ROUNDS = 400 };
	uint8_t random[16] = "0123456789abcde";
	gt_aeshash_fn *hash = gt_aeshash_select();
	struct gt_aeshash_key key;
	uint64_t seed = 9;

	(void)state;
	gt_aeshash_key_init(&key, random);
	for (int bit = 0; bit < 128; bit++) {
		int flips = 0;

		for (int i = 0; i < ROUNDS; i++) {
			uint64_t in[4] = {support_random(&seed), support_random(&seed), 0, 0};
			uint64_t out[2];

			in[2] = in[0] ^ (bit < 64 ? 1ULL << bit : 0);
			in[3] = in[1] ^ (bit < 64 ? 0 : 1ULL << (bit - 64));
			hash(&key, in, 16, out, 2);
			flips += __builtin_popcountll(out[0] ^ out[1]);
		}
		/* mean 32, standard deviation of the mean 4 / sqrt(400) = 0.2; six of them */
		assert_in_range(flips, (int)(30.8 * ROUNDS), (int)(33.2 * ROUNDS));
	}
}

/* algorithms.md: tuples that collide in a linear hash collide under every key. Not here. */
static void aeshash_is_not_linear(void **state)
{
	uint8_t random[16] = {1};
	struct gt_aeshash_key key;
	uint64_t seed = 11, in[8], out[4];
	int equal = 0;

	(void)state;
	gt_aeshash_key_init(&key, random);
	for (int i = 0; i < 1000; i++) {
		for (int j = 0; j < 6; j++)
			in[j] = support_random(&seed);
		in[6] = in[0] ^ in[2] ^ in[4];
		in[7] = in[1] ^ in[3] ^ in[5];
		gt_aeshash_portable(&key, in, 16, out, 4);
		equal += out[3] == (out[0] ^ out[1] ^ out[2]);
	}
	assert_int_equal(equal, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(siphash_reference_vectors),
		cmocka_unit_test(siphash_four_equals_one_by_one),
		cmocka_unit_test(siphash_key_from_seed_stays_what_it_is),
		cmocka_unit_test(aeshash_portable_gives_fips197_rounds),
		cmocka_unit_test(aeshash_agrees_with_aesenc_computed_elsewhere),
		cmocka_unit_test(aeshash_aesni_equals_portable),
		cmocka_unit_test(aeshash_key_init_depends_on_every_random_byte),
		cmocka_unit_test(aeshash_avalanches),
		cmocka_unit_test(aeshash_is_not_linear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
