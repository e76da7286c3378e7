/* SPDX-License-Identifier: BSD-3-Clause */
/* Stages 1 and 2 of eight frames together: see chunk.h. */
#ifndef GT_PIPELINE_CHUNK_TAKE_H
#define GT_PIPELINE_CHUNK_TAKE_H

#include "pipeline/chunk_replies.h"

/* Is a source one of our addresses? `ours`: which bits of the plan's to ask. */
static inline bool chunk_asks_ours(const uint64_t *ours, lanes at)
{
	uint32_t words[GT_LANES] __attribute__((aligned(32))),
		bits[GT_LANES] __attribute__((aligned(32)));
	uint64_t any = 0;

	lanes_store(_mm256_srli_epi32(at, 6), words);
	lanes_store(at, bits);
	LANES_UNROLL
	for (unsigned i = 0; i < GT_LANES; i++)
		any |= ours[words[i]] >> (bits[i] & 63);
	return (any & 1) != 0;
}

/* What seems to be ours mostly is not: of many addresses one in 32 strangers has a bit of them. */
static __rte_noinline bool chunk_is_ours(const struct express_view *v, lanes source)
{
	uint32_t from[GT_LANES] __attribute__((aligned(32)));

	lanes_store(source, from);
	for (unsigned i = 0; i < GT_LANES; i++) {
		const uint64_t words[2] = {0, gt_addr_word_v4(from[i])};

		if (gt_plan_find_words(v->plan, words) != NULL)
			return true;
	}
	return false;
}

/* Two records, at so many bytes. */
static inline __m256i chunk_records(const struct gt_plan_express_v4 *table, uint32_t low,
				    uint32_t high)
{
	const uint8_t *base = (const uint8_t *)table;
	__m128i first = _mm_loadu_si128((const __m128i *)(const void *)(base + low));
	__m128i second = _mm_loadu_si128((const __m128i *)(const void *)(base + high));

	return _mm256_inserti128_si256(_mm256_castsi128_si256(first), second, 1);
}

/* Services that may be elsewhere than at home: `seek` tells which, a bit for each, by CHUNK_AT.
 * Which of them there are. */
static __rte_noinline unsigned chunk_seek(const struct express_view *v, struct chunk_words wanted,
					  unsigned seek, struct chunk_words *services)
{
	const struct gt_plan *plan = v->plan;
	uint64_t keys[GT_LANES] __attribute__((aligned(32))),
		to[GT_LANES] __attribute__((aligned(32)));
	unsigned found = 0;

	chunk_store(wanted, keys);
	chunk_store(*services, to);
	for (; seek != 0; seek &= seek - 1) {
		unsigned at = (unsigned)__builtin_ctz(seek), shift = plan->express_v4_shift;
		const struct gt_plan_express *e =
			find_v4(plan->express_v4, shift, gt_plan_express_v4_home(keys[at], shift),
				keys[at]);

		if (e == NULL)
			continue;
		memcpy(&to[at], e, sizeof(to[at]));
		found |= 1U << at;
	}
	*services = chunk_load(to);
	return found;
}

/* The services of all destinations. A bit for each, in the frames' order: there is one; else it is
 * 0. */
static __rte_always_inline unsigned
chunk_find(const struct express_view *v, const struct lanes_v4 *p, struct chunk_words *services)
{
	const struct gt_plan_express_v4 *table = v->plan->express_v4;
	const struct chunk_words none = {_mm256_setzero_si256(), _mm256_setzero_si256()};
	struct chunk_words wanted = chunk_words(p->to, p->to_port);
	uint32_t at[GT_LANES] __attribute__((aligned(32)));
	__m256i r04, r15, r26, r37;
	struct chunk_words keys;
	unsigned found, seek;

	lanes_store(_mm256_slli_epi32(lanes_homes(v, p->to, p->to_port), 4), at);
	r04 = chunk_records(table, at[0], at[4]);
	r15 = chunk_records(table, at[1], at[5]);
	r26 = chunk_records(table, at[2], at[6]);
	r37 = chunk_records(table, at[3], at[7]);
	services->a = _mm256_unpackhi_epi64(r04, r15);
	services->b = _mm256_unpackhi_epi64(r26, r37);
	keys.a = _mm256_unpacklo_epi64(r04, r15);
	keys.b = _mm256_unpacklo_epi64(r26, r37);
	if (likely(chunk_are_equal(keys, wanted)))
		return GT_LANES_ALL;
	found = chunk_equal(keys, wanted);
	/* Where nobody is at home, nobody is elsewhere: a free record is all 0. */
	seek = ~found & ~chunk_equal(keys, none) & GT_LANES_ALL;
	if (likely(seek == 0))
		return chunk_turned(found);
	services->a = _mm256_and_si256(services->a, _mm256_cmpeq_epi64(keys.a, wanted.a));
	services->b = _mm256_and_si256(services->b, _mm256_cmpeq_epi64(keys.b, wanted.b));
	return chunk_turned(found | chunk_seek(v, wanted, seek, services));
}

