/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rules about subnets: own addresses, and what must lie in one of them or behind a gateway; and
 * about families. See build.h.
 */
#include "config/build.h"

#include <stdio.h>
#include <string.h>

/* Why no station can have this address of a subnet; NULL: one can. */
static const char *no_host(const struct gt_prefix *p, const struct gt_addr *a)
{
	bool v4 = gt_addr_is_v4(a);
	unsigned first = v4 ? 96U + p->len : p->len;
	bool zeros = true, ones = true;

	if (first > 126) /* point to point: RFC 3021, RFC 6164 */
		return NULL;
	for (unsigned i = first; i < 128; i++) {
		bool bit = a->b[i / 8] >> (7 - i % 8) & 1;

		zeros &= !bit;
		ones &= bit;
	}
	if (zeros)
		return v4 ? "the subnet's network address" : "the subnet's router anycast address";
	return ones && v4 ? "the subnet's broadcast address" : NULL;
}

/* The interface with the subnet that holds an address, and that subnet; NULL: none. */
static const struct gt_prefix *find_subnet(const struct gt_config *c, const struct gt_addr *a,
					   uint8_t *interface)
{
	for (size_t i = 0; i < c->n_interfaces; i++)
		for (size_t j = 0; j < c->interfaces[i].n_addresses; j++)
			if (gt_prefix_contains(&c->interfaces[i].addresses[j], a)) {
				*interface = (uint8_t)i;
				return &c->interfaces[i].addresses[j];
			}
	return NULL;
}

/* Tells if an address is its subnet's network or broadcast address. */
static void check_host(struct gt_build *b, unsigned line, const char *key, const struct gt_addr *a)
{
	uint8_t interface;
	const struct gt_prefix *p = find_subnet(b->config, a, &interface);
	const char *why = p == NULL ? NULL : no_host(p, a);
	char text[GT_ADDR_STRLEN], subnet[GT_PREFIX_STRLEN];

	if (why != NULL)
		gt_config_error(b->messages, line,
				"%s = %s: %s (%s of [interface %s]); write a host's", key,
				gt_addr_format(a, text), why, gt_prefix_format(p, subnet),
				b->config->interfaces[interface].name);
}

/* "lan 192.0.2.2/24, wan 198.51.100.2/24", cut to fit. */
static const char *list_subnets(const struct gt_config *c, char *buf, size_t size)
{
	size_t n = 0;
	char subnet[GT_PREFIX_STRLEN];

	*buf = '\0';
	for (size_t i = 0; i < c->n_interfaces; i++)
		for (size_t j = 0; j < c->interfaces[i].n_addresses && n + 1 < size; j++)
			n += (size_t)snprintf(
				buf + n, size - n, "%s%s %s", n == 0 ? "" : ", ",
				c->interfaces[i].name,
				gt_prefix_format(&c->interfaces[i].addresses[j], subnet));
	if (n >= size)
		strcpy(buf + size - 4, "...");
	return buf;
}

static void check_own(struct gt_build *b, const struct gt_config_interface *i)
{
	unsigned line = GT_LINE(GT_SECTION_INTERFACE, i, addresses);
	char text[GT_PREFIX_STRLEN];

	for (size_t j = 0; j < i->n_addresses; j++) {
		const char *why = no_host(&i->addresses[j], &i->addresses[j].addr);

		if (why != NULL)
			gt_config_error(b->messages, line,
					"address = %s: %s; write a host's, with the same length",
					gt_prefix_format(&i->addresses[j], text), why);
	}
}

static bool overlap(const struct gt_prefix *a, const struct gt_prefix *b)
{
	return a->len <= b->len ? gt_prefix_contains(a, &b->addr) : gt_prefix_contains(b, &a->addr);
}

static void check_overlap(struct gt_build *b, const struct gt_config_interface *i,
			  const struct gt_config_interface *o)
{
	char mine[GT_PREFIX_STRLEN], other[GT_PREFIX_STRLEN];

	for (size_t j = 0; j < i->n_addresses; j++)
		for (size_t k = 0; k < o->n_addresses; k++) {
			const struct gt_prefix *x = &i->addresses[j], *y = &o->addresses[k];

			/* The same address twice is told of by check_claims. */
			if (!overlap(x, y) || gt_addr_equal(&x->addr, &y->addr))
				continue;
			gt_config_error(
				b->messages, GT_LINE(GT_SECTION_INTERFACE, i, addresses),
				"address = %s: its subnet overlaps %s of [interface %s] (line %u); "
				"a subnet belongs to one interface",
				gt_prefix_format(x, mine), gt_prefix_format(y, other), o->name,
				GT_LINE(GT_SECTION_INTERFACE, o, addresses));
			return;
		}
}

