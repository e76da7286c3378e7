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
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

struct gt_siphash_key {
	uint64_t k0, k1;
};

/* SipHash-2-4 of `len` bytes at any alignment. Any caller. */
uint64_t gt_siphash(const struct gt_siphash_key *key, const void *data, size_t len);

/* Its state. */
struct gt_sip {
	uint64_t v0, v1, v2, v3;
};

#define GT_SIP_ROTATE(x, b) ((x) << (b) | (x) >> (64 - (b)))

/* Of words, or of vectors of them. */
#define GT_SIP_ROUND(v0, v1, v2, v3)                                                               \
	do {                                                                                       \
		(v0) += (v1);                                                                      \
		(v1) = GT_SIP_ROTATE(v1, 13) ^ (v0);                                               \
		(v0) = GT_SIP_ROTATE(v0, 32);                                                      \
		(v2) += (v3);                                                                      \
		(v3) = GT_SIP_ROTATE(v3, 16) ^ (v2);                                               \
		(v0) += (v3);                                                                      \
		(v3) = GT_SIP_ROTATE(v3, 21) ^ (v0);                                               \
		(v2) += (v1);                                                                      \
		(v1) = GT_SIP_ROTATE(v1, 17) ^ (v2);                                               \
		(v2) = GT_SIP_ROTATE(v2, 32);                                                      \
	} while (0)

static inline struct gt_sip gt_sip_begin(const struct gt_siphash_key *key)
{
	return (struct gt_sip){key->k0 ^ 0x736f6d6570736575ULL, key->k1 ^ 0x646f72616e646f6dULL,
			       key->k0 ^ 0x6c7967656e657261ULL, key->k1 ^ 0x7465646279746573ULL};
}

static inline void gt_sip_compress(struct gt_sip *s, uint64_t m)
{
	s->v3 ^= m;
	GT_SIP_ROUND(s->v0, s->v1, s->v2, s->v3);
	GT_SIP_ROUND(s->v0, s->v1, s->v2, s->v3);
	s->v0 ^= m;
}

static inline uint64_t gt_sip_end(struct gt_sip *s)
{
	s->v2 ^= 0xff;
	for (int i = 0; i < 4; i++)
		GT_SIP_ROUND(s->v0, s->v1, s->v2, s->v3);
	return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

/*
 * gt_siphash of four inputs at once, which takes little longer than one: word i of input j is
 * words[i][j], as it lies in memory (little-endian). For an n that the compiler knows. Any caller.
 */
static inline void gt_siphash_four(const struct gt_siphash_key *key, const uint64_t (*words)[4],
				   unsigned n, uint64_t out[4])
{
	typedef uint64_t four __attribute__((vector_size(32)));
	const struct gt_sip one = gt_sip_begin(key);
	four v0 = one.v0 - (four){0}, v1 = one.v1 - (four){0}, v2 = one.v2 - (four){0},
	     v3 = one.v3 - (four){0}, m;

	for (unsigned i = 0; i <= n; i++) {
		if (i < n)
			memcpy(&m, words[i], sizeof(m));
		else
			m = ((uint64_t)n * 8 << 56) - (four){0};
		v3 ^= m;
		GT_SIP_ROUND(v0, v1, v2, v3);
		GT_SIP_ROUND(v0, v1, v2, v3);
		v0 ^= m;
	}
	v2 ^= 0xff - (four){0};
	for (unsigned i = 0; i < 4; i++)
		GT_SIP_ROUND(v0, v1, v2, v3);
	m = v0 ^ v1 ^ v2 ^ v3;
	memcpy(out, &m, sizeof(m));
}

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

#if defined(__AVX2__) && defined(__AES__)
/* ... and four, whose second halves are 0. */
static inline __m256i gt_aeshash_words(const struct gt_aeshash_key *key, __m256i words)
{
	const __m128i *k = (const __m128i *)(const void *)key->round;
	__m256i even = _mm256_unpacklo_epi64(words, _mm256_setzero_si256());
	__m256i odd = _mm256_unpackhi_epi64(words, _mm256_setzero_si256());
	__m128i first = _mm_loadu_si128(k);
	__m128i s[4] = {_mm256_castsi256_si128(even), _mm256_castsi256_si128(odd),
			_mm256_extracti128_si256(even, 1), _mm256_extracti128_si256(odd, 1)};

	for (int i = 0; i < 4; i++) {
		s[i] = _mm_xor_si128(s[i], first);
		for (int r = 1; r < 4; r++)
			s[i] = _mm_aesenc_si128(s[i], _mm_loadu_si128(k + r));
		s[i] = _mm_aesenc_si128(s[i], first);
	}
	return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_unpacklo_epi64(s[0], s[1])),
				       _mm_unpacklo_epi64(s[2], s[3]), 1);
}
#endif

void gt_aeshash_aesni(const struct gt_aeshash_key *key, const void *blocks, size_t stride,
		      uint64_t *out, size_t n);
#endif

typedef void gt_aeshash_fn(const struct gt_aeshash_key *, const void *, size_t, uint64_t *, size_t);

/* The faster one that this CPU can run. Any caller. */
gt_aeshash_fn *gt_aeshash_select(void);

#endif
