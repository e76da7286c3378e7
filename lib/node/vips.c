/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which VIPs have a server: told when the last one goes and when one is back, and with `withdraw`
 * the address goes and comes with it. Judged by the plan, which is what workers do.
 */
#include "node/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* MACs are resolved and first checks have run after so long: who has no server then has none. */
#define START_MS 5000

static const char *const state_names[] = {
	[GT_VIP_UP] = "up", [GT_VIP_DRAIN] = "drain", [GT_VIP_DOWN] = "down"};

/* ---- memory ---- */

static const struct gt_vip_memory *find_memory(const struct gt_node *node, size_t hint,
					       const char *name)
{
	for (size_t i = 0; i < node->n_vips; i++) {
		size_t at = (hint + i) % node->n_vips;

		if (strcmp(node->vips[at].config->name, name) == 0)
			return &node->vips[at];
	}
	return NULL;
}

/* A memory for the configuration in force, with what is known already. False: no memory. */
static bool renew_memory(struct gt_node *node)
{
	const struct gt_config *config = node->config;
	struct gt_vip_memory *vips = calloc(config->n_vips > 0 ? config->n_vips : 1, sizeof(*vips));

	for (size_t i = 0; vips != NULL && i < config->n_vips; i++) {
		/* Most keep their place: the search is long for few. */
		const struct gt_vip_memory *old = find_memory(node, i, config->vips[i].name);

		if (old != NULL)
			vips[i] = *old;
		vips[i].config = &config->vips[i];
	}
	/* The old configuration waits for the workers still, but not for ever. */
	free(node->vips);
	node->vips = vips;
	node->n_vips = vips != NULL ? config->n_vips : 0;
	node->vips_of = vips != NULL ? config : NULL;
	return vips != NULL;
}

/* ---- telling ---- */

/* Why a server takes no new connections, in a word or two. */
static const char *why_out(const struct gt_server_state *s)
{
	if (s->admin == GT_ADMIN_DISABLED)
		return "disabled";
	if (!s->up)
		return "down";
	if (s->admin == GT_ADMIN_DRAIN)
		return "drained";
	if (s->weight == 0)
		return "weight 0";
	return "not chosen";
}

static void list_why(const struct gt_node *node, const struct gt_config_vip *vip, size_t first,
		     char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (size_t j = 0; j < vip->n_servers && used < size; j++) {
		const struct gt_server_state *s = &node->states[first + j];
		const char *reason = node->healths[first + j].last.reason;
		bool sick = !s->up && s->admin != GT_ADMIN_DISABLED && reason[0] != '\0';

		used += (size_t)snprintf(buf + used, size - used, "%s%s is %s%s%s%s",
					 j > 0 ? ", " : "", vip->servers[j].name, why_out(s),
					 sick ? " (" : "", sick ? reason : "", sick ? ")" : "");
	}
}

/* first: index of the VIP's first server. */
static void tell(struct gt_node *node, const struct gt_vip_memory *m, enum gt_vip_state old,
		 size_t first)
{
	const struct gt_config_vip *vip = m->config;
	char why[300], addr[GT_ADDR_STRLEN];
	struct gt_event e = {.kind = "vip",
			     .vip = vip->name,
			     .address = gt_addr_format(&vip->address, addr),
			     .what = "state",
			     .old = state_names[old],
			     .now = state_names[m->state]};

	if (m->state == GT_VIP_UP) {
		e.level = LOG_NOTICE;
		gt_node_tell(node, e, "vip %s: new connections have a server again", vip->name);
		return;
	}
	list_why(node, vip, first, why, sizeof(why));
	e.level = LOG_CRIT;
	e.reason = why;
	gt_node_tell(node, e, "vip %s (%s): no server takes new connections: %s%s", vip->name, addr,
		     why, m->state == GT_VIP_DRAIN ? "; known ones go on" : "");
}

static void tell_withdrawal(struct gt_node *node, const struct gt_vip_memory *m)
{
	char addr[GT_ADDR_STRLEN];

	gt_addr_format(&m->config->address, addr);
	gt_node_tell(node,
		     (struct gt_event){.level = m->withdrawn ? LOG_WARNING : LOG_NOTICE,
				       .kind = "vip",
				       .vip = m->config->name,
				       .address = addr,
				       .what = "address",
				       .old = m->withdrawn ? "announced" : "withdrawn",
				       .now = m->withdrawn ? "withdrawn" : "announced"},
		     m->withdrawn ? "vip %s: %s is withdrawn: not announced, not answered for"
				  : "vip %s: %s is announced again",
		     m->config->name, addr);
}

