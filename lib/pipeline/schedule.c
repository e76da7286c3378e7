/* SPDX-License-Identifier: BSD-3-Clause */
/* Who gets a connection; see schedule.h. */
#include "pipeline/schedule.h"

static bool takes_new(const struct gt_plan *plan, uint16_t server)
{
	return server < plan->n_servers && (plan->servers[server].flags & GT_SERVER_TAKES) != 0;
}

/* ---- taking turns ---- */

/*
 * nginx's smooth weighted round robin: each server gains its weight, who is ahead has the turn and
 * pays the sum. With weights 5, 1, 1: a a b a c a a, and never five in a row.
 */
static uint16_t take_turn(struct gt_worker *w, const struct gt_plan_vip *v)
{
	uint16_t best = v->members[0].value;
	int64_t *credit = w->turns->credit, sum = 0;

	for (uint32_t i = 0; i < v->n_members; i++) {
		uint16_t server = v->members[i].value;

		credit[server] += v->members[i].weight;
		sum += v->members[i].weight;
		if (credit[server] > credit[best])
			best = server;
	}
	credit[best] -= sum;
	return best;
}

/* Another list of servers or weights: all begin anew, for what a great weight had saved up would
 * make a small one wait for long. */
static void begin_turns(struct gt_worker *w, uint16_t vip)
{
	const struct gt_plan_vip *v = &w->plan->vips[vip];
	uint32_t first = w->shares_turns ? 0 : w->steer.worker;

	for (uint32_t i = 0; i < v->n_members; i++)
		w->turns->credit[v->members[i].value] = 0;
	/* Workers begin at different places, else each one's first connection is the same server's.
	 */
	for (uint32_t i = 0; i < first % v->n_members; i++)
		take_turn(w, v);
	w->turns->vips[vip].next = first;
	w->turns->vips[vip].members_since = v->members_since;
}

/* The server whose share is least after it took one more: (n + 1) / weight. Ties go round. */
static uint16_t least_loaded(struct gt_worker *w, uint16_t vip)
{
	const struct gt_plan_vip *v = &w->plan->vips[vip];
	uint32_t start = w->turns->vips[vip].next % v->n_members, best = start;
	int64_t best_load = 0;

	for (uint32_t i = 0; i < v->n_members; i++) {
		uint32_t at = start + i < v->n_members ? start + i : start + i - v->n_members;
		const struct gt_maglev_server *m = &v->members[at];
		int64_t load = gt_loads_estimate(w->loads, w->steer.worker, m->value,
						 w->servers[m->value].open);

		load = load < 0 ? 1 : load + 1;
		if (i == 0 || load * v->members[best].weight < best_load * m->weight) {
			best = at;
			best_load = load;
		}
	}
	w->turns->vips[vip].next = best + 1;
	return v->members[best].value;
}

static bool begins(const struct gt_packet *p)
{
	return p->protocol != GT_PROTO_TCP ||
	       (p->tcp_flags & (GT_TCP_SYN | GT_TCP_ACK | GT_TCP_RST)) == GT_TCP_SYN;
}

/* Without records. */
static uint16_t choose(struct gt_worker *w, uint16_t vip, const struct gt_packet *p, bool moves,
		       uint64_t choice)
{
	const struct gt_plan_vip *v = &w->plan->vips[vip];

	if (!gt_schedule_takes_turns(v) || (!moves && !begins(p))) {
		if (choice != 0)
			return gt_plan_chosen(w->plan, vip, choice);
		return gt_plan_schedule(w->plan, vip, &p->src, p->src_port, p->dst_port);
	}
	if (w->turns->vips[vip].members_since != v->members_since)
		begin_turns(w, vip);
	return v->scheduler == GT_SCHED_ROUND_ROBIN ? take_turn(w, v) : least_loaded(w, vip);
}

/* ---- source records ---- */

struct record {
	struct gt_flow_key key;
	uint64_t hash;
	struct gt_flow_ref ref; /* slot NULL: there is none */
	uint16_t server;	/* in the VIP, if it takes new connections; else GT_NO_SERVER */
};

static void find_record(const struct gt_worker *w, uint16_t vip, const struct gt_addr *client,
			struct record *r)
{
	const struct gt_plan_vip *v = &w->plan->vips[vip];
	uint32_t lives = v->source_ticks;

