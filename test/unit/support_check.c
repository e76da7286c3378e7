/* SPDX-License-Identifier: BSD-3-Clause */
/* What left, compared with what came; see support_check.h. */
#include "support_check.h"

#include <netinet/in.h>
#include <string.h>

#include "support.h"
#include "support_translated.h"
#include "support_view.h"

#define DIE_UNLESS(what) SUPPORT_DIE_UNLESS(what)

/* ---- what the configuration says ---- */

static bool has_port(const struct gt_config_vip *vip, uint16_t port)
{
	for (size_t i = 0; i < vip->n_ports; i++)
		if (port >= vip->ports[i].first && port <= vip->ports[i].last)
			return true;
	return false;
}

/* What a packet to a VIP names. */
struct service {
	struct gt_addr vip;
	uint8_t protocol;
	uint16_t port;
	bool any_port, any_protocol; /* of a later fragment; of IPv6, that may not tell either */
};

static bool serves(const struct gt_config_vip *vip, const struct service *s)
{
	return gt_addr_equal(&vip->address, &s->vip) &&
	       (s->any_protocol || vip->protocol == s->protocol) &&
	       (s->any_port || has_port(vip, s->port));
}

static bool is_vip(const struct support_check *c, const struct gt_addr *a)
{
	for (size_t i = 0; i < c->config->n_vips; i++)
		if (gt_addr_equal(&c->config->vips[i].address, a))
			return true;
	return false;
}

/* The server of the service to whom the frame leaves, by its MAC and interface, or NULL. */
static const struct gt_plan_names *find_server(const struct support_check *c,
					       const struct gt_frame *f, const struct service *s)
{
	for (uint32_t i = 1; i < c->plan->n_servers; i++) {
		const struct gt_plan_names *n = &c->plan->server_names[i];

		if (n->vip != NULL && serves(n->vip, s) && n->state.up &&
		    n->state.admin != GT_ADMIN_DISABLED && n->state.resolved &&
		    n->server->interface == f->out_if && memcmp(n->state.mac.b, f->data, 6) == 0)
			return n;
	}
	return NULL;
}

static bool is_own(const struct support_check *c, uint8_t interface, const struct gt_addr *a)
{
	const struct gt_config_interface *i = &c->config->interfaces[interface];

	for (size_t j = 0; j < i->n_addresses; j++)
		if (gt_addr_equal(&i->addresses[j].addr, a))
			return true;
	return false;
}

/* May `source` be the sender of what snat sends to the server? */
static bool is_source(const struct support_check *c, const struct gt_plan_names *n,
		      const struct gt_addr *source)
{
	bool listed = false;

	for (size_t i = 0; i < n->vip->n_snat_addresses; i++) {
		const struct gt_addr *a = &n->vip->snat_addresses[i];

		if (gt_addr_equal(a, source))
			return true;
		listed |= gt_addr_is_v4(a) == gt_addr_is_v4(&n->server->address);
	}
	return !listed && is_own(c, n->server->interface, source);
}

/* May replies of snat servers go there? */
static bool is_any_source(const struct support_check *c, const struct gt_addr *a)
{
	for (size_t i = 0; i < c->config->n_vips; i++)
		for (size_t j = 0; j < c->config->vips[i].n_snat_addresses; j++)
			if (gt_addr_equal(&c->config->vips[i].snat_addresses[j], a))
				return true;
	for (size_t i = 0; i < c->config->n_interfaces; i++)
		if (is_own(c, (uint8_t)i, a))
			return true;
	return false;
}

/* ---- the link layer ---- */

static void check_link(const struct support_check *c, const struct support_came *came,
		       const struct gt_frame *f, const struct support_view *in,
		       const struct support_view *out)
{
	struct gt_mac own = support_interface_mac(f->out_if);

	DIE_UNLESS(f->out_if < c->config->n_interfaces);
	DIE_UNLESS(out->vid == c->config->interfaces[f->out_if].vlan);
	DIE_UNLESS(memcmp(f->data + 6, own.b, 6) == 0);
	DIE_UNLESS(f->len <= f->wire_len);
	DIE_UNLESS(f->data >= (const uint8_t *)f->owner);
	DIE_UNLESS(f->data + f->len <= (const uint8_t *)f->owner + GT_HEADROOM + came->len);
	/* priority and DEI stay */
	if (in->tagged && out->tagged)
		DIE_UNLESS((f->data[14] & 0xf0) == (came->bytes[14] & 0xf0));
}

