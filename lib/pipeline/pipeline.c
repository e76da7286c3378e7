/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The burst; see pipeline.h. One frame's way: classify (stage 1) parses it, finds whose address it
 * is for and what it asks; prepare (2) makes the keys, hashes the burst's at once and prefetches
 * their buckets; decide (3) finds or makes the connection; forward (4) rewrites and accounts.
 */
#include "pipeline/pipeline.h"

#include "packet/icmp.h"
#include "pipeline/classify.h"
#include "pipeline/connection.h"
#include "pipeline/general.h"
#include "pipeline/forward.h"
#include "pipeline/internal.h"
#include "pipeline/tunnel.h"

/* ---- stage 2: keys, hashes, prefetch ---- */

static void make_key(const struct gt_plan *plan, struct gt_work *w)
{
	const struct gt_packet *e = &w->embedded, *p = &w->packet;

	if (w->task == TASK_ERROR) {
		gt_connection_key(w->range, &e->dst, e->dst_port, e->src_port, &w->key);
	} else if (w->task == TASK_CONNECTION) {
		gt_connection_key(w->range, &p->src, p->src_port, p->dst_port, &w->key);
	} else {
		memset(&w->key, 0, sizeof(w->key));
		return;
	}
	w->vip = plan->services[w->key.service].vip;
}

/* ---- fragments ---- */

static void fragment_key(const struct gt_packet *p, struct gt_fragment_key *key)
{
	*key = (struct gt_fragment_key){
		.src = p->src,
		.dst = p->dst,
		.id = p->fragment_id,
		/* RFC 8200 4.5 knows no protocol here: a later fragment may not tell it. */
		.protocol = p->kind == GT_PACKET_IPV4 ? p->protocol : 0,
	};
}

static void hand(struct gt_worker *worker, struct gt_frame *f, uint16_t owner, uint8_t stage)
{
	f->verdict = GT_HAND;
	f->to_worker = (uint8_t)owner;
	f->steered = stage;
	worker->counters.handed++;
}

/* Is the session still the one whose first fragment this datagram had? */
static bool is_session_of(const struct gt_worker *worker, const struct gt_packet *p,
			  const struct gt_fragment_fate *fate)
{
	const struct gt_snat_session *s = gt_snat_session(&worker->snat, fate->session);
	const struct gt_snat_pair_key *pair = &gt_snat_pair(&worker->snat, fate->session)->key;
	const struct gt_plan_vip *vip;
	struct gt_addr client;

	/* A port of a pair rests longer than a fragment is waited for, but one that its server
	 * never answered, or a whole pair, may be another's. */
	if (s == NULL || !s->live)
		return false;
	vip = gt_connection_session_vip(worker->plan, s);
	if (vip == NULL)
		return false;
	if (fate->path == GT_PATH_SESSION_REPLY)
		return gt_addr_equal(&pair->server, &p->src) &&
		       gt_addr_equal(&pair->source, &p->dst);
	client = gt_snat_client(&worker->snat, s);
	return gt_addr_equal(&client, &p->src) && gt_addr_equal(&vip->addr, &p->dst);
}

/* Is the server's mode still the one that such a path is of? */
static bool has_mode_of(const struct gt_plan_server *s, const struct gt_path *path)
{
	switch ((enum gt_path_kind)path->kind) {
	case GT_PATH_SERVER:
		return s->mode != GT_MODE_SNAT;
	case GT_PATH_NAT_REPLY:
		return s->mode == GT_MODE_NAT;
	case GT_PATH_SESSION:
	case GT_PATH_SESSION_REPLY:
		return s->mode == GT_MODE_SNAT;
	}
	return false;
}

/* May a later fragment still take its datagram's path? A reply does whatever its server's state. */
static bool may_follow(const struct gt_worker *worker, const struct gt_path *path,
		       const struct gt_packet *p, const struct gt_fragment_fate *fate)
{
	bool reply = path->kind == GT_PATH_SESSION_REPLY || path->kind == GT_PATH_NAT_REPLY;
	const struct gt_plan_server *s = &worker->plan->servers[path->server];

	/* A reload may have taken the server away, or changed its VIP's mode. */
	if (!gt_plan_has_server(worker->plan, path->server) || !has_mode_of(s, path) ||
	    (!reply && (s->flags & GT_SERVER_KEEPS) == 0))
		return false;
	if (path->kind == GT_PATH_SESSION || path->kind == GT_PATH_SESSION_REPLY)
		return is_session_of(worker, p, fate);
	return true;
}

/* For an own address, and none of ours after all: the kernel's, if it has the address by this
 * interface. */
