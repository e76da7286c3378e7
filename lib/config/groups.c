/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rules about VIPs of one persistence group: they send a client to the server of the same name, so
 * they should have the same names, and choose alike. All are warnings: what is written can be done,
 * and may be meant. At most one for each name and VIP, by sorted lists. See build.h.
 */
#include "config/build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A server, or with server NULL a VIP, of a group. */
struct member {
	const struct gt_config_vip *vip;
	const struct gt_config_server *server;
};

static const char *server_name(const struct member *m)
{
	return m->server != NULL ? m->server->name : "";
}

/* By group, name of the server (VIPs first), and place in the file. */
static int compare(const void *a, const void *b)
{
	const struct member *x = a, *y = b;
	int d = strcmp(x->vip->persistence_group, y->vip->persistence_group);

	if (d == 0)
		d = strcmp(server_name(x), server_name(y));
	return d != 0 ? d : (x->vip > y->vip) - (x->vip < y->vip);
}

static bool same_name(const struct member *x, const struct member *y)
{
	return strcmp(x->vip->persistence_group, y->vip->persistence_group) == 0 &&
	       strcmp(server_name(x), server_name(y)) == 0;
}

static unsigned line_of(const struct gt_config_vip *v)
{
	return GT_LINE(GT_SECTION_VIP, v, persistence_group);
}

/* The VIPs of one group choose alike? */
static void check_vips(struct gt_build *b, const struct member *vips, size_t n)
{
	const struct gt_config_vip *first = vips[0].vip;

	for (size_t i = 1; i < n; i++) {
		const struct gt_config_vip *v = vips[i].vip;

		if (v->scheduler != first->scheduler || v->policy != first->policy)
			gt_config_warning(b->messages, line_of(v),
					  "persistence_group = %s: scheduler = %s and policy = %s, "
					  "but [vip %s] has %s and %s; a client that is in no "
					  "record may meet different servers",
					  v->persistence_group, gt_scheduler_name(v->scheduler),
					  gt_policy_name(v->policy), first->name,
					  gt_scheduler_name(first->scheduler),
					  gt_policy_name(first->policy));
	}
}

/* The servers of one name: in all VIPs of the group, with one weight? */
static void check_name(struct gt_build *b, const struct member *vips, size_t n_vips,
		       const struct member *servers, size_t n)
{
	size_t lacks = 0;

	/* Both lists are in the file's order: the first that differs lacks it. */
	while (lacks < n && servers[lacks].vip == vips[lacks].vip)
		lacks++;
	if (lacks < n_vips)
		gt_config_warning(b->messages, line_of(vips[lacks].vip),
				  "persistence_group = %s: [vip %s] has no server '%s' as [vip %s] "
				  "has; clients of that server meet another one here",
				  vips[0].vip->persistence_group, vips[lacks].vip->name,
				  servers[0].server->name, servers[0].vip->name);
	for (size_t i = 1; i < n; i++) {
		const struct gt_config_server *s = servers[i].server;

		if (s->weight == servers[0].server->weight)
			continue;
		gt_config_warning(b->messages, GT_LINE(GT_SECTION_SERVER, s, weight),
				  "weight = %u: [server %s/%s] of the same persistence_group has "
				  "%u; a client that is in no record may meet different servers",
				  s->weight, servers[0].vip->name, s->name,
				  servers[0].server->weight);
		break;
	}
}

static size_t list_members(const struct gt_config *c, struct member *out)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n_vips; i++) {
		const struct gt_config_vip *v = &c->vips[i];

		if (!GT_STANDS(GT_SECTION_VIP, v, persistence_group) ||
		    v->persistence_group[0] == '\0' || v->persistence != GT_PERSIST_SOURCE)
			continue;
		for (size_t j = 0; j <= v->n_servers; j++) {
			if (out != NULL)
				out[n] = (struct member){v,
							 j < v->n_servers ? &v->servers[j] : NULL};
			n++;
		}
	}
	return n;
}

int gt_build_groups(struct gt_build *b)
{
	size_t n = list_members(b->config, NULL), vips = 0, n_vips = 0;
	struct member *list = calloc(n + 1, sizeof(*list));

	if (list == NULL)
		return -ENOMEM;
	list_members(b->config, list);
	qsort(list, n, sizeof(*list), compare);
	for (size_t from = 0, to; from < n; from = to) {
		for (to = from + 1; to < n && same_name(&list[from], &list[to]); to++)
			;
		if (list[from].server == NULL) {
			vips = from;
			n_vips = to - from;
			check_vips(b, &list[vips], n_vips);
		} else {
			check_name(b, &list[vips], n_vips, &list[from], to - from);
		}
	}
	free(list);
	return 0;
}