/* The frame leaves to the station that leads to a client. */
static void check_hop(const struct support_check *c, const struct gt_frame *f,
		      const struct gt_addr *client)
{
	const struct gt_config_interface *i = &c->config->interfaces[f->out_if];
	const struct gt_addr *hop = gt_addr_is_v4(client) ? &i->gateway4 : &i->gateway6;

	for (size_t j = 0; j < i->n_addresses; j++)
		if (gt_prefix_contains(&i->addresses[j], client))
			hop = client;
	for (size_t j = 0; j < c->n_known; j++)
		if (c->known[j].interface == f->out_if && gt_addr_equal(&c->known[j].addr, hop) &&
		    memcmp(c->known[j].mac.b, f->data, 6) == 0)
			return;
	fprintf(stderr, "a frame to a client that leaves to a stranger\n");
	abort();
}

/* ---- dr and tunnel ---- */

static void check_same(const struct support_came *came, const struct gt_frame *f,
		       const struct support_view *in, const struct support_view *out)
{
	DIE_UNLESS(f->len - out->l3 == came->len - in->l3);
	DIE_UNLESS(f->wire_len - out->l3 == came->wire_len - in->l3);
	DIE_UNLESS(memcmp(f->data + out->l3, came->bytes + in->l3, f->len - out->l3) == 0);
}

/* An outer packet that fits, and in its end what came. */
static void check_wrapped(const struct support_check *c, const struct gt_frame *f,
			  const struct gt_plan_names *n, const struct support_view *in,
			  const struct support_view *out)
{
	static const uint32_t shim[] = {
		[GT_ENCAP_IPIP] = 0, [GT_ENCAP_GRE] = 4, [GT_ENCAP_GUE] = 12};
	uint32_t inner = in->end - in->l3;
	uint32_t overhead = (out->v4 ? 20 : 40) + shim[n->vip->encapsulation];
	/* Of a frame that is cut, or goes on in further segments, only the front is here. */
	uint32_t whole = out->l3 + overhead + inner, here = f->len < whole ? f->len : whole;
	uint8_t protocol = in->v4 ? IPPROTO_IPIP : IPPROTO_IPV6;

	if (n->vip->encapsulation == GT_ENCAP_GRE)
		protocol = IPPROTO_GRE;
	else if (n->vip->encapsulation == GT_ENCAP_GUE)
		protocol = IPPROTO_UDP;
	DIE_UNLESS(f->len == f->wire_len ? f->len == whole : f->wire_len >= whole);
	DIE_UNLESS(overhead + inner <= c->config->interfaces[f->out_if].mtu);
	DIE_UNLESS(out->end == whole && !out->fragment && out->protocol == protocol);
	DIE_UNLESS(gt_addr_equal(&out->dst, &n->server->address));
	DIE_UNLESS(is_own(c, f->out_if, &out->src));
	DIE_UNLESS(out->traffic_class == in->traffic_class);
	DIE_UNLESS(support_view_header_good(out));
	DIE_UNLESS(memcmp(f->data + out->l3 + overhead, in->d + in->l3,
			  here - (out->l3 + overhead)) == 0);
}

/* ---- to a server ---- */

static uint16_t server_port(const struct gt_plan_names *n, uint16_t vip_port)
{
	return n->server->port != 0 ? n->server->port : vip_port;
}

static void check_snat(const struct support_check *c, const struct gt_plan_names *n,
		       const struct support_view *in, const struct support_view *out)
{
	struct support_ends ends = {out->src, n->server->address, out->sport,
				    server_port(n, in->dport)};
	struct support_talk_key key = {n->server->address, out->src, ends.dport, out->sport,
				       in->protocol};
	struct support_talk_client client = {in->src, in->dst, in->sport, in->dport};

	DIE_UNLESS(is_source(c, n, &out->src));
	support_check_translated(in, out, &ends);
	if (in->offset != 0) {
		DIE_UNLESS(support_talk_ever(c->talks, &key.server, &key.source, &client));
		return;
	}
	DIE_UNLESS(out->sport >= 1024);
	support_talk_sent(c->talks, &key, &client, c->now_ms);
}

