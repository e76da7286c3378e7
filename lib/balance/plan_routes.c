/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way back of `nat` and `snat`: which server a reply came from, which interface and MAC lead to
 * a client; and the source addresses that `snat` and tunnels use.
 */
#include "balance/plan_internal.h"

#include <errno.h>
#include <stdlib.h>

/* ---- routes ---- */

/* The longest prefix first, whose mask has the greater bytes; of several gateways that of the
 * interface that comes first. */
static int compare_routes(const void *a, const void *b)
{
	const struct gt_plan_route *x = a, *y = b;
	int longer = memcmp(y->mask, x->mask, sizeof(x->mask));

	return longer != 0 ? longer : (int)x->out_if - (int)y->out_if;
}

static struct gt_plan_route *add_route(struct gt_plan *plan, const struct gt_prefix *prefix,
				       uint8_t interface)
{
	bool v4 = gt_addr_is_v4(&prefix->addr);
	struct gt_plan_route *r = &plan->routes[v4][plan->n_routes[v4]++];
	unsigned bits = v4 ? 96U + prefix->len : prefix->len;
	uint8_t mask[16];

	*r = (struct gt_plan_route){.out_if = interface};
	for (unsigned i = 0; i < 16; i++, bits -= bits < 8 ? bits : 8)
		mask[i] = bits < 8 ? (uint8_t)(0xff00 >> bits) : 0xff;
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

/* Which of those behind the subnets; `none` if none, or one that asks for its stations' MACs. */
static const struct gt_plan_route *default_of(const struct gt_plan *plan, unsigned v4,
					      uint8_t prefer, const struct gt_plan_route *none)
{
	const struct gt_plan_route *found = NULL;
	const struct gt_plan_route *r = plan->subnets_end[v4];

	for (; r < plan->routes[v4] + plan->n_routes[v4]; r++) {
		if (!r->via)
			return none;
		if (r->out_if == prefer)
			return r;
		if (found == NULL)
			found = r;
	}
	return found != NULL ? found : none;
}

/* The routes of a family are there, with an empty one behind them. */
static void sort_routes(struct gt_plan *plan, unsigned v4)
{
	struct gt_plan_route *routes = plan->routes[v4];
	uint32_t n = plan->n_routes[v4], i = 0;

	qsort(routes, n, sizeof(*routes), compare_routes);
	while (i < n && !routes[i].via)
		i++;
	plan->subnets_end[v4] = &routes[i];
	for (uint8_t prefer = 0; prefer < GT_INTERFACES_MAX; prefer++)
		plan->defaults[v4][prefer] = default_of(plan, v4, prefer, &routes[n]);
}

int gt_plan_make_routes(struct gt_plan_builder *b)
{
	struct gt_plan *plan = b->plan;
	size_t n = 0;

	for (size_t i = 0; i < b->config->n_interfaces; i++)
		n += b->config->interfaces[i].n_addresses + 1;
	for (unsigned v4 = 0; v4 < 2; v4++) {
		plan->routes[v4] = gt_plan_array(n + 1, sizeof(*plan->routes[v4]));
		if (plan->routes[v4] == NULL)
			return -ENOMEM;
	}
	for (size_t i = 0; i < b->config->n_interfaces; i++) {
		const struct gt_config_interface *c = &b->config->interfaces[i];

		for (size_t j = 0; j < c->n_addresses; j++)
			add_route(plan, &c->addresses[j], (uint8_t)i);
		if (c->has_gateway4)
			add_gateway(plan, (uint8_t)i, &c->gateway4);
		if (c->has_gateway6)
			add_gateway(plan, (uint8_t)i, &c->gateway6);
	}
	sort_routes(plan, 0);
	sort_routes(plan, 1);
	return 0;
}

/* ---- neighbours ---- */

/* What routes need of their interfaces, and of their gateways. */
static void complete_routes(struct gt_plan *plan, unsigned v4)
{
	for (uint32_t i = 0; i < plan->n_routes[v4]; i++) {
		struct gt_plan_route *r = &plan->routes[v4][i];
		const struct gt_plan_interface *out = &plan->interfaces[r->out_if];
		const struct gt_mac *mac =
			r->via ? gt_plan_find_neighbour(plan, r->out_if, &r->gateway) : NULL;

		memcpy(r->macs + 6, out->mac.b, 6);
		r->known = mac != NULL;
		if (r->known)
			memcpy(r->macs, mac->b, 6);
		if (out->vlan == 0 && r->known == r->via)
			r->plain_mtu = out->mtu;
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
		uint32_t i = gt_plan_address_home(&known[k].addr, known[k].interface,
						  plan->neighbours_mask);

		while (plan->neighbours[i].used)
			i = (i + 1) & plan->neighbours_mask;
		plan->neighbours[i] = (struct gt_plan_neighbour){known[k].addr, known[k].mac,
								 known[k].interface, true};
	}
	complete_routes(plan, 0);
	complete_routes(plan, 1);
	return 0;
}

/* ---- servers of nat ---- */

bool gt_plan_is_nat_server(const struct gt_plan *plan, const struct gt_addr *server)
{
	return gt_plan_find_nat_port(plan, server, 0, 0) != NULL;
}

static void add_nat(struct gt_plan *plan, const struct gt_plan_nat *nat)
{
	uint32_t i = gt_plan_address_home(&nat->server, (uint64_t)nat->port << 8 | nat->protocol,
					  plan->nats_mask);

	while (plan->nats[i].number != 0)
		i = (i + 1) & plan->nats_mask;
	plan->nats[i] = *nat;
}

/* Is every port of the VIP one of few, so that each has a record? */
static bool has_few_ports(const struct gt_config_vip *vip, size_t *count)
{
	*count = gt_ports_count(vip);
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

/* What outer headers to a tunnel's server have in common, after its sources. */
static void make_outer(const struct gt_plan *plan, const struct gt_plan_names *names,
		       struct gt_plan_server *s)
{
	const struct gt_addr *only = s->n_sources == 1 ? &plan->sources[s->first_source] : NULL;

	gt_outer_init(&s->outer, s->encapsulation, !gt_addr_is_v4(&names->vip->address), only,
		      &s->addr, s->mtu);
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
		else
			make_outer(plan, &plan->server_names[i], s);
	}
	return 0;
}
