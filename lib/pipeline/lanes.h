/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Eight frames judged at once, one in each lane of a vector: what most frames are, TCP over IPv4
 * without options or IPv6 without extension headers, untagged, is told from everything else for a
 * fraction of what express_classify takes, which judges the rest and does the same. Each frame's
 * headers are rows of four words; turned, they are a vector for each word, of all eight frames.
 */
#ifndef GT_PIPELINE_LANES_H
#define GT_PIPELINE_LANES_H

#include "pipeline/express.h"

#define GT_LANES     8
#define GT_LANES_ALL 0xffU

/* Of a loop over the lanes: so that each has its place written into the code. Clang does so where
 * it can, and takes it for a mistake where it cannot. */
#if defined(__clang__)
#define LANES_UNROLL
#else
#define LANES_UNROLL _Pragma("GCC unroll 8")
#endif

/* Ethernet, IP and TCP without options: what must be there to be read. */
#define LANE_BYTES_V4 (IP_OFF + 20 + 20)
#define LANE_BYTES_V6 (IP_OFF + 40 + 20)

/* A 32-bit word of each frame, as it lies in memory. */
typedef __m256i lanes;

static inline lanes lanes_all(uint32_t word)
{
	return _mm256_set1_epi32((int)word);
}

/* ... a constant, by one load: GCC would make it by three instructions, each time. */
#define LANES(word)                                                                                \
	__extension__({                                                                            \
		static const uint32_t lanes_word = (word);                                         \
		lanes lanes_words;                                                                 \
		__asm__("vpbroadcastd %1, %0" : "=x"(lanes_words) : "m"(lanes_word));              \
		lanes_words;                                                                       \
	})

/* 16 bytes of each frame, at p[i] + offset, as their four words. */
static inline __attribute__((always_inline)) void lanes_turn(const uint8_t *const p[GT_LANES],
							     size_t offset, lanes w[4])
{
	__m256i row[4], ab_low, cd_low, ab_high, cd_high;

	for (unsigned i = 0; i < 4; i++) {
		__m128i low = _mm_loadu_si128((const __m128i *)(const void *)(p[i] + offset));
		__m128i high = _mm_loadu_si128((const __m128i *)(const void *)(p[i + 4] + offset));

		row[i] = _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
	}
	ab_low = _mm256_unpacklo_epi32(row[0], row[1]);
	cd_low = _mm256_unpacklo_epi32(row[2], row[3]);
	ab_high = _mm256_unpackhi_epi32(row[0], row[1]);
	cd_high = _mm256_unpackhi_epi32(row[2], row[3]);
	w[0] = _mm256_unpacklo_epi64(ab_low, cd_low);
	w[1] = _mm256_unpackhi_epi64(ab_low, cd_low);
	w[2] = _mm256_unpacklo_epi64(ab_high, cd_high);
	w[3] = _mm256_unpackhi_epi64(ab_high, cd_high);
}

/* Adds, to what differs, in which of the mask's bits a word is not the wanted one. */
static inline lanes lanes_differ(lanes differs, lanes word, lanes wanted, lanes mask)
{
	return _mm256_or_si256(differs, _mm256_and_si256(_mm256_xor_si256(word, wanted), mask));
}

/* The big-endian number in the lower half of each word. */
static inline lanes lanes_be16(lanes w)
{
	return _mm256_or_si256(_mm256_and_si256(_mm256_slli_epi32(w, 8), LANES(0xff00)),
			       _mm256_and_si256(_mm256_srli_epi32(w, 8), LANES(0xff)));
}

static inline lanes lanes_down(lanes v, unsigned bits)
{
	return _mm256_srl_epi32(v, _mm_cvtsi32_si128((int)bits));
}

/* Both 16-bit halves of each word, less 32768 each: the multiplication is signed. */
static inline lanes lanes_halves(lanes w)
{
	return _mm256_madd_epi16(_mm256_xor_si256(w, LANES(0x80008000)), LANES(0x00010001));
}

/* Not 0: the IPv4 checksum is wrong. The header's words: the first has its lower half in `first`'s
 * upper, and the last its two halves in `middle`'s upper and `last`'s lower one. */
static inline lanes lanes_sum_wrong(lanes first, const lanes middle[4], lanes last)
{
	lanes ends = _mm256_blend_epi16(first, last, 0x55);
	lanes sum = _mm256_add_epi32(
		_mm256_add_epi32(
			_mm256_add_epi32(lanes_halves(middle[0]), lanes_halves(middle[1])),
			_mm256_add_epi32(lanes_halves(middle[2]), lanes_halves(middle[3]))),
		_mm256_add_epi32(lanes_halves(ends), LANES(10 * 32768)));

	/* As is_sum_right: of ten halves, which are not all 0, one addition folds all. */
	sum = _mm256_add_epi32(_mm256_and_si256(sum, LANES(0xffff)), _mm256_srli_epi32(sum, 16));
	return _mm256_xor_si256(sum, LANES(0xffff));
}

