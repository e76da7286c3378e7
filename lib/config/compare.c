/* SPDX-License-Identifier: BSD-3-Clause */
/* What one configuration changes of another; see compare.h. */
#include "config/compare.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/schema.h"

/* ---- keys ---- */

static const void *field(const void *object, size_t offset)
{
	return (const char *)object + offset;
}

static bool same_text(const void *a, const void *b)
{
	const char *x = *(const char *const *)a, *y = *(const char *const *)b;

	return x == NULL || y == NULL ? x == y : strcmp(x, y) == 0;
}

static bool same_gateways(const struct gt_config_interface *a, const struct gt_config_interface *b)
{
	return a->has_gateway4 == b->has_gateway4 && a->has_gateway6 == b->has_gateway6 &&
	       (!a->has_gateway4 || gt_addr_equal(&a->gateway4, &b->gateway4)) &&
	       (!a->has_gateway6 || gt_addr_equal(&a->gateway6, &b->gateway6));
}

/* Bytes of an element of a list. */
static size_t element_size(enum gt_type type)
{
	switch (type) {
	case GT_TYPE_ADDRESS:
		return sizeof(struct gt_addr);
	case GT_TYPE_PREFIX:
		return sizeof(struct gt_prefix);
	case GT_TYPE_PORTS:
		return sizeof(struct gt_port_range);
	default:
		return sizeof(int); /* GT_TYPE_CORES */
	}
}

static bool same_list(const struct gt_schema_key *k, const void *a, const void *b)
{
	size_t n = *(const size_t *)field(a, k->extra);

	if (n != *(const size_t *)field(b, k->extra))
		return false;
	return n == 0 ||
	       memcmp(*(const void *const *)field(a, k->offset),
		      *(const void *const *)field(b, k->offset), n * element_size(k->type)) == 0;
}

/* Of a field beside the main one: a flag, or the end of a range. */
static bool same_extra(const struct gt_schema_key *k, const void *a, const void *b)
{
	size_t size = k->type == GT_TYPE_STATUS ? sizeof(uint16_t) : sizeof(bool);

	return k->extra == GT_NO_OFFSET ||
	       memcmp(field(a, k->extra), field(b, k->extra), size) == 0;
}

/* Do two sections of a kind say the same of a key? */
static bool same_key(const struct gt_schema_key *k, const void *a, const void *b)
{
	const void *x = field(a, k->offset), *y = field(b, k->offset);

	if (gt_schema_is_text(k->type))
		return same_text(x, y);
	switch (k->type) {
	case GT_TYPE_NAME:
	case GT_TYPE_AE_TITLE:
		return strcmp(x, y) == 0;
	case GT_TYPE_GATEWAY:
		return same_gateways(a, b);
	default:
		break;
	}
	if (k->list)
		return same_list(k, a, b);
	/* A MAC that is not there has no value. */
	if (k->type == GT_TYPE_MAC && same_extra(k, a, b) && !*(const bool *)field(a, k->extra))
		return true;
	return same_extra(k, a, b) && memcmp(x, y, k->size) == 0;
}

/* What neither file says is the same: a host's name may change by itself. */
static bool differs(const struct gt_schema_section *s, const struct gt_schema_key *k, const void *a,
		    const void *b)
{
	const struct gt_config_lines *x = field(a, s->lines), *y = field(b, s->lines);

	return (x->key[k - s->keys] != 0 || y->key[k - s->keys] != 0) && !same_key(k, a, b);
}

/* How many keys differ. */
static size_t count_keys(enum gt_section section, const void *a, const void *b)
{
	const struct gt_schema_section *s = &gt_schema[section];
	size_t n = 0;

	for (const struct gt_schema_key *k = s->keys; k->name != NULL; k++)
		n += differs(s, k, a, b);
	return n;
}

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
		c->changed += count_keys(GT_SECTION_CHECK, from, to) > 0;
	return 0;
}