/* ---- judging ---- */

static void note(struct gt_node *node, struct gt_vip_memory *m, enum gt_vip_state state,
		 size_t first)
{
	enum gt_vip_state old = m->state;

	m->state = state;
	if (old == state)
		return;
	if (state == GT_VIP_UP && !m->told)
		return;
	/* At the start not all is known of the servers yet: gt_node_tell_late_vips. */
	if (state != GT_VIP_UP && !node->begun)
		return;
	m->told = state != GT_VIP_UP;
	tell(node, m, old, first);
}

/* What the plan makes of each VIP, in the configuration's order. NULL: no memory. */
static uint8_t *judge(const struct gt_plan *plan, const struct gt_config *config)
{
	uint8_t *states = malloc(config->n_vips + 1);

	for (size_t i = 0; states != NULL && i < config->n_vips; i++)
		states[i] = GT_VIP_DOWN;
	for (uint32_t i = 1; states != NULL && i < plan->n_servers; i++)
		if ((plan->servers[i].flags & GT_SERVER_KEEPS) != 0)
			states[plan->server_names[i].vip - config->vips] = GT_VIP_DRAIN;
	for (uint32_t i = 0; states != NULL && i < plan->n_vips; i++)
		if (plan->vip_names[i].vip != NULL && plan->vips[i].n_members > 0)
			states[plan->vip_names[i].vip - config->vips] = GT_VIP_UP;
	return states;
}

/* No VIP of this address has a healthy server, and no reply comes to it. */
static bool is_useless(const struct gt_plan *plan, const struct gt_addr *addr)
{
	const struct gt_plan_address *a = gt_plan_find_address(plan, addr);

	return a != NULL && !a->answers_echo && !a->source;
}

/*
 * An address is withdrawn for a VIP that wants it so, while no VIP of it has a healthy server. One
 * that is also a source address of SNAT is needed for the way back. all: the neighbours do not know
 * yet what was told before, as another configuration is in force.
 */
static void settle_addresses(struct gt_node *node, bool all)
{
	/* Of two VIPs of one address the one that wants it so has the last word. */
	for (int wants = 0; wants < 2; wants++) {
		for (size_t i = 0; i < node->n_vips; i++) {
			struct gt_vip_memory *m = &node->vips[i];
			const struct gt_config_vip *vip = m->config;
			bool withdrawn = wants && is_useless(node->plan, &vip->address);

			if (vip->withdraw != (bool)wants || (!all && m->withdrawn == withdrawn))
				continue;
			gt_neighbours_withdraw(node->neighbours, vip->interface, &vip->address,
					       withdrawn);
			if (m->withdrawn == withdrawn)
				continue;
			m->withdrawn = withdrawn;
			tell_withdrawal(node, m);
		}
	}
}

void gt_node_note_vips(struct gt_node *node)
{
	uint8_t *states = judge(node->plan, node->config);
	bool new = node->vips_of != node->config;
	bool good = states != NULL && (!new || renew_memory(node));
	size_t first = 0;

	if (!good)
		gt_log(&node->hooks.log, LOG_ERR,
		       "no memory to note which VIPs have a server: tried again with the next "
		       "plan");
	for (size_t i = 0; good && i < node->n_vips; i++) {
		note(node, &node->vips[i], (enum gt_vip_state)states[i], first);
		first += node->vips[i].config->n_servers;
	}
	if (good)
		settle_addresses(node, new);
	free(states);
}

void gt_node_tell_late_vips(struct gt_node *node)
{
	size_t first = 0;

	if (node->late_told || node->now_ms < node->begun_ms + START_MS)
		return;
	node->late_told = true;
	for (size_t i = 0; i < node->n_vips; i++) {
		struct gt_vip_memory *m = &node->vips[i];

		if (m->state != GT_VIP_UP && !m->told) {
			m->told = true;
			tell(node, m, GT_VIP_UP, first);
		}
		first += m->config->n_servers;
	}
}