/* The buckets of all hashes, fetched. */
static inline void chunk_fetch(const struct gt_flow_table *t, struct chunk_words hashes,
			       struct gt_flow_slot *slots[GT_LANES])
{
	const __m256i n = _mm256_set1_epi64x(t->n_buckets);
	const __m256i base = _mm256_set1_epi64x((long long)(uintptr_t)t->buckets);
	const __m256i lines = _mm256_set1_epi64x(-(long long)sizeof(*t->buckets));
	struct chunk_words to;

	/* gt_flow_bucket_first, times 64 */
	to.a = _mm256_and_si256(_mm256_srli_epi64(_mm256_mul_epu32(hashes.a, n), 26), lines);
	to.b = _mm256_and_si256(_mm256_srli_epi64(_mm256_mul_epu32(hashes.b, n), 26), lines);
	to.a = _mm256_add_epi64(to.a, base);
	to.b = _mm256_add_epi64(to.b, base);
	chunk_store(to, slots);
	LANES_UNROLL
	for (unsigned i = 0; i < GT_LANES; i++)
		gt_flow_fetch(slots[i]);
}

/* Do services ask for more than their servers' MACs, and for what? GT_EXPRESS_... of any of them.
 */
static inline unsigned chunk_flags(struct chunk_words services)
{
	uint32_t high[GT_LANES] __attribute__((aligned(32))), flags = 0;

	if (likely(_mm256_testz_si256(chunk_high(services), LANES(0xff))))
		return 0;
	lanes_store(chunk_high(services), high);
	for (unsigned i = 0; i < GT_LANES; i++)
		flags |= high[i];
	return flags & 0xff;
}

/* What else there is to know of it. Not closed it has to be opened at once. */
static inline void chunk_close(struct chunk *c, lanes l3_len, unsigned acks,
			       enum gt_express express, bool v6)
{
	lanes_store(l3_len, c->l3_len);
	c->acks = (uint8_t)acks;
	c->v6 = v6;
	c->express = (uint8_t)express;
	c->closed = c->express != GT_EXPRESS_NONE && c->acks == GT_LANES_ALL;
}

/* Fills the chunk, if it is one. */
static __rte_always_inline bool chunk_take_v4(const struct express_view *v,
					      const struct gt_frame *f, const struct lanes_v4 *p,
					      struct chunk *c)
{
	const __m256i service = _mm256_set1_epi64x((long long)(0xffffULL << 48));
	struct chunk_words services, keys, hashes;
	enum gt_express express;
	unsigned flags, acks = lanes_bits(p->acks), found = chunk_find(v, p, &services);

	if (unlikely(chunk_asks_ours(v->plan->ours, lanes_ours(v, p->source))) &&
	    chunk_is_ours(v, p->source))
		return false;
	flags = chunk_flags(services);
	if (unlikely(!may_have(v, flags)))
		return false;
	keys = chunk_words(p->source, p->source_port);
	keys.a = _mm256_or_si256(keys.a, _mm256_and_si256(services.a, service));
	keys.b = _mm256_or_si256(keys.b, _mm256_and_si256(services.b, service));
	hashes.a = gt_aeshash_words(&v->flows->key, keys.a);
	hashes.b = gt_aeshash_words(&v->flows->key, keys.b);
	chunk_store(keys, c->keys);
	chunk_store(hashes, c->hashes);
	chunk_store(services, c->services);
	if (likely(found == GT_LANES_ALL)) {
		c->replies = 0;
		chunk_fetch(v->flows, hashes, c->slots);
		express = chunk_express(flags);
	} else {
		c->replies = (uint8_t)(found ^ GT_LANES_ALL);
		express = chunk_take_replies_v4(v, f, p, acks, flags, c);
		if (express == GT_EXPRESS_NONE)
			return false;
	}
	chunk_close(c, p->l3_len, acks, express, false);
	return true;
}

/* Not all of them are ordinary, or clients': those that are `good`, one by one. */
static __rte_noinline unsigned chunk_take_each_v4(const struct express_view *v,
						  const struct gt_frame *f,
						  const struct lanes_v4 *p, unsigned good,
						  struct express *x)
{
	const struct gt_plan_express_v4 *services = v->plan->express_v4;
	const uint64_t *ours = v->plan->ours;
	struct lanes_found found;

