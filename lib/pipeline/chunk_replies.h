/* SPDX-License-Identifier: BSD-3-Clause */
/* Stage 2 of a chunk's frames that are to no service: replies of nat, or to sessions of snat. */
#ifndef GT_PIPELINE_CHUNK_REPLIES_H
#define GT_PIPELINE_CHUNK_REPLIES_H

#include "pipeline/chunk.h"

/* How frames go to services of such flags, each of any of them. Those of them that have none
 * run_chunk will find by their servers, or of snat by the services, and open it. */
static inline enum gt_express chunk_express(unsigned flags)
{
	switch (flags) {
	case 0:
		return GT_EXPRESS_DR;
	case GT_EXPRESS_CHANGES:
		return GT_EXPRESS_NAT;
	case GT_EXPRESS_SESSIONS:
		return GT_EXPRESS_SNAT;
	case GT_EXPRESS_WRAPS:
		return GT_EXPRESS_TUNNEL;
	default:
		return GT_EXPRESS_NONE;
	}
}

/* What is known of a reply. `from`: its slot, what stage 4 reads in the place of a client's. */
static __rte_always_inline void chunk_put_reply(struct chunk *c, unsigned i, const void *of,
						const void *from, uint64_t came_sum)
{
	unsigned at = CHUNK_AT(i);

	c->hashes[at] = came_sum;
	c->services[at] = (uintptr_t)of;
	c->slots[at] = (struct gt_flow_slot *)(uintptr_t)from;
}

/* Of which kind they all are; or GT_EXPRESS_NONE: of several, or one is not ordinary. */
static __rte_always_inline enum gt_express chunk_find_replies(const struct express_view *v,
							      const struct gt_frame *f,
							      unsigned acks, bool v6,
							      struct chunk *c)
{
	unsigned ways = 0;

	for (unsigned left = c->replies; left != 0; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctz(left);
		struct express x = {.kind = (acks >> i & 1) != 0 ? 0 : NO_KIND,
				    .protocol = IPPROTO_TCP};

		if (!classify_reply_of(v, &x, v6, f[i].data + IP_OFF))
			return GT_EXPRESS_NONE;
		ways |= 1U << x.way;
		if (x.way == WAY_NAT_REPLY)
			chunk_put_reply(c, i, x.nat, chunk_nat_slot(x.nat), 0);
		else
			chunk_put_reply(c, i, x.place, x.place, x.came_sum);
	}
	if (ways == 1U << WAY_NAT_REPLY)
		return GT_EXPRESS_NAT;
	return ways == 1U << WAY_SESSION_REPLY ? GT_EXPRESS_SNAT : GT_EXPRESS_NONE;
}

/* gt_snat_pair_home_v4. */
static inline lanes chunk_pair_homes(const struct gt_snat *snat, lanes server, lanes source,
				     lanes end)
{
	const lanes turn = _mm256_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203,
					     0x0c0d0e0f08090a0b, 0x0405060700010203);
	lanes h = _mm256_mullo_epi32(end, lanes_all(snat->key_v4[2]));

	server = _mm256_shuffle_epi8(server, turn);
	source = _mm256_shuffle_epi8(source, turn);
	h = _mm256_add_epi32(h, _mm256_mullo_epi32(server, lanes_all(snat->key_v4[0])));
	h = _mm256_add_epi32(h, _mm256_mullo_epi32(source, lanes_all(snat->key_v4[1])));
	return _mm256_srli_epi32(h, GT_SNAT_PAIR_SHIFT);
}

/* The pair that is not at home, or NULL. */
static __rte_noinline struct gt_snat_bucket *
chunk_seek_pair(const struct gt_snat *snat, rte_be32_t server, rte_be32_t source, uint32_t end)
{
	const struct gt_snat_ends ends = {
		{0, gt_addr_word_v4(server)}, {0, gt_addr_word_v4(source)}, end};

	return gt_snat_known_bucket(snat, &ends);
}

/* A reply to a pair's port, in host order. False: to none of its sessions. */
static __rte_always_inline bool chunk_put_session(const struct express_view *v, struct chunk *c,
						  unsigned i, struct gt_snat_bucket *pair, bool v6,
						  uint16_t port)
{
	const struct gt_snat_session *place;

	if (unlikely(!is_source(v, pair)))
		return false;
	place = find_reply_session(v, pair, v6, port);
	if (unlikely(place == NULL))
		return false;
	chunk_put_reply(c, i, place, place, pair->sum);
	return true;
}