static void check_gateway(struct gt_build *b, const struct gt_config_interface *i,
			  const struct gt_addr *gateway)
{
	unsigned line = GT_LINE(GT_SECTION_INTERFACE, i, gateway4);
	char text[GT_ADDR_STRLEN];
	bool inside = false;

	if (!GT_STANDS(GT_SECTION_INTERFACE, i, addresses))
		return;
	for (size_t j = 0; j < i->n_addresses; j++)
		inside |= gt_prefix_contains(&i->addresses[j], gateway);
	if (inside)
		check_host(b, line, "gateway", gateway);
	else
		gt_config_error(
			b->messages, line,
			"gateway = %s: outside every subnet of [interface %s]; write one that it "
			"reaches, or add an address of its subnet",
			gt_addr_format(gateway, text), i->name);
}

/* Where a server behind a gateway is reached: by the VIP's interface, else by the first that has
 * one. */
static bool find_gateway(const struct gt_config *c, uint8_t first, bool v4, uint8_t *interface)
{
	for (size_t i = 0; i <= c->n_interfaces; i++) {
		size_t at = i == 0 ? first : i - 1;

		if (at >= c->n_interfaces)
			continue;
		if (v4 ? c->interfaces[at].has_gateway4 : c->interfaces[at].has_gateway6) {
			*interface = (uint8_t)at;
			return true;
		}
	}
	return false;
}

static bool all_subnets_stand(const struct gt_config *c)
{
	for (size_t i = 0; i < c->n_interfaces; i++)
		if (!GT_STANDS(GT_SECTION_INTERFACE, &c->interfaces[i], addresses))
			return false;
	return true;
}

/*
 * Behind wrapping, IPv6 clients must still get their 1280 bytes through (RFC 8200 5), for no sender
 * goes below. The IPv4 of any interface fits. Overheads as in packet/tunnel.h.
 */
static void check_tunnel(struct gt_build *b, const struct gt_config_vip *v,
			 const struct gt_config_server *s)
{
	static const unsigned shim[] = {
		[GT_ENCAP_IPIP] = 0, [GT_ENCAP_GRE] = 4, [GT_ENCAP_GUE] = 12};
	unsigned least = 1280U + (gt_addr_is_v4(&s->address) ? 20U : 40U) + shim[v->encapsulation];
	const struct gt_config_interface *out;

	if (b->config->n_interfaces == 0 || v->mode != GT_MODE_TUNNEL || gt_addr_is_v4(&v->address))
		return;
	out = &b->config->interfaces[s->interface];
	if (out->mtu >= least || !GT_STANDS(GT_SECTION_VIP, v, address) ||
	    !GT_STANDS(GT_SECTION_VIP, v, encapsulation) ||
	    !GT_STANDS(GT_SECTION_INTERFACE, out, mtu))
		return;
	gt_config_error(
		b->messages, GT_LINE(GT_SECTION_INTERFACE, out, mtu),
		"mtu = %u: server %s/%s is reached through a tunnel from here, and IPv6 needs "
		"1280 bytes inside it; write at least %u",
		out->mtu, v->name, s->name, least);
}

static void check_server(struct gt_build *b, const struct gt_config_vip *v,
			 struct gt_config_server *s, bool subnets_stand)
{
	const struct gt_config *c = b->config;
	unsigned line = GT_LINE(GT_SECTION_SERVER, s, address);
	bool v4 = gt_addr_is_v4(&s->address);
	char text[GT_ADDR_STRLEN], vip[GT_ADDR_STRLEN], subnets[200];

	if (!GT_STANDS(GT_SECTION_SERVER, s, address) || !GT_STANDS(GT_SECTION_VIP, v, mode))
		return;
	gt_addr_format(&s->address, text);
	if (GT_STANDS(GT_SECTION_VIP, v, address) && v->mode != GT_MODE_SNAT &&
	    v->mode != GT_MODE_TUNNEL && v4 != gt_addr_is_v4(&v->address)) {
		gt_config_error(b->messages, line,
				"address = %s: [vip %s] is %s (%s), and mode = %s cannot cross "
				"families; write an %s address",
				text, v->name, v4 ? "IPv6" : "IPv4",
				gt_addr_format(&v->address, vip), gt_mode_name(v->mode),
				v4 ? "IPv6" : "IPv4");
		return;
	}
	s->interface = v->interface;
	if (find_subnet(c, &s->address, &s->interface) != NULL)
		check_host(b, line, "address", &s->address);
	else if (!subnets_stand || v->mode == GT_MODE_PROXY)
		return; /* the kernel's routes lead there */
	else if (v->mode == GT_MODE_DR)
		gt_config_error(
			b->messages, line,
			"address = %s: outside every subnet (%s), and mode = dr reaches only "
			"servers on an interface's own wire; write such an address, or add one of "
			"this subnet to an interface",
			text, list_subnets(c, subnets, sizeof(subnets)));
	else if (!find_gateway(c, v->interface, v4, &s->interface))
		gt_config_error(b->messages, line,
				"address = %s: outside every subnet (%s), and no interface has a "
				"gateway for %s; add one, or write an address in a subnet",
				text, list_subnets(c, subnets, sizeof(subnets)),
				v4 ? "IPv4" : "IPv6");
	check_tunnel(b, v, s);
}