	lanes_tell_v4(v, p, &found);
	for (unsigned i = 0; i < GT_LANES; i++)
		if ((good >> i & 1) != 0 &&
		    !lanes_take_v4(v, &f[i], &found, i, services, ours, &x[i]))
			good &= ~(1U << i);
	return good;
}

/* Of eight frames those, a bit for each, that it could judge, and that are on the express path; the
 * others are express_classify's. */
static __rte_noinline unsigned chunk_classify_v4(const struct express_view *v,
						 const struct gt_frame *f, struct chunk *c,
						 struct express *x)
{
	struct lanes_v4 p;
	unsigned good = lanes_judge_v4(v, f, &p);

	if (good == 0)
		return 0;
	if (unlikely(good != GT_LANES_ALL) || !chunk_take_v4(v, f, &p, c))
		return chunk_take_each_v4(v, f, &p, good, x);
	if (!c->closed)
		chunk_open(c, x);
	return GT_LANES_ALL;
}

/* ---- IPv6: what its frames say is too long to be turned: from the addresses on one by one ---- */

/* Where the source and the destination of an IPv6 frame begin. */
#define CHUNK_SOURCE_V6 (IP_OFF + 8)
#define CHUNK_TO_V6	(IP_OFF + 24)

/* Have all the same destination, port included? */
static inline bool chunk_is_one_service(const struct gt_frame *f)
{
	/* the address; ports, of which the first is the source's; no more */
	const __m256i mask = _mm256_setr_epi32(-1, -1, -1, -1, (int)RTE_BE32(0x0000ffff), 0, 0, 0);
	const __m256i first =
		_mm256_loadu_si256((const __m256i *)(const void *)(f[0].data + CHUNK_TO_V6));
	__m256i differ = _mm256_setzero_si256();

	_Static_assert(CHUNK_TO_V6 + 32 <= LANE_BYTES_V6, "it can be read");
	for (unsigned i = 1; i < GT_LANES; i++)
		differ = _mm256_or_si256(
			differ,
			_mm256_xor_si256(
				first,
				_mm256_loadu_si256(
					(const __m256i *)(const void *)(f[i].data + CHUNK_TO_V6))));
	return _mm256_testz_si256(differ, mask) != 0;
}

/* Are all sources of other networks than our addresses? */
static inline bool chunk_are_strangers(const struct gt_plan *plan, const struct gt_frame *f)
{
	__m256i two[2], hits = _mm256_setzero_si256();

	for (unsigned i = 0; i < 2; i++)
		two[i] = _mm256_set_epi64x(
			(long long)gt_rewrite_load(f[4 * i + 3].data + CHUNK_SOURCE_V6),
			(long long)gt_rewrite_load(f[4 * i + 2].data + CHUNK_SOURCE_V6),
			(long long)gt_rewrite_load(f[4 * i + 1].data + CHUNK_SOURCE_V6),
			(long long)gt_rewrite_load(f[4 * i].data + CHUNK_SOURCE_V6));
	for (unsigned i = 0; i < GT_PLAN_NETWORKS; i++) {
		__m256i network = _mm256_set1_epi64x((long long)plan->ours_networks[i]);

		hits = _mm256_or_si256(hits, _mm256_cmpeq_epi64(two[0], network));
		hits = _mm256_or_si256(hits, _mm256_cmpeq_epi64(two[1], network));
	}
	return !plan->ours_are_scattered && _mm256_testz_si256(hits, hits) != 0;
}

/* Frame i is a client's. */
static __rte_always_inline void chunk_put_client(const struct express_view *v, const uint8_t *ip,
						 struct chunk *c, unsigned i, uint16_t service)
{
	unsigned at = CHUNK_AT(i);
	struct gt_flow_key key = {.lo = gt_rewrite_load(ip + 8),
				  .hi = gt_rewrite_load(ip + 16),
				  .port = gt_copy_be16(ip + 40),
				  .service = service,
				  .wide = true};

	c->wide[at][0] = key.lo;
	c->wide[at][1] = gt_flow_wide_rest(&key);
	c->wide[at][2] = key.hi;
	c->wide[at][3] = 0;
	c->hashes[at] = gt_flow_hash_wide(v->flows, &key);
	c->slots[at] = gt_flow_prefetch(v->flows, c->hashes[at])->slots;
}

/* Of one service, whose record this is. */
static __rte_always_inline void chunk_take_clients(const struct express_view *v,
						   const struct gt_frame *f,
						   const struct gt_plan_express *service,
						   struct chunk *c)
{
	struct chunk_words services;
	uint64_t word;

	memcpy(&word, service, sizeof(word));
	services.a = services.b = _mm256_set1_epi64x((long long)word);
	chunk_store(services, c->services);
	LANES_UNROLL
	for (unsigned i = 0; i < GT_LANES; i++)
		chunk_put_client(v, f[i].data + IP_OFF, c, i, service->service);
}

