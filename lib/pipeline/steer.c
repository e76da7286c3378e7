/* SPDX-License-Identifier: BSD-3-Clause */
/* Which worker a frame belongs to; see steer.h. */
#include "pipeline/steer.h"

#include <string.h>

const uint8_t gt_steer_key[GT_STEER_KEY_BYTES] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
	0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
	0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

/*
 * One bit of input after the other, most significant first: where it is set, the 32 bits of the key
 * from there on are added. Written here because rte_thash.h wants words in host order and padded.
 */
static uint32_t toeplitz(const uint8_t *in, size_t len)
{
	uint32_t hash = 0, window;
	const uint8_t *key = gt_steer_key;

	window = (uint32_t)key[0] << 24 | (uint32_t)key[1] << 16 | (uint32_t)key[2] << 8 | key[3];
	for (size_t i = 0; i < len; i++) {
		uint8_t next = i + 4 < GT_STEER_KEY_BYTES ? key[i + 4] : 0;

		for (int bit = 7; bit >= 0; bit--) {
			if (in[i] >> bit & 1)
				hash ^= window;
			window = window << 1 | ((uint32_t)next >> bit & 1);
		}
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

uint32_t gt_steer_hash(const struct gt_addr *src, const struct gt_addr *dst, rte_be16_t src_port,
		       rte_be16_t dst_port)
{
	uint8_t in[36];
	size_t len = put_address(in, src);

	len += put_address(in + len, dst);
	memcpy(in + len, &src_port, 2);
	memcpy(in + len + 2, &dst_port, 2);
	return toeplitz(in, len + 4);
}

static uint16_t place(const struct gt_steer *s, uint32_t hash)
{
	return (uint16_t)(hash % GT_STEER_TABLE_SIZE % s->n_workers);
}

uint16_t gt_steer_connection(const struct gt_steer *s, const struct gt_addr *client,
			     rte_be16_t client_port, const struct gt_addr *vip, rte_be16_t vip_port)
{
	return place(s, gt_steer_hash(client, vip, client_port, vip_port));
}

uint16_t gt_steer_source(const struct gt_steer *s, const struct gt_addr *client)
{
	return place(s, toeplitz(client->b, sizeof(client->b)));
}

uint16_t gt_steer_fragments(const struct gt_steer *s, const struct gt_addr *src,
			    const struct gt_addr *dst, uint8_t protocol)
{
	return place(s, gt_steer_hash(src, dst, protocol, 0));
}