static void check_error_to_server(const struct support_check *c, const struct gt_plan_names *n,
				  const struct support_view *in, const struct support_view *out,
				  const struct support_view *e)
{
	struct support_view x;
	struct support_ends outer = {.src = in->src, .dst = n->server->address}, inner;
	struct support_talk_client client = {e->dst, e->src, e->dport, e->sport};
	struct support_talk_key key;

	if (n->vip->mode == GT_MODE_NAT) {
		inner = (struct support_ends){n->server->address, e->dst, server_port(n, e->sport),
					      e->dport};
		support_check_error(in, out, &outer, &inner);
		return;
	}
	DIE_UNLESS(support_view_embedded(out, &x) && x.has_ports);
	key = (struct support_talk_key){x.src, x.dst, x.sport, x.dport, x.protocol};
	support_talk_is(c->talks, &key, &client, c->now_ms);
	DIE_UNLESS(is_source(c, n, &x.dst) && x.sport == server_port(n, e->sport));
	if (in->v4 != out->v4)
		outer.src = x.dst;
	inner = (struct support_ends){n->server->address, x.dst, x.sport, x.dport};
	support_check_error(in, out, &outer, &inner);
}

static void check_to_server(const struct support_check *c, const struct support_came *came,
			    const struct gt_frame *f, const struct support_view *in,
			    const struct support_view *out)
{
	struct service s = {.vip = in->dst,
			    .protocol = in->protocol,
			    .port = in->dport,
			    .any_port = in->offset != 0,
			    .any_protocol = in->offset != 0 && !in->v4};
	bool error = support_view_is_error(in);
	const struct gt_plan_names *n;
	struct support_ends ends;
	struct support_view e;

	if (error) {
		DIE_UNLESS(support_view_embedded(in, &e) && e.has_ports);
		s = (struct service){.vip = e.src, .protocol = e.protocol, .port = e.sport};
		DIE_UNLESS(gt_addr_equal(&e.src, &in->dst));
	}
	n = find_server(c, f, &s);
	DIE_UNLESS(n != NULL);
	switch (n->vip->mode) {
	case GT_MODE_DR:
		check_same(came, f, in, out);
		return;
	case GT_MODE_TUNNEL:
		check_wrapped(c, f, n, in, out);
		return;
	case GT_MODE_NAT:
	case GT_MODE_SNAT:
		break;
	case GT_MODE_PROXY:
		DIE_UNLESS(false);
	}
	DIE_UNLESS(error || out->end - out->l3 <= c->config->interfaces[f->out_if].mtu);
	if (error) {
		check_error_to_server(c, n, in, out, &e);
	} else if (n->vip->mode == GT_MODE_SNAT) {
		check_snat(c, n, in, out);
	} else {
		ends = (struct support_ends){in->src, n->server->address, in->sport,
					     server_port(n, in->dport)};
		support_check_translated(in, out, &ends);
	}
}

/* ---- to a client ---- */

/* The nat server that has sent from this address and port; vip: of that address, if not NULL. */
static const struct gt_plan_names *find_nat(const struct support_check *c,
					    const struct gt_addr *from, uint8_t protocol,
					    uint16_t port, bool later, const struct gt_addr *vip)
{
	for (uint32_t i = 1; i < c->plan->n_servers; i++) {
		const struct gt_plan_names *n = &c->plan->server_names[i];

		if (n->vip == NULL || n->vip->mode != GT_MODE_NAT ||
		    !gt_addr_equal(&n->server->address, from) ||
		    !gt_addr_equal(&n->vip->address, vip))
			continue;
		if (later ||
		    (n->vip->protocol == protocol &&
		     (n->server->port != 0 ? n->server->port == port : has_port(n->vip, port))))
			return n;
	}
	return NULL;
}

static void check_nat_reply(const struct support_check *c, const struct support_view *in,
			    const struct support_view *out)
{
	const struct gt_plan_names *n =
		find_nat(c, &in->src, in->protocol, in->sport, in->offset != 0, &out->src);
	struct support_ends ends = {out->src, in->dst, in->sport, in->dport};

	DIE_UNLESS(n != NULL);
	if (n->server->port != 0)
		ends.sport = n->vip->ports[0].first;
	support_check_translated(in, out, &ends);
}

static void check_snat_reply(const struct support_check *c, const struct support_view *in,
			     const struct support_view *out)
{
	struct support_talk_key key = {in->src, in->dst, in->sport, in->dport, in->protocol};
	struct support_talk_client client = {out->dst, out->src, out->dport, out->sport};
	struct support_ends ends = {out->src, out->dst, out->sport, out->dport};

	support_check_translated(in, out, &ends);
	if (in->offset != 0) {
		DIE_UNLESS(support_talk_ever(c->talks, &in->src, &in->dst, &client));
		return;
	}
	support_talk_is(c->talks, &key, &client, c->now_ms);
	support_talk_answered(c->talks, &key, c->now_ms);
}

