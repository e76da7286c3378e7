/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rules of the modes whose replies come back through gantry. A reply of `nat` is known by its
 * server's address, protocol and port alone: so these must tell one VIP, and one port of it. See
 * build.h.
 */
#include "config/build.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ports of a server that replies of one VIP come from; sorted by address, protocol, first port. */
struct origin {
	const struct gt_config_vip *vip;
	const struct gt_config_server *server;
	struct gt_port_range ports;
};

static int compare_origins(const void *a, const void *b)
{
	const struct origin *x = a, *y = b;
	int d = memcmp(x->server->address.b, y->server->address.b, sizeof(x->server->address.b));

	if (d == 0)
		d = (x->vip->protocol > y->vip->protocol) - (x->vip->protocol < y->vip->protocol);
	if (d == 0)
		d = (x->ports.first > y->ports.first) - (x->ports.first < y->ports.first);
	if (d == 0)
		d = (x->server->line > y->server->line) - (x->server->line < y->server->line);
	return d;
}

static bool is_nat(const struct gt_config_vip *v)
{
	return GT_STANDS(GT_SECTION_VIP, v, mode) && v->mode == GT_MODE_NAT &&
	       GT_STANDS(GT_SECTION_VIP, v, protocol) && GT_STANDS(GT_SECTION_VIP, v, ports);
}

static void tell_overlap(struct gt_build *b, const struct origin *x, const struct origin *y)
{
	const struct origin *first = x->server->line < y->server->line ? x : y;
	const struct origin *later = first == x ? y : x;
	char text[GT_ADDR_STRLEN], port[16];

	/* A server twice in a VIP is told of as such. */
	if (x->vip == y->vip && x->server->port == y->server->port)
		return;
	if (y->ports.first == 0)
		strcpy(port, "any port");
	else
		snprintf(port, sizeof(port), "port %u", y->ports.first);
	gt_config_error(b->messages, GT_LINE(GT_SECTION_SERVER, later->server, address),
			"address = %s: [server %s/%s] (line %u) is there by mode = nat with %s, "
			"too, and replies could not be told apart; write another port of the "
			"server, or mode = snat",
			gt_addr_format(&later->server->address, text), first->vip->name,
			first->server->name, first->server->line, port);
}

/* The origins of one VIP's replies. Returns how many. */
static size_t list_origins(const struct gt_config_vip *v, struct origin *list)
{
	size_t n = 0;

	for (size_t i = 0; i < v->n_servers; i++) {
		const struct gt_config_server *s = &v->servers[i];

		if (!GT_STANDS(GT_SECTION_SERVER, s, address) ||
		    !GT_STANDS(GT_SECTION_SERVER, s, port))
			continue;
		if (s->port != 0)
			list[n++] = (struct origin){v, s, {s->port, s->port}};
		for (size_t j = 0; s->port == 0 && j < v->n_ports; j++)
			list[n++] = (struct origin){v, s, v->ports[j]};
	}
	return n;
}

/* One pass over all origins, sorted. */
static int check_origins(struct gt_build *b)
{
	const struct gt_config *c = b->config;
	size_t n = 0, reach = 0; /* reach: the one that ends last of those before */
	struct origin *list;

	for (size_t i = 0; i < c->n_vips; i++)
		if (is_nat(&c->vips[i]))
			n += c->vips[i].n_servers * (c->vips[i].n_ports + 1);
	list = malloc((n + 1) * sizeof(*list));
	if (list == NULL)
		return -ENOMEM;
	n = 0;
	for (size_t i = 0; i < c->n_vips; i++)
		if (is_nat(&c->vips[i]))
			n += list_origins(&c->vips[i], list + n);
	qsort(list, n, sizeof(*list), compare_origins);
	for (size_t i = 1; i < n; i++) {
		const struct origin *x = &list[reach], *y = &list[i];
		bool same = gt_addr_equal(&x->server->address, &y->server->address) &&
			    x->vip->protocol == y->vip->protocol;

		if (same && y->ports.first <= x->ports.last)
			tell_overlap(b, x, y);
		if (!same || y->ports.last > x->ports.last)
			reach = i;
	}
	free(list);
	return 0;
}

/* A server's own port in `nat`: replies get back the one port that the VIP has. */
static void check_nat_port(struct gt_build *b, const struct gt_config_vip *v,
			   const struct gt_config_server *s)
{
	char ports[64];

	if (!is_nat(v) || !GT_STANDS(GT_SECTION_SERVER, s, port) || s->port == 0 ||
	    (v->n_ports == 1 && v->ports[0].first == v->ports[0].last))
		return;
	gt_config_error(b->messages, GT_LINE(GT_SECTION_SERVER, s, port),
			"port = %u: with mode = nat replies get the VIP's port back, and [vip %s] "
			"has port = %s; write a VIP for each port, or remove the key",
			s->port, v->name, gt_ports_format(v, ports, sizeof(ports)));
}

/* An archive knows a modality by its address, too, and would see gantry's. */
static void check_dicom(struct gt_build *b, const struct gt_config_vip *v)
{
	bool dicom = v->checked != NULL && v->checked->type == GT_CHECK_DICOM;

	if (dicom && GT_STANDS(GT_SECTION_VIP, v, mode) && v->mode == GT_MODE_SNAT)
		gt_config_warning(
			b->messages, GT_LINE(GT_SECTION_VIP, v, mode),
			"mode = snat: archives match a client's address with its AE title "
			"(Orthanc: DicomCheckModalityHost), and all that [vip %s] sends "
			"them comes from gantry's; use dr, nat or tunnel, or turn that "
			"off there",
			v->name);
}

int gt_build_way_back(struct gt_build *b)
{
	for (size_t i = 0; i < b->config->n_vips; i++) {
		const struct gt_config_vip *v = &b->config->vips[i];

		check_dicom(b, v);
		for (size_t j = 0; j < v->n_servers; j++)
			check_nat_port(b, v, &v->servers[j]);
	}
	return check_origins(b);
}
