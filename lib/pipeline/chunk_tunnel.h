/* SPDX-License-Identifier: BSD-3-Clause */
/* Closed chunks of tunnels' frames: their entries are read in lanes, as those of dr are, and each
 * frame is wrapped as run_tunnel does it. */
#ifndef GT_PIPELINE_CHUNK_TUNNEL_H
#define GT_PIPELINE_CHUNK_TUNNEL_H

#include "pipeline/chunk.h"

/* Sums of `n` frames more by the same way. */
static inline void tunnel_sum(struct sums *s, unsigned n, uint32_t in, uint32_t out)
{
	s->in += ((uint64_t)n << 32) + in;
	s->out_bytes += out;
}

/* What the time of the first n frames' entries is now. */
static inline void chunk_touch(const struct chunk *c, const uint32_t metas[GT_LANES], unsigned n)
{
	LANES_UNROLL
	for (unsigned i = 0; i < GT_LANES; i++)
		if (likely(i < n))
			c->slots[CHUNK_AT(i)]->meta = metas[i];
}

/* How many of its frames, from the first on, were forwarded. If not all it has to be opened. */
static __rte_always_inline unsigned run_chunk_wraps(struct reach *reach, struct gt_frame *frames,
						    const struct chunk *c, bool v6)
{
	const uint8_t *servers = (const uint8_t *)reach->servers;
	uint32_t at[GT_LANES] __attribute__((aligned(32)));
	uint32_t metas[GT_LANES] __attribute__((aligned(32)));
	lanes value, meta, tick = lanes_all(reach->tick);
	uint8_t *counts = (uint8_t *)reach->counts;
	struct sums s = reach->requests;
	unsigned i, since = 0;
	uint32_t way, in = 0, out = 0;

	chunk_read(c->slots, &value, &meta);
	if (unlikely(!chunk_is_ordinary(reach, c, value, meta, tick)))
		return 0;
	lanes_store(_mm256_slli_epi32(value, 6), at);
	lanes_store(_mm256_or_si256(_mm256_andnot_si256(LANES(GT_TICK_MASK), meta), tick), metas);
	way = (s.between & 0xffffff) | (uint32_t)GT_EXPRESS_TUNNEL << 24;
	if (unlikely(s.between >> 24 != frames[0].in_if))
		way = 0;
	for (i = 0; i < GT_LANES; i++) {
		const struct gt_plan_server *to =
			(const struct gt_plan_server *)(const void *)(servers + at[i]);
		struct gt_server_counters *count = (struct gt_server_counters *)(counts + at[i]);
		struct gt_frame *f = &frames[i];
		uint32_t came = f->wire_len, len = c->l3_len[i], its;
		uint32_t verdict;

		memcpy(&its, &to->vip, sizeof(its));
		if (unlikely(its >> 24 != GT_EXPRESS_TUNNEL || !gt_outer_fits(&to->outer, len, v6)))
			break;
		if (unlikely(its != way)) {
			tunnel_sum(&s, i - since, in, out);
			if (s.in > 0)
				account(reach->w, s);
			s = (struct sums){.between = join_ends(its, f->in_if)};
			way = its;
			since = i;
			in = out = 0;
		}
		memcpy(to_tunnel(reach->plan, f, len, v6, to) - IP_OFF, to->macs, sizeof(to->macs));
		count->frames++;
		count->bytes += came;
		in += came;
		out += f->wire_len;
		verdict = f->in_if | (way >> 8 & 0xff00) | GT_SEND << 16;
		memcpy(&f->in_if, &verdict, sizeof(verdict));
	}
	chunk_touch(c, metas, i);
	tunnel_sum(&s, i - since, in, out);
	reach->requests = s;
	return i;
}

static __rte_noinline unsigned run_chunk_tunnel(struct reach *r, struct gt_frame *frames,
						const struct chunk *c)
{
	return c->v6 ? run_chunk_wraps(r, frames, c, true) : run_chunk_wraps(r, frames, c, false);
}

static inline unsigned run_chunk(struct reach *r, struct gt_frame *frames, const struct chunk *c)
{
	return c->wraps ? run_chunk_tunnel(r, frames, c) : run_chunk_dr(r, frames, c);
}

#endif
