/* SPDX-License-Identifier: BSD-3-Clause */
/* Loading a configuration as a whole, and asking and freeing a loaded one; see config.h. */
#include "config/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/build.h"

/* The largest valid files are of some 10 MB; what is larger was given by mistake. */
#define FILE_MAX_BYTES (64U << 20)

/* The node's name where none is written: the host's, without its domain. */
static void default_name(struct gt_config *c)
{
	char host[256] = "";

	if (gethostname(host, sizeof(host) - 1) != 0)
		*host = '\0';
	host[strcspn(host, ".")] = '\0';
	strcpy(c->name, gt_value_is_name(host) ? host : "gantry");
}

static void check_sections(struct gt_build *b)
{
	const struct gt_config *c = b->config;

	if (c->n_interfaces == 0)
		gt_config_error(
			b->messages, 1,
			"there is no [interface NAME]; add one with its device and address");
	if (c->n_vips == 0)
		gt_config_warning(b->messages, 1,
				  "there is no [vip NAME]: nothing will be balanced");
}

static int build(struct gt_build *b, const char *text, size_t len)
{
	int rc = gt_build_read(b, text, len);

	if (rc != 0)
		return rc;
	check_sections(b);
	rc = gt_build_resolve(b);
	if (rc != 0)
		return rc;
	gt_build_validate(b);
	gt_build_subnets(b);
	gt_build_checks(b);
	rc = gt_build_claims(b);
	if (rc == 0)
		rc = gt_build_groups(b);
	if (rc == 0)
		rc = gt_build_way_back(b);
	if (rc != 0)
		return rc;
	if (b->config->name[0] == '\0')
		default_name(b->config);
	return b->messages->n_errors > 0 ? -EINVAL : 0;
}

int gt_config_parse(const char *file, const char *text, size_t len, struct gt_config **out,
		    struct gt_config_messages *messages)
{
	struct gt_build b = {.config = calloc(1, sizeof(*b.config)),
			     .messages = messages,
			     .budget = GT_NEAREST_BUDGET};
	int rc = -ENOMEM;

	*out = NULL;
	*messages = (struct gt_config_messages){0};
	if (b.config == NULL)
		return -ENOMEM;
	b.config->file = strdup(file);
	if (b.config->file != NULL)
		rc = build(&b, text, len);
	free(b.servers);
	gt_config_messages_sort(messages);
	if (messages->n_untold > 0)
		gt_config_messages_more(messages);
	if (messages->no_memory)
		rc = -ENOMEM;
	if (rc == 0)
		*out = b.config;
	else
		gt_config_free(b.config);
	return rc;
}

/* All of a stream that may be a pipe. 0 with *text to be freed, or -errno. */
static int read_all(FILE *f, char **text, size_t *len)
{
	size_t size = 0;

	*text = NULL;
	*len = 0;
	do {
		size = size == 0 ? 65536 : 2 * size;
		char *more = realloc(*text, size);

		if (more == NULL)
			return -ENOMEM;
		*text = more;
		errno = 0;
		*len += fread(*text + *len, 1, size - *len, f);
		if (ferror(f))
			return errno != 0 ? -errno : -EIO;
	} while (*len == size && size <= FILE_MAX_BYTES);
	return *len > FILE_MAX_BYTES ? -EFBIG : 0;
}

int gt_config_load(const char *file, struct gt_config **out, struct gt_config_messages *messages)
{
	FILE *f = fopen(file, "re");
	char *text = NULL;
	size_t len = 0;
	int rc = f == NULL ? -errno : read_all(f, &text, &len);

	if (f != NULL)
		fclose(f);
	if (rc == 0) {
		rc = gt_config_parse(file, text, len, out, messages);
	} else {
		*out = NULL;
		*messages = (struct gt_config_messages){0};
		if (rc != -ENOMEM)
			gt_config_error(messages, 0, "the configuration cannot be read: %s",
					strerror(-rc));
	}
	free(text);
	return rc;
}

void gt_build_release(const struct gt_schema_section *section, void *object)
{
	for (const struct gt_schema_key *k = section->keys; k->name != NULL; k++) {
		bool owns = gt_schema_is_text(k->type) || (k->list && k->extra != GT_NO_OFFSET);
		void *p;

		if (!owns)
			continue;
		memcpy(&p, (char *)object + k->offset, sizeof(p));
		free(p);
	}
}

void gt_config_free(struct gt_config *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < c->n_interfaces; i++)
		gt_build_release(&gt_schema[GT_SECTION_INTERFACE], &c->interfaces[i]);
	for (size_t i = 0; i < c->n_checks; i++)
		gt_build_release(&gt_schema[GT_SECTION_CHECK], &c->checks[i]);
	for (size_t i = GT_CHECK_TCP; i < GT_CHECK_EXEC; i++)
		gt_build_release(&gt_schema[GT_SECTION_CHECK], &c->builtin_checks[i]);
	for (size_t i = 0; i < c->n_vips; i++) {
		/* Servers own nothing. */
		free(c->vips[i].servers);
		gt_build_release(&gt_schema[GT_SECTION_VIP], &c->vips[i]);
	}
	gt_build_release(&gt_schema[GT_SECTION_GANTRY], c);
	free(c->interfaces);
	free(c->checks);
	free(c->vips);
	free(c->file);
	free(c);
}

uint32_t gt_ports_count(const struct gt_config_vip *vip)
{
	uint32_t n = 0;

	for (size_t i = 0; i < vip->n_ports; i++)
		n += vip->ports[i].last - vip->ports[i].first + 1U;
	return n;
}

char *gt_ports_format(const struct gt_config_vip *vip, char *buf, size_t size)
{
	size_t n = 0;

	*buf = '\0';
	for (size_t i = 0; i < vip->n_ports && n < size; i++) {
		const struct gt_port_range *r = &vip->ports[i];
		const char *comma = i == 0 ? "" : ", ";

		if (r->first == 0)
			n += (size_t)snprintf(buf + n, size - n, "any");
		else if (r->first == r->last)
			n += (size_t)snprintf(buf + n, size - n, "%s%u", comma, r->first);
		else
			n += (size_t)snprintf(buf + n, size - n, "%s%u-%u", comma, r->first,
					      r->last);
	}
	if (n >= size && size > 4)
		strcpy(buf + size - 4, "...");
	return buf;
}
