/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names to places: duplicate names, each server to its VIP, each VIP to its interface, check and
 * fallback. All look-ups by sorted arrays, so that a hostile file cannot make them quadratic. See
 * build.h.
 */
#include "config/build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A name and where it stands; sorted by name, then place. */
struct name {
	const char *vip; /* of servers; else "" */
	const char *name;
	size_t index;
};

static int compare_names(const void *a, const void *b)
{
	const struct name *x = a, *y = b;
	int d = strcmp(x->vip, y->vip);

	if (d == 0)
		d = strcmp(x->name, y->name);
	return d;
}

static int compare_names_and_places(const void *a, const void *b)
{
	const struct name *x = a, *y = b;
	int d = compare_names(a, b);

	return d != 0 ? d : (x->index > y->index) - (x->index < y->index);
}

static const struct name *find_name(const struct name *names, size_t n, const char *name)
{
	const struct name key = {"", name, 0};

	return n == 0 ? NULL : bsearch(&key, names, n, sizeof(*names), compare_names);
}

/* The names of n sections that begin with a head, sorted; NULL: no memory (n of 0 too gives a
 * list). */
static struct name *sort_names(const void *list, size_t n, size_t size, bool servers)
{
	struct name *names = malloc((n + 1) * sizeof(*names));

	if (names == NULL)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		const struct gt_build_head *head = (const void *)((const char *)list + i * size);
		const struct gt_build_server *server = (const void *)head;

		names[i] = (struct name){servers ? server->vip : "", head->name, i};
	}
	qsort(names, n, sizeof(*names), compare_names_and_places);
	return names;
}

/*
 * Tells duplicates and removes them, and removes the nameless (told before): what comes later sees
 * each name once.
 */
static int drop_duplicates(struct gt_build *b, enum gt_section section, void *list, size_t *n,
			   size_t size)
{
	const struct gt_schema_section *s = &gt_schema[section];
	bool servers = section == GT_SECTION_SERVER;
	struct name *names = sort_names(list, *n, size, servers);
	bool *drop = calloc(*n + 1, sizeof(*drop));
	size_t kept = 0, first = 0;

	if (names == NULL || drop == NULL) {
		free(names);
		free(drop);
		return -ENOMEM;
	}
	for (size_t i = 0; i < *n; i++) {
		struct gt_build_head *head = (void *)((char *)list + names[i].index * size);

		if (compare_names(&names[first], &names[i]) != 0)
			first = i;
		drop[names[i].index] = first != i || *names[i].name == '\0';
		if (first == i || *names[i].name == '\0')
			continue;
		struct gt_build_head *other = (void *)((char *)list + names[first].index * size);

		gt_config_error(
			b->messages, head->line,
			"a second [%s %s%s%s]; the first is in line %u. Give one another name",
			s->name, names[i].vip, servers ? "/" : "", names[i].name, other->line);
	}
	for (size_t i = 0; i < *n; i++) {
		char *object = (char *)list + i * size;

		if (drop[i])
			gt_build_release(s, object);
		else
			memmove((char *)list + kept++ * size, object, size);
	}
	*n = kept;
	free(names);
	free(drop);
	return 0;
}

/* " (did you mean X?)" or what there is, for a name that is not in a sorted list. */
static const char *nearest_name(struct gt_build *b, const struct name *names, size_t n,
				const char *word)
{
	struct gt_config_nearest nearest;

	gt_config_nearest_start(&nearest, word, &b->budget);
	for (size_t i = 0; i < n && b->budget > 0; i++)
		gt_config_nearest_try(&nearest, names[i].name);
	return nearest.best;
}

static void unknown_name(struct gt_build *b, unsigned line, const char *what, const char *title,
			 const char *word, const char *nearest)
{
	if (nearest != NULL)
		gt_config_error(b->messages, line, "%s: there is no [%s %s]; did you mean '%s'?",
				what, title, word, nearest);
	else
		gt_config_error(b->messages, line,
				"%s: there is no [%s %s]; add that section, or name another", what,
				title, word);
}

/* Finds each server's VIP, and gives each VIP an array of the right size. */
static int count_servers(struct gt_build *b, const struct name *vips)
{
	struct gt_config *c = b->config;

	for (size_t i = 0; i < b->n_servers; i++) {
		struct gt_build_server *s = &b->servers[i];
		const struct name *vip = find_name(vips, c->n_vips, s->vip);

		s->vip_index = vip == NULL ? SIZE_MAX : vip->index;
		if (vip != NULL)
			c->vips[vip->index].n_servers++;
		else
			unknown_name(b, s->server.line, "server of an unknown VIP", "vip", s->vip,
				     nearest_name(b, vips, c->n_vips, s->vip));
	}
	for (size_t i = 0; i < c->n_vips; i++) {
		struct gt_config_vip *v = &c->vips[i];

		if (v->n_servers == 0)
			gt_config_error(
				b->messages, v->line,
				"[vip %s] has no server; add a section [server %s/NAME] with its "
				"address",
				v->name, v->name);
		else
			v->servers = calloc(v->n_servers, sizeof(*v->servers));
		if (v->n_servers > 0 && v->servers == NULL)
			return -ENOMEM; /* n_servers says what is owned: none of this one's */
		v->n_servers = 0;
	}
	return 0;
}

