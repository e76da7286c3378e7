/* SPDX-License-Identifier: BSD-3-Clause */
/* What operators and checks say of a server; see node.h. */
#include "node/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct gt_server_state *gt_node_find_server(const struct gt_node *node, const char *name,
					    const struct gt_config_server **server)
{
	const struct gt_config *config = node->config;
	size_t k = 0;

	for (size_t i = 0; i < config->n_vips; i++) {
		const struct gt_config_vip *vip = &config->vips[i];
		size_t len = strlen(vip->name);

		for (size_t j = 0; j < vip->n_servers; j++, k++)
			if (strncmp(name, vip->name, len) == 0 && name[len] == '/' &&
			    strcmp(name + len + 1, vip->servers[j].name) == 0) {
				*server = &vip->servers[j];
				return &node->states[k];
			}
	}
	return NULL;
}

/* Is `name` the first `len` bytes of a pattern, or are these `*`? */
static bool matches(const char *pattern, size_t len, const char *name)
{
	return (len == 1 && *pattern == '*') ||
	       (strlen(name) == len && strncmp(pattern, name, len) == 0);
}

bool gt_node_next_server(const struct gt_node *node, const char *name, struct gt_node_place *at)
{
	const struct gt_config *config = node->config;
	const char *slash = strchr(name, '/');
	struct gt_addr address;
	size_t k = 0;

	if (slash == NULL && gt_addr_parse(name, &address) != 0)
		return false;
	for (size_t i = 0; i < config->n_vips; i++) {
		const struct gt_config_vip *vip = &config->vips[i];

		if (k + vip->n_servers <= at->next ||
		    (slash != NULL && !matches(name, (size_t)(slash - name), vip->name))) {
			k += vip->n_servers;
			continue;
		}
		for (size_t j = 0; j < vip->n_servers; j++, k++) {
			const struct gt_config_server *s = &vip->servers[j];

			if (k < at->next ||
			    (slash != NULL ? !matches(slash + 1, strlen(slash + 1), s->name)
					   : !gt_addr_equal(&s->address, &address)))
				continue;
			*at = (struct gt_node_place){k + 1, vip, s, k};
			return true;
		}
	}
	return false;
}

/* ---- names that are none ---- */

/* A server whose name differs by upper and lower case only. False: none. */
static bool find_similar(const struct gt_config *config, const char *name, char *buf, size_t size)
{
	for (size_t i = 0; i < config->n_vips; i++)
		for (size_t j = 0; j < config->vips[i].n_servers; j++) {
			snprintf(buf, size, "%s/%s", config->vips[i].name,
				 config->vips[i].servers[j].name);
			if (strcasecmp(buf, name) == 0)
				return true;
		}
	return false;
}

/* Which names there are: the servers of the VIP that is named, or the VIPs. */
static void list_names(const struct gt_config *config, const char *name, char *buf, size_t size)
{
	const struct gt_config_vip *vip = NULL;
	const char *slash = strchr(name, '/');
	size_t used, n;

	for (size_t i = 0; slash != NULL && i < config->n_vips; i++)
		if (strlen(config->vips[i].name) == (size_t)(slash - name) &&
		    strncmp(config->vips[i].name, name, (size_t)(slash - name)) == 0)
			vip = &config->vips[i];
	if (vip != NULL)
		used = (size_t)snprintf(buf, size, "VIP %s has", vip->name);
	else
		used = (size_t)snprintf(buf, size, "VIPs are");
	n = vip != NULL ? vip->n_servers : config->n_vips;
	for (size_t i = 0; i < n && used < size; i++)
		used += (size_t)snprintf(buf + used, size - used, "%s %s", i > 0 ? "," : "",
					 vip != NULL ? vip->servers[i].name : config->vips[i].name);
}

void gt_node_explain_unknown(const struct gt_node *node, const char *name, char *error, size_t size)
{
	char similar[2 * GT_NAME_MAX + 2], names[512];
	struct gt_addr address;

	if (error == NULL || size == 0)
		return;
	if (strchr(name, '/') == NULL && gt_addr_parse(name, &address) == 0) {
		snprintf(error, size, "no server has the address %s", name);
		return;
	}
	if (find_similar(node->config, name, similar, sizeof(similar))) {
		snprintf(error, size, "no server '%s': names are case-sensitive; do you mean %s?",
			 name, similar);
		return;
	}
	list_names(node->config, name, names, sizeof(names));
	snprintf(error, size, "no server %s'%s'%s; %s", strchr(name, '*') != NULL ? "fits " : "",
		 name, strchr(name, '/') == NULL ? " (it is VIP/SERVER, or an address)" : "",
		 names);
}

/* ---- what becomes of connections ---- */

