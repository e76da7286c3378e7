/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The third stage: which path a packet's connection has. The table wins over the scheduler while
 * the server lives, so that a connection stays through every other change; a packet of no known
 * connection is scheduled like a new one.
 *
 * An entry's value is the server's number, or the name of a session of snat. Such an entry and its
 * session are in the same state. Its time is that of the client's last packet, the session's that
 * of the server's: the younger one counts.
 */
#include "pipeline/connection.h"

#include "pipeline/internal.h"
#include "pipeline/schedule.h"

static inline bool is_session(uint32_t value)
{
	return gt_connection_is_session(value);
}

/* An entry's session lives as long as it does. */
static inline struct gt_snat_session *session_of(const struct gt_worker *w, uint32_t value)
{
	return gt_snat_session(&w->snat, gt_connection_session(value));
}

static inline uint16_t server_of(const struct gt_worker *w, uint32_t value)
{
	return is_session(value) ? gt_connection_session_server(&w->snat, value) : (uint16_t)value;
}

uint16_t gt_worker_entry_server(const struct gt_worker *w, const struct gt_flow_entry *entry)
{
	return server_of(w, entry->value);
}

/* ---- how entries are judged ---- */

static const struct gt_plan_service *service_of(const struct gt_plan *plan, uint16_t service)
{
	static const struct gt_plan_service none;

	return service < plan->n_services ? &plan->services[service] : &none;
}

/* Neither side has ended it, and more than a SYN was seen: its packets are the express path's. */
static bool is_settled(enum gt_flow_state state)
{
	return state == GT_FLOW_ESTABLISHED || state == GT_FLOW_UDP;
}

/* Is it a load to its server, or has either side ended it? */
static bool is_open(enum gt_flow_state state)
{
	return state != GT_FLOW_FIN && state != GT_FLOW_CLOSED;
}

static void entry_view(const void *ctx, uint16_t service, uint32_t value, struct gt_flow_view *view)
{
	const struct gt_worker *w = ctx;
	uint16_t vip = service_of(w->plan, service)->vip;

	/* The service is gone: nothing will ever find the entry. */
	if (vip == 0)
		view->timeout = 0;
	else if (view->state == GT_FLOW_SOURCE)
		view->timeout = w->plan->vips[vip].source_ticks;
	else if (view->state == GT_FLOW_SYN || view->state == GT_FLOW_SOURCE_NEW)
		view->timeout = GT_TICKS_SYN;
	else if (view->state == GT_FLOW_FIN)
		view->timeout = GT_TICKS_FIN;
	else if (view->state == GT_FLOW_CLOSED)
		view->timeout = GT_TICKS_CLOSED;
	else
		view->timeout = w->plan->vips[vip].idle_ticks;
	/* A session, a line more from memory, is only asked where it matters: not of what lives
	 * anyway and yields to nobody, nor which of half-open ones is the older. */
	if (is_session(value) && (view->idle > view->timeout || !is_open(view->state))) {
		uint32_t idle = gt_flow_idle(session_of(w, value)->tick, w->tick);

		if (idle < view->idle)
			view->idle = idle;
	}
}

static bool entry_rehashes(const void *ctx, const struct gt_flow_key *key, uint32_t value)
{
	const struct gt_worker *w = ctx;

	if (service_of(w->plan, key->service)->vip == 0)
		return true;
	/* The scheduler would find the server again, but never the port. */
	if (is_session(value))
		return false;
	return gt_schedule_rehashes(w, key, value);
}

static void entry_gone(void *ctx, uint16_t service, uint32_t value, enum gt_flow_state state,
		       bool evicted)
{
	struct gt_worker *w = ctx;

	(void)service;
	if (gt_flow_is_source(state))
		return;
	w->servers[server_of(w, value)].active--;
	w->servers[server_of(w, value)].open -= is_open(state);
	w->counters.expired++;
	w->counters.evicted += evicted;
	if (!is_session(value))
		return;
	/* A half-open one that yields hands its port on; all others rest. */
	if (evicted && state == GT_FLOW_SYN)
		gt_snat_cancel(&w->snat, gt_connection_session(value), w->tick);
	else
		gt_snat_close(&w->snat, gt_connection_session(value), w->tick);
}

