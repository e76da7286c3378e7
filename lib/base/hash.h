/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The two hashes. SipHash-2-4 (Aumasson, Bernstein 2012) chooses servers: the same on every node
 * and CPU under the configured seed, on a miss only. AES rounds under a per-boot random key index
 * the connection table: about 1 ns, and nobody who lacks the key can aim at a bucket. CRC32c and
 * Toeplitz were rejected: linear, so colliding tuples collide under every key.
 */
#ifndef GT_BASE_HASH_H
#define GT_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

struct gt_siphash_key {
	uint64_t k0, k1;
};

/* SipHash-2-4 of `len` bytes at any alignment. Any caller. */
uint64_t gt_siphash(const struct gt_siphash_key *key, const void *data, size_t len);

/* A node's `seed` as a key. Any caller. */
static inline struct gt_siphash_key gt_siphash_key_from_seed(uint64_t seed)
{
	/* Any fixed k1 will do, but all versions must keep it: peers of a pair agree by it. */
	return (struct gt_siphash_key){seed, 0x67616e7472790001ULL};
}

struct gt_aeshash_key {
	uint8_t round[4][16];
};

/* Makes a key from 16 random bytes. Any caller. */
void gt_aeshash_key_init(struct gt_aeshash_key *key, const uint8_t random[16]);

/*
 * Hashes n blocks of 16 bytes (block i starts at blocks + i * stride) to 64 bits each: four AESENC
 * rounds. The portable twin gives the same values. Any caller.
 */
void gt_aeshash_portable(const struct gt_aeshash_key *key, const void *blocks, size_t stride,
			 uint64_t *out, size_t n);
#if defined(__x86_64__)
/* One block, for callers that are compiled for a CPU with AES-NI. Any caller. */
__attribute__((target("aes,sse4.1"))) static inline uint64_t
gt_aeshash_block(const struct gt_aeshash_key *key, __m128i block)
{
	const __m128i *k = (const __m128i *)(const void *)key->round;
	__m128i first = _mm_loadu_si128(k), s = _mm_xor_si128(block, first);

	for (int r = 1; r < 4; r++)
		s = _mm_aesenc_si128(s, _mm_loadu_si128(k + r));
	return (uint64_t)_mm_cvtsi128_si64(_mm_aesenc_si128(s, first));
}

void gt_aeshash_aesni(const struct gt_aeshash_key *key, const void *blocks, size_t stride,
		      uint64_t *out, size_t n);
#endif

typedef void gt_aeshash_fn(const struct gt_aeshash_key *, const void *, size_t, uint64_t *, size_t);

/* The faster one that this CPU can run. Any caller. */
gt_aeshash_fn *gt_aeshash_select(void);

#endif