static void leave(struct gt_worker *worker, struct gt_frame *f, const struct gt_packet *p)
{
	const struct gt_plan_address *a = gt_plan_find_address(worker->plan, &p->dst);

	if (a != NULL && gt_is_kernels(f, a))
		gt_worker_to_kernel(worker, f, p);
	else
		gt_worker_drop(worker, f, GT_DROP_OWN_ADDRESS);
}

static void apply_fate(struct gt_worker *worker, struct gt_frame *f, const struct gt_packet *p,
		       struct gt_fragment_fate fate)
{
	struct gt_path path = {fate.path, fate.server, fate.session};

	if (fate.verdict == GT_ANSWER)
		gt_answer_echo(worker, f, p);
	else if (fate.verdict == GT_HAND)
		hand(worker, f, fate.server, GT_STEERED_HOME);
	else if (fate.verdict == GT_KERNEL)
		leave(worker, f, p);
	else if (fate.verdict == GT_DROP)
		gt_worker_drop(worker, f, (enum gt_drop_reason)fate.reason);
	else if (may_follow(worker, &path, p, &fate))
		gt_forward(worker, f, p, &path);
	else
		gt_worker_drop(worker, f, GT_DROP_NO_SERVER);
}

/* A first fragment has its verdict: the later ones, held or to come, get the same. */
static void settle_fragments(struct gt_worker *worker, const struct gt_frame *first,
			     const struct gt_work *w, uint64_t now_ms)
{
	const struct gt_packet *p = &w->packet;
	struct gt_fragment_fate fate = {.verdict = first->verdict,
					.reason = first->reason,
					.path = w->path.kind,
					.server = w->path.server,
					.session = w->path.session};
	struct gt_frame *out = &worker->released[worker->n_released];
	struct gt_fragment_key key;
	unsigned n;

	/* Only echo requests are answered piece by piece. Of a datagram that is too big for a
	 * tunnel, the rest is of no use to anybody; translated, each piece is judged for itself. */
	if (fate.verdict == GT_ANSWER && w->task != TASK_ECHO && fate.path == GT_PATH_SERVER)
		fate = (struct gt_fragment_fate){.verdict = GT_DROP, .reason = GT_DROP_TOO_BIG};
	else if (fate.verdict == GT_ANSWER && w->task != TASK_ECHO)
		fate.verdict = GT_SEND;
	fragment_key(p, &key);
	gt_fragments_decide(&worker->fragments, &key, fate, now_ms);
	if (worker->fragments.n_held == 0)
		return;
	n = gt_fragments_release(&worker->fragments, &key, out);
	for (unsigned i = 0; i < n; i++) {
		struct gt_packet later;

		/* It was parsed when it came, and its bytes are the same. */
		gt_parse_link(&out[i], &later);
		gt_parse_network(&out[i], &later);
		apply_fate(worker, &out[i], &later, fate);
	}
	worker->n_released += n;
}

static void decide_later_fragment(struct gt_worker *worker, struct gt_frame *f,
				  const struct gt_packet *p, uint64_t now_ms)
{
	struct gt_fragment_fate fate;
	struct gt_fragment_key key;

	fragment_key(p, &key);
	if (gt_fragments_find(&worker->fragments, &key, now_ms, &fate)) {
		apply_fate(worker, f, p, fate);
		return;
	}
	f->verdict = GT_HELD;
	if (!gt_fragments_hold(&worker->fragments, f, &key, now_ms))
		gt_worker_drop(worker, f, GT_DROP_FRAGMENT_FULL);
}

/* ---- stage 3: which path ---- */

/* The path of a reply, or of an error about one: of `nat` it is known. False: there is no such
 * session, or a reload took its server or its service away. */
static bool find_reply_path(const struct gt_worker *worker, struct gt_work *w)
{
	const struct gt_packet *p = &w->packet, *e = &w->embedded;
	struct gt_snat_pair_key key = {
		.server = p->src, .source = p->dst, .port = p->src_port, .protocol = p->protocol};
	rte_be16_t port = p->dst_port;
	const struct gt_snat_session *s;
	uint32_t session;

	if (w->path.kind != GT_PATH_SESSION_REPLY)
		return true;
	if (w->task == TASK_REPLY_ERROR) {
		key = (struct gt_snat_pair_key){.server = e->dst,
						.source = e->src,
						.port = e->dst_port,
						.protocol = e->protocol};
		port = e->src_port;
	}
	session = gt_snat_find(&worker->snat, &key, rte_be_to_cpu_16(port));
	if (session == GT_SNAT_NONE)
		return false;
	s = gt_snat_session(&worker->snat, session);
	if (!gt_plan_has_server(worker->plan, s->server) ||
	    gt_connection_session_vip(worker->plan, s) == NULL)
		return false;
	w->path.server = s->server;
	w->path.session = session;
	return true;
}

