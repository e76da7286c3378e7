/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From headings, keys and values to the structs of the model, by the schema alone: nothing here
 * knows what a VIP is. See build.h.
 */
#include "config/build.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/ini.h"

#define SAME_HEAD(type)                                                                            \
	_Static_assert(                                                                            \
		offsetof(struct type, name) == offsetof(struct gt_build_head, name) &&             \
			offsetof(struct type, line) == offsetof(struct gt_build_head, line) &&     \
			offsetof(struct type, lines) == offsetof(struct gt_build_head, lines),     \
		"sections begin alike")
SAME_HEAD(gt_config_interface);
SAME_HEAD(gt_config_vip);
SAME_HEAD(gt_config_server);
SAME_HEAD(gt_config_check);

/* The array that holds sections of a kind. */
struct array {
	void **list;
	size_t *n;
	size_t size;
};

static struct array array_of(struct gt_build *b, const struct gt_schema_section *section)
{
	struct gt_config *c = b->config;

	switch (section - gt_schema) {
	case GT_SECTION_INTERFACE:
		return (struct array){(void **)&c->interfaces, &c->n_interfaces, section->size};
	case GT_SECTION_VIP:
		return (struct array){(void **)&c->vips, &c->n_vips, section->size};
	case GT_SECTION_CHECK:
		return (struct array){(void **)&c->checks, &c->n_checks, section->size};
	default:
		return (struct array){(void **)&b->servers, &b->n_servers,
				      sizeof(struct gt_build_server)};
	}
}

static void set_defaults(struct gt_build *b, const struct gt_schema_section *section, void *object)
{
	char why[GT_WHY_MAX];

	for (const struct gt_schema_key *k = section->keys; k->name != NULL; k++)
		if (k->def != NULL && gt_value_parse(k, k->def, object, why, &b->budget) != 0)
			b->no_memory = true;
}

/* A new zeroed section of a kind; NULL: there are too many, or no memory. */
static void *add_section(struct gt_build *b, const struct gt_schema_section *section)
{
	struct array a = array_of(b, section);
	bool *told = &b->told_most[section - gt_schema];

	if (*a.n >= section->most) {
		if (!*told)
			gt_config_error(
				b->messages, b->line,
				"%s: one too many, there may be %zu; this one and those behind it "
				"are not read",
				section->title, section->most);
		*told = true;
		return NULL;
	}
	if ((*a.n & (*a.n - 1)) == 0) {
		void *more = realloc(*a.list, (*a.n == 0 ? 1 : 2 * *a.n) * a.size);

		if (more == NULL) {
			b->no_memory = true;
			return NULL;
		}
		*a.list = more;
	}
	void *object = (char *)*a.list + (*a.n)++ * a.size;

	memset(object, 0, a.size);
	return object;
}

/* All required keys there? Called when the section is over. */
static void close_section(struct gt_build *b)
{
	if (b->section == NULL || b->spoilt)
		return;
	for (const struct gt_schema_key *k = b->section->keys; k->name != NULL; k++) {
		size_t i = (size_t)(k - b->section->keys);

		if (k->required && b->lines->key[i] == 0 && !(b->lines->wrong >> i & 1))
			gt_config_error(b->messages, b->line,
					"%s lacks its '%s'; add for example: %s = %s",
					b->section->title, k->name, k->name, k->example);
	}
}

static void unknown_section(struct gt_build *b, const char *heading, const char *kind)
{
	struct gt_config_nearest nearest;
	char quoted[GT_QUOTE_MAX];

	gt_config_nearest_start(&nearest, kind, &b->budget);
	for (size_t i = 0; i < GT_SECTIONS; i++)
		gt_config_nearest_try(&nearest, gt_schema[i].name);
	gt_config_quote(heading, quoted);
	if (nearest.best != NULL)
		gt_config_error(b->messages, b->line, "unknown section [%s]; did you mean %s?",
				quoted, gt_schema_find_section(nearest.best)->title);
	else
		gt_config_error(b->messages, b->line,
				"unknown section [%s]; there are [gantry], [interface NAME], [vip "
				"NAME], [server VIP/NAME] and [check NAME]",
				quoted);
}

static bool check_name(struct gt_build *b, const char *name)
{
	char quoted[GT_QUOTE_MAX];

	if (gt_value_is_name(name))
		return true;
	if (*name == '\0')
		gt_config_error(b->messages, b->line, "section without a name; write %s",
				b->section->title);
	else
		gt_config_error(
			b->messages, b->line,
			"'%s' is not a name for %s; write letters, digits, '.', '_' and '-', at "
			"most %d",
			gt_config_quote(name, quoted), b->section->title, GT_NAME_MAX);
	return false;
}

