/* SPDX-License-Identifier: BSD-3-Clause */
/* Closed chunks of nat's frames and of tunnels': their entries are read in lanes, as those of dr
 * are, and each frame is changed as to_server does it. */
#ifndef GT_PIPELINE_CHUNK_CHANGE_H
#define GT_PIPELINE_CHUNK_CHANGE_H

#include "pipeline/chunk.h"

/* Sums of `n` frames more by the same way. */
static inline void change_sum(struct sums *s, unsigned n, uint32_t in, uint32_t out)
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

/* nat's packet to its server, as a frame that goes out. False: it is not all that is to be done. */
static __rte_always_inline bool chunk_translate(struct gt_frame *f, uint32_t len, bool v6,
						const struct gt_plan_server *to)
{
	const struct express x = {.l3_len = len, .protocol = IPPROTO_TCP};

	if (!to_nat_server(f, &x, v6, to))
		return false;
	memcpy(f->data, to->macs, sizeof(to->macs));
	return true;
}

/* A tunnel's. */
static __rte_always_inline bool chunk_wrap(const struct gt_plan *plan, struct gt_frame *f,
					   uint32_t len, bool v6, const struct gt_plan_server *to)
{
	if (!gt_outer_fits(&to->outer, len, v6))
		return false;
	memcpy(to_tunnel(plan, f, len, v6, to) - IP_OFF, to->macs, sizeof(to->macs));
	return true;
}

/* How many of its frames, from the first on, were forwarded. If not all it has to be opened.
 * `express`: the chunk's. */
static __rte_always_inline unsigned run_chunk_changed(struct reach *reach, struct gt_frame *frames,
						      const struct chunk *c, uint32_t express,
						      bool v6)
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
	way = (s.between & 0xffffff) | express << 24;
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
		if (unlikely(its >> 24 != express))
			break;
		if (express == GT_EXPRESS_NAT ? !chunk_translate(f, len, v6, to)
					      : !chunk_wrap(reach->plan, f, len, v6, to))
			break;
		if (unlikely(its != way)) {
			change_sum(&s, i - since, in, out);
			if (s.in > 0)
				account(reach->w, s);
			s = (struct sums){.between = join_ends(its, f->in_if)};
			way = its;
			since = i;
			in = out = 0;
		}
		count->frames++;
		count->bytes += came;
		in += came;
		out += f->wire_len;
		verdict = f->in_if | (way >> 8 & 0xff00) | GT_SEND << 16 |
			  (uint32_t)(express == GT_EXPRESS_NAT) << 24;
		memcpy(&f->in_if, &verdict, sizeof(verdict));
	}
	chunk_touch(c, metas, i);
	change_sum(&s, i - since, in, out);
	reach->requests = s;
	return i;
}

static __rte_noinline unsigned run_chunk_tunnel(struct reach *r, struct gt_frame *frames,
						const struct chunk *c)
{
	return c->v6 ? run_chunk_changed(r, frames, c, GT_EXPRESS_TUNNEL, true)
		     : run_chunk_changed(r, frames, c, GT_EXPRESS_TUNNEL, false);
}

static __rte_noinline unsigned run_chunk_nat(struct reach *r, struct gt_frame *frames,
					     const struct chunk *c)
{
	return c->v6 ? run_chunk_changed(r, frames, c, GT_EXPRESS_NAT, true)
		     : run_chunk_changed(r, frames, c, GT_EXPRESS_NAT, false);
}

static inline unsigned run_chunk(struct reach *r, struct gt_frame *frames, const struct chunk *c)
{
	if (likely(c->express == GT_EXPRESS_DR))
		return run_chunk_dr(r, frames, c);
	return c->express == GT_EXPRESS_NAT ? run_chunk_nat(r, frames, c)
					    : run_chunk_tunnel(r, frames, c);
}

#endif