static int place_servers(struct gt_build *b, const struct name *vips)
{
	struct gt_config *c = b->config;
	int rc = count_servers(b, vips);

	if (rc != 0) {
		for (size_t i = 0; i < c->n_vips; i++)
			c->vips[i].n_servers = 0;
		return rc;
	}
	for (size_t i = 0; i < b->n_servers; i++) {
		struct gt_build_server *s = &b->servers[i];

		if (s->vip_index == SIZE_MAX)
			continue;
		struct gt_config_vip *v = &c->vips[s->vip_index];

		v->servers[v->n_servers++] = s->server;
	}
	return 0;
}

static void resolve_interface(struct gt_build *b, struct gt_config_vip *v,
			      const struct name *interfaces)
{
	size_t n = b->config->n_interfaces;
	const struct name *found;

	if (!GT_STANDS(GT_SECTION_VIP, v, interface_name))
		return;
	found = find_name(interfaces, n, v->interface_name);
	if (found != NULL) {
		v->interface = (uint8_t)found->index;
		return;
	}
	unknown_name(b, GT_LINE(GT_SECTION_VIP, v, interface_name), "interface", "interface",
		     v->interface_name, nearest_name(b, interfaces, n, v->interface_name));
	GT_REFUSE(GT_SECTION_VIP, v, interface_name);
}

static void resolve_check(struct gt_build *b, struct gt_config_vip *v, const struct name *checks)
{
	const struct gt_schema_value *type = gt_schema_check_types;
	size_t n = b->config->n_checks;
	const struct name *found = find_name(checks, n, v->check);
	unsigned line = GT_LINE(GT_SECTION_VIP, v, check);
	struct gt_config_nearest nearest;

	if (!GT_STANDS(GT_SECTION_VIP, v, check) || strcmp(v->check, "none") == 0)
		return;
	if (found != NULL) {
		v->checked = &b->config->checks[found->index];
		return;
	}
	if (strcmp(v->check, "exec") == 0) {
		gt_config_error(
			b->messages, line,
			"check = exec: exec has no default command; write a [check NAME] with type "
			"= exec and a command, and name it");
		return;
	}
	gt_config_nearest_start(&nearest, v->check, &b->budget);
	for (; type->name != NULL; type++) {
		if (strcmp(type->name, v->check) == 0) {
			v->checked = &b->config->builtin_checks[type->value];
			return;
		}
		gt_config_nearest_try(&nearest, type->name);
	}
	const char *best = nearest_name(b, checks, n, v->check);

	if (best == NULL)
		best = nearest.best;
	if (best != NULL)
		gt_config_error(b->messages, line,
				"check = %s: there is no [check %s]; did you mean '%s'?", v->check,
				v->check, best);
	else
		gt_config_error(
			b->messages, line,
			"check = %s: there is no [check %s]; add that section, or write tcp, "
			"dicom, hl7, http, https, icmp or none",
			v->check, v->check);
}

static void resolve_fallback(struct gt_build *b, const struct gt_config_vip *v)
{
	unsigned line = GT_LINE(GT_SECTION_VIP, v, fallback);
	struct gt_config_nearest nearest;
	bool found = false;

	if (v->fallback[0] == '\0' || v->n_servers == 0)
		return;
	gt_config_nearest_start(&nearest, v->fallback, &b->budget);
	for (size_t i = 0; i < v->n_servers && !found; i++) {
		found = strcmp(v->servers[i].name, v->fallback) == 0;
		gt_config_nearest_try(&nearest, v->servers[i].name);
	}
	if (!found)
		gt_config_error(
			b->messages, line, "fallback = %s: there is no [server %s/%s]; %s%s%s",
			v->fallback, v->name, v->fallback,
			nearest.best != NULL ? "did you mean '"
					     : "add that section, or name another",
			nearest.best != NULL ? nearest.best : "", nearest.best != NULL ? "'?" : "");
	else if (v->n_servers == 1)
		gt_config_error(
			b->messages, line,
			"fallback = %s: it is the VIP's only server; add one that it stands in for",
			v->fallback);
}

static int resolve_vips(struct gt_build *b)
{
	struct gt_config *c = b->config;
	struct name *vips = sort_names(c->vips, c->n_vips, sizeof(*c->vips), false);
	struct name *interfaces =
		sort_names(c->interfaces, c->n_interfaces, sizeof(*c->interfaces), false);
	struct name *checks = sort_names(c->checks, c->n_checks, sizeof(*c->checks), false);
	int rc = -ENOMEM;

	if (vips != NULL && interfaces != NULL && checks != NULL)
		rc = place_servers(b, vips);
	for (size_t i = 0; rc == 0 && i < c->n_vips; i++) {
		resolve_interface(b, &c->vips[i], interfaces);
		resolve_check(b, &c->vips[i], checks);
		resolve_fallback(b, &c->vips[i]);
		c->vips[i].check_line = gt_config_line("vip", &c->vips[i].lines, "check");
	}
	free(checks);
	free(interfaces);
	free(vips);
	return rc;
}

int gt_build_resolve(struct gt_build *b)
{
	struct gt_config *c = b->config;
	int rc;

	rc = drop_duplicates(b, GT_SECTION_INTERFACE, c->interfaces, &c->n_interfaces,
			     sizeof(*c->interfaces));
	if (rc == 0)
		rc = drop_duplicates(b, GT_SECTION_VIP, c->vips, &c->n_vips, sizeof(*c->vips));
	if (rc == 0)
		rc = drop_duplicates(b, GT_SECTION_CHECK, c->checks, &c->n_checks,
				     sizeof(*c->checks));
	if (rc == 0)
		rc = drop_duplicates(b, GT_SECTION_SERVER, b->servers, &b->n_servers,
				     sizeof(*b->servers));
	if (rc == 0)
		rc = resolve_vips(b);
	return rc;
}
