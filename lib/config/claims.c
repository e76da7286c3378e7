/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rules about who has what: no two parties have one address, no two VIPs one service, no two
 * servers of a VIP are one. By sorting and one pass, so that 10,000 VIPs cost milliseconds. See
 * build.h.
 */
#include "config/build.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Who says that an address is whose. In this order the later kinds yield: theirs is the error. */
enum claim_kind { CLAIM_OWN, CLAIM_GATEWAY, CLAIM_VIP, CLAIM_SNAT, CLAIM_SERVER };

struct claim {
	struct gt_addr addr;
	enum claim_kind kind;
	unsigned line, section_line;
	const char *name; /* of the section */
	uint8_t interface;
};

struct claims {
	struct claim *list;
	size_t n;
};

static int compare_claims(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;
	int d = memcmp(x->addr.b, y->addr.b, sizeof(x->addr.b));

	if (d == 0)
		d = (x->kind > y->kind) - (x->kind < y->kind);
	if (d == 0)
		d = (x->line > y->line) - (x->line < y->line);
	return d;
}

static void claim(struct claims *claims, enum claim_kind kind, const struct gt_addr *a,
		  unsigned line, const struct gt_build_head *head, uint8_t interface)
{
	claims->list[claims->n++] = (struct claim){.addr = *a,
						   .kind = kind,
						   .line = line,
						   .section_line = head->line,
						   .name = head->name,
						   .interface = interface};
}

static void claim_interface(struct claims *claims, const struct gt_config_interface *i)
{
	const struct gt_build_head *head = (const void *)i;
	unsigned line = GT_LINE(GT_SECTION_INTERFACE, i, gateway4);

	for (size_t j = 0; j < i->n_addresses; j++)
		claim(claims, CLAIM_OWN, &i->addresses[j].addr,
		      GT_LINE(GT_SECTION_INTERFACE, i, addresses), head, 0);
	if (i->has_gateway4)
		claim(claims, CLAIM_GATEWAY, &i->gateway4, line, head, 0);
	if (i->has_gateway6)
		claim(claims, CLAIM_GATEWAY, &i->gateway6, line, head, 0);
}

static void claim_vip(struct claims *claims, const struct gt_config_vip *v)
{
	const struct gt_build_head *head = (const void *)v;
	bool stands = GT_STANDS(GT_SECTION_VIP, v, interface_name);

	if (GT_STANDS(GT_SECTION_VIP, v, address))
		claim(claims, CLAIM_VIP, &v->address, GT_LINE(GT_SECTION_VIP, v, address), head,
		      stands ? v->interface : UINT8_MAX);
	for (size_t j = 0; j < v->n_snat_addresses; j++)
		claim(claims, CLAIM_SNAT, &v->snat_addresses[j],
		      GT_LINE(GT_SECTION_VIP, v, snat_addresses), head, 0);
	for (size_t j = 0; j < v->n_servers; j++) {
		const struct gt_config_server *s = &v->servers[j];

		if (GT_STANDS(GT_SECTION_SERVER, s, address))
			claim(claims, CLAIM_SERVER, &s->address,
			      GT_LINE(GT_SECTION_SERVER, s, address), (const void *)s, 0);
	}
}

/* Room for what the two functions above may claim, at most. */
static size_t count_claims(const struct gt_config *c)
{
	size_t n = 1;

	for (size_t i = 0; i < c->n_interfaces; i++)
		n += c->interfaces[i].n_addresses + 2;
	for (size_t i = 0; i < c->n_vips; i++)
		n += 1 + c->vips[i].n_snat_addresses + c->vips[i].n_servers;
	return n;
}