static inline struct gt_flow_judge judge_of(struct gt_worker *w)
{
	return (struct gt_flow_judge){entry_view, entry_rehashes, entry_gone, w};
}

struct gt_flow_judge gt_worker_judge(struct gt_worker *w)
{
	return judge_of(w);
}

/* ---- states ---- */

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

/* With both sides in sight, only the server's answer makes a connection: a flood of ACKs shall not
 * fill the table for hours. */
static enum gt_flow_state first_session_state(const struct gt_packet *p)
{
	enum gt_flow_state state = first_state(p);

	return state == GT_FLOW_ESTABLISHED ? GT_FLOW_SYN : state;
}

/* As seen from the client's side alone (algorithms.md). */
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

/* ---- keys ---- */

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

static bool server_has(const struct gt_plan *plan, uint16_t server, uint8_t flag)
{
	return server < plan->n_servers && (plan->servers[server].flags & flag) != 0;
}

/* ---- SNAT sessions ---- */

/* The entry of a session that lives. Looked up: a session is too small to know where it is, and
 * this is only asked when it ends. */
static struct gt_flow_ref entry_of(const struct gt_worker *w, uint32_t session)
{
	const struct gt_snat_session *s = gt_snat_session(&w->snat, session);
	const struct gt_addr client = gt_snat_client(&w->snat, s);
	struct gt_flow_ref ref;
	struct gt_flow_key key;
	uint64_t hash;

	make_key(s->service, &client, s->client_port, s->vip_port, s->by_port, &key);
	gt_flow_hash(&w->flows, &key, &hash, 1);
	ref = gt_flow_find(&w->flows, &key, hash);
	if (ref.slot != NULL &&
	    (!is_session(ref.slot->value) || gt_connection_session(ref.slot->value) != session))
		ref.slot = NULL;
	return ref;
}

void gt_connection_reply(struct gt_worker *w, uint32_t session, const struct gt_packet *p)
{
	struct gt_snat_session *s = gt_snat_session(&w->snat, session);
	struct gt_flow_ref ref;

	s->tick = w->tick & GT_TICK_MASK;
	if (p->protocol != GT_PROTO_TCP)
		return;
	if ((p->tcp_flags & GT_TCP_RST) == 0)
		s->answered = true;
	if ((p->tcp_flags & (GT_TCP_RST | GT_TCP_FIN)) == 0)
		return;
	w->servers[s->server].open -= is_open((enum gt_flow_state)s->state);
	s->state = p->tcp_flags & GT_TCP_RST ? GT_FLOW_CLOSED : GT_FLOW_FIN;
	/* The client's next packet is no ordinary one: its entry is to say so. */
	ref = entry_of(w, session);
	if (ref.slot != NULL)
		gt_flow_touch(ref, (enum gt_flow_state)s->state, ref.slot->meta);
}

/* Ends a half-open connection, to the server of `pair` or to any, so that another one gets its
 * place. False: none was found. */
static bool yield_half_open(struct gt_worker *w, const struct gt_snat_pair_key *pair)
{
	uint32_t session = gt_snat_half_open(&w->snat, pair, w->tick);
	struct gt_flow_ref ref;

	if (session == GT_SNAT_NONE)
		return false;
	ref = entry_of(w, session);
	if (ref.slot == NULL)
		return false;
	entry_gone(w, gt_snat_session(&w->snat, session)->service, ref.slot->value, GT_FLOW_SYN,
		   true);
	gt_flow_remove(&w->flows, ref);
	return true;
}