/* Names a server's section, "VIP/NAME". */
static void name_server(struct gt_build *b, char *name)
{
	struct gt_build_server *s = b->object;
	char *slash = strchr(name, '/');
	char quoted[GT_QUOTE_MAX];

	if (slash == NULL) {
		gt_config_error(b->messages, b->line,
				"[server %s] does not say whose; write [server VIP/NAME]",
				gt_config_quote(name, quoted));
		return;
	}
	*slash = '\0';
	if (check_name(b, name) && check_name(b, slash + 1)) {
		strcpy(s->vip, name);
		strcpy(s->server.name, slash + 1);
	}
}

static void open_gantry(struct gt_build *b, const char *name)
{
	char quoted[GT_QUOTE_MAX];

	if (*name != '\0')
		gt_config_error(
			b->messages, b->line,
			"[gantry %s]: the node's name is a key; write [gantry], and name = NAME",
			gt_config_quote(name, quoted));
	if (b->config->line != 0) {
		gt_config_error(b->messages, b->line, "a second [gantry]; the first is in line %u",
				b->config->line);
		b->section = NULL;
		return;
	}
	b->config->line = b->line;
	b->object = b->config;
	b->lines = &b->config->lines;
}

static void open_named(struct gt_build *b, char *name)
{
	struct gt_build_head *head = add_section(b, b->section);

	if (head == NULL) {
		b->section = NULL;
		return;
	}
	b->object = head;
	b->lines = &head->lines;
	head->line = b->line;
	set_defaults(b, b->section, head);
	if (b->section == &gt_schema[GT_SECTION_SERVER])
		name_server(b, name);
	else if (check_name(b, name))
		strcpy(head->name, name);
}

static void on_section(void *ctx, const char *heading, unsigned line)
{
	struct gt_build *b = ctx;
	char buf[256], *name;

	close_section(b);
	b->any_heading = true;
	b->line = line;
	b->spoilt = false;
	b->list = NULL;
	/* No longer than one line of inih's. */
	snprintf(buf, sizeof(buf), "%s", heading);
	name = buf + strcspn(buf, " \t");
	if (*name != '\0')
		*name++ = '\0';
	name += strspn(name, " \t");
	b->section = gt_schema_find_section(buf);
	if (b->section == NULL)
		unknown_section(b, heading, buf);
	else if (b->section == &gt_schema[GT_SECTION_GANTRY])
		open_gantry(b, name);
	else
		open_named(b, name);
}

/* "address, port, weight", cut to fit. Returns buf. */
static char *list_keys(const struct gt_schema_section *section, char *buf, size_t size)
{
	size_t n = 0;

	for (const struct gt_schema_key *k = section->keys; k->name != NULL && n < size; k++)
		n += (size_t)snprintf(buf + n, size - n, "%s%s", n == 0 ? "" : ", ", k->name);
	return buf;
}

static void unknown_key(struct gt_build *b, const char *key, unsigned line)
{
	struct gt_config_nearest nearest;
	char quoted[GT_QUOTE_MAX], keys[300];

	gt_config_quote(key, quoted);
	gt_config_nearest_start(&nearest, key, &b->budget);
	for (const struct gt_schema_key *k = b->section->keys; k->name != NULL; k++)
		gt_config_nearest_try(&nearest, k->name);
	if (nearest.best != NULL) {
		const struct gt_schema_key *k = gt_schema_find_key(b->section, nearest.best);

		gt_config_error(b->messages, line, "unknown key '%s' in %s; did you mean '%s'?",
				quoted, b->section->title, nearest.best);
		/* It then is not missing, too. */
		b->lines->wrong |= 1U << (k - b->section->keys);
		return;
	}
	for (size_t i = 0; i < GT_SECTIONS; i++)
		if (gt_schema_find_key(&gt_schema[i], key) != NULL) {
			gt_config_error(b->messages, line,
					"unknown key '%s' in %s; it belongs in %s", quoted,
					b->section->title, gt_schema[i].title);
			return;
		}
	gt_config_error(b->messages, line, "unknown key '%s' in %s; there are %s", quoted,
			b->section->title, list_keys(b->section, keys, sizeof(keys)));
}

