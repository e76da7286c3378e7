/* SPDX-License-Identifier: BSD-3-Clause */
/* What checks say of a server, and what the log says of that; see node.h. */
#include "node/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Lines of the log a minute about servers that cannot be checked. */
#define BLIND_TOLD_MAX 10

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

static struct gt_event state_event(const struct gt_node_place *p, int level, const char *old,
				   const char *now, const char *reason)
{
	return (struct gt_event){.level = level,
				 .kind = "server",
				 .vip = p->vip->name,
				 .server = p->server->name,
				 .what = "state",
				 .old = old,
				 .now = now,
				 .reason = reason};
}

static void tell_down(const struct gt_node *node, const struct gt_node_place *p)
{
	const struct gt_health *h = &node->healths[p->index];
	uint64_t active = count_active(node, p->index);
	char fate[GT_NODE_FATE_MAX], its[48] = "";

	if (active > 0)
		snprintf(its, sizeof(its), " (%" PRIu64 " now)", active);
	gt_node_fate(node, p->index, fate, sizeof(fate));
	gt_node_tell(node, state_event(p, LOG_WARNING, "up", "down", h->last.reason),
		     "server %s/%s: down after %u failure%s in %.1f s: %s%s%s%s", p->vip->name,
		     p->server->name, h->changed_results, plural(h->changed_results),
		     (double)h->changed_took_ms / 1000, h->last.reason, fate[0] != '\0' ? "; " : "",
		     fate, fate[0] != '\0' ? its : "");
}

static void tell_up(const struct gt_node *node, const struct gt_node_place *p, uint64_t since_ms)
{
	const struct gt_health *h = &node->healths[p->index];

	gt_node_tell(node, state_event(p, LOG_NOTICE, "down", "up", h->last.reason),
		     "server %s/%s: up after %u success%s in %.1f s%s%s; it was down for %" PRIu64
		     " s",
		     p->vip->name, p->server->name, h->changed_results,
		     h->changed_results == 1 ? "" : "es", (double)h->changed_took_ms / 1000,
		     h->last.reason[0] != '\0' ? ": " : "", h->last.reason,
		     (h->changed_ms - since_ms) / 1000);
}

/* Of each minute, the first so many. */
static void tell_blind(struct gt_node *node, const struct gt_node_place *p, const char *reason)
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
		gt_node_tell(node,
			     (struct gt_event){.level = LOG_WARNING,
					       .kind = "server",
					       .vip = p->vip->name,
					       .server = p->server->name,
					       .what = "check",
					       .now = "unchecked",
					       .reason = reason},
			     "server %s/%s is not checked: %s", p->vip->name, p->server->name,
			     reason);
}

void gt_node_watch(struct gt_node *node, size_t index, const struct gt_health_rule *rule)
{
	const struct gt_health_rule none = {0};
	struct gt_health *h = &node->healths[index];
	struct gt_server_state *state = &node->states[index];
	uint64_t changed_ms = h->changed_ms;

	if (rule != NULL && h->rule.interval_ms != 0 && h->rule.id == rule->id) {
		h->rule = *rule;
		return;
	}
	if (rule == NULL && h->rule.interval_ms != 0 && !state->up) {
		struct gt_node_place p;

		gt_node_find_place(node, index, &p);
		state->up = true;
		changed_ms = 0;
		node->dirty = true;
		gt_node_tell(node,
			     state_event(&p, LOG_NOTICE, "down", "up", "not checked any more"),
			     "server %s/%s: up, for it is not checked any more", p.vip->name,
			     p.server->name);
	}
	gt_health_start(h, rule != NULL ? rule : &none, state->up);
	h->changed_ms = changed_ms; /* another check begins to count, and the state stays */
}

void gt_node_health(struct gt_node *node, size_t index, const struct gt_health_result *result)
{
	struct gt_health *h = &node->healths[index];
	uint64_t since_ms = h->changed_ms;
	enum gt_health_change change = gt_health_count(h, result);
	struct gt_node_place p;

	if (change == GT_HEALTH_NO_CHANGE)
		return;
	gt_node_find_place(node, index, &p);
	switch (change) {
	case GT_HEALTH_WENT_DOWN:
		node->states[index].up = false;
		node->dirty = true;
		tell_down(node, &p);
		break;
	case GT_HEALTH_WENT_UP:
		node->states[index].up = true;
		node->dirty = true;
		gt_node_begin_slow_start(node, &p);
		tell_up(node, &p, since_ms);
		break;
	case GT_HEALTH_BLIND:
		tell_blind(node, &p, result->reason);
		break;
	case GT_HEALTH_SEES:
		gt_node_tell(node,
			     (struct gt_event){.level = LOG_NOTICE,
					       .kind = "server",
					       .vip = p.vip->name,
					       .server = p.server->name,
					       .what = "check",
					       .now = "checked"},
			     "server %s/%s is checked again", p.vip->name, p.server->name);
		break;
	case GT_HEALTH_NO_CHANGE:
		break;
	}
}
