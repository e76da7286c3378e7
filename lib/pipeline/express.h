/* SPDX-License-Identifier: BSD-3-Clause */
/* The first stage of the express path: is a frame an ordinary packet, and what of? See express.c,
 * into whose loop it is inlined. */
#ifndef GT_PIPELINE_EXPRESS_H
#define GT_PIPELINE_EXPRESS_H

#include <netinet/in.h>

#include <rte_ether.h>

#include "base/bytes.h"
#include "packet/parse.h"
#include "packet/rewrite.h"
#include "pipeline/pipeline.h"

/* Which way a frame goes. */
enum express_way {
	WAY_GENERAL,	   /* the general path's */
	WAY_DR,		   /* a client's, of `service`, which asks for its server's MACs alone */
	WAY_TUNNEL,	   /* a client's, of `service`, with a tunnel */
	WAY_SERVER,	   /* a client's, of `service`, with nat, or by source */
	WAY_NAT_REPLY,	   /* of the server that `nat` names */
	WAY_SESSION,	   /* a client's, of `service`, with snat */
	WAY_SESSION_REPLY, /* of the session that `place` tells */
};

/* One frame of a burst: less than a cache line, so that a burst's fit the first cache. */
struct express {
	struct gt_flow_key key;
	union {
		uint64_t hash;
		uint64_t came_sum; /* a session's reply: of its addresses, as it came */
	};
	/* The first bucket of its connection, then the slot; NULL: it has none, or none was found
	 */
	struct gt_flow_slot *slot;
	union {
		struct gt_plan_express service;
		const struct gt_plan_nat *nat;
		struct gt_snat_session *place; /* of the port that it came to */
	};
	uint32_t l3_len; /* bytes of IP */
	uint8_t way;	 /* enum express_way */
	uint8_t kind;	 /* what the entry of its connection must be: express_kind; or NO_KIND */
	uint8_t protocol;
	bool v6;
};

#define IP_OFF RTE_ETHER_HDR_LEN

/* TCP flags: the ordinary packet of an established connection. */
#define FLAGS_MASK (GT_TCP_SYN | GT_TCP_FIN | GT_TCP_RST | GT_TCP_ACK)

/* No entry is of this kind, nor of this state: the packet begins or ends its connection, or it is
 * told something else that the express path does not know of. */
#define NO_KIND (GT_FLOW_STATES << 2 | 1)

/* What of an interface's frames is always the same, in their first 16 bytes as two words: the
 * destination MAC, no group as source; the EtherType and the IP version. */
struct express_head {
	uint64_t mac, v4, v6;
	uint64_t never; /* not 0: none of its frames is one */
};

#define HEAD_MAC_MASK RTE_BE64(0xffffffffffff0100)
#define HEAD_V4_MASK  RTE_BE64(0x00000000ffffff00)
#define HEAD_V6_MASK  RTE_BE64(0x00000000fffff000)
#define HEAD_V4	      RTE_BE64(0x0000000008004500)
#define HEAD_V6	      RTE_BE64(0x0000000086dd6000)

/* IPv4: no fragment; DF is nobody's business. */
#define FRAGMENT_MASK RTE_BE16(0x3fff)

/* What a burst reads for each frame, at hand. */
struct express_view {
	const struct gt_worker *w;
	const struct gt_plan *plan;
	const struct gt_flow_table *flows;
	struct express_head heads[GT_INTERFACES_MAX];
};

static inline bool is_ordinary_tcp(const uint8_t *l4)
{
	return (l4[13] & FLAGS_MASK) == GT_TCP_ACK;
}

/* `payload` bytes of IP at l4 (or less than none), of which `there` can be read: is it a whole
 * header? */
static inline bool is_l4(const uint8_t *l4, uint8_t protocol, int32_t payload, int32_t there)
{
	int32_t header;

	if (likely(protocol == IPPROTO_TCP)) {
		if (there < 20)
			return false;
		header = (l4[12] & 0xf0) >> 2;
		return header >= 20 && header <= payload;
	}
	if (protocol != IPPROTO_UDP || there < 8)
		return false;
	header = gt_read_be16(l4 + 4);
	return header >= 8 && header <= payload;
}