/* Each of its own service, or to none. False: one is of no network, or a source is ours. */
static __rte_noinline bool chunk_take_any(const struct express_view *v, const struct gt_frame *f,
					  struct chunk *c)
{
	for (unsigned i = 0; i < GT_LANES; i++) {
		const uint8_t *ip = f[i].data + IP_OFF;
		const uint64_t src[2] = {gt_rewrite_load(ip + 8), gt_rewrite_load(ip + 16)};
		const uint64_t dst[2] = {gt_rewrite_load(ip + 24), gt_rewrite_load(ip + 32)};
		const struct gt_plan_express *service;

		if (unlikely(ip[24] == 0 || is_ours(v, src)))
			return false;
		service = find_v6(v->plan, dst, gt_copy_be16(ip + 42) | IPPROTO_TCP << 16);
		c->services[CHUNK_AT(i)] = 0;
		if (unlikely(service == NULL)) {
			c->replies |= (uint8_t)(1U << i);
			continue;
		}
		memcpy(&c->services[CHUNK_AT(i)], service, sizeof(c->services[0]));
		chunk_put_client(v, ip, c, i, service->service);
	}
	return true;
}

/* The only service of all, or NULL: there is none, or it is not known whether there is. */
static __rte_always_inline const struct gt_plan_express *
chunk_find_one(const struct express_view *v, const struct gt_frame *f)
{
	const uint8_t *ip = f[0].data + IP_OFF;
	const uint64_t dst[2] = {gt_rewrite_load(ip + 24), gt_rewrite_load(ip + 32)};

	if (!chunk_is_one_service(f) || !chunk_are_strangers(v->plan, f) || ip[24] == 0)
		return NULL;
	return find_v6(v->plan, dst, gt_copy_be16(ip + 42) | IPPROTO_TCP << 16);
}

/* Fills the chunk, if it is one. */
static __rte_always_inline bool chunk_take_v6(const struct express_view *v,
					      const struct gt_frame *f, const struct lanes_v6 *p,
					      struct chunk *c)
{
	const struct gt_plan_express *service = chunk_find_one(v, f);
	unsigned flags, acks = lanes_bits(p->acks);
	enum gt_express express;

	c->replies = 0;
	if (likely(service != NULL)) {
		chunk_take_clients(v, f, service, c);
		flags = service->flags;
	} else {
		if (!chunk_take_any(v, f, c))
			return false;
		flags = chunk_flags(chunk_load(c->services));
	}
	if (unlikely(!may_have(v, flags)))
		return false;
	express = chunk_express(flags);
	if (unlikely(c->replies != 0)) {
		express = chunk_take_replies_v6(v, f, acks, flags, c);
		if (express == GT_EXPRESS_NONE)
			return false;
	}
	chunk_close(c, p->l3_len, acks, express, true);
	return true;
}

static __rte_noinline unsigned chunk_take_each_v6(const struct express_view *v,
						  const struct gt_frame *f,
						  const struct lanes_v6 *p, unsigned good,
						  struct express *x)
{
	uint64_t ends[GT_LANES] __attribute__((aligned(32)));

	lanes_end(p->l3_len, p->acks, GT_FLOW_TYPE_WIDE_SECOND, true, ends);
	for (unsigned i = 0; i < GT_LANES; i++)
		if ((good >> i & 1) != 0 && !lanes_take_v6(v, &f[i], ends[i], &x[i]))
			good &= ~(1U << i);
	return good;
}

static __rte_noinline unsigned chunk_classify_v6(const struct express_view *v,
						 const struct gt_frame *f, struct chunk *c,
						 struct express *x)
{
	struct lanes_v6 p;
	unsigned good = lanes_judge_v6(v, f, &p);

	if (good == 0)
		return 0;
	if (unlikely(good != GT_LANES_ALL) || !chunk_take_v6(v, f, &p, c))
		return chunk_take_each_v6(v, f, &p, good, x);
	if (!c->closed)
		chunk_open(c, x);
	return GT_LANES_ALL;
}

/*
 * Judges eight frames: those, a bit for each, that it could judge, and that are on the express
 * path; the others are express_classify's. If the chunk is not closed, those have their express.
 */
static inline unsigned chunk_classify(const struct express_view *v, const struct gt_frame *f,
				      struct chunk *c, struct express *x)
{
	c->closed = false;
	if (lanes_are_v4(v, f))
		return chunk_classify_v4(v, f, c, x);
	if (lanes_are_v6(v, f))
		return chunk_classify_v6(v, f, c, x);
	return 0;
}

#endif