/* So many servers are named. */
#define NAMED_MAX 4

/* The servers of a VIP that take new connections beside one: "b, c and 3 more"; empty: none. */
static void name_takers(const struct gt_node *node, const struct gt_node_place *at, bool fallback,
			char *buf, size_t size)
{
	const struct gt_config_vip *vip = at->vip;
	size_t first = at->index - (size_t)(at->server - vip->servers), used = 0, n = 0;

	buf[0] = '\0';
	for (size_t j = 0; j < vip->n_servers; j++) {
		if (&vip->servers[j] == at->server || node->states[first + j].lost ||
		    !gt_server_takes_new(&node->states[first + j]) ||
		    (strcmp(vip->servers[j].name, vip->fallback) == 0) != fallback)
			continue;
		if (vip->policy == GT_POLICY_FAILOVER && n == 1)
			break;
		if (n++ < NAMED_MAX && used < size)
			used += (size_t)snprintf(buf + used, size - used, "%s%s",
						 used > 0 ? ", " : "", vip->servers[j].name);
	}
	if (n > NAMED_MAX && used < size)
		snprintf(buf + used, size - used, " and %zu more", n - NAMED_MAX);
}

void gt_node_find_place(const struct gt_node *node, size_t index, struct gt_node_place *at)
{
	size_t first = 0, i = 0;

	while (index - first >= node->config->vips[i].n_servers)
		first += node->config->vips[i++].n_servers;
	*at = (struct gt_node_place){index + 1, &node->config->vips[i],
				     &node->config->vips[i].servers[index - first], index};
}

char *gt_node_fate(const struct gt_node *node, size_t index, char *buf, size_t size)
{
	const struct gt_server_state *s = &node->states[index];
	char takers[(NAMED_MAX + 1) * (GT_NAME_MAX + 2)];
	struct gt_node_place at;

	buf[0] = '\0';
	if (s->up && s->admin != GT_ADMIN_DISABLED)
		return buf;
	gt_node_find_place(node, index, &at);
	name_takers(node, &at, false, takers, sizeof(takers));
	if (takers[0] == '\0')
		name_takers(node, &at, true, takers, sizeof(takers));
	if (gt_plan_resets(at.vip))
		snprintf(buf, size, "its connections are reset%s%s",
			 takers[0] != '\0' ? ", and their clients may connect anew to "
					   : "; no other server takes new ones",
			 takers);
	else if (takers[0] != '\0')
		snprintf(buf, size, "its connections move to %s", takers);
	else
		snprintf(buf, size,
			 "its connections hang: no other server of the VIP takes them (no-server)");
	return buf;
}

/* ---- actions ---- */

static void apply(struct gt_server_state *s, enum gt_node_action action, long value)
{
	switch (action) {
	case GT_ACTION_UP:
	case GT_ACTION_DOWN:
		s->up = action == GT_ACTION_UP;
		break;
	case GT_ACTION_ENABLE:
		s->admin = GT_ADMIN_ENABLED;
		break;
	case GT_ACTION_DRAIN:
		s->admin = GT_ADMIN_DRAIN;
		break;
	case GT_ACTION_DISABLE:
		s->admin = GT_ADMIN_DISABLED;
		break;
	case GT_ACTION_WEIGHT:
		s->weight = (uint16_t)value;
		break;
	}
}

static bool may_take(const struct gt_server_state *s)
{
	return s->up && s->admin == GT_ADMIN_ENABLED;
}

static void tell_weight(struct gt_node *node, const struct gt_node_place *at, uint16_t old)
{
	char was[8], now[8];

	snprintf(was, sizeof(was), "%u", old);
	snprintf(now, sizeof(now), "%u", node->states[at->index].weight);
	gt_node_tell(node,
		     (struct gt_event){.level = LOG_NOTICE,
				       .kind = "server",
				       .vip = at->vip->name,
				       .server = at->server->name,
				       .what = "weight",
				       .old = was,
				       .now = now,
				       .reason = "operator"},
		     "server %s/%s: weight %s", at->vip->name, at->server->name, now);
}

static void tell_state(struct gt_node *node, const struct gt_node_place *at,
		       enum gt_node_action action, const struct gt_server_state *old)
{
	static const char *const texts[] = {
		[GT_ACTION_UP] = "up",
		[GT_ACTION_DOWN] = "down",
		[GT_ACTION_ENABLE] = "enabled",
		[GT_ACTION_DRAIN] = "drained: keeps its connections, takes no new ones",
		[GT_ACTION_DISABLE] = "disabled",
	};
	const struct gt_server_state *s = &node->states[at->index];
	bool checked = action == GT_ACTION_UP || action == GT_ACTION_DOWN;
	char fate[GT_NODE_FATE_MAX] = "", slow[64] = "";

