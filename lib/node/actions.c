/* SPDX-License-Identifier: BSD-3-Clause */
/* What operators and checks say of a server; see node.h. */
#include "node/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* What there is instead of `name`: the servers of its VIP, or the VIPs. */
static void explain_unknown(const struct gt_node *node, const char *name, char *error, size_t size)
{
	const struct gt_config *config = node->config;
	const struct gt_config_vip *vip = NULL;
	const char *slash = strchr(name, '/');
	size_t used, n;

	if (error == NULL || size == 0)
		return;
	for (size_t i = 0; slash != NULL && i < config->n_vips; i++)
		if (strlen(config->vips[i].name) == (size_t)(slash - name) &&
		    strncmp(config->vips[i].name, name, (size_t)(slash - name)) == 0)
			vip = &config->vips[i];
	if (vip != NULL)
		used = (size_t)snprintf(error, size, "no server '%s'; VIP %s has", name, vip->name);
	else
		used = (size_t)snprintf(error, size, "no server '%s' (it is VIP/SERVER); VIPs are",
					name);
	n = vip != NULL ? vip->n_servers : config->n_vips;
	for (size_t i = 0; i < n && used < size; i++)
		used += (size_t)snprintf(error + used, size - used, "%s %s", i > 0 ? "," : "",
					 vip != NULL ? vip->servers[i].name : config->vips[i].name);
}

static const char *const action_texts[] = {
	[GT_ACTION_UP] = "up",
	[GT_ACTION_DOWN] = "down: its connections move to others",
	[GT_ACTION_ENABLE] = "enabled",
	[GT_ACTION_DRAIN] = "drained: keeps its connections, takes no new ones",
	[GT_ACTION_DISABLE] = "disabled: its connections move to others",
};

int gt_node_act(struct gt_node *node, enum gt_node_action action, const char *server, long value,
		char *error, size_t error_size)
{
	const struct gt_config_server *config;
	struct gt_server_state *s = gt_node_find_server(node, server, &config);

	if (s == NULL) {
		explain_unknown(node, server, error, error_size);
		return -ENOENT;
	}
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
		if (value < 0 || value > 65535) {
			if (error != NULL)
				snprintf(error, error_size,
					 "weight %ld is out of range: 0 to 65535", value);
			return -ERANGE;
		}
		s->weight = (uint16_t)value;
		break;
	}
	node->dirty = true;
	if (action == GT_ACTION_WEIGHT)
		gt_log(&node->hooks.log, LOG_NOTICE, "server %s: weight %ld", server, value);
	else
		gt_log(&node->hooks.log, LOG_NOTICE, "server %s: %s", server, action_texts[action]);
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

static size_t revert(struct gt_node *node, struct gt_server_state *s,
		     const struct gt_config_server *config)
{
	bool differs = differs_from_file(s, config);

	s->admin = config->state;
	s->weight = config->weight;
	node->dirty = node->dirty || differs;
	return differs;
}

int gt_node_revert(struct gt_node *node, const char *server, size_t *n, char *error,
		   size_t error_size)
{
	const struct gt_config *config = node->config;
	const struct gt_config_server *one;
	struct gt_server_state *s = gt_node_find_server(node, server, &one);
	size_t k = 0;

	*n = 0;
	if (s != NULL) {
		*n = revert(node, s, one);
	} else if (strcmp(server, "all") == 0) {
		for (size_t i = 0; i < config->n_vips; i++)
			for (size_t j = 0; j < config->vips[i].n_servers; j++, k++)
				*n += revert(node, &node->states[k], &config->vips[i].servers[j]);
	} else {
		explain_unknown(node, server, error, error_size);
		return -ENOENT;
	}
	gt_log(&node->hooks.log, LOG_NOTICE, "server %s: weight and state as in %s again%s", server,
	       config->file, *n == 0 ? ", as they were" : "");
	return 0;
}
