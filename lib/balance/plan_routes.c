/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way back of `nat` and `snat`: which server a reply came from, which interface and MAC lead to
 * a client; and the source addresses that `snat` and tunnels use.
 */
#include "balance/plan_internal.h"

#include <errno.h>
#include <stdlib.h>

static uint32_t hash_address(const struct gt_addr *a, uint64_t more)
{
	uint64_t w[2];

	memcpy(w, a->b, 16);
	return (uint32_t)(gt_plan_hash_words(w[0] ^ more, w[1]) >> 40);
}

/* ---- routes ---- */

/* The longest prefix first; of several gateways that of the interface that comes first. */
static int compare_routes(const void *a, const void *b)
{
	const struct gt_plan_route *x = a, *y = b;

	if (x->prefix.len != y->prefix.len)
		return (int)y->prefix.len - (int)x->prefix.len;
	return (int)x->out_if - (int)y->out_if;
}

static struct gt_plan_route *add_route(struct gt_plan *plan, const struct gt_prefix *prefix,
				       uint8_t interface)
{
	struct gt_plan_route *r = &plan->routes[plan->n_routes++];
	bool v4 = gt_addr_is_v4(&prefix->addr);
	unsigned bits = v4 ? 96U + prefix->len : prefix->len;
	uint8_t mask[16];

	for (unsigned i = 0; i < 16; i++, bits -= bits < 8 ? bits : 8)
		mask[i] = bits < 8 ? (uint8_t)(0xff00 >> bits) : 0xff;
	*r = (struct gt_plan_route){.prefix = *prefix, .v4 = v4, .out_if = interface};
	memcpy(r->mask, mask, sizeof(r->mask));
	memcpy(r->net, prefix->addr.b, sizeof(r->net));
	return r;
}

static void add_gateway(struct gt_plan *plan, uint8_t interface, const struct gt_addr *gateway)
{
	struct gt_prefix any = {gt_addr_from_v4(0), 0};
	struct gt_plan_route *r;

	if (!gt_addr_is_v4(gateway))
		memset(&any, 0, sizeof(any));
	r = add_route(plan, &any, interface);
	r->gateway = *gateway;
	r->via = true;
}

int gt_plan_make_routes(struct gt_plan_builder *b)
{
	struct gt_plan *plan = b->plan;
	size_t n = 0;

	for (size_t i = 0; i < b->config->n_interfaces; i++)
		n += b->config->interfaces[i].n_addresses + 2;
	plan->routes = gt_plan_array(n, sizeof(*plan->routes));
	if (plan->routes == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < b->config->n_interfaces; i++) {
		const struct gt_config_interface *c = &b->config->interfaces[i];

		for (size_t j = 0; j < c->n_addresses; j++)
			add_route(plan, &c->addresses[j], (uint8_t)i);
		if (c->has_gateway4)
			add_gateway(plan, (uint8_t)i, &c->gateway4);
		if (c->has_gateway6)
			add_gateway(plan, (uint8_t)i, &c->gateway6);
	}
	qsort(plan->routes, plan->n_routes, sizeof(*plan->routes), compare_routes);
	return 0;
}

/* ---- neighbours ---- */

static void learn_gateways(struct gt_plan *plan)
{
	for (uint32_t i = 0; i < plan->n_routes; i++) {
		struct gt_plan_route *r = &plan->routes[i];
		const struct gt_mac *mac =
			r->via ? gt_plan_find_neighbour(plan, r->out_if, &r->gateway) : NULL;

		if (mac == NULL)
			continue;
		r->mac = *mac;
		r->known = true;
	}
}

int gt_plan_make_neighbours(struct gt_plan_builder *b, const struct gt_plan_known *known, size_t n)
{
	struct gt_plan *plan = b->plan;
	uint32_t size = gt_plan_table_size(n);

	plan->neighbours = gt_plan_array(size, sizeof(*plan->neighbours));
	if (plan->neighbours == NULL)
		return -ENOMEM;
	plan->neighbours_mask = size - 1;
	for (size_t k = 0; k < n; k++) {
		uint32_t i =
			hash_address(&known[k].addr, known[k].interface) & plan->neighbours_mask;

		while (plan->neighbours[i].used)
			i = (i + 1) & plan->neighbours_mask;
		plan->neighbours[i] = (struct gt_plan_neighbour){known[k].addr, known[k].mac,
								 known[k].interface, true};
	}
	learn_gateways(plan);
	return 0;
}

