/* SPDX-License-Identifier: BSD-3-Clause */
/* What only a restart changes: gt_config_settled of compare.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config/compare.h"
#include "config/compare_keys.h"

/* The value of a key that is settled at the start, as the file says it. */
static const char *format_value(const struct gt_schema_key *k, const void *object, char *buf,
				size_t size)
{
	const void *x = gt_schema_field(object, k->offset);

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
		     i < *(const size_t *)gt_schema_field(object, k->extra) && used < size; i++)
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
	const struct gt_config_lines *lines = gt_schema_field(object, s->lines);

	if (lines->key[k - s->keys] != 0)
		return format_value(k, object, buf, size);
	return k->def != NULL ? (*k->def != '\0' ? k->def : "empty") : k->def_help;
}

#define VALUE_MAX 256

static void compare_settled(const struct gt_schema_section *s, const void *from, const void *to,
			    unsigned line, const char *name, struct gt_config_messages *messages)
{
	const struct gt_config_lines *lines = gt_schema_field(to, s->lines);
	char was[VALUE_MAX], is[VALUE_MAX];

	for (const struct gt_schema_key *k = s->keys; k->name != NULL; k++) {
		unsigned at = lines->key[k - s->keys];

		if (!k->settled || !gt_schema_differs(s, k, from, to))
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

static enum gt_config_snat vip_needs(const struct gt_config_vip *v)
{
	if (v->mode != GT_MODE_SNAT)
		return GT_CONFIG_SNAT_NONE;
	return gt_addr_is_v4(&v->address) ? GT_CONFIG_SNAT_V4 : GT_CONFIG_SNAT_V6;
}

enum gt_config_snat gt_config_needs_snat(const struct gt_config *config)
{
	enum gt_config_snat most = GT_CONFIG_SNAT_NONE;

	for (size_t i = 0; i < config->n_vips; i++)
		if (vip_needs(&config->vips[i]) > most)
			most = vip_needs(&config->vips[i]);
	return most;
}

static void refuse_snat(const struct gt_config *to, enum gt_config_snat there,
			struct gt_config_messages *messages)
{
	for (size_t i = 0; i < to->n_vips; i++) {
		const struct gt_config_vip *v = &to->vips[i];

		if (vip_needs(v) > there)
			gt_config_error(messages, GT_LINE(GT_SECTION_VIP, v, mode),
					"vip %s: mode = snat needs memory that is taken when "
					"gantry starts, and no %sVIP had this mode then: only a "
					"restart begins with it",
					v->name, there == GT_CONFIG_SNAT_NONE ? "" : "IPv6 ");
	}
}

int gt_config_settled(const struct gt_config *from, const struct gt_config *to,
		      enum gt_config_snat snat, struct gt_config_messages *messages)
{
	size_t before = messages->n_errors;

	compare_settled(&gt_schema[GT_SECTION_GANTRY], from, to, to->line, "", messages);
	compare_interfaces(from, to, messages);
	refuse_snat(to, snat, messages);
	gt_config_messages_sort(messages);
	if (messages->no_memory)
		return -ENOMEM;
	return messages->n_errors > before ? -EXDEV : 0;
}
