/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fourth stage. A path says what is done with a packet: `dr` changes MACs alone; `nat` the
 * destination, and on the way back the source; `snat` both; `tunnel` wraps. To a server the link
 * layer is ready made; to a client it is found by route and neighbour.
 */
#include "pipeline/forward.h"

#include "packet/icmp.h"
#include "packet/translate.h"
#include "pipeline/connection.h"
#include "pipeline/internal.h"
#include "pipeline/tunnel.h"

/* ---- the link layer ---- */

/* Gives the frame the tag of the interface that it leaves by; a tag's priority bits stay. */
static void retag(struct gt_frame *f, const struct gt_packet *p, uint16_t vlan)
{
	uint8_t *d = f->data;

	if (p->vlan == vlan)
		return;
	if (p->tagged && vlan != 0) {
		d[14] = (uint8_t)((d[14] & 0xf0) | vlan >> 8);
		d[15] = (uint8_t)vlan;
	} else if (vlan != 0) {
		uint8_t tag[4] = {0x81, 0x00, (uint8_t)(vlan >> 8), (uint8_t)vlan};

		memmove(d - 4, d, 12);
		memcpy(d + 8, tag, 4);
		f->data -= 4;
		f->len += 4;
		f->wire_len += 4;
	} else {
		memmove(d + 4, d, 12);
		f->data += 4;
		f->len -= 4;
		f->wire_len -= 4;
	}
}

static void account_out(struct gt_worker *w, const struct gt_frame *f)
{
	w->counters.interfaces[f->out_if].out_frames++;
	w->counters.interfaces[f->out_if].out_bytes += f->wire_len;
}

static void answer(struct gt_worker *w, struct gt_frame *f)
{
	f->out_if = f->in_if;
	f->verdict = GT_ANSWER;
	w->counters.answered++;
	account_out(w, f);
}

/* The frame leaves: its IP packet is as it shall be. */
static void send(struct gt_worker *w, struct gt_frame *f, const struct gt_packet *p, uint8_t out_if)
{
	retag(f, p, w->plan->interfaces[out_if].vlan);
	f->out_if = out_if;
	f->verdict = GT_SEND;
	w->counters.forwarded++;
	account_out(w, f);
}

static void count_server(struct gt_worker *w, uint16_t server, uint32_t bytes)
{
	uint16_t vip = w->plan->servers[server].vip;

	w->servers[server].frames++;
	w->servers[server].bytes += bytes;
	w->vips[vip].frames++;
	w->vips[vip].bytes += bytes;
}

/* ---- to a server ---- */

static bool is_resolved(struct gt_worker *w, struct gt_frame *f, const struct gt_plan_server *s)
{
	if ((s->flags & GT_SERVER_RESOLVED) != 0)
		return true;
	gt_worker_drop(w, f, GT_DROP_NO_NEIGHBOUR);
	return false;
}

/*
 * A packet that would not fit the next wire is answered. Also one without DF, which a router would
 * cut: one frame leaves for one that came. Its sender then cuts it itself, as Linux does.
 */
static bool fits(struct gt_worker *w, struct gt_frame *f, const struct gt_packet *p,
		 const struct gt_translation *t, uint8_t out_if)
{
	uint32_t mtu = w->plan->interfaces[out_if].mtu, most = mtu;
	bool v4 = p->kind == GT_PACKET_IPV4;

	/* Between families the header changes by 20 bytes, and a fragment's by 28 (RFC 7915 4, 5).
	 */
	if (v4 != gt_addr_is_v4(&t->dst)) {
		uint32_t change = p->fragment == GT_FRAGMENT_NONE ? 20 : 28;

		most = v4 ? mtu - change : mtu + change;
	}
	if (p->l3_end - p->l3_off <= most)
		return true;
	gt_answer_too_big(w, f, p, (uint16_t)(most > UINT16_MAX ? UINT16_MAX : most));
	return false;
}

static bool translate(struct gt_worker *w, struct gt_frame *f, const struct gt_packet *p,
		      const struct gt_translation *t, uint8_t out_if)
{
	enum gt_drop_reason bad;

	if (!fits(w, f, p, t, out_if))
		return false;
	bad = gt_translate(f, p, t);
	if (bad == GT_PARSE_OK)
		return true;
	gt_worker_drop(w, f, bad);
	return false;
}

