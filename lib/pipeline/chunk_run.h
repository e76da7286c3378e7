/* SPDX-License-Identifier: BSD-3-Clause */
/* Stage 4 of eight frames together: see chunk.h. Their entries are read in lanes, and each frame is
 * sent as to_server does it. */
#ifndef GT_PIPELINE_CHUNK_RUN_H
#define GT_PIPELINE_CHUNK_RUN_H

#include "pipeline/chunk.h"

/* Value and meta of all slots, in the frames' order. */
static inline void chunk_read(struct gt_flow_slot *const slots[GT_LANES], lanes *value, lanes *meta)
{
	__m128i two[4];
	struct chunk_words w;

	for (unsigned i = 0; i < 4; i++) {
		__m128i low = _mm_loadl_epi64((const __m128i *)(const void *)&slots[2 * i]->value);

		two[i] = _mm_castps_si128(
			_mm_loadh_pi(_mm_castsi128_ps(low),
				     (const __m64 *)(const void *)&slots[2 * i + 1]->value));
	}
	w.a = _mm256_inserti128_si256(_mm256_castsi128_si256(two[0]), two[1], 1);
	w.b = _mm256_inserti128_si256(_mm256_castsi128_si256(two[2]), two[3], 1);
	*value = chunk_low(w);
	*meta = chunk_high(w);
}

/* As run_plain asks of each. */
static inline bool chunk_is_ordinary(const struct reach *r, const struct chunk *c, lanes value,
				     lanes meta, lanes tick)
{
	lanes n = lanes_all(r->n_servers), idle, limit, bad;
	uint32_t type = c->v6 ? GT_FLOW_TYPE_WIDE_SECOND : GT_FLOW_TYPE_NARROW;

	/* gt_flow_kind */
	bad = _mm256_xor_si256(meta, lanes_all(type << 30 | GT_FLOW_ESTABLISHED << 26));
	bad = _mm256_and_si256(bad, LANES(0xdcU << 24));
	bad = _mm256_or_si256(bad, _mm256_cmpeq_epi32(_mm256_min_epu32(value, n), n));
	idle = _mm256_and_si256(_mm256_sub_epi32(tick, meta), LANES(GT_TICK_MASK));
	limit = chunk_low(chunk_load(c->services));
	/* idle has 24 bits, and a limit no more than 31 */
	bad = _mm256_or_si256(bad, _mm256_cmpgt_epi32(idle, limit));
	return _mm256_testz_si256(bad, bad) != 0;
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

/* To a server that is to have it so; `express` and v6: the chunk's. */
static __rte_always_inline bool chunk_send(const struct gt_plan *plan, struct gt_frame *f,
					   uint32_t len, uint32_t express, bool v6,
					   const struct gt_plan_server *to)
{
	if (express == GT_EXPRESS_NAT)
		return chunk_translate(f, len, v6, to);
	if (express == GT_EXPRESS_TUNNEL)
		return chunk_wrap(plan, f, len, v6, to);
	memcpy(f->data, to->macs, sizeof(to->macs));
	return true;
}

/* Sums of `n` frames more by the same way. */
static inline void chunk_sum(struct sums *s, unsigned n, uint32_t in, uint32_t out)
{
	s->in += ((uint64_t)n << 32) + in;
	s->out_bytes += out;
}

/* How many of a closed chunk's frames, from the first on, were forwarded. If not all it has to be
 * opened. `express` and v6: its own. */
static __rte_always_inline unsigned run_chunk_by(struct reach *reach, struct gt_frame *frames,
						 const struct chunk *c, uint32_t express, bool v6)
{
	const uint8_t *servers = (const uint8_t *)reach->servers;
	uint8_t *counts = (uint8_t *)reach->counts;
	uint32_t at[GT_LANES] __attribute__((aligned(32))),
		metas[GT_LANES] __attribute__((aligned(32)));
	lanes value, meta, tick = lanes_all(reach->tick);
	struct sums s = reach->requests;
	uint32_t way, in = 0, grown = 0, in_if = frames[0].in_if;
	bool in_place = express != GT_EXPRESS_TUNNEL;
	unsigned i, since = 0;

	chunk_read(c->slots, &value, &meta);
	if (unlikely(!chunk_is_ordinary(reach, c, value, meta, tick)))
		return 0;
	lanes_store(_mm256_slli_epi32(value, 6), at);
	lanes_store(_mm256_or_si256(_mm256_andnot_si256(LANES(GT_TICK_MASK), meta), tick), metas);
	way = (s.between & 0xffffff) | express << 24;
	if (unlikely(s.between >> 24 != in_if))
		way = 0;
	LANES_UNROLL
	for (i = 0; i < GT_LANES; i++) {
		const struct gt_plan_server *to =
			(const struct gt_plan_server *)(const void *)(servers + at[i]);
		struct gt_server_counters *count = (struct gt_server_counters *)(counts + at[i]);
		uint32_t its, verdict, came = frames[i].wire_len;

		memcpy(&its, &to->vip, sizeof(its));
		if (unlikely(its != way)) {
			if (its >> 24 != express)
				break;
			chunk_sum(&s, i - since, in, in + grown);
			if (s.in > 0)
				account(reach->w, s);
			s = (struct sums){.between = join_ends(its, (uint8_t)in_if)};
			way = its;
			since = i;
			in = grown = 0;
		}
		if (unlikely(!chunk_send(reach->plan, &frames[i], c->l3_len[i], express, v6, to)))
			break;
		c->slots[CHUNK_AT(i)]->meta = metas[i];
		count->frames++;
		count->bytes += came;
		in += came;
		if (!in_place)
			grown += frames[i].wire_len - came;
		verdict = in_if | (way >> 8 & 0xff00) | GT_SEND << 16 | (uint32_t)in_place << 24;
		memcpy(&frames[i].in_if, &verdict, sizeof(verdict));
	}
	chunk_sum(&s, i - since, in, in + grown);
	reach->requests = s;
	return i;
}

static __rte_noinline unsigned run_chunk_dr(struct reach *r, struct gt_frame *frames,
					    const struct chunk *c)
{
	return run_chunk_by(r, frames, c, GT_EXPRESS_DR, c->v6);
}

static __rte_noinline unsigned run_chunk_tunnel(struct reach *r, struct gt_frame *frames,
						const struct chunk *c)
{
	return c->v6 ? run_chunk_by(r, frames, c, GT_EXPRESS_TUNNEL, true)
		     : run_chunk_by(r, frames, c, GT_EXPRESS_TUNNEL, false);
}

static __rte_noinline unsigned run_chunk_nat(struct reach *r, struct gt_frame *frames,
					     const struct chunk *c)
{
	return c->v6 ? run_chunk_by(r, frames, c, GT_EXPRESS_NAT, true)
		     : run_chunk_by(r, frames, c, GT_EXPRESS_NAT, false);
}

static inline unsigned run_chunk(struct reach *r, struct gt_frame *frames, const struct chunk *c)
{
	if (likely(c->express == GT_EXPRESS_DR))
		return run_chunk_dr(r, frames, c);
	return c->express == GT_EXPRESS_NAT ? run_chunk_nat(r, frames, c)
					    : run_chunk_tunnel(r, frames, c);
}

#endif
