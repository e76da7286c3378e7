/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The third stage: which server a packet's connection has. The table wins over the scheduler while
 * the server lives, so that a connection stays through every other change; a packet of no known
 * connection is scheduled like a new one.
 */
#include "pipeline/connection.h"

#include "pipeline/internal.h"

/* ---- how entries are judged ---- */

static const struct gt_plan_service *service_of(const struct gt_plan *plan, uint16_t service)
{
	static const struct gt_plan_service none;

	return service < plan->n_services ? &plan->services[service] : &none;
}

static uint32_t entry_timeout(const void *ctx, uint16_t service, enum gt_flow_state state)
{
	const struct gt_worker *w = ctx;
	uint16_t vip = service_of(w->plan, service)->vip;

	/* The service is gone: nothing will ever find the entry. */
	if (vip == 0)
		return 0;
	switch (state) {
	case GT_FLOW_SYN:
		return GT_TICKS_SYN;
	case GT_FLOW_FIN:
		return GT_TICKS_FIN;
	case GT_FLOW_CLOSED:
		return GT_TICKS_CLOSED;
	default:
		return w->plan->vips[vip].idle_ticks;
	}
}

static bool entry_rehashes(const void *ctx, const struct gt_flow_key *key, uint16_t server)
{
	const struct gt_worker *w = ctx;
	const struct gt_plan_service *s = service_of(w->plan, key->service);
	struct gt_addr client;

	if (s->vip == 0)
		return true;
	gt_flow_client(key, &client);
	return gt_plan_schedule(w->plan, s->vip, &client, key->port,
				key->dst_port != 0 ? key->dst_port : s->port) == server;
}

static void entry_gone(void *ctx, uint16_t server, uint16_t service, enum gt_flow_state state,
		       bool evicted)
{
	struct gt_worker *w = ctx;

	(void)service;
	if (state == GT_FLOW_SOURCE)
		return;
	w->servers[server].active--;
	w->counters.expired++;
	w->counters.evicted += evicted;
}

struct gt_flow_judge gt_worker_judge(struct gt_worker *w)
{
	return (struct gt_flow_judge){entry_timeout, entry_rehashes, entry_gone, w};
}

/* ---- states, seen from the client's side alone (algorithms.md) ---- */

static enum gt_flow_state first_state(const struct gt_packet *p)
{
	if (p->protocol != GT_PROTO_TCP)
		return GT_FLOW_UDP;
	if (p->tcp_flags & GT_TCP_RST)
		return GT_FLOW_CLOSED;
	if (p->tcp_flags & GT_TCP_FIN)
		return GT_FLOW_FIN;
	return p->tcp_flags & GT_TCP_SYN ? GT_FLOW_SYN : GT_FLOW_ESTABLISHED;
}

static enum gt_flow_state next_state(enum gt_flow_state state, const struct gt_packet *p)
{
	if (p->protocol != GT_PROTO_TCP)
		return GT_FLOW_UDP;
	/* A RST only shortens: whether its sequence number is good the balancer cannot know. */
	if (p->tcp_flags & GT_TCP_RST)
		return GT_FLOW_CLOSED;
	if (p->tcp_flags & GT_TCP_FIN)
		return GT_FLOW_FIN;
	if ((p->tcp_flags & GT_TCP_SYN) || !(p->tcp_flags & GT_TCP_ACK))
		return state;
	/* An ACK completes the handshake, revives after a forged RST, and keeps a half-closed
	 * connection half closed. */
	return state == GT_FLOW_FIN ? GT_FLOW_FIN : GT_FLOW_ESTABLISHED;
}

static bool begins_anew(enum gt_flow_state state, const struct gt_packet *p)
{
	return p->protocol == GT_PROTO_TCP &&
	       (p->tcp_flags & (GT_TCP_SYN | GT_TCP_ACK | GT_TCP_RST)) == GT_TCP_SYN &&
	       (state == GT_FLOW_FIN || state == GT_FLOW_CLOSED);
}

/* ---- choosing ---- */

static bool server_has(const struct gt_plan *plan, uint16_t server, uint8_t flag)
{
	return server < plan->n_servers && (plan->servers[server].flags & flag) != 0;
}

/* wide: the service does not tell the VIP's port, so the key must. */
static void make_key(uint16_t service, const struct gt_addr *client, rte_be16_t port,
		     rte_be16_t dst_port, bool wide, struct gt_flow_key *key)
{
	if (!wide && gt_addr_is_v4(client))
		gt_flow_key_narrow(key, gt_addr_v4(client), port, service);
	else
		gt_flow_key_wide(key, client, port, service, wide ? dst_port : 0);
}