/*
 * Is an IPv4 header's checksum right? The sum of its halves of words is a multiple of 65535 then:
 * that, for a sum that is not 0, is what one's complement addition to 0xffff says (RFC 1071 2).
 */
static inline bool is_sum_right(uint64_t w0, uint64_t w1, uint32_t w2)
{
	uint64_t sum = (w0 >> 32) + (w0 & 0xffffffff) + (w1 >> 32) + (w1 & 0xffffffff) + w2;

	return sum % 0xffff == 0;
}

/* Of a plan's express_v4 and its shift; home: gt_plan_express_v4_home of the key. */
static inline const struct gt_plan_express *find_v4(const struct gt_plan_express_v4 *table,
						    unsigned shift, uint32_t home, uint64_t key)
{
	for (;; home = (home + 1) & (UINT32_MAX >> shift)) {
		const struct gt_plan_express_v4 *e = &table[home];

		if (likely(e->key == key))
			return &e->to;
		if (e->key == 0)
			return NULL;
	}
}

static inline const struct gt_plan_express *find_v6(const struct gt_plan *plan,
						    const uint64_t address[2], uint32_t wanted)
{
	unsigned shift = plan->express_v6_shift;
	uint64_t home = gt_plan_express_v6_home(address, wanted, shift);

	for (;; home = (home + 1) & (UINT64_MAX >> shift)) {
		const struct gt_plan_express_v6 *e = &plan->express_v6[home];

		if (likely(e->port_protocol == wanted && e->address[0] == address[0] &&
			   e->address[1] == address[1]))
			return &e->to;
		if (e->port_protocol == 0)
			return NULL;
	}
}

/* Is a pair's source address still one of ours by which replies come? Asked once for each plan. */
static inline bool is_source(const struct express_view *v, struct gt_snat_bucket *pair)
{
	const struct gt_plan_address *to;
	struct gt_addr source;

	if (likely(pair->checked == v->w->plan_changes))
		return true;
	memcpy(source.b, pair->ends.source, sizeof(source.b));
	to = gt_plan_find_address(v->plan, &source);
	if (to == NULL || to->vip || !to->source)
		return false;
	pair->checked = v->w->plan_changes;
	return true;
}

/* The pair of a reply to a session of snat, or NULL. */
static __rte_always_inline struct gt_snat_bucket *
find_reply_pair(const struct express_view *v, const struct express *x, bool v6,
		const uint64_t src[2], const uint64_t dst[2], rte_be16_t port)
{
	const struct gt_snat_ends ends = {
		{src[0], src[1]}, {dst[0], dst[1]}, gt_snat_end(port, x->protocol, v6)};
	const struct gt_snat *snat = &v->w->snat;
	struct gt_snat_bucket *pair =
		snat->pairs != NULL ? gt_snat_known_bucket(snat, &ends) : NULL;

	return pair != NULL && is_source(v, pair) ? pair : NULL;
}

/* The session of a reply to a pair's port, in host order, fetched; NULL: there never was one. */
static __rte_always_inline struct gt_snat_session *
find_reply_session(const struct express_view *v, const struct gt_snat_bucket *pair, bool v6,
		   uint16_t port)
{
	struct gt_snat_session *place = gt_snat_bucket_port(&v->w->snat, pair, v6, port);

	gt_flow_fetch(place);
	return place;
}

/*
 * Nothing that we serve is its destination: is it a reply? What a NIC brings to this worker is its
 * own (make_view). A session's is to an address of ours, nat's is not. x has its kind already:
 * whether the packet is an ordinary one.
 */
static __rte_always_inline bool classify_reply(const struct express_view *v, struct express *x,
					       bool v6, const uint64_t src[2],
					       const uint64_t dst[2], const uint8_t *l4)
{
	rte_be16_t port = gt_copy_be16(l4);
	struct gt_snat_bucket *pair;
	struct gt_addr server;

	x->slot = NULL;
	if (gt_plan_may_be_ours(v->plan->ours,
				gt_plan_ours_at(dst[0], dst[1], v->plan->ours_shift))) {
		pair = find_reply_pair(v, x, v6, src, dst, port);
		if (pair != NULL) {
			x->place = find_reply_session(v, pair, v6, gt_read_be16(l4 + 2));
			x->came_sum = pair->sum;
			x->way = WAY_SESSION_REPLY;
			return x->place != NULL && x->kind != NO_KIND;
		}
		if (gt_plan_find_words(v->plan, dst) != NULL)
			return false;
	}
	memcpy(&server, src, 16);
	x->nat = gt_plan_find_nat(v->plan, &server, x->protocol, port);
	x->way = WAY_NAT_REPLY;
	return x->nat != NULL;
}