/* gt_addr_is_martian_v4, all bits set if so. */
static inline lanes lanes_martian(lanes source)
{
	lanes first = _mm256_and_si256(source, LANES(0xff));
	lanes top = _mm256_and_si256(source, LANES(0xe0));

	return _mm256_or_si256(_mm256_or_si256(_mm256_cmpeq_epi32(first, _mm256_setzero_si256()),
					       _mm256_cmpeq_epi32(first, LANES(127))),
			       _mm256_cmpeq_epi32(top, LANES(0xe0)));
}

/* Two words of each frame, one behind the other, as the frames' 64-bit words in their order. */
static inline void lanes_join(lanes low, lanes high, uint64_t to[GT_LANES])
{
	__m256i a = _mm256_unpacklo_epi32(low, high), b = _mm256_unpackhi_epi32(low, high);

	_mm256_store_si256((__m256i *)(void *)to, _mm256_permute2x128_si256(a, b, 0x20));
	_mm256_store_si256((__m256i *)(void *)(to + 4), _mm256_permute2x128_si256(a, b, 0x31));
}

static inline void lanes_store(lanes v, uint32_t to[GT_LANES])
{
	_mm256_store_si256((__m256i *)(void *)to, v);
}

/* What the vectors say of each frame. */
struct lanes_found {
	/* The end of struct express, from l3_len on, with the kind of a client's packet. Of IPv4:
	 * as of struct gt_flow_key, without the service; as of gt_plan_express_v4 */
	uint64_t ends[GT_LANES], keys[GT_LANES], services[GT_LANES];
	/* gt_plan_ours_v4 of the source, gt_plan_express_v4_home of the service */
	uint32_t ours[GT_LANES], homes[GT_LANES];
} __attribute__((aligned(32)));

_Static_assert(offsetof(struct gt_frame, wire_len) == 12 &&
		       offsetof(struct gt_frame, in_if) == 16 &&
		       offsetof(struct gt_frame, steered) == 21,
	       "a frame's second row: len, wire_len, in_if ..., ... steered ...");
_Static_assert(offsetof(struct express, way) == offsetof(struct express, l3_len) + 4 &&
		       offsetof(struct express, kind) == offsetof(struct express, l3_len) + 5 &&
		       offsetof(struct express, protocol) == offsetof(struct express, l3_len) + 6 &&
		       offsetof(struct express, v6) == offsetof(struct express, l3_len) + 7,
	       "the end of an express is one word");

/* What both families begin by. */
struct lanes_begun {
	const uint8_t *data[GT_LANES];
	lanes wire_len;
	lanes type;    /* EtherType; version and what follows it */
	lanes differs; /* not 0: not for us by link layer, or by the first two bytes of IP */
};

/* False: some have less than `bytes`, or none of this interface is ordinary. */
static __rte_always_inline bool lanes_begin(const struct express_view *v, const struct gt_frame *f,
					    lanes bytes, lanes type, lanes type_mask,
					    struct lanes_begun *b)
{
	const struct express_head *head = &v->heads[f->in_if];
	const uint8_t *rows[GT_LANES];
	lanes w[4], first[4], shorter, d;

	for (unsigned i = 0; i < GT_LANES; i++) {
		rows[i] = (const uint8_t *)&f[i] + offsetof(struct gt_frame, len);
		b->data[i] = f[i].data;
	}
	lanes_turn(rows, 0, w);
	shorter = _mm256_cmpgt_epi32(bytes, w[0]);
	if (head->never != 0 || !_mm256_testz_si256(shorter, shorter))
		return false;
	b->wire_len = w[1];
	lanes_turn(b->data, 0, first);
	/* the interface; not handed over by another worker; no longer than express_classify allows
	 */
	d = _mm256_and_si256(_mm256_xor_si256(w[2], lanes_all(f->in_if)), LANES(0xff));
	d = _mm256_or_si256(d, _mm256_and_si256(w[3], LANES(0xff00)));
	d = _mm256_or_si256(d, _mm256_srli_epi32(w[1], 16));
	d = _mm256_or_si256(d, _mm256_xor_si256(first[0], lanes_all((uint32_t)head->mac)));
	d = lanes_differ(d, first[1], lanes_all((uint32_t)(head->mac >> 32)),
			 LANES((uint32_t)(HEAD_MAC_MASK >> 32)));
	b->differs = lanes_differ(d, first[3], type, type_mask);
	b->type = first[3];
	return true;
}

