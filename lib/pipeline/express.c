/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A burst of frames, and its express path: what nearly all frames are, packets of established
 * connections without anything unusual, is judged and forwarded by few instructions. It never does
 * something else than the general path (classify.c to forward.c) would: it takes a frame only if it
 * knows that, and leaves every other one as it was.
 *
 * What makes it fast: headers of eight frames are judged at once (lanes.h), or by words, not field
 * by field (express.h); one look-up leads from the destination to the service; an entry in its
 * ordinary state is recognized by one comparison of state and flags, so that nothing else of the
 * connection must be judged; and what is left to do is written down ready-made in the plan
 * (express_send.h).
 *
 * A frame is one if it is TCP or UDP in IPv4 without options or IPv6 without extension headers, no
 * fragment, untagged, to the interface's MAC, all lengths and the checksum right. A client's is to
 * a service of the express table; its connection must be established (TCP: this packet is an ACK
 * without SYN, FIN and RST), not idle for too long, and its server alive with a known MAC. A
 * server's is a reply of nat, or of a session of snat. It must fit the next wire, and keep its
 * family.
 *
 * What begins or ends a connection is asked of connection.c, as on the general path; only what was
 * parsed and looked up is not done again (settle).
 */
#include "pipeline/burst.h"
#include "pipeline/chunk_take.h"
#include "pipeline/chunk_tunnel.h"
#include "pipeline/connection.h"
#include "pipeline/express_send.h"
#include "pipeline/general.h"
#include "pipeline/internal.h"
#include "pipeline/schedule.h"

/* Frames whose connections are not in their first bucket. */
struct missing {
	uint8_t frames[GT_BURST_MAX];
	unsigned n;
};

/* A burst's frames, each on the express path or the general one. */
struct burst {
	struct express express[GT_BURST_MAX];
#if defined(__AVX2__)
	struct chunk chunks[GT_BURST_MAX / GT_LANES];
#endif
	struct gt_work works[GT_BURST_MAX]; /* of the general path's, in their order */
	unsigned n_works, works_done;
	struct missing missing;
	/* Where `has_choices`: gt_connection_known's, of connections that begin */
	uint64_t choices[GT_BURST_MAX];
	bool has_choices;
	uint64_t pairs_changed;
};

/* Where there are several workers a fresh frame may be another's; tags are not for us. */
static bool is_untouched(const struct gt_worker *w, unsigned interface)
{
	return w->plan->interfaces[interface].vlan == 0 &&
	       (w->steer.n_workers == 1 || w->steer.exact[interface]);
}

static struct express_view make_view(const struct gt_worker *w)
{
	struct express_view v;

	v.w = w;
	v.plan = w->plan;
	v.flows = &w->flows;
	for (unsigned i = 0; i < w->plan->n_interfaces; i++) {
		const struct gt_mac *mac = &w->plan->interfaces[i].mac;

		v.heads[i] = (struct express_head){
			.mac = (uint64_t)gt_copy_be32(mac->b) | (uint64_t)gt_copy_be16(mac->b + 4)
									<< 32,
			.v4 = HEAD_V4,
			.v6 = HEAD_V6,
			.never = !is_untouched(w, i),
		};
	}
	return v;
}

/* ---- what begins, ends or changes a connection ---- */

/* As gt_parse_link and gt_parse_network would. */
static inline void read_packet(const struct gt_frame *f, const struct express *x,
			       struct gt_packet *p)
{
	const uint8_t *l4 = l4_of(f, x);

	*p = (struct gt_packet){.kind = x->v6 ? GT_PACKET_IPV6 : GT_PACKET_IPV4,
				.src = src_of(f, x),
				.dst = dst_of(f, x),
				.l3_off = IP_OFF,
				.l4_off = (uint16_t)(l4 - f->data),
				.l3_end = IP_OFF + x->l3_len,
				.protocol = x->protocol,
				.src_port = gt_copy_be16(l4),
				.dst_port = gt_copy_be16(l4 + 2)};
	if (x->protocol == IPPROTO_TCP)
		p->tcp_flags = l4[13];
}

static inline bool send_by_path(struct reach *r, struct gt_frame *f, const struct express *x,
				const struct gt_path *path)
{
	const struct gt_plan_server *s = &r->servers[path->server];
	uint32_t came = f->wire_len;

	if (path->kind == GT_PATH_SESSION)
		return x->v6 ? send_by_session(r, f, x, true, path->session, path->server)
			     : send_by_session(r, f, x, false, path->session, path->server);
	if (s->express != GT_EXPRESS_DR &&
	    (s->express == GT_EXPRESS_NONE || !change(r->plan, f, x, s)))
		return false;
	send_to_server(r, f, path->server, came, f->wire_len);
	return true;
}

