/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Checks through the VIP (`via = vip`): the host's kernel sends to the VIP's address by the TAP of
 * the server's interface, and here each frame gets the MAC of the server that it is meant for. The
 * kernel needs a route to the VIP in the TAP's table and a MAC to write, which is replaced; both go
 * with the TAP.
 *
 * Which server: own address and port, and VIP address and port, name a connection of a check. It is
 * remembered longer than the check lasts, for the segments that end it come afterwards.
 */
#include "prober_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ether.h>
#include <rte_ip.h>

#include "base/hash.h"
#include "rtnl.h"

/* Connections that are remembered: some tens of seconds of 1,000 checks a second. */
#define CONNECTIONS 65536
/* Places that a connection may have; the one that is not used for longest is overwritten. */
#define PLACES 4

struct connection {
	struct {
		struct gt_addr own, vip;
		uint16_t own_port, vip_port;
	} key; /* without padding */
	struct gt_mac server;
	bool used;
	uint64_t begun_ms;
};

struct gt_via_table {
	struct connection connections[CONNECTIONS];
};

/* The connection with this key, or the place where it would be noted. */
static struct connection *look_up(struct gt_via_table *via, const struct connection *c, bool *found)
{
	static const struct gt_siphash_key fixed = {0, 0};
	uint64_t h = gt_siphash(&fixed, &c->key, sizeof(c->key));
	struct connection *oldest = NULL;

	for (unsigned i = 0; i < PLACES; i++) {
		struct connection *at = &via->connections[(h + i) % CONNECTIONS];

		*found = at->used && memcmp(&at->key, &c->key, sizeof(c->key)) == 0;
		if (*found)
			return at;
		if (oldest == NULL || !at->used ||
		    (oldest->used && at->begun_ms < oldest->begun_ms))
			oldest = at;
	}
	return oldest;
}

bool gt_target_via(struct gt_target *t, const struct gt_addr *own, uint16_t port)
{
	struct gt_prober *p = t->prober;
	const struct gt_server_state *state = &p->node->states[t->servers[0]];
	struct connection c = {.key = {*own, t->vip, port, t->port},
			       .server = state->mac,
			       .used = true,
			       .begun_ms = p->now_ms};
	bool found;

	if (!state->resolved)
		return false;
	*look_up(p->via, &c, &found) = c;
	return true;
}

/* The two ends of a TCP segment, whole headers of which are there. False: it is none. */
static bool read_ends(const uint8_t *d, size_t len, struct connection *c)
{
	const uint8_t *ip = d + RTE_ETHER_HDR_LEN, *tcp;
	rte_be32_t v4;

	if (len >= RTE_ETHER_HDR_LEN + 20 + 4 && d[12] == 0x08 && d[13] == 0x00) {
		tcp = ip + 4 * (ip[0] & 15);
		memcpy(&v4, ip + 12, sizeof(v4));
		c->key.own = gt_addr_from_v4(v4);
		memcpy(&v4, ip + 16, sizeof(v4));
		c->key.vip = gt_addr_from_v4(v4);
		if (ip[9] != IPPROTO_TCP)
			return false;
	} else if (len >= RTE_ETHER_HDR_LEN + 40 + 4 && d[12] == 0x86 && d[13] == 0xdd) {
		tcp = ip + 40;
		memcpy(c->key.own.b, ip + 8, 16);
		memcpy(c->key.vip.b, ip + 24, 16);
		if (ip[6] != IPPROTO_TCP)
			return false;
	} else {
		return false;
	}
	if ((size_t)(tcp - d) + 4 > len)
		return false;
	c->key.own_port = (uint16_t)(tcp[0] << 8 | tcp[1]);
	c->key.vip_port = (uint16_t)(tcp[2] << 8 | tcp[3]);
	return true;
}

/* The kernel path's hook: a frame of the kernel's for a VIP. */
static bool redirect(void *ctx, uint8_t interface, uint8_t *frame, size_t len)
{
	struct gt_prober *p = ctx;
	struct connection c = {0}, *at;
	bool found;

	(void)interface;
	if (!read_ends(frame, len, &c))
		return false;
	at = look_up(p->via, &c, &found);
	if (found)
		memcpy(frame, at->server.b, sizeof(at->server.b));
	return found;
}

/* Lets the kernel send to a target's VIP by its TAP. */
static void route(struct gt_prober *p, struct gt_rtnl *n, const struct gt_target *t)
{
	/* Of no station: a frame that is not redirected is dropped anyway. */
	static const struct gt_mac nobody = {{2, 0, 0, 0, 0, 0}};
	const struct gt_config *c = p->node->config;
	unsigned i = 0;

	while (strcmp(c->interfaces[i].name, t->interface) != 0)
		i++;
	const struct gt_tap *tap = &p->kernel->taps[i];
	const struct gt_rtnl_route r = {.table = tap->table,
					.index = tap->index,
					.to = {t->vip, gt_addr_is_v4(&t->vip) ? 32 : 128}};
	int rc = gt_rtnl_set_route(n, &r);
	char a[GT_ADDR_STRLEN];

	if (rc == 0)
		rc = gt_rtnl_set_neighbour(n, tap->index, &t->vip, &nobody);
	if (rc != 0)
		gt_log(&p->log, LOG_ERR, "checks through %s: no route by %s: %s",
		       gt_addr_format(&t->vip, a), tap->name, strerror(-rc));
}

int gt_prober_route(struct gt_prober *p)
{
	struct gt_rtnl n;
	bool any = false;
	int rc;

	for (size_t i = 0; i < p->heap.n; i++)
		any |= p->heap.list[i]->via;
	if (!any)
		return 0;
	if (p->via == NULL)
		p->via = calloc(1, sizeof(*p->via));
	if (p->via == NULL)
		return -ENOMEM;
	p->kernel->redirect_ctx = p;
	p->kernel->redirect = redirect;
	rc = gt_rtnl_open(&n);
	for (size_t i = 0; rc == 0 && i < p->heap.n; i++)
		if (p->heap.list[i]->via)
			route(p, &n, p->heap.list[i]);
	if (rc == 0)
		gt_rtnl_close(&n);
	else
		gt_log(&p->log, LOG_ERR, "checks through VIPs: no netlink: %s", strerror(-rc));
	return 0;
}