/* By words in registers: of the others it is known that they are 0. */
static __rte_always_inline bool classify_reply_v4(const struct express_view *v, struct express *x,
						  uint64_t from, uint64_t to, const uint8_t *l4)
{
	const uint64_t src[2] = {0, from}, dst[2] = {0, to};

	return classify_reply(v, x, false, src, dst, l4);
}

static __attribute__((noinline)) bool classify_reply_v6(const struct express_view *v,
							struct express *x, const uint64_t src[2],
							const uint64_t dst[2], const uint8_t *l4)
{
	return classify_reply(v, x, true, src, dst, l4);
}

/* By its headers. */
static __rte_always_inline bool classify_reply_of(const struct express_view *v, struct express *x,
						  bool v6, const uint8_t *ip)
{
	uint64_t src[2] = {0}, dst[2] = {0};

	if (v6) {
		memcpy(src, ip + 8, sizeof(src));
		memcpy(dst, ip + 24, sizeof(dst));
	} else {
		src[1] = gt_addr_word_v4(gt_copy_be32(ip + 12));
		dst[1] = gt_addr_word_v4(gt_copy_be32(ip + 16));
	}
	return classify_reply(v, x, v6, src, dst, ip + (v6 ? 40 : 20));
}

/* A source that is ours is a forgery, or a loop. */
static inline bool is_ours(const struct express_view *v, const uint64_t src[2])
{
	return unlikely(gt_plan_find_words(v->plan, src) != NULL);
}

static inline enum express_way way_of(uint8_t flags)
{
	if (likely(flags == 0))
		return WAY_DR;
	if (flags == GT_EXPRESS_WRAPS)
		return WAY_TUNNEL;
	return (flags & GT_EXPRESS_SESSIONS) != 0 ? WAY_SESSION : WAY_SERVER;
}

/* May frames to services of such flags be this worker's? No NIC places a packet by its source
 * alone. */
static inline bool may_have(const struct express_view *v, unsigned flags)
{
	return likely((flags & GT_EXPRESS_BY_SOURCE) == 0) || v->w->steer.n_workers == 1;
}

/* The way of a client's packet. False: it may not be ours. */
static inline bool take_service(const struct express_view *v, struct express *x,
				const struct gt_plan_express *service)
{
	x->service = *service;
	x->slot = gt_flow_prefetch(v->flows, x->hash)->slots;
	x->way = (uint8_t)way_of(service->flags);
	return may_have(v, service->flags);
}

/* The entry's type and state, as gt_flow_kind tells them. */
static inline uint8_t express_kind(uint32_t type, uint8_t protocol, const uint8_t *l4)
{
	if (unlikely(protocol != IPPROTO_TCP))
		return gt_flow_make_kind(type, GT_FLOW_UDP);
	return is_ordinary_tcp(l4) ? gt_flow_make_kind(type, GT_FLOW_ESTABLISHED) : NO_KIND;
}

static inline bool classify_ipv4(const struct express_view *v, const struct gt_frame *f,
				 struct express *x)
{
	const uint8_t *ip = f->data + IP_OFF, *l4 = ip + 20;
	uint64_t w0 = gt_rewrite_load(ip), w1 = gt_rewrite_load(ip + 8);
	rte_be32_t from = gt_copy_be32(ip + 12), to = gt_copy_be32(ip + 16);
	const uint64_t src[2] = {0, gt_addr_word_v4(from)}, dst[2] = {0, gt_addr_word_v4(to)};
	const struct gt_plan_express *service;
	uint32_t total = gt_read_be16(ip + 2);
	uint64_t wanted;