/* A client's packet that is not the ordinary one of an established connection. */
static __attribute__((noinline)) void settle(struct reach *r, struct gt_frame *f, struct express *x,
					     uint64_t choice)
{
	const struct gt_connection_known known = {{x->slot}, choice};
	uint16_t vip = r->plan->services[x->service.service].vip;
	enum gt_drop_reason bad;
	struct gt_packet p;
	struct gt_path path;

	read_packet(f, x, &p);
	if (!x->key.wide)
		gt_flow_key_narrow(&x->key, gt_addr_v4(&p.src), p.src_port, x->service.service);
	bad = gt_connection_decide(r->w, vip, &p, &x->key, x->hash, known, &path);
	if (unlikely(bad != GT_PARSE_OK || !send_by_path(r, f, x, &path)))
		gt_general_forward(r->w, f, &p, vip, bad, &path);
}

/* ---- the burst ---- */

/* A frame that is the general path's. */
static void prepare_general(struct gt_worker *w, struct gt_frame *f, struct express *x,
			    struct gt_work *work)
{
	x->way = WAY_GENERAL;
	x->slot = NULL;
	gt_general_begin(w, f, work);
	if (work->key.service == 0)
		return;
	gt_flow_hash(&w->flows, &work->key, &work->hash, 1);
	gt_flow_prefetch(&w->flows, work->hash);
}

/* One frame is ordinary and its bucket on its way, or it is the general path's. */
static inline void prepare_one(struct gt_worker *w, const struct express_view *view,
			       struct gt_frame *f, struct express *x, struct burst *b)
{
	if (likely(express_classify(view, f, x)))
		return;
	prepare_general(w, f, x, &b->works[b->n_works++]);
}

#if defined(__AVX2__)
/* Eight frames, the burst's from `first` on, together, as far as they can be judged so. */
static inline void prepare_chunk(struct gt_worker *w, const struct express_view *view,
				 struct gt_frame *frames, struct burst *b, unsigned first)
{
	struct chunk *c = &b->chunks[first / GT_LANES];
	struct express *x = &b->express[first];
	unsigned judged = 0;

	c->closed = false;
	if (lanes_are_v4(view, frames))
		judged = chunk_classify_v4(view, frames, c, x);
	else if (lanes_are_v6(view, frames))
		judged = chunk_classify_v6(view, frames, c, x);
	for (unsigned left = judged ^ GT_LANES_ALL; unlikely(left != 0); left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctz(left);

		prepare_one(w, view, &frames[i], &x[i], b);
	}
}
#endif

/* Stages 1 and 2 of frames from i on, to n. */
static void prepare(struct gt_worker *w, const struct express_view *view, struct gt_frame *frames,
		    struct burst *b, unsigned i, unsigned n)
{
#if defined(__AVX2__)
	for (; n - i >= GT_LANES; i += GT_LANES)
		prepare_chunk(w, view, &frames[i], b, i);
	if (i < n)
		b->chunks[i / GT_LANES].closed = false;
#endif
	for (; i < n; i++)
		prepare_one(w, view, &frames[i], &b->express[i], b);
}

_Static_assert(GT_RECEIVE_PART % GT_LANES == 0 && GT_BURST_MAX % GT_RECEIVE_PART == 0,
	       "no chunk is of two parts, and no part of two bursts");

/*
 * Hashes by which the servers of connections that begin are chosen, of four at once, and fetches
 * what they lead to. A vector of two would be slower than one by one. `fresh`: which frames.
 * False: none was made.
 */
static bool choose_ahead(const struct gt_worker *w, const struct gt_frame *frames, struct burst *b,
			 uint8_t *fresh, unsigned n)
{
#if defined(__AVX2__)
	memset(b->choices, 0, sizeof(b->choices));
	for (unsigned i = 0; i < n; i += 4) {
		uint64_t words[GT_PLAN_CHOICE_WORDS][4] = {0}, hashes[4];
		const struct gt_plan_vip *vips[4] = {NULL};

		for (unsigned j = 0; j < 4 && i + j < n; j++) {
			const struct express *x = &b->express[fresh[i + j]];
			uint64_t one[GT_PLAN_CHOICE_WORDS];
			struct gt_packet p;

			read_packet(&frames[fresh[i + j]], x, &p);
			vips[j] = &w->plan->vips[w->plan->services[x->service.service].vip];
			gt_plan_choice_words(vips[j], &p.src, p.src_port, p.dst_port, one);
			for (unsigned k = 0; k < GT_PLAN_CHOICE_WORDS; k++)
				words[k][j] = one[k];
		}
		gt_siphash_four(&w->plan->seed, words, GT_PLAN_CHOICE_WORDS, hashes);
		for (unsigned j = 0; j < 4 && i + j < n; j++) {
			const struct gt_plan_vip *v = vips[j];

			if (v->slots == NULL || v->source_service != 0 ||
			    gt_schedule_takes_turns(v))
				continue;
			b->choices[fresh[i + j]] = hashes[j];
			rte_prefetch0(&v->slots[gt_maglev_slot(hashes[j], v->n_slots)]);
		}
	}
	return true;
#else
	(void)w;
	(void)frames;
	(void)b;
	(void)fresh;
	(void)n;
	return false;
#endif
}