	if (gt_addr_is_v4(client))
		gt_flow_key_narrow(&r->key, gt_addr_v4(client), 0, v->source_service);
	else
		gt_flow_key_wide(&r->key, client, 0, v->source_service, 0);
	gt_flow_hash(&w->flows, &r->key, &r->hash, 1);
	r->ref = gt_flow_find(&w->flows, &r->key, r->hash);
	r->server = GT_NO_SERVER;
	if (r->ref.slot == NULL)
		return;
	if (gt_flow_state(r->ref) == GT_FLOW_SOURCE_NEW)
		lives = GT_TICKS_SYN;
	if (gt_flow_idle(r->ref.slot->meta, w->tick) > lives)
		return;
	r->server = gt_plan_from_record(w->plan, vip, r->ref.slot->value);
	if (!takes_new(w->plan, r->server))
		r->server = GT_NO_SERVER;
}

static uint16_t recorded(const struct gt_worker *w, uint16_t vip, const struct gt_addr *client)
{
	struct record r;

	find_record(w, vip, client, &r);
	return r.server;
}

static void write_record(struct gt_worker *w, struct record *r, uint16_t server,
			 enum gt_flow_state state, const struct gt_flow_judge *judge)
{
	uint32_t value = gt_plan_to_record(w->plan, server);

	if (r->ref.slot == NULL) {
		gt_flow_insert(&w->flows, &r->key, r->hash, value, state, w->tick, judge);
		return;
	}
	r->ref.slot->value = value;
	gt_flow_touch(r->ref, state, w->tick);
}

void gt_schedule_confirm(struct gt_worker *w, uint16_t vip, const struct gt_addr *client,
			 uint16_t server, const struct gt_flow_judge *judge)
{
	struct record r;

	find_record(w, vip, client, &r);
	/* Meanwhile the client may have got another: new connections go there. */
	if (r.server == GT_NO_SERVER ? takes_new(w->plan, server) : r.server == server)
		write_record(w, &r, server, GT_FLOW_SOURCE, judge);
}

/* ---- what the pipeline asks ---- */

uint16_t gt_schedule(struct gt_worker *w, uint16_t vip, const struct gt_packet *p, bool moves,
		     uint64_t choice, const struct gt_flow_judge *judge)
{
	enum gt_flow_state state = GT_FLOW_SOURCE;
	uint16_t server;
	struct record r;

	if (w->plan->vips[vip].source_service == 0)
		return choose(w, vip, p, moves, choice);
	find_record(w, vip, &p->src, &r);
	server = r.server != GT_NO_SERVER ? r.server : choose(w, vip, p, moves, choice);
	if (server == GT_NO_SERVER)
		return server;
	/* A SYN proves nothing: its source may be forged. */
	if (p->protocol == GT_PROTO_TCP && begins(p) &&
	    (r.server == GT_NO_SERVER || gt_flow_state(r.ref) == GT_FLOW_SOURCE_NEW))
		state = GT_FLOW_SOURCE_NEW;
	write_record(w, &r, server, state, judge);
	return server;
}

uint16_t gt_schedule_untracked(const struct gt_worker *w, uint16_t vip,
			       const struct gt_addr *client, rte_be16_t client_port,
			       rte_be16_t vip_port)
{
	uint16_t server =
		w->plan->vips[vip].source_service != 0 ? recorded(w, vip, client) : GT_NO_SERVER;

	return server != GT_NO_SERVER
		       ? server
		       : gt_plan_schedule(w->plan, vip, client, client_port, vip_port);
}

/* Does it take the hash alone to find a server of this VIP again? */
static bool goes_by_hash(const struct gt_plan_vip *v)
{
	return v->scheduler == GT_SCHED_MAGLEV || v->scheduler == GT_SCHED_RENDEZVOUS ||
	       v->n_members == 1;
}

bool gt_schedule_rehashes(const struct gt_worker *w, const struct gt_flow_key *key, uint32_t value)
{
	const struct gt_plan_service *s = &w->plan->services[key->service];
	const struct gt_plan_vip *v = &w->plan->vips[s->vip];
	struct gt_addr client;
	uint16_t server;

	gt_flow_client(key, &client);
	if (key->service == v->source_service) {
		/* A record of a group stands for all its VIPs: whether each of them would choose
		 * this server nobody has looked up. */
		return goes_by_hash(v) && !v->grouped &&
		       gt_plan_schedule(w->plan, s->vip, &client, 0, 0) == value;
	}
	/* The next packet of a TCP connection is no SYN; a datagram would take its turn, unless its
	 * client has a record. */
	if (!goes_by_hash(v) && v->protocol != GT_PROTO_TCP)
		server = v->source_service != 0 ? recorded(w, s->vip, &client) : GT_NO_SERVER;
	else
		server = gt_schedule_untracked(w, s->vip, &client, key->port,
					       key->dst_port != 0 ? key->dst_port : s->port);
	return server != GT_NO_SERVER && server == value;
}