/* A session with a port for the pair; may_yield: instead of a half-open one, if need be. */
static uint32_t open_pair(struct gt_worker *w, const struct gt_snat_pair_key *pair, uint16_t server,
			  bool may_yield)
{
	uint32_t session = gt_snat_open(&w->snat, pair, server, w->tick);

	if (session != GT_SNAT_NONE || !may_yield)
		return session;
	if (!yield_half_open(w, gt_snat_is_full(&w->snat) ? NULL : pair))
		return GT_SNAT_NONE;
	return gt_snat_open(&w->snat, pair, server, w->tick);
}

/* Whose it is, and of what. The value of its entry, or 0: the client is of IPv6, for which there is
 * no room. */
static uint32_t describe(struct gt_worker *w, uint32_t session, const struct gt_packet *p,
			 const struct gt_flow_key *key)
{
	struct gt_snat_session *s = gt_snat_session(&w->snat, session);

	s->client_port = p->src_port;
	s->vip_port = p->dst_port;
	s->service = key->service;
	s->by_port = key->wide && (key->dst_port != 0 || gt_addr_is_v4(&p->src));
	s->state = first_session_state(p);
	if (!gt_snat_set_client(&w->snat, s, &p->src)) {
		gt_snat_cancel(&w->snat, session, w->tick);
		return 0;
	}
	return GT_VALUE_SESSION | session |
	       (gt_snat_pair(&w->snat, session)->server != s->server ? GT_VALUE_OTHER_SERVER : 0);
}

/*
 * Opens a session to a server. Which source address comes first follows from the client, so that
 * the load spreads; the others are tried when its ports are used up. anew: for a connection without
 * an entry, to which half-open ones yield. The value of its entry, or 0.
 */
static uint32_t open_session(struct gt_worker *w, uint16_t server, const struct gt_packet *p,
			     const struct gt_flow_key *flow, uint64_t hash, bool anew)
{
	const struct gt_plan_server *s = &w->plan->servers[server];
	struct gt_snat_pair_key key = {.server = s->addr,
				       .port = s->port != 0 ? s->port : p->dst_port,
				       .protocol = p->protocol};

	for (uint32_t i = 0; i < s->n_sources * (anew ? 2U : 1U); i++) {
		uint32_t at = (uint32_t)((hash >> 16) + i) % s->n_sources, session;

		key.source = w->plan->sources[s->first_source + at];
		key.shared = gt_plan_find_address(w->plan, &key.source)->kernel;
		session = open_pair(w, &key, server, i >= s->n_sources);
		if (session != GT_SNAT_NONE)
			return describe(w, session, p, flow);
	}
	return 0;
}

/* ---- known connections ---- */

static void set_path(const struct gt_worker *w, uint32_t value, struct gt_path *path)
{
	*path = (struct gt_path){.kind = is_session(value) ? GT_PATH_SESSION : GT_PATH_SERVER,
				 .server = server_of(w, value),
				 .session = gt_connection_session(value)};
}

static void account_new(struct gt_worker *w, uint16_t vip, uint16_t server,
			enum gt_flow_state state)
{
	w->counters.created++;
	w->vips[vip].connections++;
	w->servers[server].connections++;
	w->servers[server].active++;
	w->servers[server].open += is_open(state);
}

/*
 * The connection's server went down or is disabled: the scheduler finds another. On failure the
 * entry waits for its server to come back. Noting where a client's source now goes (persistence =
 * source) may move the connection's own entry, or evict it from a full table: *ref is found again,
 * or has no slot.
 */
static enum gt_drop_reason move(struct gt_worker *w, uint16_t vip, enum gt_flow_state state,
				const struct gt_packet *p, const struct gt_flow_key *key,
				uint64_t hash, const struct gt_flow_judge *judge,
				struct gt_flow_ref *ref)
{
	uint16_t old = server_of(w, ref->slot->value);
	uint16_t server = gt_schedule(w, vip, p, true, 0, judge);
	uint32_t value = server;

