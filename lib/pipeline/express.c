/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A burst of frames, and its express path: what nearly all frames are, packets of established
 * connections without anything unusual, is judged and forwarded by few instructions. It never does
 * something else than the general path (classify.c to forward.c) would: it takes a frame only if it
 * knows that, and leaves every other one as it was.
 *
 * What makes it fast: headers of eight frames are judged at once (lanes.h), or by words, not field
 * by field (express.h), and eight that are all ordinary stay together (chunk.h); one look-up leads
 * from the destination to the service; an entry in its ordinary state is recognized by one
 * comparison of state and flags, so that nothing else of the connection must be judged; and what is
 * left to do is written down ready-made in the plan (express_send.h).
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
#if defined(__AVX2__) && defined(__AES__)
#include "pipeline/chunk_both.h"
#include "pipeline/chunk_take.h"
#else
#include "pipeline/chunk_none.h"
#endif
#include "pipeline/connection.h"
#include "pipeline/express_run.h"
#include "pipeline/general.h"
#include "pipeline/internal.h"
#include "pipeline/schedule.h"

/* A burst's frames, each on the express path or the general one. */
struct burst {
	struct express express[GT_BURST_MAX];
	struct chunk chunks[GT_BURST_MAX / GT_LANES];
	struct gt_work works[GT_BURST_MAX]; /* of the general path's, in their order */
	unsigned n_works;
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
	const uint8_t *l4 = l4_of(f, x->v6);

	*p = (struct gt_packet){.kind = x->v6 ? GT_PACKET_IPV6 : GT_PACKET_IPV4,
				.src = src_of(f, x->v6),
				.dst = dst_of(f, x->v6),
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

/* Eight frames, the burst's from `first` on, together, as far as they can be judged so. */
static inline void prepare_chunk(struct gt_worker *w, const struct express_view *view,
				 struct gt_frame *frames, struct burst *b, unsigned first)
{
	struct express *x = &b->express[first];
	unsigned judged = chunk_classify(view, frames, &b->chunks[first / GT_LANES], x);

	for (unsigned left = judged ^ GT_LANES_ALL; unlikely(left != 0); left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctz(left);

		prepare_one(w, view, &frames[i], &x[i], b);
	}
}

/* Stages 1 and 2 of all frames. */
static void prepare(struct gt_worker *w, struct gt_frame *frames, struct burst *b, unsigned n)
{
	const struct express_view view = make_view(w);
	unsigned i = 0;

	for (; n - i >= GT_LANES; i += GT_LANES)
		prepare_chunk(w, &view, &frames[i], b, i);
	if (i < n)
		b->chunks[i / GT_LANES].closed = false;
	for (; i < n; i++)
		prepare_one(w, &view, &frames[i], &b->express[i], b);
	b->pairs_changed = w->snat.pairs_changed;
}

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

/* The chunk of a frame, if it is closed. */
static inline struct chunk *closed_chunk(struct burst *b, unsigned i)
{
	struct chunk *c = &b->chunks[i / GT_LANES];

	return c->closed ? c : NULL;
}

/* Where the next closed chunk behind frame i begins, or n. */
static inline unsigned next_closed(struct burst *b, unsigned i, unsigned n)
{
	do
		i = (i | (GT_LANES - 1)) + 1;
	while (i < n && closed_chunk(b, i) == NULL);
	return i < n ? i : n;
}

/*
 * Stage 3: the slots of all connections, of which a few are in their second bucket, a line more
 * from memory: chunks wait for it when they are decided.
 */
static void locate(const struct gt_worker *w, const struct gt_frame *frames, struct burst *b,
		   unsigned n)
{
	uint8_t missing[GT_BURST_MAX], fresh[GT_BURST_MAX];
	unsigned n_missing = 0, n_fresh = 0;

	for (unsigned i = 0, end; i < n;) {
		struct chunk *c = closed_chunk(b, i);

		if (likely(c != NULL)) {
			chunk_locate(&w->flows, c);
			i += GT_LANES;
			continue;
		}
		for (end = next_closed(b, i, n); i < end; i++)
			if (unlikely(!locate_one(w, &b->express[i])))
				missing[n_missing++] = (uint8_t)i;
	}
	for (unsigned i = 0; i < n_missing; i++) {
		struct express *x = &b->express[missing[i]];

		x->slot = gt_flow_search(&w->flows, &x->key, x->hash).slot;
		if (x->slot == NULL)
			fresh[n_fresh++] = missing[i];
	}
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

/* A closed chunk: how many of its frames were forwarded, from the first on. The others go on alone.
 * `moved`: what was found before may be another's by now, or elsewhere. */
static inline unsigned decide_chunk(struct reach *r, struct gt_frame *frames, struct chunk *c,
				    struct express *x, bool moved)
{
	unsigned taken = 0;

	if (likely(!moved) && likely(chunk_search(c)))
		taken = run_chunk(r, frames, c);
	if (unlikely(taken < GT_LANES))
		chunk_open_located(&r->w->flows, c, x);
	return taken;
}

/* Stage 4, in the order of the frames' arrival, whichever path they take. */
static void decide(struct gt_worker *w, struct gt_frame *frames, struct burst *b, unsigned n,
		   uint64_t now_ms)
{
	struct reach reach = {.w = w,
			      .plan = w->plan,
			      .servers = w->plan->servers,
			      .n_servers = w->plan->n_servers,
			      .tick = w->tick,
			      .counts = w->servers,
			      .pairs_changed = b->pairs_changed,
			      .services = w->plan->services,
			      .n_services = w->plan->n_services};
	uint64_t changes = w->flows.changes;
	struct gt_work *work = b->works;

	for (unsigned i = 0, taken; i < n; i += taken) {
		bool moved = w->flows.changes != changes;
		struct express *x = &b->express[i];
		struct chunk *c = closed_chunk(b, i);

		if (likely(c != NULL)) {
			taken = decide_chunk(&reach, &frames[i], c, x, moved);
			continue;
		}
		if (unlikely(moved) && is_client(x))
			x->slot = gt_flow_find(&w->flows, &x->key, x->hash).slot;
		/* Then each alone: those behind a reply may be clients'. */
		taken = run_way(&reach, &frames[i], x,
				unlikely(moved) ? 1 : next_closed(b, i, n) - i);
		if (taken == 0) {
			decide_one(w, &reach, &frames[i], x, &work,
				   b->has_choices ? b->choices[i] : 0, now_ms);
			taken = 1;
		}
	}
	if (reach.requests.in > 0)
		account(w, reach.requests);
	if (reach.replies.in > 0)
		account(w, reach.replies);
}

void GT_EXPRESS_BURST(struct gt_worker *w, uint64_t now_ms, struct gt_frame *frames, unsigned n)
{
	struct burst b;

	b.n_works = 0;
	prepare(w, frames, &b, n);
	locate(w, frames, &b, n);
	decide(w, frames, &b, n, now_ms);
}