/* May `later` have the address that `first`, of the same or an earlier kind, has? */
static bool may_share(const struct claim *first, const struct claim *later)
{
	switch (later->kind) {
	case CLAIM_OWN:
	case CLAIM_GATEWAY:
		/* Two interfaces on one router are odd, but theirs to decide. */
		return first->kind == CLAIM_GATEWAY;
	case CLAIM_VIP:
		return first->kind == CLAIM_VIP &&
		       (first->interface == later->interface || first->interface == UINT8_MAX ||
			later->interface == UINT8_MAX);
	case CLAIM_SNAT:
		return first->kind == CLAIM_OWN || first->kind == CLAIM_SNAT;
	default: /* A router may be a server, too. */
		return first->kind == CLAIM_GATEWAY || first->kind == CLAIM_SERVER;
	}
}

static void tell_clash(struct gt_build *b, const struct claim *first, const struct claim *later)
{
	static const struct {
		const char *key, *what, *section;
	} kinds[] = {
		[CLAIM_OWN] = {"address", "an own address", "interface"},
		[CLAIM_GATEWAY] = {"gateway", "the gateway", "interface"},
		[CLAIM_VIP] = {"address", "the address", "vip"},
		[CLAIM_SNAT] = {"snat_address", "a snat_address", "vip"},
		[CLAIM_SERVER] = {"address", "the address", "server"},
	};
	char text[GT_ADDR_STRLEN];

	gt_addr_format(&later->addr, text);
	if (first->kind == CLAIM_VIP && later->kind == CLAIM_VIP)
		gt_config_error(
			b->messages, later->line,
			"address = %s: [vip %s] (line %u) has it on another interface; VIPs "
			"of one address share an interface",
			text, first->name, first->section_line);
	else
		gt_config_error(b->messages, later->line,
				"%s = %s: it is already %s of [%s %s] (line %u); write another",
				kinds[later->kind].key, text, kinds[first->kind].what,
				kinds[first->kind].section, first->name, first->line);
}

/* Who has the address of whom: one pass over all addresses, sorted. */
static int check_claims(struct gt_build *b)
{
	const struct gt_config *c = b->config;
	struct claims claims = {.list = malloc(count_claims(c) * sizeof(*claims.list))};
	size_t first = 0;

	if (claims.list == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < c->n_interfaces; i++)
		claim_interface(&claims, &c->interfaces[i]);
	for (size_t i = 0; i < c->n_vips; i++)
		claim_vip(&claims, &c->vips[i]);
	qsort(claims.list, claims.n, sizeof(*claims.list), compare_claims);
	for (size_t i = 1; i < claims.n; i++) {
		const struct claim *later = &claims.list[i];

		if (!gt_addr_equal(&claims.list[first].addr, &later->addr)) {
			first = i;
			continue;
		}
		/* The kinds that nobody shares come first, so the first of the group tells; but a
		 * gateway may hide a VIP from a server. */
		if (claims.list[first].kind == CLAIM_GATEWAY && later->kind == CLAIM_SERVER &&
		    claims.list[first + 1].kind == CLAIM_VIP)
			tell_clash(b, &claims.list[first + 1], later);
		else if (!may_share(&claims.list[first], later))
			tell_clash(b, &claims.list[first], later);
	}
	free(claims.list);
	return 0;
}

/* A VIP's range of ports; sorted by address, protocol, first port. */
struct range {
	const struct gt_config_vip *vip;
	struct gt_port_range ports;
};

static int compare_ranges(const void *a, const void *b)
{
	const struct range *x = a, *y = b;
	int d = memcmp(x->vip->address.b, y->vip->address.b, sizeof(x->vip->address.b));

	if (d == 0)
		d = (x->vip->protocol > y->vip->protocol) - (x->vip->protocol < y->vip->protocol);
	if (d == 0)
		d = (x->ports.first > y->ports.first) - (x->ports.first < y->ports.first);
	if (d == 0)
		d = (x->vip->line > y->vip->line) - (x->vip->line < y->vip->line);
	return d;
}

