/* SPDX-License-Identifier: BSD-3-Clause */
/* Which connections are asked for; see selection.h. */
#include "selection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BIT(state) (1U << (state))

static const char *const state_names[GT_FLOW_STATES] = {
	[GT_FLOW_SYN] = "syn",		 [GT_FLOW_ESTABLISHED] = "established",
	[GT_FLOW_FIN] = "fin",		 [GT_FLOW_CLOSED] = "closed",
	[GT_FLOW_UDP] = "udp",		 [GT_FLOW_SOURCE] = "source",
	[GT_FLOW_SOURCE_NEW] = "source",
};

const char *gt_flow_state_name(enum gt_flow_state state)
{
	return state < GT_FLOW_STATES ? state_names[state] : "unknown";
}

/* ---- reading what is asked for ---- */

static bool parse_state(const char *value, unsigned *states)
{
	static const unsigned open = BIT(GT_FLOW_SYN) | BIT(GT_FLOW_ESTABLISHED) | BIT(GT_FLOW_UDP);

	*states = strcmp(value, "open") == 0 ? open : 0;
	for (unsigned i = 0; i < GT_FLOW_SOURCE; i++)
		if (strcmp(value, state_names[i]) == 0)
			*states = BIT(i);
	return *states != 0;
}

static bool parse_order(const char *value, enum gt_selection_order *order)
{
	static const char *const names[] = {[GT_ORDER_IDLE] = "idle",
					    [GT_ORDER_RECENT] = "recent",
					    [GT_ORDER_CLIENT] = "client"};

	for (unsigned i = GT_ORDER_IDLE; i <= GT_ORDER_CLIENT; i++)
		if (strcmp(value, names[i]) == 0) {
			*order = (enum gt_selection_order)i;
			return true;
		}
	return false;
}

static bool parse_client(const char *value, struct gt_prefix *prefix)
{
	struct gt_addr a;

	if (gt_prefix_parse(value, prefix) == 0)
		return true;
	if (gt_addr_parse(value, &a) != 0)
		return false;
	*prefix = (struct gt_prefix){a, gt_addr_is_v4(&a) ? 32 : 128};
	return true;
}

static bool parse_limit(const char *value, uint32_t *limit)
{
	long n = gt_parse_number(value);

	if (n < 1 || n > GT_CONNECTIONS_SHOWN_MAX)
		return false;
	*limit = (uint32_t)n;
	return true;
}

static bool has_vip(const struct gt_node *node, const char *name)
{
	for (size_t i = 0; i < node->config->n_vips; i++)
		if (strcmp(node->config->vips[i].name, name) == 0)
			return true;
	return false;
}

static bool has_server(const struct gt_node *node, const char *vip, const char *server)
{
	char name[2 * GT_NAME_MAX + 2];
	struct gt_node_place at = {0};

	snprintf(name, sizeof(name), "%s/%s", vip[0] != '\0' ? vip : "*", server);
	return gt_node_next_server(node, name, &at);
}

/* The value of an argument KEY=VALUE, or NULL. */
static const char *value_of(const char *argument, const char *key)
{
	size_t n = strlen(key);

	return strncmp(argument, key, n) == 0 && argument[n] == '=' ? argument + n + 1 : NULL;
}

/* One argument into s; NULL, or what would be right. */
static const char *parse_argument(const char *a, struct gt_selection *s)
{
	const char *v;

	if ((v = value_of(a, "vip")) != NULL && strlen(v) < sizeof(s->vip)) {
		strcpy(s->vip, v);
		return NULL;
	}
	if ((v = value_of(a, "server")) != NULL && strlen(v) < sizeof(s->server)) {
		strcpy(s->server, v);
		return NULL;
	}
	if ((v = value_of(a, "client")) != NULL) {
		s->by_client = true;
		return parse_client(v, &s->client)
			       ? NULL
			       : "a client is an address or a prefix such as 10.0.0.0/8";
	}
	if ((v = value_of(a, "state")) != NULL)
		return parse_state(v, &s->states)
			       ? NULL
			       : "a state is syn, established, fin, closed, udp, or open (syn, "
				 "established and udp)";
	if ((v = value_of(a, "sort")) != NULL)
		return parse_order(v, &s->order)
			       ? NULL
			       : "sort by idle, recent or client (when a connection began is not "
				 "kept)";
	v = value_of(a, "limit");
	return parse_limit(v != NULL ? v : a, &s->limit) ? NULL : "a limit is 1 to 100000";
}

