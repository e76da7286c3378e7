/* SPDX-License-Identifier: BSD-3-Clause */
/* What one configuration changes of another; see compare.h. */
#include "config/compare.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/compare_keys.h"

/* ---- sections ---- */

/* All sections of a kind begin with their name: an array of them sorted by that, as pointers. */
static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char **sort_names(const void *array, size_t n, size_t size)
{
	const char **list = calloc(n > 0 ? n : 1, sizeof(*list));

	for (size_t i = 0; list != NULL && i < n; i++)
		list[i] = (const char *)array + i * size;
	if (list != NULL)
		qsort(list, n, sizeof(*list), compare_names);
	return list;
}

_Static_assert(offsetof(struct gt_config_vip, name) == 0, "see sort_names");
_Static_assert(offsetof(struct gt_config_server, name) == 0, "see sort_names");
_Static_assert(offsetof(struct gt_config_check, name) == 0, "see sort_names");

/* Two arrays of sections of one kind. */
struct pairing {
	const void *from, *to;
	size_t n_from, n_to, size;
	/* A name that is in one only, or in both: either is NULL, or none. */
	int (*pair)(void *ctx, const void *from, const void *to);
	void *ctx;
};

/* Tells all pairs. 0, -ENOMEM, or what `pair` said. */
static int pair_up(const struct pairing *p)
{
	const char **from = sort_names(p->from, p->n_from, p->size);
	const char **to = sort_names(p->to, p->n_to, p->size);
	int rc = from == NULL || to == NULL ? -ENOMEM : 0;

	for (size_t i = 0, j = 0; rc == 0 && (i < p->n_from || j < p->n_to);) {
		int c = i == p->n_from ? 1 : j == p->n_to ? -1 : strcmp(from[i], to[j]);

		rc = p->pair(p->ctx, c <= 0 ? from[i] : NULL, c >= 0 ? to[j] : NULL);
		i += c <= 0;
		j += c >= 0;
	}
	free(from);
	free(to);
	return rc;
}

struct comparison {
	const struct gt_config *from, *to;
	struct gt_config_changes *out;
	/* index of the first server of each VIP */
	size_t *first_from, *first_to;
	/* the VIPs whose servers are compared */
	const struct gt_config_vip *vip_from, *vip_to;
};

static int compare_check(void *ctx, const void *from, const void *to)
{
	struct gt_config_change *c = &((struct comparison *)ctx)->out->checks;

	if (from == NULL)
		c->added++;
	else if (to == NULL)
		c->removed++;
	else
		c->changed += gt_schema_count_differing(GT_SECTION_CHECK, from, to) > 0;
	return 0;
}

static void compare_server_keys(struct gt_config_changes *out, const struct gt_config_server *from,
				const struct gt_config_server *to)
{
	bool weight = from->weight != to->weight, state = from->state != to->state;

	out->weights += weight;
	out->states += state;
	out->servers.changed += gt_schema_count_differing(GT_SECTION_SERVER, from, to) >
				(size_t)weight + (size_t)state;
}

/* What the servers of the VIP that is compared were. */
static struct gt_config_server_was *servers_were(const struct comparison *c)
{
	return &c->out->server_was[c->first_to[c->vip_to - c->to->vips]];
}

static int compare_server(void *ctx, const void *from, const void *to)
{
	struct comparison *c = ctx;
	const struct gt_config_server *was = from, *is = to;

	if (was != NULL && is != NULL && gt_addr_equal(&was->address, &is->address)) {
		compare_server_keys(c->out, was, is);
		servers_were(c)[is - c->vip_to->servers] = (struct gt_config_server_was){
			was, c->first_from[c->vip_from - c->from->vips] +
				     (size_t)(was - c->vip_from->servers)};
		return 0;
	}
	c->out->servers.removed += was != NULL;
	c->out->servers.added += is != NULL;
	return 0;
}

/* With failover the order of the servers counts: do those that stay stand otherwise now? */
static bool is_reordered(const struct comparison *c)
{
	const struct gt_config_server_was *was = servers_were(c);
	size_t last = 0;

	for (size_t i = 0; c->vip_to->policy == GT_POLICY_FAILOVER && i < c->vip_to->n_servers;
	     i++) {
		if (was[i].server == NULL)
			continue;
		if (was[i].index < last)
			return true;
		last = was[i].index;
	}
	return false;
}

static int compare_vip(void *ctx, const void *from, const void *to)
{
	struct comparison *c = ctx;
	struct pairing servers;
	int rc;

	if (from == NULL || to == NULL) {
		c->out->vips.added += from == NULL;
		c->out->vips.removed += to == NULL;
		return 0;
	}
	c->vip_from = from;
	c->vip_to = to;
	c->out->vip_was[c->vip_to - c->to->vips] = from;
	servers = (struct pairing){c->vip_from->servers,
				   c->vip_to->servers,
				   c->vip_from->n_servers,
				   c->vip_to->n_servers,
				   sizeof(struct gt_config_server),
				   compare_server,
				   c};
	rc = pair_up(&servers);
	if (rc == 0)
		c->out->vips.changed +=
			gt_schema_count_differing(GT_SECTION_VIP, from, to) > 0 || is_reordered(c);
	return rc;
}