/* Has the VIP a server of the family, as far as can be told? */
static bool has_server_of(const struct gt_config_vip *v, bool v4)
{
	for (size_t i = 0; i < v->n_servers; i++)
		if (!GT_STANDS(GT_SECTION_SERVER, &v->servers[i], address) ||
		    gt_addr_is_v4(&v->servers[i].address) == v4)
			return true;
	return v->n_servers == 0;
}

/* Sources are written, but none for one of the families that the servers have. */
static void check_snat_families(struct gt_build *b, const struct gt_config_vip *v)
{
	bool has4 = false, has6 = false;
	char text[GT_ADDR_STRLEN];

	for (size_t i = 0; i < v->n_snat_addresses; i++) {
		has4 |= gt_addr_is_v4(&v->snat_addresses[i]);
		has6 |= !gt_addr_is_v4(&v->snat_addresses[i]);
	}
	for (size_t i = 0; i < v->n_servers && (has4 || has6); i++) {
		const struct gt_config_server *s = &v->servers[i];
		bool v4 = gt_addr_is_v4(&s->address);

		if (!GT_STANDS(GT_SECTION_SERVER, s, address) || (v4 ? has4 : has6))
			continue;
		gt_config_error(b->messages, GT_LINE(GT_SECTION_VIP, v, snat_addresses),
				"snat_address: none is %s, as server %s (%s) is; add one",
				v4 ? "IPv4" : "IPv6", s->name, gt_addr_format(&s->address, text));
		return;
	}
}

static void check_snat(struct gt_build *b, const struct gt_config_vip *v, bool subnets_stand)
{
	unsigned line = GT_LINE(GT_SECTION_VIP, v, snat_addresses);
	char text[GT_ADDR_STRLEN], subnets[200];

	if (!GT_STANDS(GT_SECTION_VIP, v, mode) || v->mode != GT_MODE_SNAT || !subnets_stand)
		return;
	for (size_t i = 0; i < v->n_snat_addresses; i++) {
		const struct gt_addr *a = &v->snat_addresses[i];
		uint8_t interface;

		gt_addr_format(a, text);
		if (!has_server_of(v, gt_addr_is_v4(a)))
			gt_config_error(
				b->messages, line,
				"snat_address = %s: no server of [vip %s] is %s; write an address "
				"of the servers' family",
				text, v->name, gt_addr_is_v4(a) ? "IPv4" : "IPv6");
		else if (find_subnet(b->config, a, &interface) == NULL)
			gt_config_error(
				b->messages, line,
				"snat_address = %s: outside every subnet (%s), so no reply would "
				"come back; write an address in one",
				text, list_subnets(b->config, subnets, sizeof(subnets)));
		else
			check_host(b, line, "snat_address", a);
	}
	if (GT_STANDS(GT_SECTION_VIP, v, snat_addresses))
		check_snat_families(b, v);
}

void gt_build_subnets(struct gt_build *b)
{
	struct gt_config *c = b->config;
	bool subnets_stand = all_subnets_stand(c);

	for (size_t i = 0; i < c->n_interfaces; i++) {
		const struct gt_config_interface *interface = &c->interfaces[i];

		check_own(b, interface);
		for (size_t j = 0; j < i; j++)
			check_overlap(b, interface, &c->interfaces[j]);
		if (interface->has_gateway4)
			check_gateway(b, interface, &interface->gateway4);
		if (interface->has_gateway6)
			check_gateway(b, interface, &interface->gateway6);
	}
	for (size_t i = 0; i < c->n_vips; i++) {
		struct gt_config_vip *v = &c->vips[i];

		if (GT_STANDS(GT_SECTION_VIP, v, address))
			check_host(b, GT_LINE(GT_SECTION_VIP, v, address), "address", &v->address);
		for (size_t j = 0; j < v->n_servers; j++)
			check_server(b, v, &v->servers[j], subnets_stand);
		check_snat(b, v, subnets_stand);
	}
}
