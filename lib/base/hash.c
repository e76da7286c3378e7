/* SPDX-License-Identifier: BSD-3-Clause */
/* SipHash-2-4 and the AES-round hash with its portable twin; see hash.h. */
#include "base/hash.h"

#include <string.h>

#include "base/cpu.h"

uint64_t gt_siphash(const struct gt_siphash_key *key, const void *data, size_t len)
{
	struct gt_sip s = gt_sip_begin(key);
	const uint8_t *p = data;
	uint64_t m, last = (uint64_t)len << 56;

	for (size_t left = len / 8; left > 0; left--, p += 8) {
		memcpy(&m, p, 8);
		gt_sip_compress(&s, m);
	}
	for (size_t i = 0; i < len % 8; i++)
		last |= (uint64_t)p[i] << (8 * i);
	gt_sip_compress(&s, last);
	return gt_sip_end(&s);
}

/* AES's S-box, made from its definition (FIPS 197 5.1.1) rather than typed in. */
static void make_sbox(uint8_t sbox[256])
{
	uint8_t p = 1, q = 1;

	do {
		/* p runs through all non-zero bytes by 3, q through their inverses by 1/3. */
		p = (uint8_t)(p ^ (p << 1) ^ (p & 0x80 ? 0x1b : 0));
		q = (uint8_t)(q ^ (q << 1));
		q = (uint8_t)(q ^ (q << 2));
		q = (uint8_t)(q ^ (q << 4));
		q = (uint8_t)(q ^ (q & 0x80 ? 0x09 : 0));
		uint8_t x = q;

		for (int i = 1; i < 5; i++)
			x = (uint8_t)(x ^ (uint8_t)(q << i | q >> (8 - i)));
		sbox[p] = x ^ 0x63;
	} while (p != 1);
	sbox[0] = 0x63;
}

static inline uint8_t xtime(uint8_t b)
{
	return (uint8_t)(b << 1 ^ (b & 0x80 ? 0x1b : 0));
}

/* One AESENC: ShiftRows, SubBytes, MixColumns, then the round key. */
static void aes_round(const uint8_t sbox[256], uint8_t s[16], const uint8_t key[16])
{
	uint8_t t[16];

	for (int c = 0; c < 4; c++) {
		uint8_t a[4];

		for (int r = 0; r < 4; r++)
			a[r] = sbox[s[((c + r) % 4) * 4 + r]];
		for (int r = 0; r < 4; r++)
			t[c * 4 + r] = (uint8_t)(xtime(a[r]) ^ xtime(a[(r + 1) % 4]) ^
						 a[(r + 1) % 4] ^ a[(r + 2) % 4] ^ a[(r + 3) % 4]);
	}
	for (int i = 0; i < 16; i++)
		s[i] = t[i] ^ key[i];
}

void gt_aeshash_key_init(struct gt_aeshash_key *key, const uint8_t random[16])
{
	struct gt_siphash_key sip;

	memcpy(&sip, random, sizeof(sip));
	for (uint64_t i = 0; i < sizeof(key->round) / 8; i++) {
		uint64_t part = gt_siphash(&sip, &i, sizeof(i));

		memcpy((uint8_t *)key->round + i * 8, &part, 8);
	}
}

void gt_aeshash_portable(const struct gt_aeshash_key *key, const void *blocks, size_t stride,
			 uint64_t *out, size_t n)
{
	uint8_t sbox[256];

	make_sbox(sbox);
	for (size_t i = 0; i < n; i++) {
		uint8_t s[16];

		memcpy(s, (const uint8_t *)blocks + i * stride, 16);
		for (int j = 0; j < 16; j++)
			s[j] ^= key->round[0][j];
		for (int r = 1; r < 4; r++)
			aes_round(sbox, s, key->round[r]);
		/* The fourth round reuses the first key: 64 bits of the state come out. */
		aes_round(sbox, s, key->round[0]);
		memcpy(&out[i], s, 8);
	}
}

#if defined(__x86_64__)
__attribute__((target("aes,sse4.1"))) void gt_aeshash_aesni(const struct gt_aeshash_key *key,
							    const void *blocks, size_t stride,
							    uint64_t *out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = gt_aeshash_block(
			key,
			_mm_loadu_si128((const __m128i *)(const void *)((const uint8_t *)blocks +
									i * stride)));
}
#endif

gt_aeshash_fn *gt_aeshash_select(void)
{
#if defined(__x86_64__)
	if (gt_cpu_has_aes())
		return gt_aeshash_aesni;
#endif
	return gt_aeshash_portable;
}