/* Types one value or element; tells what is wrong with it. */
static void set_value(struct gt_build *b, const struct gt_schema_key *k, const char *text,
		      unsigned line)
{
	char why[GT_WHY_MAX], quoted[GT_QUOTE_MAX];
	int rc = gt_value_parse(k, text, b->object, why, &b->budget);

	if (rc == -ENOMEM)
		b->no_memory = true;
	if (rc != -EINVAL)
		return;
	gt_config_error(b->messages, line, "%s = %s: %s", k->name, gt_config_quote(text, quoted),
			why);
	b->lines->wrong |= 1U << (k - b->section->keys);
}

/* Types the elements of one line of a list. True: it ends with a comma, so the next line goes on.
 */
static bool set_list(struct gt_build *b, const struct gt_schema_key *k, const char *text,
		     unsigned line)
{
	char buf[512], *s = buf;

	snprintf(buf, sizeof(buf), "%s", text);
	for (;;) {
		char *comma = strchr(s, ','), *end = comma == NULL ? s + strlen(s) : comma;
		bool last = comma == NULL;

		while (end > s && (end[-1] == ' ' || end[-1] == '\t'))
			end--;
		*end = '\0';
		s += strspn(s, " \t");
		if (last && *s == '\0' && s != buf)
			return true;
		set_value(b, k, s, line);
		if (last)
			return false;
		s = comma + 1;
	}
}

/* Of a list that nobody reads, so that the lines that continue it are left out, too. */
static bool ends_with_comma(const char *value)
{
	size_t n = strlen(value);

	return n > 0 && value[n - 1] == ',';
}

static bool on_value(void *ctx, const char *key, const char *value, unsigned line)
{
	struct gt_build *b = ctx;
	char quoted[GT_QUOTE_MAX];

	b->list = NULL;
	if (b->section == NULL) {
		if (!b->any_heading)
			gt_config_error(
				b->messages, line,
				"key '%s' before any section; put a heading such as [gantry] above "
				"it",
				gt_config_quote(key, quoted));
		return ends_with_comma(value);
	}
	const struct gt_schema_key *k = gt_schema_find_key(b->section, key);

	if (k == NULL) {
		unknown_key(b, key, line);
		return false;
	}
	unsigned *first = &b->lines->key[k - b->section->keys];

	if (*first != 0) {
		gt_config_error(b->messages, line, "%s = %s: the key is already in line %u; %s",
				key, gt_config_quote(value, quoted), *first,
				k->list ? "write one list, separated by commas" : "keep one");
		return k->list && ends_with_comma(value);
	}
	*first = line;
	if (!k->list) {
		set_value(b, k, value, line);
		return false;
	}
	b->list = k;
	return set_list(b, k, value, line);
}

static bool on_more(void *ctx, const char *value, unsigned line)
{
	struct gt_build *b = ctx;

	if (b->list == NULL)
		return ends_with_comma(value);
	return set_list(b, b->list, value, line);
}

static void on_cut_off(void *ctx, unsigned line)
{
	struct gt_build *b = ctx;

	if (b->list != NULL)
		gt_config_error(b->messages, line,
				"%s ends with a comma; remove it, or indent the line that "
				"continues the list",
				b->list->name);
}

static void on_spoilt(void *ctx, bool heading)
{
	struct gt_build *b = ctx;

	if (!heading) {
		b->spoilt = true;
		return;
	}
	close_section(b);
	b->any_heading = true;
	b->section = NULL;
}

/* What `check = tcp` and the like mean where no section is of that name. */
static void set_builtin_checks(struct gt_build *b)
{
	for (const struct gt_schema_value *t = gt_schema_check_types; t->name != NULL; t++) {
		struct gt_config_check *check = &b->config->builtin_checks[t->value];

		if (t->value == GT_CHECK_EXEC)
			continue;
		set_defaults(b, &gt_schema[GT_SECTION_CHECK], check);
		check->type = (enum gt_check_type)t->value;
		strcpy(check->name, t->name);
	}
}

int gt_build_read(struct gt_build *b, const char *text, size_t len)
{
	const struct gt_ini_events events = {.section = on_section,
					     .value = on_value,
					     .more = on_more,
					     .cut_off = on_cut_off,
					     .spoilt = on_spoilt,
					     .ctx = b};

	b->config->main_core = -1;
	set_defaults(b, &gt_schema[GT_SECTION_GANTRY], b->config);
	set_builtin_checks(b);
	if (gt_ini_parse(text, len, &events, b->messages) != 0)
		return -ENOMEM;
	close_section(b);
	return b->no_memory ? -ENOMEM : 0;
}