/* The key of a connection to many ports has the port in it: entries of one kind are not found by
 * the other. */
static void warn_ports(const struct comparison *c, struct gt_config_messages *messages)
{
	for (size_t i = 0; i < c->to->n_vips; i++) {
		const struct gt_config_vip *is = &c->to->vips[i], *was = c->out->vip_was[i];
		uint32_t now = gt_ports_count(is), then = was != NULL ? gt_ports_count(was) : now;

		if ((then > GT_CONFIG_PORTS_EXPANDED_MAX) != (now > GT_CONFIG_PORTS_EXPANDED_MAX))
			gt_config_warning(messages, GT_LINE(GT_SECTION_VIP, is, ports),
					  "vip %s: %u ports, and there were %u: beyond %d "
					  "connections are remembered in another way, so those "
					  "that stand are scheduled anew",
					  is->name, now, then, GT_CONFIG_PORTS_EXPANDED_MAX);
	}
}

static size_t *index_servers(const struct gt_config *config, size_t *n)
{
	size_t *first = calloc(config->n_vips + 1, sizeof(*first));

	*n = 0;
	for (size_t i = 0; first != NULL && i < config->n_vips; i++) {
		first[i] = *n;
		*n += config->vips[i].n_servers;
	}
	return first;
}

int gt_config_compare(const struct gt_config *from, const struct gt_config *to,
		      struct gt_config_changes *out, struct gt_config_messages *messages)
{
	struct comparison c = {.from = from, .to = to, .out = out};
	struct pairing vips = {
		from->vips,  to->vips, from->n_vips, to->n_vips, sizeof(struct gt_config_vip),
		compare_vip, &c};
	struct pairing checks = {from->checks,
				 to->checks,
				 from->n_checks,
				 to->n_checks,
				 sizeof(struct gt_config_check),
				 compare_check,
				 &c};
	size_t n_from, n_to;
	int rc = -ENOMEM;

	*out = (struct gt_config_changes){
		.keys = gt_schema_count_differing(GT_SECTION_GANTRY, from, to)};
	c.first_from = index_servers(from, &n_from);
	c.first_to = index_servers(to, &n_to);
	out->vip_was = calloc(to->n_vips + 1, sizeof(*out->vip_was));
	out->server_was = calloc(n_to + 1, sizeof(*out->server_was));
	if (c.first_from == NULL || c.first_to == NULL || out->vip_was == NULL ||
	    out->server_was == NULL)
		goto out;
	/* Others are settled at the start. */
	for (size_t i = 0; i < from->n_interfaces && i < to->n_interfaces; i++)
		out->interfaces +=
			gt_schema_count_differing(GT_SECTION_INTERFACE, &from->interfaces[i],
						  &to->interfaces[i]) > 0;
	rc = pair_up(&checks);
	if (rc == 0)
		rc = pair_up(&vips);
	if (rc == 0)
		warn_ports(&c, messages);
out:
	free(c.first_from);
	free(c.first_to);
	return rc;
}

void gt_config_changes_free(struct gt_config_changes *c)
{
	free(c->vip_was);
	free(c->server_was);
	*c = (struct gt_config_changes){0};
}

/* ---- in words ---- */

struct words {
	char *buf;
	size_t size, used;
};

static void say(struct words *w, size_t n, const char *what, const char *plural, const char *how)
{
	if (n > 0 && w->used < w->size)
		w->used +=
			(size_t)snprintf(w->buf + w->used, w->size - w->used, "%s%zu %s %s",
					 w->used > 0 ? ", " : "", n, n == 1 ? what : plural, how);
}

static void say_change(struct words *w, const struct gt_config_change *c, const char *what,
		       const char *plural)
{
	say(w, c->added, what, plural, "added");
	say(w, c->removed, what, plural, "removed");
	say(w, c->changed, what, plural, "changed");
}

char *gt_config_changes_text(const struct gt_config_changes *c, char *buf, size_t size)
{
	struct words w = {buf, size, 0};

	say_change(&w, &c->vips, "VIP", "VIPs");
	say_change(&w, &c->servers, "server", "servers");
	say(&w, c->weights, "weight", "weights", "changed");
	say(&w, c->states, "state", "states", "changed");
	say_change(&w, &c->checks, "check", "checks");
	say(&w, c->interfaces, "interface", "interfaces", "changed");
	say(&w, c->keys, "key of [gantry]", "keys of [gantry]", "changed");
	if (w.used == 0)
		snprintf(buf, size, "nothing changed");
	return buf;
}