	x->protocol = ip[9];
	if ((gt_copy_be16(ip + 6) & FRAGMENT_MASK) != 0 ||
	    (!f->ipv4_good && !is_sum_right(w0, w1, to)) || IP_OFF + total > f->wire_len ||
	    gt_addr_is_martian_v4(from) ||
	    !is_l4(l4, x->protocol, (int32_t)total - 20, (int32_t)f->len - IP_OFF - 20) ||
	    is_ours(v, src))
		return false;
	x->v6 = false;
	x->l3_len = total;
	x->kind = express_kind(GT_FLOW_TYPE_NARROW, x->protocol, l4);
	wanted = to | (uint64_t)gt_copy_be16(l4 + 2) << 32 | (uint64_t)x->protocol << 48;
	service = find_v4(v->plan->express_v4, v->plan->express_v4_shift,
			  gt_plan_express_v4_home(wanted, v->plan->express_v4_shift), wanted);
	if (unlikely(service == NULL))
		return classify_reply_v4(v, x, src[1], dst[1], l4);
	x->key.lo = (uint64_t)from | (uint64_t)gt_copy_be16(l4) << 32 |
		    (uint64_t)service->service << 48;
	x->key.wide = false;
	x->hash = gt_flow_hash_narrow(v->flows, x->key.lo);
	return take_service(v, x, service);
}

/* What it is of, with x's protocol, kind and l3_len. */
static inline bool find_ipv6(const struct express_view *v, const uint8_t *ip, const uint8_t *l4,
			     struct express *x)
{
	const struct gt_plan_express *service;
	uint64_t src[2], dst[2];

	memcpy(src, ip + 8, sizeof(src));
	memcpy(dst, ip + 24, sizeof(dst));
	if (is_ours(v, src))
		return false;
	service =
		find_v6(v->plan, dst, (uint32_t)gt_copy_be16(l4 + 2) | (uint32_t)x->protocol << 16);
	if (unlikely(service == NULL))
		return classify_reply_v6(v, x, src, dst, l4);
	x->key = (struct gt_flow_key){.lo = src[0],
				      .hi = src[1],
				      .port = gt_copy_be16(l4),
				      .service = service->service,
				      .wide = true};
	x->hash = gt_flow_hash_wide(v->flows, &x->key);
	return take_service(v, x, service);
}

static inline bool classify_ipv6(const struct express_view *v, const struct gt_frame *f,
				 struct express *x)
{
	const uint8_t *ip = f->data + IP_OFF, *l4 = ip + 40;
	uint32_t payload;

	if (f->len < IP_OFF + 40)
		return false;
	payload = gt_read_be16(ip + 4);
	x->protocol = ip[6];
	/* Of addresses that begin by 0 some are no unicast, or IPv4-mapped; no network has them. */
	if (IP_OFF + 40 + payload > f->wire_len || ip[8] == 0 || ip[8] == 0xff || ip[24] == 0 ||
	    !is_l4(l4, x->protocol, (int32_t)payload, (int32_t)f->len - IP_OFF - 40))
		return false;
	x->v6 = true;
	x->l3_len = 40 + payload;
	x->kind = express_kind(GT_FLOW_TYPE_WIDE_SECOND, x->protocol, l4);
	return find_ipv6(v, ip, l4, x);
}

/*
 * Is it one? Fills x, with the key, the hash and the prefetched bucket of a client's connection.
 * Nothing is changed.
 */
static inline bool express_classify(const struct express_view *v, const struct gt_frame *f,
				    struct express *x)
{
	const struct express_head *head = &v->heads[f->in_if];
	uint64_t first, second;

	/* Longer ones only a capture tells of: struct sums has no room for them. */
	if (f->len < IP_OFF + 28 || f->wire_len > UINT16_MAX || f->steered != GT_STEERED_NOT)
		return false;
	first = gt_rewrite_load(f->data);
	second = gt_rewrite_load(f->data + 8);
	if ((((first ^ head->mac) & HEAD_MAC_MASK) | head->never) != 0)
		return false;
	if (likely(((second ^ head->v4) & HEAD_V4_MASK) == 0))
		return classify_ipv4(v, f, x);
	return ((second ^ head->v6) & HEAD_V6_MASK) == 0 && classify_ipv6(v, f, x);
}

#endif