	if (action == GT_ACTION_DOWN || action == GT_ACTION_DISABLE)
		gt_node_fate(node, at->index, fate, sizeof(fate));
	if (s->slow_tenths > 0 && may_take(s))
		snprintf(slow, sizeof(slow), ": grows to weight %u within %u s", s->weight,
			 at->vip->slow_start_s);
	gt_node_tell(node,
		     (struct gt_event){.level = LOG_NOTICE,
				       .kind = "server",
				       .vip = at->vip->name,
				       .server = at->server->name,
				       .what = "state",
				       .old = gt_server_state_name(old),
				       .now = gt_server_state_name(s),
				       .reason = checked ? "check" : "operator"},
		     "server %s/%s: %s%s%s%s", at->vip->name, at->server->name, texts[action],
		     fate[0] != '\0' ? ": " : "", fate, slow);
}

/* What is so already is no news. */
static void tell_change(struct gt_node *node, const struct gt_node_place *at,
			enum gt_node_action action, const struct gt_server_state *old)
{
	const struct gt_server_state *s = &node->states[at->index];

	if (action == GT_ACTION_WEIGHT && s->weight != old->weight)
		tell_weight(node, at, old->weight);
	else if (s->up != old->up || s->admin != old->admin)
		tell_state(node, at, action, old);
}

static void act(struct gt_node *node, const struct gt_node_place *at, enum gt_node_action action,
		long value)
{
	struct gt_server_state *s = &node->states[at->index];
	bool took = may_take(s);

	apply(s, action, value);
	node->dirty = true;
	if (!took && may_take(s))
		gt_node_begin_slow_start(node, at);
}

int gt_node_act(struct gt_node *node, enum gt_node_action action, const char *server, long value,
		char *error, size_t error_size)
{
	size_t n = gt_plan_count_servers(node->config);
	struct gt_server_state *old;
	struct gt_node_place at = {0};

	if (!gt_node_next_server(node, server, &at)) {
		gt_node_explain_unknown(node, server, error, error_size);
		return -ENOENT;
	}
	if (action == GT_ACTION_WEIGHT && (value < 0 || value > 65535)) {
		if (error != NULL)
			snprintf(error, error_size, "weight %ld is out of range: 0 to 65535",
				 value);
		return -ERANGE;
	}
	old = malloc(n * sizeof(*old));
	if (old == NULL) {
		if (error != NULL)
			snprintf(error, error_size, "no memory");
		return -ENOMEM;
	}
	memcpy(old, node->states, n * sizeof(*old));
	/* All of them first: what becomes of the connections of one depends on the others. */
	at = (struct gt_node_place){0};
	while (gt_node_next_server(node, server, &at))
		act(node, &at, action, value);
	at = (struct gt_node_place){0};
	while (gt_node_next_server(node, server, &at))
		tell_change(node, &at, action, &old[at.index]);
	free(old);
	return 0;
}

/* ---- and the file ---- */

static bool differs_from_file(const struct gt_server_state *s,
			      const struct gt_config_server *config)
{
	return s->admin != config->state || s->weight != config->weight;
}

size_t gt_node_count_overrides(const struct gt_node *node)
{
	size_t n = 0, k = 0;

	for (size_t i = 0; i < node->config->n_vips; i++)
		for (size_t j = 0; j < node->config->vips[i].n_servers; j++, k++)
			n += differs_from_file(&node->states[k], &node->config->vips[i].servers[j]);
	return n;
}

int gt_node_revert(struct gt_node *node, const char *server, size_t *n, char *error,
		   size_t error_size)
{
	const char *pattern = strcmp(server, "all") == 0 ? "*/*" : server;
	struct gt_node_place at = {0};

	*n = 0;
	if (!gt_node_next_server(node, pattern, &at)) {
		gt_node_explain_unknown(node, server, error, error_size);
		return -ENOENT;
	}
	do {
		struct gt_server_state *s = &node->states[at.index];
		bool took = may_take(s);

		if (!differs_from_file(s, at.server))
			continue;
		s->admin = at.server->state;
		s->weight = at.server->weight;
		node->dirty = true;
		++*n;
		if (!took && may_take(s))
			gt_node_begin_slow_start(node, &at);
		gt_node_tell(node,
			     (struct gt_event){.level = LOG_NOTICE,
					       .kind = "server",
					       .vip = at.vip->name,
					       .server = at.server->name,
					       .what = "state",
					       .now = gt_server_state_name(s),
					       .reason = "operator"},
			     "server %s/%s: weight and state as in %s again", at.vip->name,
			     at.server->name, node->config->file);
	} while (gt_node_next_server(node, pattern, &at));
	return 0;
}