static void to_server(struct gt_worker *w, struct gt_frame *f, const struct gt_packet *p,
		      uint16_t server, const struct gt_translation *t)
{
	const struct gt_plan_server *s = &w->plan->servers[server];
	uint32_t bytes = f->wire_len;

	if (!is_resolved(w, f, s) || (t != NULL && !translate(w, f, p, t, s->out_if)))
		return;
	memcpy(f->data, s->macs, sizeof(s->macs));
	count_server(w, server, bytes);
	send(w, f, p, s->out_if);
}

static void to_tunnel(struct gt_worker *w, struct gt_frame *f, const struct gt_packet *p,
		      const struct gt_path *path)
{
	const struct gt_plan_server *s = &w->plan->servers[path->server];
	uint32_t bytes = f->wire_len;

	if (!is_resolved(w, f, s) || !gt_tunnel_enter(w, f, p, s, path->session))
		return;
	memcpy(f->data, s->macs, sizeof(s->macs));
	count_server(w, path->server, bytes);
	send(w, f, p, s->out_if);
}

static rte_be16_t server_port(const struct gt_plan_server *s, rte_be16_t vip_port)
{
	return s->port != 0 ? s->port : vip_port;
}

static void to_path_server(struct gt_worker *w, struct gt_frame *f, const struct gt_packet *p,
			   const struct gt_path *path)
{
	const struct gt_plan_server *s = &w->plan->servers[path->server];
	struct gt_translation t;

	if (s->mode == GT_MODE_TUNNEL) {
		to_tunnel(w, f, p, path);
		return;
	}
	if (s->mode != GT_MODE_NAT) {
		to_server(w, f, p, path->server, NULL);
		return;
	}
	t = (struct gt_translation){.src = p->src,
				    .dst = s->addr,
				    .src_port = p->src_port,
				    .dst_port = server_port(s, p->dst_port)};
	to_server(w, f, p, path->server, &t);
}

/* ---- to a client ---- */

/* The MACs that lead to a client of a server's VIP. False: the frame is dropped, and main asks. */
static bool client_macs(struct gt_worker *w, struct gt_frame *f, uint16_t server,
			const struct gt_addr *client, uint8_t macs[12], uint8_t *out_if)
{
	uint8_t prefer = w->plan->vips[w->plan->servers[server].vip].interface;
	const struct gt_plan_route *route = gt_plan_find_route(w->plan, client, prefer);

	if (route == NULL) {
		gt_worker_drop(w, f, GT_DROP_NO_ROUTE);
		return false;
	}
	*out_if = route->out_if;
	if (gt_plan_put_macs(w->plan, route, client, macs))
		return true;
	gt_worker_miss(w, f, route->out_if, route->via ? &route->gateway : client);
	return false;
}

void gt_forward_to_client(struct gt_worker *w, struct gt_frame *f, const struct gt_packet *p,
			  uint16_t server, const struct gt_addr *client)
{
	uint8_t out_if, macs[12];

	if (!client_macs(w, f, server, client, macs, &out_if))
		return;
	memcpy(f->data, macs, sizeof(macs));
	send(w, f, p, out_if);
}

static void to_client(struct gt_worker *w, struct gt_frame *f, const struct gt_packet *p,
		      uint16_t server, const struct gt_translation *t)
{
	uint32_t bytes = f->wire_len;
	uint8_t out_if, macs[12];

	if (!client_macs(w, f, server, &t->dst, macs, &out_if) || !translate(w, f, p, t, out_if))
		return;
	memcpy(f->data, macs, sizeof(macs));
	w->servers[server].reply_frames++;
	w->servers[server].reply_bytes += bytes;
	send(w, f, p, out_if);
}

/* ---- translations ---- */

/* RFC 6864: an atomic datagram's identification means nothing; a counter keeps those apart whose
 * header is made anew, because the family changes. */
static uint16_t next_ipv4_id(struct gt_worker *w, const struct gt_addr *from,
			     const struct gt_addr *to)
{
	if (gt_addr_is_v4(from) != gt_addr_is_v4(to))
		w->ipv4_id++;
	return w->ipv4_id;
}

