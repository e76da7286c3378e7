/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the language of the configuration can say and this version cannot do. The schema's `later`
 * says it for each key; here is when it applies. As versions come, rows and this file lose lines.
 */
#include "config/config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config/messages.h"
#include "config/schema.h"

struct later {
	struct gt_config_messages *messages;
	const struct gt_schema_section *section;
	const struct gt_config_lines *lines;
	unsigned line; /* of the section */
};

static void error(const struct later *l, const char *key, const char *value)
{
	const struct gt_schema_key *k = gt_schema_find_key(l->section, key);
	unsigned line = l->lines->key[k - l->section->keys];

	gt_config_error(l->messages, line != 0 ? line : l->line, "%s = %s: %s", key, value,
			k->later);
}

static void check_vip(const struct gt_config_vip *v, struct gt_config_messages *messages)
{
	const struct later l = {messages, &gt_schema[GT_SECTION_VIP], &v->lines, v->line};

	if (v->mode == GT_MODE_PROXY)
		error(&l, "mode", gt_mode_name(v->mode));
}

int gt_config_unsupported(const struct gt_config *c, struct gt_config_messages *messages)
{
	size_t before = messages->n_errors;

	for (size_t i = 0; i < c->n_vips; i++)
		check_vip(&c->vips[i], messages);
	gt_config_messages_sort(messages);
	if (messages->no_memory)
		return -ENOMEM;
	return messages->n_errors > before ? -EINVAL : 0;
}