/* Are they all to sessions of snat? Else what was written to the chunk means nothing. */
static __rte_always_inline bool chunk_find_sessions_v4(const struct express_view *v,
						       const struct lanes_v4 *p, struct chunk *c)
{
	const struct gt_snat *snat = &v->w->snat;
	/* gt_snat_end */
	lanes end = _mm256_or_si256(p->source_port, LANES(IPPROTO_TCP << 16));
	uint32_t homes[GT_LANES] __attribute__((aligned(32))),
		servers[GT_LANES] __attribute__((aligned(32))),
		sources[GT_LANES] __attribute__((aligned(32))),
		ends[GT_LANES] __attribute__((aligned(32))),
		ports[GT_LANES] __attribute__((aligned(32)));

	lanes_store(chunk_pair_homes(snat, p->source, p->to, end), homes);
	lanes_store(p->source, servers);
	lanes_store(p->to, sources);
	lanes_store(end, ends);
	lanes_store(lanes_be16(p->to_port), ports);
	for (unsigned left = c->replies; left != 0; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctz(left);
		struct gt_snat_bucket *pair = &snat->pair_table[homes[i]];

		if (unlikely(!gt_snat_is_pair_v4(&pair->ends, servers[i], sources[i], ends[i]))) {
			pair = chunk_seek_pair(snat, servers[i], sources[i], ends[i]);
			if (pair == NULL)
				return false;
		}
		if (!chunk_put_session(v, c, i, pair, false, (uint16_t)ports[i]))
			return false;
	}
	return true;
}

static __rte_always_inline bool chunk_find_sessions_v6(const struct express_view *v,
						       const struct gt_frame *f, struct chunk *c)
{
	for (unsigned left = c->replies; left != 0; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctz(left);
		const uint8_t *ip = f[i].data + IP_OFF;
		const struct gt_snat_ends ends = {
			{gt_rewrite_load(ip + 8), gt_rewrite_load(ip + 16)},
			{gt_rewrite_load(ip + 24), gt_rewrite_load(ip + 32)},
			gt_snat_end(gt_copy_be16(ip + 40), IPPROTO_TCP, true)};
		struct gt_snat_bucket *pair = gt_snat_known_bucket(&v->w->snat, &ends);

		if (pair == NULL || !chunk_put_session(v, c, i, pair, true, gt_read_be16(ip + 42)))
			return false;
	}
	return true;
}

/* May they be to sessions of snat? Those are ordinary packets to addresses of ours, which the first
 * of them tells of all. */
static inline bool chunk_may_be_sessions(const struct express_view *v, const struct gt_frame *f,
					 unsigned acks, bool v6, const struct chunk *c)
{
	const uint8_t *ip = f[__builtin_ctz(c->replies)].data + IP_OFF;
	uint32_t at = v6 ? gt_plan_ours_at(gt_rewrite_load(ip + 24), gt_rewrite_load(ip + 32),
					   v->plan->ours_shift)
			 : gt_plan_ours_v4(gt_copy_be32(ip + 16), v->plan->ours_shift);

	return v->w->snat.pairs != NULL && (c->replies & ~acks) == 0 &&
	       gt_plan_may_be_ours(v->plan->ours, at);
}

/* How a chunk goes whose frames are not all clients': GT_EXPRESS_NONE if its replies are not of one
 * kind, which goes with its clients, to services of `flags`. */
static __rte_always_inline enum gt_express chunk_agree(enum gt_express replies,
						       const struct chunk *c, unsigned flags)
{
	return c->replies == GT_LANES_ALL || replies == chunk_express(flags) ? replies
									     : GT_EXPRESS_NONE;
}

static __rte_noinline enum gt_express chunk_take_replies_v4(const struct express_view *v,
							    const struct gt_frame *f,
							    const struct lanes_v4 *p, unsigned acks,
							    unsigned flags, struct chunk *c)
{
	for (unsigned left = c->replies ^ GT_LANES_ALL; left != 0; left &= left - 1) {
		unsigned at = CHUNK_AT((unsigned)__builtin_ctz(left));

		c->slots[at] = gt_flow_prefetch(v->flows, c->hashes[at])->slots;
	}
	if (chunk_may_be_sessions(v, f, acks, false, c) && chunk_find_sessions_v4(v, p, c))
		return chunk_agree(GT_EXPRESS_SNAT, c, flags);
	return chunk_agree(chunk_find_replies(v, f, acks, false, c), c, flags);
}

static __rte_noinline enum gt_express chunk_take_replies_v6(const struct express_view *v,
							    const struct gt_frame *f, unsigned acks,
							    unsigned flags, struct chunk *c)
{
	if (chunk_may_be_sessions(v, f, acks, true, c) && chunk_find_sessions_v6(v, f, c))
		return chunk_agree(GT_EXPRESS_SNAT, c, flags);
	return chunk_agree(chunk_find_replies(v, f, acks, true, c), c, flags);
}

#endif
