/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Eight frames in a row that are all what most frames are, clients' packets of connections over
 * IPv4: from the judging of their bytes to the sending they stay in lanes, and what is done for all
 * eight at once is done so. As soon as one of them is anything else the chunk is opened: each frame
 * has its struct express then, and goes on alone.
 */
#ifndef GT_PIPELINE_CHUNK_H
#define GT_PIPELINE_CHUNK_H

#include "pipeline/express_send.h"
#include "pipeline/lanes.h"

#if defined(__AVX2__)

/*
 * What is known of a chunk's frames. Words of 64 bits lie in the order in which two vectors of them
 * come from vectors of 32 bits: CHUNK_AT tells which frame is where, and the other way round.
 */
struct chunk {
	uint64_t keys[GT_LANES]; /* as of struct gt_flow_key: lo */
	uint64_t hashes[GT_LANES];
	uint64_t services[GT_LANES];	      /* struct gt_plan_express */
	struct gt_flow_slot *slots[GT_LANES]; /* as of struct express */
	struct lanes_v4 words; /* in the frames' order, as the next ones */
	unsigned good;	       /* a bit for each: what words say counts */
	unsigned acks;	       /* a bit for each: it is_ordinary_tcp */
	bool closed;	       /* this is what counts, not the frames' struct express */
	bool wraps;	       /* all are of tunnels, else of dr */
} __attribute__((aligned(32)));

#define CHUNK_AT(i) ((const uint8_t[GT_LANES]){0, 1, 4, 5, 2, 3, 6, 7}[i])

_Static_assert(offsetof(struct gt_plan_express, idle_ticks) == 0 &&
		       offsetof(struct gt_plan_express, flags) == 4 &&
		       offsetof(struct gt_plan_express, service) == 6 &&
		       offsetof(struct gt_plan_express_v4, to) == 8,
	       "a record's words: key; idle_ticks, flags << 32, service << 48");
_Static_assert(offsetof(struct gt_flow_slot, value) == 8 && offsetof(struct gt_flow_slot, meta) == 12,
	       "a slot's second word");
_Static_assert(offsetof(struct gt_plan_server, vip) == 12 &&
		       offsetof(struct gt_plan_server, out_if) == 14 &&
		       offsetof(struct gt_plan_server, express) == 15,
	       "a server's first 16 bytes");
_Static_assert(offsetof(struct gt_frame, verdict) == offsetof(struct gt_frame, out_if) + 1,
	       "what becomes of a frame is one word");

/* Words of 64 bits, of all eight frames, by CHUNK_AT. */
struct chunk_words {
	__m256i a, b;
};

static inline struct chunk_words chunk_words(lanes low, lanes high)
{
	return (struct chunk_words){_mm256_unpacklo_epi32(low, high),
				    _mm256_unpackhi_epi32(low, high)};
}

static inline void chunk_store(struct chunk_words w, void *to)
{
	_mm256_store_si256(to, w.a);
	_mm256_store_si256((__m256i *)to + 1, w.b);
}

static inline struct chunk_words chunk_load(const void *from)
{
	return (struct chunk_words){_mm256_load_si256(from),
				    _mm256_load_si256((const __m256i *)from + 1)};
}

/* The lower halves of words, as lanes. */
static inline lanes chunk_low(struct chunk_words w)
{
	return _mm256_castps_si256(
		_mm256_shuffle_ps(_mm256_castsi256_ps(w.a), _mm256_castsi256_ps(w.b), 0x88));
}

static inline lanes chunk_high(struct chunk_words w)
{
	return _mm256_castps_si256(
		_mm256_shuffle_ps(_mm256_castsi256_ps(w.a), _mm256_castsi256_ps(w.b), 0xdd));
}

/* ---- stages 1 and 2 ---- */