static bool is_too_big(const struct support_view *v)
{
	const uint8_t *icmp = v->d + v->l4;

	if (!support_view_is_error(v) || support_view_sum(v) != 0)
		return false;
	return v->v4 ? icmp[0] == 3 && icmp[1] == 4 : icmp[0] == 2 && icmp[1] == 0;
}

static bool is_tunnel_end(const struct support_check *c, const struct gt_addr *a)
{
	for (size_t i = 0; i < c->config->n_vips; i++)
		for (size_t j = 0; j < c->config->vips[i].n_servers; j++)
			if (c->config->vips[i].mode == GT_MODE_TUNNEL &&
			    gt_addr_equal(&c->config->vips[i].servers[j].address, a))
				return true;
	return false;
}

/* A router's "too big" about a tunnel: its client is told in the VIP's name. */
static void check_tunnel_error(const struct support_check *c, const struct support_view *out)
{
	struct support_view e;

	DIE_UNLESS(is_too_big(out) && support_view_embedded(out, &e));
	DIE_UNLESS(gt_addr_equal(&out->src, &e.dst) && gt_addr_equal(&out->dst, &e.src));
	DIE_UNLESS(is_vip(c, &out->src) && support_view_header_good(out));
}

/* What a nat server's packet, which `e` is about, was for the client. False: it is no such one. */
static bool nat_inner(const struct support_check *c, const struct support_view *e,
		      const struct support_view *x, struct support_ends *inner)
{
	const struct gt_plan_names *n =
		e->has_ports ? find_nat(c, &e->dst, e->protocol, e->dport, false, &x->dst) : NULL;

	if (n == NULL)
		return false;
	*inner = (struct support_ends){e->src, n->vip->address, e->sport, e->dport};
	if (n->server->port != 0)
		inner->dport = n->vip->ports[0].first;
	return true;
}

/* The same of a session's. */
static bool snat_inner(const struct support_check *c, const struct support_view *in,
		       const struct support_view *e, const struct support_view *x,
		       struct support_ends *inner)
{
	struct support_talk_key key = {e->dst, e->src, e->dport, e->sport, e->protocol};
	struct support_talk_client client = {x->src, x->dst, x->sport, x->dport};

	if (!e->has_ports || !gt_addr_equal(&e->src, &in->dst) || !is_any_source(c, &in->dst) ||
	    (!is_vip(c, &x->dst) || !x->has_ports) || is_tunnel_end(c, &e->dst))
		return false;
	support_talk_is(c->talks, &key, &client, c->now_ms);
	*inner = (struct support_ends){x->src, x->dst, x->sport, x->dport};
	return true;
}

static void check_error_to_client(const struct support_check *c, const struct support_view *in,
				  const struct support_view *out)
{
	struct support_ends outer, inner;
	struct support_view e, x;

	DIE_UNLESS(support_view_embedded(in, &e) && support_view_embedded(out, &x));
	if (!snat_inner(c, in, &e, &x, &inner) && !nat_inner(c, &e, &x, &inner)) {
		check_tunnel_error(c, out);
		return;
	}
	outer = (struct support_ends){.src = inner.dst, .dst = inner.src};
	/* A router keeps its name where the family allows. */
	if (in->v4 == out->v4 && !gt_addr_equal(&in->src, &e.dst))
		outer.src = in->src;
	support_check_error(in, out, &outer, &inner);
}

/* ---- the whole ---- */

void support_check_sent(const struct support_check *c, const struct support_came *came,
			const struct gt_frame *f)
{
	struct support_view in, out;

	DIE_UNLESS(support_view(came->bytes, came->len, &in));
	DIE_UNLESS(support_view(f->data, f->len, &out));
	check_link(c, came, f, &in, &out);
	if (is_vip(c, &in.dst)) {
		check_to_server(c, came, f, &in, &out);
		return;
	}
	check_hop(c, f, &out.dst);
	if (support_view_is_error(&in)) {
		check_error_to_client(c, &in, &out);
		return;
	}
	DIE_UNLESS(out.end - out.l3 <= c->config->interfaces[f->out_if].mtu);
	if (is_any_source(c, &in.dst))
		check_snat_reply(c, &in, &out);
	else
		check_nat_reply(c, &in, &out);
}

/* ---- answers ---- */