/* Pairs are few, but not so few that the first cache holds them. */
static inline void prefetch_pair(const struct gt_worker *w, uint32_t value)
{
	rte_prefetch0(gt_snat_pair(&w->snat, gt_connection_session(value)));
}

/* The slot of one connection, if it is in its first bucket. True: there is nothing to be found, or
 * it is. */
static inline bool locate_one(const struct gt_worker *w, struct express *x)
{
	if (x->slot == NULL)
		return true;
	x->slot = gt_flow_find_in((struct gt_flow_bucket *)x->slot, &x->key);
	if (likely(x->slot != NULL)) {
		if (x->way == WAY_SESSION)
			prefetch_pair(w, x->slot->value);
		return true;
	}
	gt_flow_prefetch_second(&w->flows, &x->key, x->hash);
	return false;
}

/* ---- chunks (chunk.h), of which a build without lanes has none ---- */

/* The chunk of a frame, if it is closed. */
static inline struct chunk *closed_chunk(struct burst *b, unsigned i)
{
#if defined(__AVX2__)
	struct chunk *c = &b->chunks[i / GT_LANES];

	return c->closed ? c : NULL;
#else
	(void)b;
	(void)i;
	return NULL;
#endif
}

/* Where the next closed chunk behind frame i begins, or n. */
static inline unsigned next_closed(struct burst *b, unsigned i, unsigned n)
{
	do
		i = (i | (GT_LANES - 1)) + 1;
	while (i < n && closed_chunk(b, i) == NULL);
	return i < n ? i : n;
}

#if defined(__AVX2__)
static inline void locate_chunk(const struct gt_worker *w, struct chunk *c, unsigned first,
				struct missing *m)
{
	for (unsigned left = chunk_locate(c); unlikely(left != 0); left &= left - 1) {
		unsigned at = (unsigned)__builtin_ctz(left);
		const struct gt_flow_key key = chunk_key(c, at);

		gt_flow_prefetch_second(&w->flows, &key, c->hashes[at]);
		m->frames[m->n++] = (uint8_t)(first + CHUNK_AT(at));
	}
}


/* A chunk's frames that are left go on alone, from stage 4 on. */
static inline void open_chunk(const struct gt_worker *w, struct burst *b, unsigned i)
{
	chunk_open_located(&w->flows, &b->chunks[i / GT_LANES], &b->express[i - i % GT_LANES]);
}

static inline struct gt_flow_slot *search_in_chunk(const struct gt_worker *w, struct chunk *c,
						   unsigned i)
{
	unsigned at = CHUNK_AT(i % GT_LANES);
	const struct gt_flow_key key = chunk_key(c, at);

	c->slots[at] = gt_flow_search(&w->flows, &key, c->hashes[at]).slot;
	return c->slots[at];
}
#else
static inline void locate_chunk(const struct gt_worker *w, struct chunk *c, unsigned first,
				struct missing *m)
{
	(void)w;
	(void)c;
	(void)first;
	(void)m;
}

static inline void open_chunk(const struct gt_worker *w, struct burst *b, unsigned i)
{
	(void)w;
	(void)b;
	(void)i;
}

static inline struct gt_flow_slot *search_in_chunk(const struct gt_worker *w, struct chunk *c,
						   unsigned i)
{
	(void)w;
	(void)c;
	(void)i;
	return NULL;
}

static inline unsigned run_chunk(struct reach *r, struct gt_frame *frames, const struct chunk *c)
{
	(void)r;
	(void)frames;
	(void)c;
	return 0;
}
#endif

/* A frame whose connection is not in its first bucket. False: it is in no bucket. */
static inline bool search(const struct gt_worker *w, struct burst *b, unsigned i)
{
	struct chunk *c = closed_chunk(b, i);
	struct express *x = &b->express[i];

	if (c != NULL) {
		if (search_in_chunk(w, c, i) != NULL)
			return true;
		open_chunk(w, b, i);
		return false;
	}
	x->slot = gt_flow_search(&w->flows, &x->key, x->hash).slot;
	return x->slot != NULL;
}

/* Stage 3 of frames from i on, to n: the slots of connections, or that they are missing. */
static void locate(const struct gt_worker *w, struct burst *b, unsigned i, unsigned n)
{
	while (i < n) {
		struct chunk *c = closed_chunk(b, i);
		unsigned end;

		if (likely(c != NULL)) {
			locate_chunk(w, c, i, &b->missing);
			i += GT_LANES;
			continue;
		}
		for (end = next_closed(b, i, n); i < end; i++)
			if (unlikely(!locate_one(w, &b->express[i])))
				b->missing.frames[b->missing.n++] = (uint8_t)i;
	}
}

