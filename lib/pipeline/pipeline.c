/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The burst; see pipeline.h. One frame's way: classify (stage 1) parses it, finds whose address it
 * is for and what it asks; prepare (2) makes the keys, hashes the burst's at once and prefetches
 * their buckets; decide (3) finds or makes the connection; forward (4) rewrites and accounts.
 */
#include "pipeline/pipeline.h"

#include <netinet/in.h>

#include <rte_ether.h>

#include "packet/icmp.h"
#include "packet/parse.h"
#include "pipeline/connection.h"
#include "pipeline/forward.h"
#include "pipeline/internal.h"
#include "pipeline/tunnel.h"

/* What is left to do with a frame behind stage 1. */
enum task {
	TASK_DONE,	     /* it has its verdict */
	TASK_CONNECTION,     /* TCP or UDP of a service */
	TASK_ERROR,	     /* an ICMP error about a connection, from the clients' side */
	TASK_REPLY,	     /* of a server of nat or snat: its path is known */
	TASK_REPLY_ERROR,    /* an ICMP error about such a connection, from the servers' side */
	TASK_HAND,	     /* it belongs to worker `owner` */
	TASK_TUNNEL_ERROR,   /* an ICMP error to an own address: about a tunnel, perhaps */
	TASK_ECHO,	     /* an echo request, or its first fragment */
	TASK_LATER_FRAGMENT, /* shares its first fragment's fate */
	TASK_FIRST_DROPPED,  /* a first fragment with its verdict: the later ones must hear of it */
};

struct work {
	struct gt_packet packet;
	struct gt_packet embedded; /* with TASK_ERROR and TASK_REPLY_ERROR */
	struct gt_path path;	   /* with TASK_REPLY and TASK_REPLY_ERROR */
	const struct gt_plan_range *range;
	const struct gt_plan_address *address;
	uint16_t vip;
	uint16_t owner; /* with TASK_HAND */
	uint8_t stage;	/* with TASK_HAND: enum gt_steered that it has there */
	uint8_t task;	/* enum task */
	struct gt_flow_key key;
	uint64_t hash;
};

/* ---- stage 1: whose is it, and what does it want ---- */

/* Group addresses that an interface listens to: broadcast, all nodes, solicited nodes (RFC
 * 4291 2.7.1). */
static bool is_own_group(const uint8_t *mac)
{
	static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	static const uint8_t all_nodes[6] = {0x33, 0x33, 0, 0, 0, 1};
	static const uint8_t solicited[3] = {0x33, 0x33, 0xff};

	return memcmp(mac, broadcast, 6) == 0 || memcmp(mac, solicited, 3) == 0 ||
	       memcmp(mac, all_nodes, 6) == 0;
}

static bool is_neighbour_discovery(const struct gt_packet *p)
{
	return p->kind == GT_PACKET_IPV6 && p->protocol == IPPROTO_ICMPV6 &&
	       p->fragment == GT_FRAGMENT_NONE && (p->icmp_type == 135 || p->icmp_type == 136);
}