/* Is the TCP header whole, in a payload of so many bytes? `flags`: the word that begins two bytes
 * before its offset. All bits set: it is not. */
static inline lanes lanes_tcp_bad(lanes flags, lanes payload)
{
	lanes header = _mm256_and_si256(_mm256_srli_epi32(flags, 18), LANES(0x3c));

	return _mm256_or_si256(_mm256_cmpgt_epi32(LANES(20), header),
			       _mm256_cmpgt_epi32(header, payload));
}

/* A bit for each lane whose bits are set. */
static inline unsigned lanes_bits(lanes all)
{
	return (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(all));
}

/* A bit for each frame that is ordinary as far as its bytes tell. */
static inline unsigned lanes_good(const struct lanes_begun *b, lanes bad, lanes l3_len)
{
	bad = _mm256_or_si256(
		bad, _mm256_cmpgt_epi32(_mm256_add_epi32(l3_len, LANES(IP_OFF)), b->wire_len));
	bad = _mm256_andnot_si256(bad, _mm256_cmpeq_epi32(b->differs, _mm256_setzero_si256()));
	return lanes_bits(bad);
}

/* All bits set: an ordinary packet of an established connection. */
static inline lanes lanes_acks(lanes flags)
{
	return _mm256_cmpeq_epi32(_mm256_and_si256(flags, LANES((uint32_t)FLAGS_MASK << 24)),
				  LANES((uint32_t)GT_TCP_ACK << 24));
}

/* l3_len, way, kind, protocol, v6 of struct express. */
static inline void lanes_end(lanes l3_len, lanes acks, uint32_t entry, bool v6,
			     uint64_t ends[GT_LANES])
{
	uint32_t rest = WAY_DR | IPPROTO_TCP << 16 | (uint32_t)v6 << 24;
	lanes high = _mm256_blendv_epi8(
		lanes_all(rest | (uint32_t)NO_KIND << 8),
		lanes_all(rest | (uint32_t)gt_flow_make_kind(entry, GT_FLOW_ESTABLISHED) << 8),
		acks);

	lanes_join(l3_len, high, ends);
}

/* What frames of TCP over IPv4 say. */
struct lanes_v4 {
	lanes source, source_port; /* addresses and ports as they lie in memory */
	lanes to, to_port;	   /* with the protocol, as gt_plan_express_v4_home takes them */
	lanes l3_len, acks;
};

/* Which of them are good. */
static __rte_always_inline unsigned lanes_judge_v4(const struct express_view *v,
						   const struct gt_frame *f, struct lanes_v4 *p)
{
	lanes ip[4], l4[4], bad;
	struct lanes_begun b;

	if (!lanes_begin(v, f, LANES(LANE_BYTES_V4), LANES((uint32_t)(HEAD_V4 >> 32)),
			 LANES((uint32_t)(HEAD_V4_MASK >> 32)), &b))
		return 0;
	/* length, id | fragment, TTL, protocol | checksum, source | source, destination */
	lanes_turn(b.data, 16, ip);
	b.differs = lanes_differ(b.differs, ip[1], LANES(IPPROTO_TCP << 24),
				 LANES(0xff000000U | FRAGMENT_MASK));
	/* destination, port | port, sequence | ... | acknowledgment, offset, flags */
	lanes_turn(b.data, 32, l4);
	b.differs = _mm256_or_si256(b.differs, lanes_sum_wrong(b.type, ip, l4[0]));
	p->l3_len = lanes_be16(ip[0]);
	p->source = _mm256_or_si256(_mm256_srli_epi32(ip[2], 16), _mm256_slli_epi32(ip[3], 16));
	p->source_port = _mm256_srli_epi32(l4[0], 16);
	p->to = _mm256_or_si256(_mm256_srli_epi32(ip[3], 16), _mm256_slli_epi32(l4[0], 16));
	p->to_port = _mm256_blend_epi16(l4[1], LANES(IPPROTO_TCP << 16), 0xaa);
	p->acks = lanes_acks(l4[3]);
	bad = _mm256_or_si256(lanes_martian(p->source),
			      lanes_tcp_bad(l4[3], _mm256_sub_epi32(p->l3_len, LANES(20))));
	return lanes_good(&b, bad, p->l3_len);
}

/* gt_plan_ours_v4, gt_plan_express_v4_home. */
static inline lanes lanes_ours(const struct express_view *v, lanes source)
{
	return lanes_down(_mm256_mullo_epi32(source, LANES(GT_PLAN_SPREAD)), v->plan->ours_shift);
}