const struct gt_mac *gt_plan_find_neighbour(const struct gt_plan *plan, uint8_t interface,
					    const struct gt_addr *addr)
{
	for (uint32_t i = hash_address(addr, interface) & plan->neighbours_mask;
	     plan->neighbours[i].used; i = (i + 1) & plan->neighbours_mask)
		if (plan->neighbours[i].interface == interface &&
		    gt_addr_equal(&plan->neighbours[i].addr, addr))
			return &plan->neighbours[i].mac;
	return NULL;
}

const struct gt_plan_route *gt_plan_find_route(const struct gt_plan *plan, const struct gt_addr *to,
					       uint8_t prefer)
{
	const struct gt_plan_route *found = NULL;
	bool v4 = gt_addr_is_v4(to);
	uint64_t w[2];

	memcpy(w, to->b, sizeof(w));
	for (uint32_t i = 0; i < plan->n_routes; i++) {
		const struct gt_plan_route *r = &plan->routes[i];

		if (r->v4 != v4 || ((w[0] ^ r->net[0]) & r->mask[0]) != 0 ||
		    ((w[1] ^ r->net[1]) & r->mask[1]) != 0)
			continue;
		if (!r->via || r->out_if == prefer)
			return r;
		if (found == NULL)
			found = r;
	}
	return found;
}

/* ---- servers of nat ---- */

static uint32_t nat_home(const struct gt_plan *plan, const struct gt_addr *server, uint8_t protocol,
			 rte_be16_t port)
{
	return hash_address(server, (uint64_t)port << 8 | protocol) & plan->nats_mask;
}

static const struct gt_plan_nat *find_nat(const struct gt_plan *plan, const struct gt_addr *server,
					  uint8_t protocol, rte_be16_t port)
{
	for (uint32_t i = nat_home(plan, server, protocol, port); plan->nats[i].number != 0;
	     i = (i + 1) & plan->nats_mask) {
		const struct gt_plan_nat *n = &plan->nats[i];

		if (n->port == port && n->protocol == protocol && gt_addr_equal(&n->server, server))
			return n;
	}
	return NULL;
}

const struct gt_plan_nat *gt_plan_find_nat(const struct gt_plan *plan, const struct gt_addr *server,
					   uint8_t protocol, rte_be16_t port)
{
	const struct gt_plan_nat *n = find_nat(plan, server, protocol, port);

	return n != NULL ? n : find_nat(plan, server, protocol, 0);
}

bool gt_plan_is_nat_server(const struct gt_plan *plan, const struct gt_addr *server)
{
	return find_nat(plan, server, 0, 0) != NULL;
}

static void add_nat(struct gt_plan *plan, const struct gt_plan_nat *nat)
{
	uint32_t i = nat_home(plan, &nat->server, nat->protocol, nat->port);

	while (plan->nats[i].number != 0)
		i = (i + 1) & plan->nats_mask;
	plan->nats[i] = *nat;
}

/* Is every port of the VIP one of few, so that each has a record? */
static bool has_few_ports(const struct gt_config_vip *vip, size_t *count)
{
	*count = gt_plan_count_ports(vip);
	return *count <= GT_PORTS_EXPANDED_MAX;
}

static size_t count_nat_records(const struct gt_config_vip *vip)
{
	size_t ports;

	if (vip->mode != GT_MODE_NAT)
		return 0;
	return vip->n_servers * ((has_few_ports(vip, &ports) ? ports : 1) + 1);
}

/* The records of one server: by its own port, or by each port that a client may use. */
static void add_nat_server(struct gt_plan *plan, const struct gt_config_vip *vip,
			   const struct gt_config_server *server, uint16_t number)
{
	struct gt_plan_nat nat = {
		.server = server->address, .number = number, .protocol = (uint8_t)vip->protocol};
	size_t ports;

	add_nat(plan, &(struct gt_plan_nat){.server = server->address, .number = number});
	if (server->port != 0) {
		/* The configuration sees to it that the VIP then has one port. */
		nat.port = rte_cpu_to_be_16(server->port);
		nat.vip_port = rte_cpu_to_be_16(vip->ports[0].first);
		add_nat(plan, &nat);
		return;
	}
	if (!has_few_ports(vip, &ports)) {
		add_nat(plan, &nat);
		return;
	}
	for (size_t i = 0; i < vip->n_ports; i++) {
		for (uint32_t p = vip->ports[i].first; p <= vip->ports[i].last; p++) {
			nat.port = nat.vip_port = rte_cpu_to_be_16((uint16_t)p);
			add_nat(plan, &nat);
		}
	}
}