	if (server == GT_NO_SERVER)
		return GT_DROP_NO_SERVER;
	*ref = gt_flow_find(&w->flows, key, hash);
	if (ref->slot == NULL)
		return GT_PARSE_OK;
	if (is_session(ref->slot->value)) {
		/* No other connection yields to one that has its entry: that could be its own. */
		value = open_session(w, server, p, key, hash, false);
		if (value == 0)
			return GT_DROP_SNAT_FULL;
		gt_snat_close(&w->snat, gt_connection_session(ref->slot->value), w->tick);
	}
	ref->slot->value = value;
	w->servers[old].active--;
	w->servers[old].open -= is_open(state);
	w->servers[server].active++;
	w->servers[server].open += is_open(state);
	w->servers[server].connections++;
	w->counters.moved++;
	return GT_PARSE_OK;
}

static void end(struct gt_worker *w, struct gt_flow_ref ref, uint16_t service,
		enum gt_flow_state state)
{
	entry_gone(w, service, ref.slot->value, state, false);
	gt_flow_remove(&w->flows, ref);
}

/* A packet of none: scheduled, and noted if there is room. */
static enum gt_drop_reason begin(struct gt_worker *w, uint16_t vip, const struct gt_packet *p,
				 const struct gt_flow_key *key, uint64_t hash, uint64_t choice,
				 const struct gt_flow_judge *judge, struct gt_path *path)
{
	bool snat = w->plan->vips[vip].mode == GT_MODE_SNAT;
	uint16_t server = gt_schedule(w, vip, p, false, choice, judge);
	uint32_t value = server;
	struct gt_flow_ref ref;

	if (server == GT_NO_SERVER)
		return GT_DROP_NO_SERVER;
	if (snat)
		value = w->snat.pairs != NULL ? open_session(w, server, p, key, hash, true) : 0;
	if (value == 0)
		return GT_DROP_SNAT_FULL;
	ref = gt_flow_insert(&w->flows, key, hash, value,
			     snat ? first_session_state(p) : first_state(p), w->tick, judge);
	if (ref.slot != NULL) {
		account_new(w, vip, server, snat ? first_session_state(p) : first_state(p));
	} else if (snat) {
		/* Without an entry the next packet would get another port. */
		gt_snat_cancel(&w->snat, gt_connection_session(value), w->tick);
		return GT_DROP_SNAT_FULL;
	} else {
		w->vips[vip].untracked++;
		/* The turn that it took is nobody's: its next packet has to find the server. */
		value = gt_schedule_untracked(w, vip, &p->src, p->src_port, p->dst_port);
	}
	set_path(w, value, path);
	return GT_PARSE_OK;
}

static bool renews_record(const struct gt_worker *w, struct gt_flow_ref ref,
			  enum gt_flow_state state, enum gt_flow_state next)
{
	if (!is_open(next) || next == GT_FLOW_SYN)
		return false;
	return state == GT_FLOW_SYN || gt_connection_record_is_due(w, ref.slot->meta);
}

/* The state that a client's packet leads a session to, noted. Where it stays open, that is its
 * entry's business alone. */
static enum gt_flow_state next_of_session(struct gt_worker *w, uint32_t value,
					  enum gt_flow_state state, enum gt_flow_state next)
{
	struct gt_snat_session *s;

	if (next == state && is_settled(state))
		return next;
	s = session_of(w, value);
	/* An ACK alone proves nothing: the server must have answered. */
	if (next == GT_FLOW_ESTABLISHED && !s->answered)
		next = GT_FLOW_SYN;
	s->state = next;
	s->tick = w->tick & GT_TICK_MASK;
	return next;
}