static inline lanes lanes_homes(const struct express_view *v, lanes to, lanes to_port)
{
	return lanes_down(
		_mm256_add_epi32(_mm256_mullo_epi32(to, LANES(GT_PLAN_SPREAD)),
				 _mm256_mullo_epi32(to_port, LANES(GT_PLAN_SPREAD_PORTS))),
		v->plan->express_v4_shift);
}

static inline void lanes_tell_v4(const struct express_view *v, const struct lanes_v4 *p,
				 struct lanes_found *found)
{
	lanes_join(p->source, p->source_port, found->keys);
	lanes_join(p->to, p->to_port, found->services);
	lanes_store(lanes_ours(v, p->source), found->ours);
	lanes_store(lanes_homes(v, p->to, p->to_port), found->homes);
	lanes_end(p->l3_len, p->acks, GT_FLOW_TYPE_NARROW, false, found->ends);
}

/* What frames of TCP over IPv6 say, as far as it is turned. */
struct lanes_v6 {
	lanes l3_len, acks;
};

static __rte_always_inline unsigned lanes_judge_v6(const struct express_view *v,
						   const struct gt_frame *f, struct lanes_v6 *p)
{
	lanes ip[4], l4[4], payload, first, bad;
	struct lanes_begun b;

	if (!lanes_begin(v, f, LANES(LANE_BYTES_V6), LANES((uint32_t)(HEAD_V6 >> 32)),
			 LANES((uint32_t)(HEAD_V6_MASK >> 32)), &b))
		return 0;
	/* flow label, length | next header, hop limit, source | ... */
	lanes_turn(b.data, 16, ip);
	b.differs = lanes_differ(b.differs, ip[1], LANES(IPPROTO_TCP), LANES(0xff));
	/* ... | ... | acknowledgment, offset, flags | ...: so that nothing behind them is read */
	lanes_turn(b.data, 56, l4);
	payload = lanes_be16(_mm256_srli_epi32(ip[0], 16));
	p->l3_len = _mm256_add_epi32(payload, LANES(40));
	p->acks = lanes_acks(l4[2]);
	/* Sources: see classify_ipv6. */
	first = _mm256_and_si256(ip[1], LANES(0xff0000));
	bad = _mm256_or_si256(_mm256_cmpeq_epi32(first, _mm256_setzero_si256()),
			      _mm256_cmpeq_epi32(first, LANES(0xff0000)));
	bad = _mm256_or_si256(bad, lanes_tcp_bad(l4[2], payload));
	return lanes_good(&b, bad, p->l3_len);
}

/* The rest of classify_ipv4, of frame i. `services` and `ours` are v->plan's, at hand: what is
 * written to an express might be any pointer, as far as a compiler knows. */
static __rte_always_inline bool lanes_take_v4(const struct express_view *v,
					      const struct gt_frame *f,
					      const struct lanes_found *found, unsigned i,
					      const struct gt_plan_express_v4 *services,
					      const uint64_t *ours, struct express *x)
{
	uint64_t key = found->keys[i], wanted = found->services[i];
	const struct gt_plan_express *service;

	if (unlikely(gt_plan_may_be_ours(ours, found->ours[i])))
		return false;
	service = find_v4(services, v->plan->express_v4_shift, found->homes[i], wanted);
	memcpy(&x->l3_len, &found->ends[i], sizeof(found->ends[i]));
	if (unlikely(service == NULL))
		return classify_reply_v4(v, x, gt_addr_word_v4((rte_be32_t)key),
					 gt_addr_word_v4((rte_be32_t)wanted),
					 f->data + IP_OFF + 20);
	x->key.lo = key | (uint64_t)service->service << 48;
	x->key.wide = false;
	x->hash = gt_flow_hash_narrow(v->flows, x->key.lo);
	return take_service(v, x, service);
}

/* The rest of classify_ipv6. */
static __rte_always_inline bool lanes_take_v6(const struct express_view *v,
					      const struct gt_frame *f, uint64_t end,
					      struct express *x)
{
	const uint8_t *ip = f->data + IP_OFF;

	memcpy(&x->l3_len, &end, sizeof(end));
	return ip[24] != 0 && find_ipv6(v, ip, ip + 40, x);
}

/* Frames of one kind come together: as the first is, are all. */
static inline bool lanes_are_v4(const struct express_view *v, const struct gt_frame *f)
{
	return f->len >= LANE_BYTES_V4 &&
	       ((gt_rewrite_load(f->data + 8) ^ v->heads[f->in_if].v4) & HEAD_V4_MASK) == 0;
}

static inline bool lanes_are_v6(const struct express_view *v, const struct gt_frame *f)
{
	return f->len >= LANE_BYTES_V6 &&
	       ((gt_rewrite_load(f->data + 8) ^ v->heads[f->in_if].v6) & HEAD_V6_MASK) == 0;
}

#endif