static void session_to_server(struct gt_worker *w, uint32_t session, struct gt_translation *t)
{
	const struct gt_snat_session *s = gt_snat_session(&w->snat, session);
	const struct gt_snat_pair_key *pair = &gt_snat_pair(&w->snat, session)->key;
	const struct gt_addr client = gt_snat_client(&w->snat, s);

	*t = (struct gt_translation){.src = pair->source,
				     .dst = pair->server,
				     .src_port = rte_cpu_to_be_16(gt_snat_port(session)),
				     .dst_port = pair->port,
				     .ipv4_id = next_ipv4_id(w, &client, &pair->server)};
}

static void session_to_client(struct gt_worker *w, uint32_t session, struct gt_translation *t)
{
	const struct gt_snat_session *s = gt_snat_session(&w->snat, session);
	const struct gt_snat_pair_key *pair = &gt_snat_pair(&w->snat, session)->key;
	const struct gt_addr client = gt_snat_client(&w->snat, s);

	*t = (struct gt_translation){.src = gt_connection_session_vip(w->plan, s)->addr,
				     .dst = client,
				     .src_port = s->vip_port,
				     .dst_port = s->client_port,
				     .ipv4_id = next_ipv4_id(w, &pair->server, &client)};
}

/* What a nat server's packet from `port` (its own) looks like to the client at `to`. */
static void nat_to_client(const struct gt_worker *w, const struct gt_plan_nat *nat,
			  rte_be16_t server_port, const struct gt_addr *to, rte_be16_t to_port,
			  struct gt_translation *t)
{
	*t = (struct gt_translation){.src = w->plan->vips[w->plan->servers[nat->number].vip].addr,
				     .dst = *to,
				     .src_port = nat->port != 0 ? nat->vip_port : server_port,
				     .dst_port = to_port};
}

static void nat_reply(struct gt_worker *w, struct gt_frame *f, const struct gt_packet *p,
		      uint16_t server)
{
	struct gt_plan_nat later = {.number = server};
	/* A later fragment has no ports: the server's record suffices. */
	const struct gt_plan_nat *nat =
		p->fragment == GT_FRAGMENT_LATER
			? &later
			: gt_plan_find_nat(w->plan, &p->src, p->protocol, p->src_port);
	struct gt_translation t;

	if (nat == NULL) {
		gt_worker_drop(w, f, GT_DROP_NOT_OURS);
		return;
	}
	nat_to_client(w, nat, p->src_port, &p->dst, p->dst_port, &t);
	to_client(w, f, p, nat->number, &t);
}

void gt_forward(struct gt_worker *w, struct gt_frame *f, const struct gt_packet *p,
		const struct gt_path *path)
{
	struct gt_translation t;

	switch ((enum gt_path_kind)path->kind) {
	case GT_PATH_SERVER:
		to_path_server(w, f, p, path);
		return;
	case GT_PATH_SESSION:
		session_to_server(w, path->session, &t);
		to_server(w, f, p, path->server, &t);
		return;
	case GT_PATH_SESSION_REPLY:
		session_to_client(w, path->session, &t);
		to_client(w, f, p, path->server, &t);
		return;
	case GT_PATH_NAT_REPLY:
		nat_reply(w, f, p, path->server);
		return;
	}
}

/* ---- ICMP errors ---- */

/*
 * An error embeds a packet that went the other way: an error to a server embeds one that it sent,
 * as the client got it, and shall embed it as the server sent it.
 */
static void reverse(const struct gt_translation *way, struct gt_translation *back)
{
	*back = (struct gt_translation){.src = way->dst,
					.dst = way->src,
					.src_port = way->dst_port,
					.dst_port = way->src_port,
					.ipv4_id = way->ipv4_id};
}

static bool translate_error(struct gt_worker *w, struct gt_frame *f, const struct gt_packet *p,
			    const struct gt_packet *embedded, const struct gt_translation *outer,
			    const struct gt_translation *inner)
{
	enum gt_drop_reason bad = gt_translate_error(f, p, embedded, outer, inner);

	if (bad == GT_PARSE_OK)
		return true;
	gt_worker_drop(w, f, bad);
	return false;
}