/* Is a source one of our addresses? `ours`: which bits of the plan's to ask. */
static inline bool chunk_asks_ours(const uint64_t *ours, lanes at)
{
	uint32_t words[GT_LANES] __attribute__((aligned(32))),
		bits[GT_LANES] __attribute__((aligned(32)));
	uint64_t any = 0;

	lanes_store(_mm256_srli_epi32(at, 6), words);
	lanes_store(at, bits);
#pragma GCC unroll 8
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

/* Services that are not at home. False: there is none of a frame's destination. */
static __rte_noinline bool chunk_seek(const struct express_view *v, struct chunk_words wanted,
				      struct chunk_words *services)
{
	const struct gt_plan *plan = v->plan;
	uint64_t keys[GT_LANES] __attribute__((aligned(32))), to[GT_LANES] __attribute__((aligned(32)));

	chunk_store(wanted, keys);
	for (unsigned i = 0; i < GT_LANES; i++) {
		unsigned shift = plan->express_v4_shift;
		const struct gt_plan_express *e =
			find_v4(plan->express_v4, shift, gt_plan_express_v4_home(keys[i], shift),
				keys[i]);

		if (e == NULL)
			return false;
		memcpy(&to[i], e, sizeof(to[i]));
	}
	*services = chunk_load(to);
	return true;
}

/* The services of all destinations. False: of one there is none. */
static __rte_always_inline bool chunk_find(const struct express_view *v, const struct lanes_v4 *p,
					   struct chunk_words *services)
{
	const struct gt_plan_express_v4 *table = v->plan->express_v4;
	struct chunk_words wanted = chunk_words(p->to, p->to_port);
	uint32_t at[GT_LANES] __attribute__((aligned(32)));
	__m256i r04, r15, r26, r37, same;

	lanes_store(_mm256_slli_epi32(lanes_homes(v, p->to, p->to_port), 4), at);
	r04 = chunk_records(table, at[0], at[4]);
	r15 = chunk_records(table, at[1], at[5]);
	r26 = chunk_records(table, at[2], at[6]);
	r37 = chunk_records(table, at[3], at[7]);
	services->a = _mm256_unpackhi_epi64(r04, r15);
	services->b = _mm256_unpackhi_epi64(r26, r37);
	same = _mm256_and_si256(_mm256_cmpeq_epi64(_mm256_unpacklo_epi64(r04, r15), wanted.a),
				_mm256_cmpeq_epi64(_mm256_unpacklo_epi64(r26, r37), wanted.b));
	return likely(_mm256_movemask_pd(_mm256_castsi256_pd(same)) == 0xf) ||
	       chunk_seek(v, wanted, services);
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
#pragma GCC unroll 8
	for (unsigned i = 0; i < GT_LANES; i++)
		rte_prefetch0(slots[i]);
}

/* Beside a service's flags: not all have the same. */
#define CHUNK_MIXED 0x100

/* Do services ask for more than their servers' MACs, and for what? GT_EXPRESS_... of any of them. */
static inline unsigned chunk_flags(struct chunk_words services)
{
	uint32_t high[GT_LANES] __attribute__((aligned(32))), flags = 0, common = 0xff;

	if (likely(_mm256_testz_si256(chunk_high(services), LANES(0xff))))
		return 0;
	lanes_store(chunk_high(services), high);
	for (unsigned i = 0; i < GT_LANES; i++) {
		flags |= high[i];
		common &= high[i];
	}
	flags &= 0xff;
	return flags | (flags != common ? CHUNK_MIXED : 0);
}

/* Fills the chunk, if it is one. */
static __rte_always_inline bool chunk_take(const struct express_view *v, struct chunk *c)
{
	const struct lanes_v4 *p = &c->words;
	const __m256i service = _mm256_set1_epi64x((long long)(0xffffULL << 48));
	struct chunk_words services, keys, hashes;
	unsigned flags;

	if (unlikely(chunk_asks_ours(v->plan->ours, lanes_ours(v, p->source))) &&
	    chunk_is_ours(v, p->source))
		return false;
	if (!chunk_find(v, p, &services))
		return false;
	flags = chunk_flags(services);
	/* See take_service. */
	if (unlikely((flags & GT_EXPRESS_BY_SOURCE) != 0) && v->w->steer.n_workers > 1)
		return false;
	keys = chunk_words(p->source, p->source_port);
	keys.a = _mm256_or_si256(keys.a, _mm256_and_si256(services.a, service));
	keys.b = _mm256_or_si256(keys.b, _mm256_and_si256(services.b, service));
	hashes.a = gt_aeshash_words(&v->flows->key, keys.a);
	hashes.b = gt_aeshash_words(&v->flows->key, keys.b);
	chunk_store(keys, c->keys);
	chunk_store(hashes, c->hashes);
	chunk_store(services, c->services);
	chunk_fetch(v->flows, hashes, c->slots);
	c->acks = (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(p->acks));
	c->wraps = flags == GT_EXPRESS_WRAPS;
	c->closed = (flags == 0 || c->wraps) && c->acks == GT_LANES_ALL;
	return true;
}

/* What the lanes know, told to each frame's express. */
static inline void chunk_open(struct chunk *c, struct express *express)
{
	uint32_t l3_len[GT_LANES] __attribute__((aligned(32)));

	lanes_store(c->words.l3_len, l3_len);
	c->closed = false;
#pragma GCC unroll 8
	for (unsigned i = 0; i < GT_LANES; i++) {
		struct express *x = &express[i];
		unsigned at = CHUNK_AT(i);

		x->key.lo = c->keys[at];
		x->key.wide = false;
		x->hash = c->hashes[at];
		x->slot = c->slots[at];
		memcpy(&x->service, &c->services[at], sizeof(x->service));
		x->l3_len = l3_len[i];
		x->way = (uint8_t)way_of(x->service.flags);
		x->kind = (c->acks >> i & 1) != 0
				  ? gt_flow_make_kind(GT_FLOW_TYPE_NARROW, GT_FLOW_ESTABLISHED)
				  : NO_KIND;
		x->protocol = IPPROTO_TCP;
		x->v6 = false;
	}
}

/* ... after chunk_locate, which believes what begins like the key. */
static __rte_noinline void chunk_open_located(const struct gt_flow_table *t, struct chunk *c,
					      struct express *express)
{
	chunk_open(c, express);
	for (unsigned i = 0; i < GT_LANES; i++) {
		struct express *x = &express[i];

		if (x->slot != NULL && x->slot->meta >> 30 != GT_FLOW_TYPE_NARROW)
			x->slot = gt_flow_find(t, &x->key, x->hash).slot;
	}
}

/* Not all of them are ordinary, or clients': those that are `good`, one by one. */
static __rte_noinline unsigned chunk_take_each(const struct express_view *v,
					       const struct gt_frame *f, const struct lanes_v4 *p,
					       unsigned good, struct express *x)
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

static __rte_noinline void chunk_judge_v4(const struct express_view *v, const struct gt_frame *f,
					  struct chunk *c)
{
	c->good = lanes_judge_v4(v, f, &c->words);
}

/* Of eight frames those, a bit for each, that it could judge, and that are on the express path; the
 * others are express_classify's. */
static __rte_noinline unsigned chunk_classify_v4(const struct express_view *v,
						 const struct gt_frame *f, struct chunk *c,
						 struct express *x)
{
	if (c->good == 0)
		return 0;
	if (unlikely(c->good != GT_LANES_ALL) || !chunk_take(v, c))
		return chunk_take_each(v, f, &c->words, c->good, x);
	if (!c->closed)
		chunk_open(c, x);
	return GT_LANES_ALL;
}

/* ---- stage 3 ---- */

/* The slots of a closed chunk's connections; NULL, and a bit by CHUNK_AT: not in the first bucket.
 * What it finds may be a wide entry that begins alike; its kind will tell. */
static __rte_always_inline unsigned chunk_locate(struct chunk *c)
{
	unsigned missing = 0;

#pragma GCC unroll 8
	for (unsigned i = 0; i < GT_LANES; i++) {
		struct gt_flow_bucket *b = (struct gt_flow_bucket *)c->slots[i];
		unsigned hits = gt_flow_match(b, c->keys[i]);

		c->slots[i] = gt_flow_nth(b, hits);
		if (unlikely(hits == 0)) {
			c->slots[i] = NULL;
			missing |= 1U << i;
		}
	}
	return missing;
}

/* ---- stage 4 ---- */

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

/* As run_dr asks of each. */
static inline bool chunk_is_ordinary(const struct reach *r, const struct chunk *c, lanes value,
				     lanes meta, lanes tick)
{
	lanes n = lanes_all(r->n_servers), idle, limit, bad;

	/* gt_flow_kind */
	bad = _mm256_xor_si256(meta, LANES(GT_FLOW_TYPE_NARROW << 30 | GT_FLOW_ESTABLISHED << 26));
	bad = _mm256_and_si256(bad, LANES(0xdcU << 24));
	bad = _mm256_or_si256(bad, _mm256_cmpeq_epi32(_mm256_min_epu32(value, n), n));
	idle = _mm256_and_si256(_mm256_sub_epi32(tick, meta), LANES(GT_TICK_MASK));
	limit = chunk_low(chunk_load(c->services));
	/* idle has 24 bits, and a limit no more than 31 */
	bad = _mm256_or_si256(bad, _mm256_cmpgt_epi32(idle, limit));
	return _mm256_testz_si256(bad, bad) != 0;
}

/* Sums of `n` frames more by the same way. */
static inline void chunk_sum(struct sums *s, unsigned n, uint64_t bytes)
{
	s->in += ((uint64_t)n << 32) + bytes;
	s->out_bytes += (uint32_t)bytes;
}

/* run_dr for a closed chunk: how many of its frames, from the first on, were forwarded. If not all
 * it has to be opened. */
static __rte_noinline unsigned run_chunk_dr(struct reach *reach, struct gt_frame *frames,
					    const struct chunk *c)
{
	const uint8_t *servers = (const uint8_t *)reach->servers;
	uint8_t *counts = (uint8_t *)reach->counts;
	uint32_t at[GT_LANES] __attribute__((aligned(32))), metas[GT_LANES] __attribute__((aligned(32)));
	lanes value, meta, tick = lanes_all(reach->tick);
	struct sums s = reach->requests;
	uint64_t bytes = 0;
	unsigned i, since = 0;
	uint32_t way;

	chunk_read(c->slots, &value, &meta);
	if (unlikely(!chunk_is_ordinary(reach, c, value, meta, tick)))
		return 0;
	lanes_store(_mm256_slli_epi32(value, 6), at);
	lanes_store(_mm256_or_si256(_mm256_andnot_si256(LANES(GT_TICK_MASK), meta), tick), metas);
	way = (s.between & 0xffffff) | (uint32_t)GT_EXPRESS_DR << 24;
	if (unlikely(s.between >> 24 != frames[0].in_if))
		way = 0;
#pragma GCC unroll 8
	for (i = 0; i < GT_LANES; i++) {
		const __m128i *server = (const __m128i *)(const void *)(servers + at[i]);
		struct gt_server_counters *count = (struct gt_server_counters *)(counts + at[i]);
		__m128i first = _mm_load_si128(server);
		uint32_t its = (uint32_t)_mm_extract_epi32(first, 3), came = frames[i].wire_len;
		uint16_t verdict;

		if (unlikely(its != way)) {
			if (its >> 24 != GT_EXPRESS_DR)
				break;
			chunk_sum(&s, i - since, bytes);
			if (s.in > 0)
				account(reach->w, s);
			s = (struct sums){.between = join_ends(its, frames[0].in_if)};
			way = its;
			since = i;
			bytes = 0;
		}
		c->slots[CHUNK_AT(i)]->meta = metas[i];
		_mm_storel_epi64((__m128i *)(void *)frames[i].data, first);
		its = (uint32_t)_mm_extract_epi32(first, 2);
		memcpy(frames[i].data + 8, &its, sizeof(its));
		count->frames++;
		count->bytes += came;
		bytes += came;
		verdict = (uint16_t)((way >> 16 & 0xff) | GT_SEND << 8);
		memcpy(&frames[i].out_if, &verdict, sizeof(verdict));
	}
	chunk_sum(&s, i - since, bytes);
	reach->requests = s;
	return i;
}

#endif
#endif