static bool is_icmp(const struct gt_packet *p)
{
	return p->protocol == (p->kind == GT_PACKET_IPV6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
}

/* Parses what an ICMP error embeds. */
static enum gt_drop_reason parse_error(const struct gt_frame *f, struct work *w)
{
	const struct gt_packet *p = &w->packet;
	uint32_t from = p->l4_off + 8U, to = p->l3_end < f->len ? p->l3_end : f->len;
	struct gt_packet *e = &w->embedded;

	if (p->fragment != GT_FRAGMENT_NONE || from > to ||
	    gt_parse_embedded(f->data + from, to - from, p->kind == GT_PACKET_IPV6, e) !=
		    GT_PARSE_OK)
		return GT_DROP_ICMP_BAD;
	return e->protocol == IPPROTO_TCP || e->protocol == IPPROTO_UDP ? GT_PARSE_OK
									: GT_DROP_ICMP_OTHER;
}

/* An ICMP error to a VIP: the connection is that of the packet from the VIP that it embeds. */
static enum gt_drop_reason classify_error(const struct gt_plan *plan, const struct gt_frame *f,
					  struct work *w)
{
	enum gt_drop_reason bad = parse_error(f, w);
	const struct gt_packet *e = &w->embedded;

	if (bad != GT_PARSE_OK)
		return bad;
	if (!gt_addr_equal(&e->src, &w->packet.dst))
		return GT_DROP_ICMP_BAD;
	w->range = gt_plan_find_range(plan, w->address, e->protocol, rte_be_to_cpu_16(e->src_port));
	if (w->range == NULL)
		return GT_DROP_NO_SERVICE;
	w->task = TASK_ERROR;
	return GT_PARSE_OK;
}

/* ---- from the servers' side ---- */

static bool find_session(const struct gt_worker *worker, const struct gt_addr *server,
			 rte_be16_t server_port, const struct gt_addr *source, rte_be16_t port,
			 uint8_t protocol, struct work *w)
{
	struct gt_snat_pair_key key = {*server, *source, server_port, protocol};
	uint32_t session = gt_snat_find(&worker->snat, &key, rte_be_to_cpu_16(port));

	/* A reload may have taken the server, and its VIP, away. */
	if (session == GT_SNAT_NONE ||
	    !gt_plan_has_server(worker->plan, worker->snat.sessions[session].server))
		return false;
	w->path = (struct gt_path){.kind = GT_PATH_SESSION_REPLY,
				   .server = worker->snat.sessions[session].server,
				   .session = session};
	return true;
}

/* A reply to a source port that another worker gave out: TASK_HAND. */
static bool is_reply_of_other(const struct gt_worker *worker, const struct gt_frame *f,
			      struct work *w)
{
	const struct gt_packet *p = &w->packet;
	rte_be16_t port = p->dst_port;

	if (worker->steer.n_workers == 1)
		return false;
	if (is_icmp(p)) {
		if (!gt_icmp_is_error(p) || parse_error(f, w) != GT_PARSE_OK)
			return false;
		port = w->embedded.src_port;
	}
	w->owner = (uint16_t)(rte_be_to_cpu_16(port) % worker->steer.n_workers);
	if (w->owner == worker->steer.worker)
		return false;
	w->task = TASK_HAND;
	return true;
}

/*
 * Frames that came before in this burst may have ended the session since, and its place may be
 * another client's.
 */
static bool is_still_session(const struct gt_worker *worker, const struct work *w)
{
	const struct gt_packet *p = &w->packet, *e = &w->embedded;
	struct gt_snat_pair_key key = {p->src, p->dst, p->src_port, p->protocol};
	rte_be16_t port = p->dst_port;

	if (w->path.kind != GT_PATH_SESSION_REPLY)
		return true;
	if (w->task == TASK_REPLY_ERROR) {
		key = (struct gt_snat_pair_key){e->dst, e->src, e->dst_port, e->protocol};
		port = e->src_port;
	}
	return gt_snat_is(&worker->snat, w->path.session, &key, rte_be_to_cpu_16(port));
}

/* A packet to a source address of SNAT. False: it belongs to no session. */
static bool classify_session(const struct gt_worker *worker, const struct gt_frame *f,
			     struct work *w)
{
	const struct gt_packet *p = &w->packet, *e = &w->embedded;

	if (worker->snat.sessions == NULL)
		return false;
	if (p->fragment == GT_FRAGMENT_LATER) {
		w->task = TASK_LATER_FRAGMENT;
		return true;
	}
	w->task = TASK_REPLY;
	if (is_reply_of_other(worker, f, w))
		return true;
	if (p->protocol == IPPROTO_TCP || p->protocol == IPPROTO_UDP)
		return find_session(worker, &p->src, p->src_port, &p->dst, p->dst_port, p->protocol,
				    w);
	w->task = TASK_REPLY_ERROR;
	return is_icmp(p) && gt_icmp_is_error(p) && parse_error(f, w) == GT_PARSE_OK &&
	       gt_addr_equal(&e->src, &p->dst) &&
	       find_session(worker, &e->dst, e->dst_port, &e->src, e->src_port, e->protocol, w);
}

/* A packet to somebody else, from a server of `nat` that has us as its gateway. False: it is not.
 */
static bool classify_nat_reply(const struct gt_plan *plan, const struct gt_frame *f, struct work *w)
{
	const struct gt_packet *p = &w->packet, *e = &w->embedded;
	const struct gt_plan_nat *nat = NULL;

	if (p->link_group)
		return false;
	if (p->fragment == GT_FRAGMENT_LATER) {
		w->task = TASK_LATER_FRAGMENT;
		return gt_plan_is_nat_server(plan, &p->src);
	}
	w->task = TASK_REPLY;
	if (p->protocol == IPPROTO_TCP || p->protocol == IPPROTO_UDP) {
		nat = gt_plan_find_nat(plan, &p->src, p->protocol, p->src_port);
	} else if (is_icmp(p) && gt_icmp_is_error(p) && parse_error(f, w) == GT_PARSE_OK &&
		   gt_addr_equal(&e->src, &p->dst)) {
		w->task = TASK_REPLY_ERROR;
		nat = gt_plan_find_nat(plan, &e->dst, e->protocol, e->dst_port);
	}
	if (nat == NULL)
		return false;
	w->path = (struct gt_path){.kind = GT_PATH_NAT_REPLY, .server = nat->number};
	return true;
}

/* A packet for a VIP's address. */
static enum gt_drop_reason classify_vip(const struct gt_plan *plan, const struct gt_frame *f,
					struct work *w)
{
	const struct gt_packet *p = &w->packet;

	if (p->fragment == GT_FRAGMENT_LATER) {
		w->task = TASK_LATER_FRAGMENT;
		return GT_PARSE_OK;
	}
	if (is_icmp(p)) {
		if (gt_icmp_is_error(p))
			return classify_error(plan, f, w);
		if (!gt_icmp_is_echo_request(p))
			return GT_DROP_ICMP_OTHER;
		w->task = TASK_ECHO;
		return GT_PARSE_OK;
	}
	if (p->protocol != IPPROTO_TCP && p->protocol != IPPROTO_UDP)
		return GT_DROP_NO_SERVICE;
	w->range = gt_plan_find_range(plan, w->address, p->protocol, rte_be_to_cpu_16(p->dst_port));
	if (w->range == NULL)
		return GT_DROP_NO_SERVICE;
	w->task = TASK_CONNECTION;
	return GT_PARSE_OK;
}

static enum gt_drop_reason classify_ip(const struct gt_worker *worker, struct gt_frame *f,
				       struct work *w)
{
	const struct gt_plan *plan = worker->plan;
	const struct gt_plan_address *source;
	struct gt_packet *p = &w->packet;
	enum gt_drop_reason bad = gt_parse_network(f, p);

	if (bad != GT_PARSE_OK)
		return bad;
	w->address = gt_plan_find_address(plan, &p->dst);
	/* Before the source is judged: another station that answers for a VIP must be heard of. */
	if (is_neighbour_discovery(p) && (w->address != NULL || p->dst.b[0] == 0xff)) {
		f->verdict = GT_PUNT;
		return GT_PARSE_OK;
	}
	source = gt_plan_find_address(plan, &p->src);
	if (source != NULL)
		return source->vip ? GT_DROP_SOURCE_VIP : GT_DROP_MARTIAN;
	if (w->address == NULL) {
		if (classify_nat_reply(plan, f, w))
			return GT_PARSE_OK;
		return GT_DROP_NOT_OURS;
	}
	/* RFC 1122 3.3.6: what came by a link-layer broadcast is not for a unicast address. */
	if (p->link_group)
		return GT_DROP_LINK_GROUP;
	if (w->address->vip)
		return classify_vip(plan, f, w);
	if (w->address->source && classify_session(worker, f, w))
		return GT_PARSE_OK;
	if (!is_icmp(p) || !gt_icmp_is_error(p))
		return GT_DROP_OWN_ADDRESS;
	w->task = TASK_TUNNEL_ERROR;
	return GT_PARSE_OK;
}

static enum gt_drop_reason classify(const struct gt_worker *worker, struct gt_frame *f,
				    struct work *w)
{
	const struct gt_plan_interface *in = &worker->plan->interfaces[f->in_if];
	enum gt_drop_reason bad = gt_parse_link(f, &w->packet);

	w->task = TASK_DONE;
	if (bad == GT_DROP_SHORT)
		return bad;
	if (w->packet.link_group ? !is_own_group(f->data)
				 : memcmp(f->data, in->mac.b, sizeof(in->mac.b)) != 0)
		return GT_DROP_OTHER_MAC;
	if (f->data[6] & 1)
		return GT_DROP_SOURCE_MAC;
	/* A priority tag (VID 0) is no VLAN (802.1Q 6.9). */
	if (bad == GT_DROP_VLAN || w->packet.vlan != in->vlan)
		return GT_DROP_VLAN;
	if (bad != GT_PARSE_OK)
		return bad;
	if (w->packet.kind == GT_PACKET_ARP) {
		f->verdict = GT_PUNT;
		return GT_PARSE_OK;
	}
	return classify_ip(worker, f, w);
}

/* ---- several workers: whose is it ---- */

/* The worker that owns the connection of a packet to a VIP, or of the one that an error embeds. */
static uint16_t connection_owner(const struct gt_worker *worker, const struct gt_frame *f,
				 const struct work *w)
{
	const struct gt_packet *e = &w->embedded, *p = &w->packet;
	bool error = w->task == TASK_ERROR;
	const struct gt_addr *client = error ? &e->dst : &p->src;
	uint16_t service = gt_plan_range_service(
		w->range, rte_be_to_cpu_16(error ? e->src_port : p->dst_port));
	uint16_t vip = worker->plan->services[service].vip;

	if (worker->plan->vips[vip].source_service != 0)
		return gt_steer_source(&worker->steer, client);
	if (error)
		return gt_steer_connection(&worker->steer, client, e->dst_port, &e->src,
					   e->src_port);
	if (worker->steer.exact[f->in_if] && p->fragment == GT_FRAGMENT_NONE)
		return worker->steer.worker;
	return gt_steer_connection(&worker->steer, client, p->src_port, &p->dst, p->dst_port);
}

/* Turns the task of a frame that belongs to another worker into TASK_HAND. */
static void find_owner(const struct gt_worker *worker, const struct gt_frame *f, struct work *w)
{
	const struct gt_packet *p = &w->packet;
	uint16_t self = worker->steer.worker, owner;

	if (f->steered == GT_STEERED_HOME || w->task == TASK_DONE)
		return;
	w->stage = GT_STEERED_HOME;
	if (p->fragment != GT_FRAGMENT_NONE && f->steered == GT_STEERED_NOT) {
		owner = gt_steer_fragments(&worker->steer, &p->src, &p->dst,
					   p->kind == GT_PACKET_IPV4 ? p->protocol : 0);
		if (owner != self) {
			w->task = TASK_HAND;
			w->owner = owner;
			w->stage = GT_STEERED_FRAGMENTS;
			return;
		}
	}
	if (w->task != TASK_CONNECTION && w->task != TASK_ERROR)
		return;
	w->owner = connection_owner(worker, f, w);
	if (w->owner != self)
		w->task = TASK_HAND;
}

/* ---- stage 2: keys, hashes, prefetch ---- */

static void make_key(const struct gt_plan *plan, struct work *w)
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

static void prepare(const struct gt_worker *worker, struct work *works, unsigned n)
{
	struct gt_flow_key keys[GT_BURST_MAX];
	uint64_t hashes[GT_BURST_MAX];

	for (unsigned i = 0; i < n; i++) {
		make_key(worker->plan, &works[i]);
		keys[i] = works[i].key;
	}
	gt_flow_hash(&worker->flows, keys, hashes, n);
	for (unsigned i = 0; i < n; i++) {
		works[i].hash = hashes[i];
		if (works[i].task == TASK_CONNECTION || works[i].task == TASK_ERROR)
			gt_flow_prefetch(&worker->flows, hashes[i]);
	}
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
static bool is_session_of(const struct gt_worker *worker, const struct gt_path *path,
			  const struct gt_packet *p, uint16_t port)
{
	const struct gt_snat_session *s = &worker->snat.sessions[path->session];
	const struct gt_snat_pair_key *pair;

	/* A port of a pair rests longer than a fragment is waited for. */
	if (!s->live || s->port != port)
		return false;
	if (path->kind == GT_PATH_SESSION)
		return gt_addr_equal(&s->client, &p->src) && gt_addr_equal(&s->vip, &p->dst);
	pair = gt_snat_pair(&worker->snat, path->session);
	return gt_addr_equal(&pair->server, &p->src) && gt_addr_equal(&pair->source, &p->dst);
}

/* May a later fragment still take its datagram's path? A reply does whatever its server's state. */
static bool may_follow(const struct gt_worker *worker, const struct gt_path *path,
		       const struct gt_packet *p, uint16_t port)
{
	bool reply = path->kind == GT_PATH_SESSION_REPLY || path->kind == GT_PATH_NAT_REPLY;

	if (!gt_plan_has_server(worker->plan, path->server) ||
	    (!reply && (worker->plan->servers[path->server].flags & GT_SERVER_KEEPS) == 0))
		return false;
	if (path->kind == GT_PATH_SESSION || path->kind == GT_PATH_SESSION_REPLY)
		return is_session_of(worker, path, p, port);
	return true;
}

static void apply_fate(struct gt_worker *worker, struct gt_frame *f, const struct gt_packet *p,
		       struct gt_fragment_fate fate)
{
	struct gt_path path = {fate.path, fate.server, fate.session};

	if (fate.verdict == GT_ANSWER)
		gt_answer_echo(worker, f, p);
	else if (fate.verdict == GT_HAND)
		hand(worker, f, fate.server, GT_STEERED_HOME);
	else if (fate.verdict == GT_DROP)
		gt_worker_drop(worker, f, (enum gt_drop_reason)fate.reason);
	else if (may_follow(worker, &path, p, fate.port))
		gt_forward(worker, f, p, &path);
	else
		gt_worker_drop(worker, f, GT_DROP_NO_SERVER);
}

/* A first fragment has its verdict: the later ones, held or to come, get the same. */
static void settle_fragments(struct gt_worker *worker, const struct gt_frame *first,
			     const struct work *w, uint64_t now_ms)
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
	if (fate.verdict == GT_SEND &&
	    (fate.path == GT_PATH_SESSION || fate.path == GT_PATH_SESSION_REPLY))
		fate.port = worker->snat.sessions[fate.session].port;
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

static uint32_t tunnel_variation(const struct work *w)
{
	const struct gt_packet *p = &w->packet, *e = &w->embedded;

	return w->task == TASK_ERROR ? gt_tunnel_variation(&e->dst, e->dst_port, e->src_port)
				     : gt_tunnel_variation(&p->src, p->src_port, p->dst_port);
}

/* A TCP or UDP packet to a service, or an ICMP error about one of its connections. */
static void decide_path(struct gt_worker *worker, struct gt_frame *f, struct work *w)
{
	const struct gt_packet *e = &w->embedded;
	enum gt_drop_reason bad;

	if (w->task == TASK_ERROR)
		bad = gt_connection_peek(worker, w->vip, &e->dst, e->dst_port, e->src_port, &w->key,
					 w->hash, &w->path);
	else
		bad = gt_connection_path(worker, w->vip, &w->packet, &w->key, w->hash, &w->path);
	if (worker->plan->vips[w->vip].mode == GT_MODE_TUNNEL)
		w->path.session = tunnel_variation(w);
	if (bad == GT_DROP_NO_SERVER)
		worker->vips[w->vip].no_server++;
	if (bad == GT_DROP_RESET && w->packet.fragment == GT_FRAGMENT_NONE)
		gt_answer_reset(worker, f, &w->packet);
	else if (bad != GT_PARSE_OK)
		gt_worker_drop(worker, f, bad);
	else if (w->task == TASK_ERROR)
		gt_forward_error(worker, f, &w->packet, e, &w->path);
	else
		gt_forward(worker, f, &w->packet, &w->path);
}

static void decide(struct gt_worker *worker, struct gt_frame *f, struct work *w, uint64_t now_ms)
{
	switch ((enum task)w->task) {
	case TASK_DONE:
		return;
	case TASK_LATER_FRAGMENT:
		decide_later_fragment(worker, f, &w->packet, now_ms);
		return;
	case TASK_CONNECTION:
	case TASK_ERROR:
		decide_path(worker, f, w);
		break;
	case TASK_REPLY:
		if (!is_still_session(worker, w)) {
			gt_worker_drop(worker, f, GT_DROP_OWN_ADDRESS);
			break;
		}
		if (w->path.kind == GT_PATH_SESSION_REPLY)
			gt_connection_reply(worker, w->path.session, &w->packet);
		gt_forward(worker, f, &w->packet, &w->path);
		break;
	case TASK_REPLY_ERROR:
		if (is_still_session(worker, w))
			gt_forward_error(worker, f, &w->packet, &w->embedded, &w->path);
		else
			gt_worker_drop(worker, f, GT_DROP_OWN_ADDRESS);
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
			gt_worker_drop(worker, f, GT_DROP_OWN_ADDRESS);
		return;
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

/* ---- the burst ---- */

/* Would a later fragment of this datagram be held until its first one tells its fate? Strangers'
 * shall not fill the table. */
static bool waits_for_later(const struct gt_plan *plan, const struct work *w)
{
	if (w->address == NULL)
		return gt_plan_is_nat_server(plan, &w->packet.src);
	return w->address->vip || w->address->source;
}

static void classify_and_count(struct gt_worker *worker, struct gt_frame *f, struct work *w)
{
	enum gt_drop_reason bad;

	/* A frame that was handed over was counted where it came in. */
	if (f->steered == GT_STEERED_NOT) {
		worker->counters.in++;
		worker->counters.interfaces[f->in_if].in_frames++;
		worker->counters.interfaces[f->in_if].in_bytes += f->wire_len;
	}
	bad = classify(worker, f, w);
	if (bad != GT_PARSE_OK)
		w->task =
			w->packet.fragment == GT_FRAGMENT_FIRST && waits_for_later(worker->plan, w)
				? TASK_FIRST_DROPPED
				: TASK_DONE;
	if (worker->steer.n_workers > 1)
		find_owner(worker, f, w);
	if (bad != GT_PARSE_OK && w->task != TASK_HAND)
		gt_worker_drop(worker, f, bad);
}

void gt_worker_burst(struct gt_worker *worker, const struct gt_plan *plan, uint64_t now_ms,
		     struct gt_frame *frames, unsigned n)
{
	struct work works[GT_BURST_MAX];

	worker->plan = plan;
	worker->tick = gt_tick(now_ms);
	worker->n_released = 0;
	if (worker->fragments.n_held > 0)
		gt_worker_expire_held(worker, now_ms, false);
	for (unsigned i = 0; i < n; i++) {
		works[i].address = NULL;
		works[i].path = (struct gt_path){0};
		classify_and_count(worker, &frames[i], &works[i]);
	}
	prepare(worker, works, n);
	for (unsigned i = 0; i < n; i++)
		decide(worker, &frames[i], &works[i], now_ms);
}