/* `way`: how a packet of the connection is translated towards the server. */
static void error_to_server(struct gt_worker *w, struct gt_frame *f, const struct gt_packet *p,
			    const struct gt_packet *embedded, uint16_t server,
			    const struct gt_translation *way)
{
	const struct gt_plan_server *s = &w->plan->servers[server];
	struct gt_translation outer, inner;
	uint32_t bytes = f->wire_len;

	if (!is_resolved(w, f, s))
		return;
	reverse(way, &inner);
	outer = *way;
	/* The router that tells it keeps its name where the family allows. */
	if (gt_addr_is_v4(&p->src) == gt_addr_is_v4(&way->dst))
		outer.src = p->src;
	if (!translate_error(w, f, p, embedded, &outer, &inner))
		return;
	memcpy(f->data, s->macs, sizeof(s->macs));
	count_server(w, server, bytes);
	send(w, f, p, s->out_if);
}

/* `way`: how a reply is translated towards the client. */
static void error_to_client(struct gt_worker *w, struct gt_frame *f, const struct gt_packet *p,
			    const struct gt_packet *embedded, uint16_t server,
			    const struct gt_translation *way)
{
	struct gt_translation outer = *way, inner;
	uint8_t out_if, macs[12];

	if (!client_macs(w, f, server, &way->dst, macs, &out_if))
		return;
	reverse(way, &inner);
	/* From the server itself it comes from the VIP; a router between keeps its name. */
	if (!gt_addr_equal(&p->src, &embedded->dst) &&
	    gt_addr_is_v4(&p->src) == gt_addr_is_v4(&way->dst))
		outer.src = p->src;
	if (!translate_error(w, f, p, embedded, &outer, &inner))
		return;
	memcpy(f->data, macs, sizeof(macs));
	send(w, f, p, out_if);
}

void gt_forward_error(struct gt_worker *w, struct gt_frame *f, const struct gt_packet *p,
		      const struct gt_packet *embedded, const struct gt_path *path)
{
	const struct gt_plan_server *s = &w->plan->servers[path->server];
	const struct gt_plan_nat *nat;
	struct gt_translation way;

	switch ((enum gt_path_kind)path->kind) {
	case GT_PATH_SERVER:
		if (s->mode != GT_MODE_NAT) {
			to_path_server(w, f, p, path);
			return;
		}
		/* The embedded packet went from the VIP to the client. */
		way = (struct gt_translation){.src = embedded->dst,
					      .dst = s->addr,
					      .src_port = embedded->dst_port,
					      .dst_port = server_port(s, embedded->src_port)};
		error_to_server(w, f, p, embedded, path->server, &way);
		return;
	case GT_PATH_SESSION:
		session_to_server(w, path->session, &way);
		error_to_server(w, f, p, embedded, path->server, &way);
		return;
	case GT_PATH_SESSION_REPLY:
		session_to_client(w, path->session, &way);
		error_to_client(w, f, p, embedded, path->server, &way);
		return;
	case GT_PATH_NAT_REPLY:
		nat = gt_plan_find_nat(w->plan, &embedded->dst, embedded->protocol,
				       embedded->dst_port);
		nat_to_client(w, nat, embedded->dst_port, &embedded->src, embedded->src_port, &way);
		error_to_client(w, f, p, embedded, path->server, &way);
		return;
	}
}

/* ---- answers ---- */

void gt_answer_echo(struct gt_worker *w, struct gt_frame *f, const struct gt_packet *p)
{
	gt_icmp_answer_echo(f, p, &w->plan->interfaces[f->in_if].mac);
	answer(w, f);
}

void gt_answer_reset(struct gt_worker *w, struct gt_frame *f, const struct gt_packet *p)
{
	gt_tcp_reset(f, p, &w->plan->interfaces[f->in_if].mac);
	answer(w, f);
}

void gt_answer_too_big(struct gt_worker *w, struct gt_frame *f, const struct gt_packet *p,
		       uint16_t mtu)
{
	/* Never about an error, nor a later fragment (RFC 1812 4.3.2.7, RFC 4443 2.4(e)). */
	if (gt_icmp_is_error(p) || p->fragment == GT_FRAGMENT_LATER || !gt_worker_may_tell(w)) {
		gt_worker_drop(w, f, GT_DROP_TOO_BIG);
		return;
	}
	gt_icmp_too_big(f, p, mtu, &w->plan->interfaces[f->in_if].mac);
	answer(w, f);
}