int gt_plan_make_nats(struct gt_plan_builder *b)
{
	struct gt_plan *plan = b->plan;
	size_t n = 0;
	uint32_t size;

	for (size_t i = 0; i < b->config->n_vips; i++)
		n += count_nat_records(&b->config->vips[i]);
	size = gt_plan_table_size(n);
	plan->nats = gt_plan_array(size, sizeof(*plan->nats));
	if (plan->nats == NULL)
		return -ENOMEM;
	plan->nats_mask = size - 1;
	for (uint32_t i = 0; i < plan->n_servers; i++) {
		const struct gt_plan_names *names = &plan->server_names[i];

		if (names->vip != NULL && names->vip->mode == GT_MODE_NAT)
			add_nat_server(plan, names->vip, names->server, (uint16_t)i);
	}
	return 0;
}

/* ---- source addresses ---- */

/*
 * Lists the interface's own addresses of the server's family, with `near` those in its subnet: the
 * first one, or all that a tunnel's connections can spread over.
 */
static void list_own(struct gt_plan *plan, const struct gt_config_interface *out,
		     const struct gt_plan_server *s, bool near)
{
	for (size_t i = 0; i < out->n_addresses; i++) {
		if (gt_addr_is_v4(&out->addresses[i].addr) != gt_addr_is_v4(&s->addr) ||
		    (near && !gt_prefix_contains(&out->addresses[i], &s->addr)))
			continue;
		plan->sources[plan->n_sources++] = out->addresses[i].addr;
		if (s->mode != GT_MODE_TUNNEL)
			return;
	}
}

/* Lists the addresses of a family that the server's VIP, or else its interface, has as sources. */
static void list_sources(struct gt_plan *plan, const struct gt_config *config,
			 const struct gt_plan_names *names, struct gt_plan_server *s)
{
	const struct gt_config_vip *vip = names->vip;
	const struct gt_config_interface *out = &config->interfaces[s->out_if];
	bool v4 = gt_addr_is_v4(&s->addr);

	s->first_source = plan->n_sources;
	for (size_t i = 0; vip->mode == GT_MODE_SNAT && i < vip->n_snat_addresses; i++)
		if (gt_addr_is_v4(&vip->snat_addresses[i]) == v4)
			plan->sources[plan->n_sources++] = vip->snat_addresses[i];
	/* One that shares a subnet with the server first: that is where replies come. */
	if (s->first_source == plan->n_sources)
		list_own(plan, out, s, true);
	if (s->first_source == plan->n_sources)
		list_own(plan, out, s, false);
	s->n_sources = (uint16_t)(plan->n_sources - s->first_source);
}

/* Replies to these are looked up. One that is no interface's address belongs to the server's side.
 */
static void mark_sources(struct gt_plan *plan, const struct gt_plan_server *s)
{
	for (uint32_t i = 0; i < s->n_sources; i++) {
		struct gt_plan_address *a =
			gt_plan_put_address(plan, &plan->sources[s->first_source + i]);

		a->source = true;
	}
}

int gt_plan_make_sources(struct gt_plan_builder *b)
{
	struct gt_plan *plan = b->plan;
	size_t n = 0;

	for (uint32_t i = 0; i < plan->n_servers; i++) {
		const struct gt_plan_names *names = &plan->server_names[i];

		if (names->vip != NULL)
			n += names->vip->n_snat_addresses +
			     b->config->interfaces[plan->servers[i].out_if].n_addresses;
	}
	plan->sources = gt_plan_array(n, sizeof(*plan->sources));
	if (plan->sources == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < plan->n_servers; i++) {
		struct gt_plan_server *s = &plan->servers[i];

		if (plan->server_names[i].vip == NULL ||
		    (s->mode != GT_MODE_SNAT && s->mode != GT_MODE_TUNNEL))
			continue;
		list_sources(plan, b->config, &plan->server_names[i], s);
		if (s->mode == GT_MODE_SNAT)
			mark_sources(plan, s);
	}
	return 0;
}
