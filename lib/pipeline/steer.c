/* SPDX-License-Identifier: BSD-3-Clause */
/* Which worker a frame belongs to; see steer.h. */
#include "pipeline/steer.h"

#include "base/toeplitz.h"

static uint16_t place(const struct gt_steer *s, uint32_t hash)
{
	return gt_toeplitz_worker(gt_toeplitz_entry(hash), s->n_workers);
}

uint16_t gt_steer_connection(const struct gt_steer *s, const struct gt_addr *src,
			     rte_be16_t src_port, const struct gt_addr *dst, rte_be16_t dst_port)
{
	return place(s, gt_toeplitz_tuple(src, dst, src_port, dst_port));
}

uint16_t gt_steer_source(const struct gt_steer *s, const struct gt_addr *client)
{
	return place(s, gt_toeplitz(client->b, sizeof(client->b)));
}

uint16_t gt_steer_fragments(const struct gt_steer *s, const struct gt_addr *src,
			    const struct gt_addr *dst, uint8_t protocol)
{
	return place(s, gt_toeplitz_tuple(src, dst, protocol, 0));
}