/* ... and of those that were missing: a few are in their second bucket, a line more from memory. */
static void locate_missing(const struct gt_worker *w, const struct gt_frame *frames,
			   struct burst *b)
{
	uint8_t fresh[GT_BURST_MAX];
	unsigned n_fresh = 0;

	for (unsigned i = 0; i < b->missing.n; i++)
		if (!search(w, b, b->missing.frames[i]))
			fresh[n_fresh++] = b->missing.frames[i];
	b->missing.n = 0;
	b->has_choices = n_fresh > 0 && choose_ahead(w, frames, b, fresh, n_fresh);
}

/* One frame that is the general path's, or did not take its way. */
static __rte_noinline void decide_one(struct gt_worker *w, struct reach *r, struct gt_frame *f,
				      struct express *x, struct gt_work **work, uint64_t choice,
				      uint64_t now_ms)
{
	struct gt_work fallen;

	if (x->way == WAY_GENERAL) {
		gt_general_decide(w, f, (*work)++, now_ms);
	} else if (is_client(x)) {
		settle(r, f, x, choice);
	} else {
		/* A reply, which is about no entry of the table: nobody asks for its hash. */
		gt_general_begin(w, f, &fallen);
		gt_general_decide(w, f, &fallen, now_ms);
	}
}

/* Stage 4 of frames from i on, to n, in the order of their arrival, whichever path they take. */
static void decide(struct gt_worker *w, struct gt_frame *frames, struct burst *b, unsigned i,
		   unsigned n, uint64_t now_ms)
{
	struct reach reach = {.w = w,
			      .plan = w->plan,
			      .servers = w->plan->servers,
			      .n_servers = w->plan->n_servers,
			      .tick = w->tick,
			      .counts = w->servers,
			      .pairs_changed = b->pairs_changed};
	uint64_t changes = w->flows.changes;
	struct gt_work *work = &b->works[b->works_done];

	while (i < n) {
		bool moved = w->flows.changes != changes, changed;
		struct express *x = &b->express[i];
		struct chunk *c = closed_chunk(b, i);
		unsigned taken;

		if (likely(c != NULL)) {
			taken = likely(!moved) ? run_chunk(&reach, &frames[i], c) : 0;
			if (unlikely(taken < GT_LANES))
				open_chunk(w, b, i);
			i += taken;
			continue;
		}
		changed = moved && is_client(x);
		/* What was found before may be another's by now, or elsewhere. */
		if (unlikely(changed))
			x->slot = gt_flow_find(&w->flows, &x->key, x->hash).slot;
		taken = run_way(&reach, &frames[i], x, changed ? 1 : next_closed(b, i, n) - i);
		if (taken == 0) {
			decide_one(w, &reach, &frames[i], x, &work,
				   b->has_choices ? b->choices[i] : 0, now_ms);
			taken = 1;
		}
		i += taken;
	}
	if (reach.requests.in > 0)
		account(w, reach.requests);
	if (reach.replies.in > 0)
		account(w, reach.replies);
	b->works_done = (unsigned)(work - b->works);
}

/* How many frames the next part has, from n on. */
static inline unsigned next_part(struct gt_frame *frames, unsigned n, unsigned given,
				 gt_receive_fn *receive, void *ctx)
{
	if (n < given)
		return RTE_MIN(given - n, GT_RECEIVE_PART);
	if (receive == NULL || n % GT_RECEIVE_PART != 0 || n >= GT_BURST_MAX)
		return 0;
	return receive(ctx, &frames[n], GT_RECEIVE_PART);
}

/*
 * Part by part: while the memory brings the buckets of one, the next one's frames are received and
 * judged, so that they come at the same time. So the last part's are waited for behind what is
 * decided of the others.
 */
unsigned GT_EXPRESS_BURST(struct gt_worker *w, uint64_t now_ms, struct gt_frame *frames, unsigned n,
			  gt_receive_fn *receive, void *ctx)
{
	const struct express_view view = make_view(w);
	unsigned located = 0, prepared = 0, part;
	struct burst b;

	b.n_works = b.works_done = b.missing.n = 0;
	while ((part = next_part(frames, prepared, n, receive, ctx)) > 0) {
		prepare(w, &view, frames, &b, prepared, prepared + part);
		locate(w, &b, located, prepared);
		located = prepared;
		prepared += part;
	}
	b.pairs_changed = w->snat.pairs_changed;
	locate_missing(w, frames, &b);
	decide(w, frames, &b, 0, located, now_ms);
	locate(w, &b, located, prepared);
	locate_missing(w, frames, &b);
	decide(w, frames, &b, located, prepared, now_ms);
	return prepared;
}