/* A packet of a connection that lives. */
static enum gt_drop_reason follow(struct gt_worker *w, uint16_t vip, struct gt_flow_ref ref,
				  enum gt_flow_state state, const struct gt_packet *p,
				  const struct gt_flow_key *key, uint64_t hash,
				  const struct gt_flow_judge *judge, struct gt_path *path)
{
	enum gt_flow_state next;
	bool renews;

	if (!server_has(w->plan, server_of(w, ref.slot->value), GT_SERVER_KEEPS)) {
		enum gt_drop_reason bad;

		if (w->plan->vips[vip].reset &&
		    (p->tcp_flags & (GT_TCP_ACK | GT_TCP_RST)) == GT_TCP_ACK) {
			/* A fragment is not answered: its sender is told by the next packet. */
			if (p->fragment == GT_FRAGMENT_NONE)
				end(w, ref, key->service, state);
			return GT_DROP_RESET;
		}
		bad = move(w, vip, state, p, key, hash, judge, &ref);
		if (bad != GT_PARSE_OK)
			return bad;
		if (ref.slot == NULL)
			return begin(w, vip, p, key, hash, 0, judge, path);
		/* Of its new session nothing was heard yet. */
		if (is_session(ref.slot->value) && state == GT_FLOW_ESTABLISHED)
			state = GT_FLOW_SYN;
	}
	next = next_state(state, p);
	if (is_session(ref.slot->value))
		next = next_of_session(w, ref.slot->value, state, next);
	renews = w->plan->vips[vip].source_service != 0 && renews_record(w, ref, state, next);
	w->servers[server_of(w, ref.slot->value)].open += is_open(next) - is_open(state);
	gt_flow_touch(ref, next, w->tick);
	set_path(w, ref.slot->value, path);
	/* This may move the connection's own entry: ref is not valid behind it. */
	if (renews)
		gt_schedule_confirm(w, vip, &p->src, path->server, judge);
	return GT_PARSE_OK;
}

enum gt_drop_reason gt_connection_decide(struct gt_worker *w, uint16_t vip,
					 const struct gt_packet *p, const struct gt_flow_key *key,
					 uint64_t hash, struct gt_connection_known known,
					 struct gt_path *path)
{
	struct gt_flow_judge judge = judge_of(w);
	struct gt_flow_ref ref = known.ref;

	if (ref.slot != NULL) {
		struct gt_flow_view view = {gt_flow_state(ref),
					    gt_flow_idle(ref.slot->meta, w->tick), 0};
		bool snat = w->plan->vips[vip].mode == GT_MODE_SNAT;

		entry_view(w, key->service, ref.slot->value, &view);
		/* A VIP whose mode was changed by a reload begins its connections anew. */
		if (view.idle <= view.timeout && !begins_anew(view.state, p) &&
		    is_session(ref.slot->value) == snat)
			return follow(w, vip, ref, view.state, p, key, hash, &judge, path);
		end(w, ref, key->service, view.state);
	}
	return begin(w, vip, p, key, hash, known.choice, &judge, path);
}

enum gt_drop_reason gt_connection_path(struct gt_worker *w, uint16_t vip, const struct gt_packet *p,
				       const struct gt_flow_key *key, uint64_t hash,
				       struct gt_path *path)
{
	struct gt_connection_known known = {.ref = gt_flow_find(&w->flows, key, hash)};

	return gt_connection_decide(w, vip, p, key, hash, known, path);
}

enum gt_drop_reason gt_connection_peek(struct gt_worker *w, uint16_t vip,
				       const struct gt_addr *client, rte_be16_t client_port,
				       rte_be16_t vip_port, const struct gt_flow_key *key,
				       uint64_t hash, struct gt_path *path)
{
	struct gt_flow_ref ref = gt_flow_find(&w->flows, key, hash);
	bool snat = w->plan->vips[vip].mode == GT_MODE_SNAT;

	/* As in gt_connection_path: of a VIP's former mode nothing is known any more. */
	if (ref.slot != NULL && is_session(ref.slot->value) == snat &&
	    server_has(w->plan, server_of(w, ref.slot->value), GT_SERVER_KEEPS)) {
		set_path(w, ref.slot->value, path);
		return GT_PARSE_OK;
	}
	if (snat)
		return GT_DROP_ICMP_BAD;
	*path = (struct gt_path){
		.kind = GT_PATH_SERVER,
		.server = gt_schedule_untracked(w, vip, client, client_port, vip_port)};
	return path->server == GT_NO_SERVER ? GT_DROP_NO_SERVER : GT_PARSE_OK;
}