struct gt_selection *gt_selection_parse(const struct gt_node *node, struct gt_reply *reply,
					const struct gt_request *q)
{
	struct gt_selection s = {.states = ~0U, .limit = GT_CONNECTIONS_SHOWN}, *out;

	for (size_t i = 0; i < q->n_arguments; i++) {
		const char *wrong = parse_argument(q->arguments[i], &s);

		if (wrong == NULL)
			continue;
		gt_say_error(reply, 2, "'%.200s': %s", q->arguments[i], wrong);
		return NULL;
	}
	if (s.vip[0] != '\0' && !has_vip(node, s.vip)) {
		gt_say_error(reply, 1, "no VIP '%s': gantryctl vips lists them", s.vip);
		return NULL;
	}
	if (s.server[0] != '\0' && !has_server(node, s.vip, s.server)) {
		gt_say_error(reply, 1, "no server '%s'%s%s: gantryctl servers lists them", s.server,
			     s.vip[0] != '\0' ? " of VIP " : "", s.vip);
		return NULL;
	}
	s.filters = s.vip[0] != '\0' || s.server[0] != '\0' || s.by_client || s.states != ~0U;
	out = malloc(sizeof(*out) + s.limit * sizeof(out->list[0]));
	if (out == NULL)
		gt_say_error(reply, 1, "no memory for so many connections: give a limit");
	else
		memcpy(out, &s, sizeof(s));
	return out;
}

bool gt_selection_matches(const struct gt_selection *s, const struct gt_flow_entry *e,
			  const char *vip, const char *server)
{
	if ((s->states & BIT(e->state)) == 0)
		return false;
	if (s->by_client && !gt_prefix_contains(&s->client, &e->client))
		return false;
	if (s->vip[0] != '\0' && (vip == NULL || strcmp(vip, s->vip) != 0))
		return false;
	return s->server[0] == '\0' || (server != NULL && strcmp(server, s->server) == 0);
}

/* ---- the first in an order ---- */

/* Below 0: a comes before b. */
static int compare(const struct gt_selection *s, const struct gt_selected *a,
		   const struct gt_selected *b)
{
	const struct gt_flow_entry *x = &a->entry, *y = &b->entry;
	int order;

	if (s->order == GT_ORDER_IDLE)
		return x->idle_ticks > y->idle_ticks ? -1 : x->idle_ticks < y->idle_ticks;
	if (s->order == GT_ORDER_RECENT)
		return x->idle_ticks < y->idle_ticks ? -1 : x->idle_ticks > y->idle_ticks;
	order = memcmp(&x->client, &y->client, sizeof(x->client));
	return order != 0 ? order
			  : (int)rte_be_to_cpu_16(x->client_port) -
				    (int)rte_be_to_cpu_16(y->client_port);
}

static void swap(struct gt_selection *s, uint32_t i, uint32_t j)
{
	struct gt_selected t = s->list[i];

	s->list[i] = s->list[j];
	s->list[j] = t;
}

/* Of the heap of the first n: i may be before one of its children. */
static void sift_down(struct gt_selection *s, uint32_t i, uint32_t n)
{
	for (;;) {
		uint32_t last = i;

		for (uint32_t child = 2 * i + 1; child <= 2 * i + 2 && child < n; child++)
			if (compare(s, &s->list[child], &s->list[last]) > 0)
				last = child;
		if (last == i)
			return;
		swap(s, i, last);
		i = last;
	}
}

static void sift_up(struct gt_selection *s, uint32_t i)
{
	while (i > 0 && compare(s, &s->list[i], &s->list[(i - 1) / 2]) > 0) {
		swap(s, i, (i - 1) / 2);
		i = (i - 1) / 2;
	}
}

void gt_selection_add(struct gt_selection *s, const struct gt_flow_entry *e, uint16_t server)
{
	const struct gt_selected one = {*e, server};

	s->matched++;
	if (s->n < s->limit) {
		s->list[s->n++] = one;
		if (s->order != GT_ORDER_NONE)
			sift_up(s, s->n - 1);
	} else if (s->order != GT_ORDER_NONE && compare(s, &one, &s->list[0]) < 0) {
		s->list[0] = one;
		sift_down(s, 0, s->n);
	}
}

bool gt_selection_sort(struct gt_selection *s, uint32_t n)
{
	if (s->order == GT_ORDER_NONE)
		return true;
	/* The last of what is left goes to the end of it. */
	for (; n > 0 && s->n_sorted + 1 < s->n; n--) {
		uint32_t left = s->n - s->n_sorted;

		swap(s, 0, left - 1);
		sift_down(s, 0, left - 1);
		s->n_sorted++;
	}
	return s->n_sorted + 1 >= s->n;
}
