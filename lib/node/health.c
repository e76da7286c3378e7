/* SPDX-License-Identifier: BSD-3-Clause */
/* What checks say of a server, and what the log says of that; see node.h. */
#include "node/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Lines of the log a minute about servers that cannot be checked. */
#define BLIND_TOLD_MAX 10
/* Servers that a line names. */
#define NAMED_MAX 4

/* Where an index of the states stands in the configuration. */
struct place {
	const struct gt_config_vip *vip;
	const struct gt_config_server *server;
	size_t first; /* index of the VIP's first server */
};

static struct place find_place(const struct gt_config *config, size_t index)
{
	size_t first = 0, i = 0;

	while (index - first >= config->vips[i].n_servers)
		first += config->vips[i++].n_servers;
	return (struct place){&config->vips[i], &config->vips[i].servers[index - first], first};
}

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

static uint64_t count_active(const struct gt_node *node, size_t index)
{
	for (uint32_t i = 1; node->hooks.active != NULL && i < node->plan->n_servers; i++)
		if (node->plan->server_names[i].vip != NULL &&
		    node->plan->server_names[i].index == index)
			return node->hooks.active(node->hooks.ctx, i);
	return 0;
}

/* Who takes the new connections of a VIP without one of its servers: "b, c and 3 more". Empty:
 * nobody. With policy = failover that is one. */
static void name_others(const struct gt_node *node, const struct place *p, bool fallback, char *buf,
			size_t size)
{
	size_t n = 0, used = 0;

	buf[0] = '\0';
	for (size_t j = 0; j < p->vip->n_servers; j++) {
		const struct gt_config_server *s = &p->vip->servers[j];
		const struct gt_server_state *state = &node->states[p->first + j];

		if (s == p->server || !state->up || state->lost ||
		    state->admin != GT_ADMIN_ENABLED || state->weight == 0 ||
		    (strcmp(s->name, p->vip->fallback) == 0) != fallback)
			continue;
		if (p->vip->policy == GT_POLICY_FAILOVER && n == 1)
			break;
		if (n++ < NAMED_MAX && used < size)
			used += (size_t)snprintf(buf + used, size - used, "%s%s",
						 used > 0 ? ", " : "", s->name);
	}
	if (n > NAMED_MAX && used < size)
		snprintf(buf + used, size - used, " and %zu more", n - NAMED_MAX);
}

static void tell_down(const struct gt_node *node, const struct place *p, size_t index)
{
	const struct gt_health *h = &node->healths[index];
	uint64_t active = count_active(node, index);
	char others[2 * NAMED_MAX * GT_NAME_MAX], its[64] = "";

	name_others(node, p, false, others, sizeof(others));
	if (others[0] == '\0')
		name_others(node, p, true, others, sizeof(others));
	if (active > 0)
		snprintf(its, sizeof(its), "; its %" PRIu64 " connection%s", active,
			 plural(active));
	gt_log(&node->hooks.log, others[0] != '\0' ? LOG_WARNING : LOG_ERR,
	       "server %s/%s: down after %u failure%s in %.1f s: %s%s%s%s%s", p->vip->name,
	       p->server->name, h->changed_results, plural(h->changed_results),
	       (double)h->changed_took_ms / 1000, h->last.reason, its,
	       active == 0	   ? ""
	       : others[0] != '\0' ? " move to "
				   : " are lost",
	       active == 0 ? "" : others,
	       others[0] != '\0' ? "" : "; no other server of this VIP may take new connections");
}

static void tell_up(const struct gt_node *node, const struct place *p, size_t index,
		    uint64_t since_ms)
{
	const struct gt_health *h = &node->healths[index];

	gt_log(&node->hooks.log, LOG_NOTICE,
	       "server %s/%s: up after %u success%s in %.1f s%s%s; it was down for %" PRIu64 " s",
	       p->vip->name, p->server->name, h->changed_results,
	       h->changed_results == 1 ? "" : "es", (double)h->changed_took_ms / 1000,
	       h->last.reason[0] != '\0' ? ": " : "", h->last.reason,
	       (h->changed_ms - since_ms) / 1000);
}

/* Of each minute, the first so many. */
static void tell_blind(struct gt_node *node, const struct place *p, const char *reason)
{
	uint64_t minute = node->now_ms / 60000;

	if (minute != node->blind_minute) {
		node->blind_minute = minute;
		node->blind_told = 0;
	}
	if (node->blind_told > BLIND_TOLD_MAX)
		return;
	if (node->blind_told++ == BLIND_TOLD_MAX)
		gt_log(&node->hooks.log, LOG_WARNING,
		       "more servers are not checked: gantryctl servers shows which, and why");
	else
		gt_log(&node->hooks.log, LOG_WARNING, "server %s/%s is not checked: %s",
		       p->vip->name, p->server->name, reason);
}

void gt_node_watch(struct gt_node *node, size_t index, const struct gt_health_rule *rule)
{
	const struct gt_health_rule none = {0};
	struct gt_health *h = &node->healths[index];
	struct gt_server_state *state = &node->states[index];

	if (rule != NULL && h->rule.interval_ms != 0 && h->rule.id == rule->id) {
		h->rule = *rule;
		return;
	}
	if (rule == NULL && h->rule.interval_ms != 0 && !state->up) {
		const struct place p = find_place(node->config, index);

		state->up = true;
		node->dirty = true;
		gt_log(&node->hooks.log, LOG_NOTICE,
		       "server %s/%s: up, for it is not checked any more", p.vip->name,
		       p.server->name);
	}
	gt_health_start(h, rule != NULL ? rule : &none, state->up);
}

void gt_node_health(struct gt_node *node, size_t index, const struct gt_health_result *result)
{
	struct gt_health *h = &node->healths[index];
	uint64_t since_ms = h->changed_ms;
	enum gt_health_change change = gt_health_count(h, result);

	if (change == GT_HEALTH_NO_CHANGE)
		return;

	const struct place p = find_place(node->config, index);

	switch (change) {
	case GT_HEALTH_WENT_DOWN:
		node->states[index].up = false;
		node->dirty = true;
		tell_down(node, &p, index);
		break;
	case GT_HEALTH_WENT_UP:
		node->states[index].up = true;
		node->dirty = true;
		tell_up(node, &p, index, since_ms);
		break;
	case GT_HEALTH_BLIND:
		tell_blind(node, &p, result->reason);
		break;
	case GT_HEALTH_SEES:
		gt_log(&node->hooks.log, LOG_NOTICE, "server %s/%s is checked again", p.vip->name,
		       p.server->name);
		break;
	case GT_HEALTH_NO_CHANGE:
		break;
	}
}