static void tell_overlap(struct gt_build *b, const struct range *x, const struct range *y)
{
	const struct gt_config_vip *first = x->vip, *later = y->vip;
	char text[GT_ADDR_STRLEN], port[16];

	if (first == later) /* told of by check_ports */
		return;
	if (first->line > later->line) {
		first = y->vip;
		later = x->vip;
	}
	if (y->ports.first == 0)
		snprintf(port, sizeof(port), "any");
	else
		snprintf(port, sizeof(port), "%u", y->ports.first);
	gt_config_error(
		b->messages, GT_LINE(GT_SECTION_VIP, later, ports),
		"port = %s: [vip %s] (line %u) has it already at %s, protocol = %s; write other "
		"ports, or another address",
		port, first->name, first->line, gt_addr_format(&first->address, text),
		gt_protocol_name(first->protocol));
}

static bool has_service(const struct gt_config_vip *v)
{
	return GT_STANDS(GT_SECTION_VIP, v, address) && GT_STANDS(GT_SECTION_VIP, v, protocol) &&
	       GT_STANDS(GT_SECTION_VIP, v, ports);
}

/* Two VIPs on one address, protocol and port: one pass over all ranges, sorted. */
static int check_services(struct gt_build *b)
{
	const struct gt_config *c = b->config;
	size_t n = 0, reach = 0; /* reach: the range that ends last of those before */
	struct range *list;

	for (size_t i = 0; i < c->n_vips; i++)
		n += c->vips[i].n_ports;
	list = malloc((n + 1) * sizeof(*list));
	if (list == NULL)
		return -ENOMEM;
	n = 0;
	for (size_t i = 0; i < c->n_vips; i++)
		for (size_t j = 0; j < c->vips[i].n_ports && has_service(&c->vips[i]); j++)
			list[n++] = (struct range){&c->vips[i], c->vips[i].ports[j]};
	qsort(list, n, sizeof(*list), compare_ranges);
	for (size_t i = 1; i < n; i++) {
		const struct range *x = &list[reach], *y = &list[i];
		bool same = gt_addr_equal(&x->vip->address, &y->vip->address) &&
			    x->vip->protocol == y->vip->protocol;

		if (same && y->ports.first <= x->ports.last)
			tell_overlap(b, x, y);
		if (!same || y->ports.last > x->ports.last)
			reach = i;
	}
	free(list);
	return 0;
}

static int compare_servers(const void *a, const void *b)
{
	const struct gt_config_server *const *px = a, *const *py = b;
	const struct gt_config_server *x = *px, *y = *py;
	int d = memcmp(x->address.b, y->address.b, sizeof(x->address.b));

	if (d == 0)
		d = (x->port > y->port) - (x->port < y->port);
	if (d == 0)
		d = (x->line > y->line) - (x->line < y->line);
	return d;
}

/* One machine twice in a VIP. */
static int check_twins(struct gt_build *b, const struct gt_config_vip *v)
{
	const struct gt_config_server **list = malloc((v->n_servers + 1) * sizeof(*list));
	char text[GT_ADDR_STRLEN];
	size_t n = 0;

	if (list == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < v->n_servers; i++)
		if (GT_STANDS(GT_SECTION_SERVER, &v->servers[i], address) &&
		    GT_STANDS(GT_SECTION_SERVER, &v->servers[i], port))
			list[n++] = &v->servers[i];
	qsort(list, n, sizeof(*list), compare_servers);
	for (size_t i = 1; i < n; i++)
		if (gt_addr_equal(&list[i]->address, &list[i - 1]->address) &&
		    list[i]->port == list[i - 1]->port)
			gt_config_error(b->messages, GT_LINE(GT_SECTION_SERVER, list[i], address),
					"address = %s: [server %s/%s] (line %u) has it already; a "
					"server's share is its weight",
					gt_addr_format(&list[i]->address, text), v->name,
					list[i - 1]->name, list[i - 1]->line);
	free(list);
	return 0;
}

int gt_build_claims(struct gt_build *b)
{
	const struct gt_config *c = b->config;
	int rc = check_claims(b);

	if (rc == 0)
		rc = check_services(b);
	for (size_t i = 0; i < c->n_vips && rc == 0; i++)
		rc = check_twins(b, &c->vips[i]);
	return rc;
}
