/* SPDX-License-Identifier: BSD-3-Clause */
/* The hash of receive-side scaling; see toeplitz.h. */
#include "base/toeplitz.h"

#include <assert.h>
#include <string.h>

#include "base/bytes.h"

const uint8_t gt_toeplitz_key[GT_TOEPLITZ_KEY_BYTES] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
	0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
	0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

_Static_assert(GT_TOEPLITZ_INPUT_MAX + 4 <= GT_TOEPLITZ_KEY_BYTES, "32 bits for each bit of input");

/*
 * One bit of input after the other, most significant first: where it is set, the 32 bits of the key
 * from there on are added. By masks, for nobody can predict the bits of addresses. Written here
 * because rte_thash.h wants words in host order and padded.
 */
uint32_t gt_toeplitz(const uint8_t *in, size_t len)
{
	uint32_t hash = 0;

	assert(len <= GT_TOEPLITZ_INPUT_MAX);
	for (size_t i = 0; i < len; i++) {
		const uint8_t *key = &gt_toeplitz_key[i];
		uint64_t window = (uint64_t)gt_read_be32(key) << 8 | key[4];

		for (int bit = 7; bit >= 0; bit--)
			hash ^= (uint32_t)(window >> (bit + 1)) & -((uint32_t)in[i] >> bit & 1);
	}
	return hash;
}

static size_t put_address(uint8_t *to, const struct gt_addr *a)
{
	if (gt_addr_is_v4(a)) {
		memcpy(to, a->b + 12, 4);
		return 4;
	}
	memcpy(to, a->b, 16);
	return 16;
}

uint32_t gt_toeplitz_tuple(const struct gt_addr *src, const struct gt_addr *dst,
			   rte_be16_t src_port, rte_be16_t dst_port)
{
	uint8_t in[GT_TOEPLITZ_INPUT_MAX];
	size_t len = put_address(in, src);

	len += put_address(in + len, dst);
	memcpy(in + len, &src_port, 2);
	memcpy(in + len + 2, &dst_port, 2);
	return gt_toeplitz(in, len + 4);
}