static bool resets(const struct support_check *c, const struct service *s)
{
	for (size_t i = 0; i < c->config->n_vips; i++) {
		const struct gt_config_vip *v = &c->config->vips[i];

		if (serves(v, s))
			return v->on_down == GT_ON_DOWN_RESET ||
			       (v->on_down == GT_ON_DOWN_BY_MODE &&
				(v->mode == GT_MODE_NAT || v->mode == GT_MODE_SNAT));
	}
	return false;
}

/* RFC 9293 3.10.7.1: for a packet with ACK, <SEQ=SEG.ACK><CTL=RST>; never for a RST. */
static void check_reset(const struct support_check *c, const struct gt_frame *f,
			const struct support_view *in, const struct support_view *out)
{
	struct service s = {.vip = in->dst, .protocol = IPPROTO_TCP, .port = in->dport};
	const uint8_t *asks = in->d + in->l4, *tcp = out->d + out->l4;

	DIE_UNLESS(in->protocol == IPPROTO_TCP && !in->fragment && (asks[13] & 0x14) == 0x10);
	DIE_UNLESS(is_vip(c, &in->dst) && !is_vip(c, &in->src) && resets(c, &s));
	DIE_UNLESS(out->sport == in->dport && out->dport == in->sport);
	DIE_UNLESS(memcmp(tcp + 4, asks + 8, 4) == 0 && tcp[12] == 0x50 && tcp[13] == 4);
	DIE_UNLESS(out->end == out->len && out->end - out->l4 == 20 && f->wire_len == f->len);
	DIE_UNLESS(support_view_sum(out) == 0);
}

static void check_echo(const struct support_came *came, const struct gt_frame *f,
		       const struct support_view *in, const struct support_view *out)
{
	uint32_t at = in->offset == 0 ? 4 : 0;

	DIE_UNLESS(f->len == came->len && out->l4 == in->l4);
	DIE_UNLESS(memcmp(f->data + out->l4 + at, came->bytes + in->l4 + at,
			  came->len - in->l4 - at) == 0);
	DIE_UNLESS(in->offset == out->offset && in->more == out->more && in->id == out->id);
	if (in->offset != 0)
		return;
	DIE_UNLESS(in->d[in->l4] == (in->v4 ? 8 : 128) && out->d[out->l4] == (in->v4 ? 0 : 129));
	if (!in->fragment && in->end <= in->len)
		DIE_UNLESS(support_view_sum(in) == support_view_sum(out));
}

static void check_told_too_big(const struct support_view *in, const struct support_view *out)
{
	struct support_view e;
	uint32_t n, mtu = support_get16(out->d + out->l4 + 6);

	DIE_UNLESS(is_too_big(out) && support_view_embedded(out, &e));
	DIE_UNLESS(!support_view_is_error(in) && in->offset == 0);
	DIE_UNLESS(mtu < in->end - in->l3);
	n = support_view_here(out) - out->l4 - 8;
	DIE_UNLESS(n <= support_view_here(in) - in->l3);
	DIE_UNLESS(memcmp(e.d, in->d + in->l3, n) == 0);
}

bool support_check_answer(const struct support_check *c, const struct support_came *came,
			  const struct gt_frame *f)
{
	struct support_view in, out;

	DIE_UNLESS(support_view(came->bytes, came->len, &in));
	DIE_UNLESS(support_view(f->data, f->len, &out));
	DIE_UNLESS(f->out_if == f->in_if && f->in_if == came->in_if);
	check_link(c, came, f, &in, &out);
	DIE_UNLESS(memcmp(f->data, came->bytes + 6, 6) == 0);
	DIE_UNLESS(gt_addr_equal(&out.src, &in.dst) && gt_addr_equal(&out.dst, &in.src));
	DIE_UNLESS(support_view_header_good(&out));
	/* Only echo is answered piece by piece; a later one need not tell what it is of. */
	if (in.offset != 0 || in.protocol == (in.v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		check_echo(came, f, &in, &out);
	else if (out.protocol == IPPROTO_TCP)
		check_reset(c, f, &in, &out);
	else
		check_told_too_big(&in, &out);
	return out.protocol == IPPROTO_TCP && out.offset == 0;
}

void support_check_stayed(const struct support_check *c, const struct support_came *came)
{
	struct support_view in;

	if (support_view(came->bytes, came->len, &in) && in.has_ports && is_vip(c, &in.dst))
		support_talk_unseen(
			c->talks, in.protocol,
			&(struct support_talk_client){in.src, in.dst, in.sport, in.dport});
}