void gt_connection_key(const struct gt_plan_range *range, const struct gt_addr *client,
		       rte_be16_t client_port, rte_be16_t vip_port, struct gt_flow_key *key)
{
	uint16_t service = gt_plan_range_service(range, rte_be_to_cpu_16(vip_port));

	make_key(service, client, client_port, vip_port, range->wide, key);
}

/*
 * With persistence = source, the server that the client's address has, where it takes new
 * connections; else the scheduler's choice, which the address then keeps.
 */
static uint16_t schedule_by_source(struct gt_worker *w, uint16_t vip, const struct gt_addr *client,
				   uint32_t tick, const struct gt_flow_judge *judge)
{
	const struct gt_plan_vip *v = &w->plan->vips[vip];
	struct gt_flow_ref record;
	struct gt_flow_key key;
	uint16_t server;
	uint64_t hash;

	make_key(v->source_service, client, 0, 0, false, &key);
	gt_flow_hash(&w->flows, &key, &hash, 1);
	record = gt_flow_find(&w->flows, &key, hash);
	if (record.slot != NULL && server_has(w->plan, record.slot->server, GT_SERVER_TAKES) &&
	    gt_flow_idle(record.slot->meta, tick) <= v->idle_ticks) {
		gt_flow_touch(record, GT_FLOW_SOURCE, tick);
		return record.slot->server;
	}
	server = gt_plan_schedule(w->plan, vip, client, 0, 0);
	if (server == GT_NO_SERVER)
		return server;
	if (record.slot != NULL) {
		record.slot->server = server;
		gt_flow_touch(record, GT_FLOW_SOURCE, tick);
	} else {
		gt_flow_insert(&w->flows, &key, hash, server, GT_FLOW_SOURCE, tick, judge);
	}
	return server;
}

static uint16_t schedule(struct gt_worker *w, uint16_t vip, const struct gt_packet *p,
			 uint32_t tick, const struct gt_flow_judge *judge)
{
	if (w->plan->vips[vip].source_service != 0)
		return schedule_by_source(w, vip, &p->src, tick, judge);
	return gt_plan_schedule(w->plan, vip, &p->src, p->src_port, p->dst_port);
}

static void account_new(struct gt_worker *w, uint16_t vip, uint16_t server)
{
	w->counters.created++;
	w->vips[vip].connections++;
	w->servers[server].connections++;
	w->servers[server].active++;
}

/* The connection's server went down or is disabled: the scheduler finds another. */
static uint16_t move(struct gt_worker *w, uint16_t vip, struct gt_flow_ref ref,
		     const struct gt_packet *p, uint32_t tick, const struct gt_flow_judge *judge)
{
	uint16_t old = ref.slot->server, server = schedule(w, vip, p, tick, judge);

	/* Nobody takes it: the entry waits for its server to come back. */
	if (server == GT_NO_SERVER)
		return server;
	ref.slot->server = server;
	w->servers[old].active--;
	w->servers[server].active++;
	w->servers[server].connections++;
	w->counters.moved++;
	return server;
}

uint16_t gt_connection_server(struct gt_worker *w, uint16_t vip, const struct gt_packet *p,
			      const struct gt_flow_key *key, uint64_t hash, uint32_t tick)
{
	struct gt_flow_judge judge = gt_worker_judge(w);
	struct gt_flow_ref ref = gt_flow_find(&w->flows, key, hash);
	uint16_t server;

	if (ref.slot != NULL) {
		enum gt_flow_state state = gt_flow_state(ref);

		if (gt_flow_idle(ref.slot->meta, tick) <= entry_timeout(w, key->service, state) &&
		    !begins_anew(state, p)) {
			server = ref.slot->server;
			if (!server_has(w->plan, server, GT_SERVER_KEEPS))
				server = move(w, vip, ref, p, tick, &judge);
			gt_flow_touch(ref, next_state(state, p), tick);
			return server;
		}
		entry_gone(w, ref.slot->server, key->service, state, false);
		gt_flow_remove(&w->flows, ref);
	}
	server = schedule(w, vip, p, tick, &judge);
	if (server == GT_NO_SERVER)
		return server;
	ref = gt_flow_insert(&w->flows, key, hash, server, first_state(p), tick, &judge);
	if (ref.slot != NULL)
		account_new(w, vip, server);
	else
		w->vips[vip].untracked++;
	return server;
}

uint16_t gt_connection_peek(struct gt_worker *w, uint16_t vip, const struct gt_addr *client,
			    rte_be16_t client_port, rte_be16_t vip_port,
			    const struct gt_flow_key *key, uint64_t hash)
{
	struct gt_flow_ref ref = gt_flow_find(&w->flows, key, hash);

	if (ref.slot != NULL && server_has(w->plan, ref.slot->server, GT_SERVER_KEEPS))
		return ref.slot->server;
	return gt_plan_schedule(w->plan, vip, client, client_port, vip_port);
}