static void compare_server_keys(struct gt_config_changes *out, const struct gt_config_server *from,
				const struct gt_config_server *to)
{
	bool weight = from->weight != to->weight, state = from->state != to->state;

	out->weights += weight;
	out->states += state;
	out->servers.changed +=
		count_keys(GT_SECTION_SERVER, from, to) > (size_t)weight + (size_t)state;
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
		c->out->vips.changed += count_keys(GT_SECTION_VIP, from, to) > 0 || is_reordered(c);
	return rc;
}

static uint32_t count_ports(const struct gt_config_vip *vip)
{
	uint32_t n = 0;

	for (size_t i = 0; i < vip->n_ports; i++)
		n += vip->ports[i].last - vip->ports[i].first + 1U;
	return n;
}

/* The key of a connection to many ports has the port in it: entries of one kind are not found by
 * the other. */
static void warn_ports(const struct comparison *c, struct gt_config_messages *messages)
{
	for (size_t i = 0; i < c->to->n_vips; i++) {
		const struct gt_config_vip *is = &c->to->vips[i], *was = c->out->vip_was[i];
		uint32_t now = count_ports(is), then = was != NULL ? count_ports(was) : now;

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

	*out = (struct gt_config_changes){.keys = count_keys(GT_SECTION_GANTRY, from, to)};
	c.first_from = index_servers(from, &n_from);
	c.first_to = index_servers(to, &n_to);
	out->vip_was = calloc(to->n_vips + 1, sizeof(*out->vip_was));
	out->server_was = calloc(n_to + 1, sizeof(*out->server_was));
	if (c.first_from == NULL || c.first_to == NULL || out->vip_was == NULL ||
	    out->server_was == NULL)
		goto out;
	/* Others are settled at the start. */
	for (size_t i = 0; i < from->n_interfaces && i < to->n_interfaces; i++)
		out->interfaces += count_keys(GT_SECTION_INTERFACE, &from->interfaces[i],
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

/* ---- what is settled at the start ---- */

/* The value of a key that is settled at the start, as the file says it. */
static const char *format_value(const struct gt_schema_key *k, const void *object, char *buf,
				size_t size)
{
	const void *x = field(object, k->offset);

	switch (k->type) {
	case GT_TYPE_NAME:
		snprintf(buf, size, "%s", (const char *)x);
		break;
	case GT_TYPE_NUMBER:
		snprintf(buf, size, "%u",
			 k->size == sizeof(uint16_t) ? *(const uint16_t *)x : *(const uint32_t *)x);
		break;
	case GT_TYPE_CORE:
		snprintf(buf, size, "%d", *(const int *)x);
		break;
	case GT_TYPE_CORES:
		for (size_t i = 0, used = 0;
		     i < *(const size_t *)field(object, k->extra) && used < size; i++)
			used += (size_t)snprintf(buf + used, size - used, "%s%d", i > 0 ? ", " : "",
						 (*(int *const *)x)[i]);
		break;
	case GT_TYPE_YES_NO:
		snprintf(buf, size, "%s", *(const bool *)x ? "yes" : "no");
		break;
	case GT_TYPE_MAC:
		gt_mac_format(x, buf);
		break;
	default: /* texts */
		snprintf(buf, size, "%s",
			 *(const char *const *)x != NULL ? *(const char *const *)x : "no");
		break;
	}
	return buf;
}

/* The same, and for one that is not written its default. */
static const char *value_text(const struct gt_schema_section *s, const struct gt_schema_key *k,
			      const void *object, char *buf, size_t size)
{
	const struct gt_config_lines *lines = field(object, s->lines);

	if (lines->key[k - s->keys] != 0)
		return format_value(k, object, buf, size);
	return k->def != NULL ? (*k->def != '\0' ? k->def : "empty") : k->def_help;
}

#define VALUE_MAX 256

static void compare_settled(const struct gt_schema_section *s, const void *from, const void *to,
			    unsigned line, const char *name, struct gt_config_messages *messages)
{
	const struct gt_config_lines *lines = field(to, s->lines);
	char was[VALUE_MAX], is[VALUE_MAX];

	for (const struct gt_schema_key *k = s->keys; k->name != NULL; k++) {
		unsigned at = lines->key[k - s->keys];

		if (!k->settled || !differs(s, k, from, to))
			continue;
		gt_config_error(messages, at != 0 ? at : line,
				"%s%s = %s%s: it was %s when gantry started, and only a restart "
				"changes it",
				name, k->name, value_text(s, k, to, is, sizeof(is)),
				at != 0 ? "" : " (not written)",
				value_text(s, k, from, was, sizeof(was)));
	}
}

static const struct gt_config_interface *find_interface(const struct gt_config *c, const char *name)
{
	for (size_t i = 0; i < c->n_interfaces; i++)
		if (strcmp(c->interfaces[i].name, name) == 0)
			return &c->interfaces[i];
	return NULL;
}

static void compare_interfaces(const struct gt_config *from, const struct gt_config *to,
			       struct gt_config_messages *messages)
{
	const struct gt_schema_section *s = &gt_schema[GT_SECTION_INTERFACE];
	size_t before = messages->n_errors;
	char name[GT_NAME_MAX + 16];

	for (size_t i = 0; i < from->n_interfaces; i++)
		if (find_interface(to, from->interfaces[i].name) == NULL)
			gt_config_error(messages, 0,
					"[interface %s] is not there any more: only a restart "
					"removes an interface",
					from->interfaces[i].name);
	for (size_t i = 0; i < to->n_interfaces; i++) {
		const struct gt_config_interface *is = &to->interfaces[i];
		const struct gt_config_interface *was = find_interface(from, is->name);

		if (was == NULL) {
			gt_config_error(messages, is->line,
					"[interface %s] is new: only a restart adds an interface",
					is->name);
			continue;
		}
		snprintf(name, sizeof(name), "interface %s: ", is->name);
		compare_settled(s, was, is, is->line, name, messages);
	}
	/* Their order gives them their numbers. */
	for (size_t i = 0; messages->n_errors == before && i < to->n_interfaces; i++)
		if (strcmp(from->interfaces[i].name, to->interfaces[i].name) != 0) {
			gt_config_error(messages, to->interfaces[i].line,
					"[interface %s] stands where [interface %s] stood: only a "
					"restart changes their order",
					to->interfaces[i].name, from->interfaces[i].name);
			return;
		}
}

bool gt_config_uses_snat(const struct gt_config *config)
{
	for (size_t i = 0; i < config->n_vips; i++)
		if (config->vips[i].mode == GT_MODE_SNAT)
			return true;
	return false;
}

static void refuse_snat(const struct gt_config *to, struct gt_config_messages *messages)
{
	for (size_t i = 0; i < to->n_vips; i++) {
		const struct gt_config_vip *v = &to->vips[i];

		if (v->mode == GT_MODE_SNAT)
			gt_config_error(messages, GT_LINE(GT_SECTION_VIP, v, mode),
					"vip %s: mode = snat needs memory that is taken when "
					"gantry starts, and no VIP had this mode then: only a "
					"restart begins with it",
					v->name);
	}
}

int gt_config_settled(const struct gt_config *from, const struct gt_config *to, bool snat,
		      struct gt_config_messages *messages)
{
	size_t before = messages->n_errors;

	compare_settled(&gt_schema[GT_SECTION_GANTRY], from, to, to->line, "", messages);
	compare_interfaces(from, to, messages);
	if (!snat)
		refuse_snat(to, messages);
	gt_config_messages_sort(messages);
	if (messages->no_memory)
		return -ENOMEM;
	return messages->n_errors > before ? -EXDEV : 0;
}