/* A packet of a service that takes no path. */
static void refuse(struct gt_worker *worker, struct gt_frame *f, const struct gt_packet *p,
		   uint16_t vip, enum gt_drop_reason bad)
{
	if (bad == GT_DROP_NO_SERVER)
		worker->vips[vip].no_server++;
	if (bad == GT_DROP_RESET && p->fragment == GT_FRAGMENT_NONE)
		gt_answer_reset(worker, f, p);
	else
		gt_worker_drop(worker, f, bad);
}

/* What an ICMP error is about: a connection of a service. */
static void decide_error(struct gt_worker *worker, struct gt_frame *f, struct gt_work *w)
{
	const struct gt_packet *e = &w->embedded;
	enum gt_drop_reason bad = gt_connection_peek(worker, w->vip, &e->dst, e->dst_port,
						     e->src_port, &w->key, w->hash, &w->path);

	if (worker->plan->vips[w->vip].mode == GT_MODE_TUNNEL)
		w->path.session = gt_tunnel_variation(&e->dst, e->dst_port, e->src_port);
	if (bad == GT_PARSE_OK)
		gt_forward_error(worker, f, &w->packet, e, &w->path);
	else
		refuse(worker, f, &w->packet, w->vip, bad);
}

static void decide_connection(struct gt_worker *worker, struct gt_frame *f,
			      const struct gt_packet *p, uint16_t vip, enum gt_drop_reason bad,
			      struct gt_path *path)
{
	if (worker->plan->vips[vip].mode == GT_MODE_TUNNEL)
		path->session = gt_tunnel_variation(&p->src, p->src_port, p->dst_port);
	if (bad == GT_PARSE_OK)
		gt_forward(worker, f, p, path);
	else
		refuse(worker, f, p, vip, bad);
}

void gt_general_decide(struct gt_worker *worker, struct gt_frame *f, struct gt_work *w,
		       uint64_t now_ms)
{
	switch ((enum gt_task)w->task) {
	case TASK_DONE:
		return;
	case TASK_LATER_FRAGMENT:
		decide_later_fragment(worker, f, &w->packet, now_ms);
		return;
	case TASK_CONNECTION:
		decide_connection(
			worker, f, &w->packet, w->vip,
			gt_connection_path(worker, w->vip, &w->packet, &w->key, w->hash, &w->path),
			&w->path);
		break;
	case TASK_ERROR:
		decide_error(worker, f, w);
		break;
	case TASK_REPLY:
		if (!find_reply_path(worker, w)) {
			leave(worker, f, &w->packet);
			break;
		}
		if (w->path.kind == GT_PATH_SESSION_REPLY)
			gt_connection_reply(worker, w->path.session, &w->packet);
		gt_forward(worker, f, &w->packet, &w->path);
		break;
	case TASK_REPLY_ERROR:
		if (find_reply_path(worker, w))
			gt_forward_error(worker, f, &w->packet, &w->embedded, &w->path);
		else if (!gt_tunnel_error(worker, f, &w->packet))
			leave(worker, f, &w->packet);
		break;
	case TASK_HAND:
		hand(worker, f, w->owner, w->stage);
		/* The other fragments follow it there. */
		w->path.server = w->owner;
		if (w->stage == GT_STEERED_FRAGMENTS)
			return;
		break;
	case TASK_TUNNEL_ERROR:
		if (!gt_tunnel_error(worker, f, &w->packet))
			leave(worker, f, &w->packet);
		return;
	case TASK_KERNEL:
		gt_worker_to_kernel(worker, f, &w->packet);
		return;
	case TASK_FIRST_KERNEL:
		gt_worker_to_kernel(worker, f, &w->packet);
		break;
	case TASK_ECHO:
		if (w->address->answers_echo)
			gt_answer_echo(worker, f, &w->packet);
		else
			gt_worker_drop(worker, f, GT_DROP_NO_SERVER);
		break;
	case TASK_FIRST_DROPPED:
		break;
	}
	if (w->packet.fragment == GT_FRAGMENT_FIRST)
		settle_fragments(worker, f, w, now_ms);
}

/* ---- the general path of one frame ---- */

void gt_general_begin(struct gt_worker *worker, struct gt_frame *f, struct gt_work *w)
{
	w->address = NULL;
	w->path = (struct gt_path){0};
	gt_classify(worker, f, w);
	make_key(worker->plan, w);
}

void gt_general_forward(struct gt_worker *worker, struct gt_frame *f, const struct gt_packet *p,
			uint16_t vip, enum gt_drop_reason bad, struct gt_path *path)
{
	gt_worker_count_in(worker, f);
	decide_connection(worker, f, p, vip, bad, path);
}
