/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes as a configuration file: no crash, no leak, no undefined behaviour, and what the model
 * promises holds: an error or a config, messages in order of lines and fit for a terminal, ports
 * sorted, indices in range, each server where it says.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check_messages(const struct gt_config_messages *m)
{
	size_t errors = 0;

	for (size_t i = 0; i < m->n; i++) {
		errors += !m->list[i].warning;
		require(i == 0 || m->list[i - 1].line <= m->list[i].line);
		require(m->list[i].line > 0 && m->list[i].text[0] != '\0');
		for (const char *c = m->list[i].text; *c != '\0'; c++)
			require((unsigned char)*c >= 0x20 && *c != 0x7f);
	}
	require(m->n_untold > 0 || m->n_errors == errors);
}

static void check_vip(const struct gt_config *c, const struct gt_config_vip *v)
{
	char text[32];

	require(v->interface < c->n_interfaces && v->n_ports > 0 && v->n_servers > 0);
	require(strcmp(c->interfaces[v->interface].name, v->interface_name) == 0);
	require(!gt_addr_is_martian(&v->address));
	for (size_t i = 0; i < v->n_ports; i++) {
		require(v->ports[i].first <= v->ports[i].last);
		require(i == 0 || v->ports[i - 1].last < v->ports[i].first);
	}
	require(strlen(gt_ports_format(v, text, sizeof(text))) < sizeof(text));
	for (size_t i = 0; i < v->n_servers; i++) {
		const struct gt_config_server *s = &v->servers[i];
		bool inside = v->mode != GT_MODE_DR;

		require(s->name[0] != '\0' && s->interface < c->n_interfaces);
		for (size_t j = 0; j < c->interfaces[s->interface].n_addresses; j++)
			inside |= gt_prefix_contains(&c->interfaces[s->interface].addresses[j],
						     &s->address);
		require(inside && !gt_addr_equal(&s->address, &v->address));
	}
	require(v->checked == NULL || v->checked->type != GT_CHECK_NONE);
}

static void check_config(const struct gt_config *c)
{
	require(c->n_interfaces > 0 && c->name[0] != '\0' && c->control != NULL);
	require(c->n_worker_cores == 0 || c->n_worker_cores == c->workers);
	for (size_t i = 0; i < c->n_interfaces; i++)
		require(c->interfaces[i].n_addresses > 0 && c->interfaces[i].device != NULL);
	for (size_t i = 0; i < c->n_vips; i++)
		check_vip(c, &c->vips[i]);
	for (size_t i = 0; i < c->n_checks; i++)
		require(c->checks[i].timeout_ms <= c->checks[i].interval_ms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gt_config_messages m;
	struct gt_config *c;
	int rc;

	/* An exact heap block, so that reading one byte too far is seen. */
	char *text = malloc(size);

	if (text == NULL && size > 0)
		return 0;
	if (size > 0)
		memcpy(text, data, size);
	rc = gt_config_parse("fuzz.ini", text, size, &c, &m);
	free(text);
	check_messages(&m);
	require((rc == 0) == (c != NULL) && (rc == 0) == (m.n_errors == 0));
	if (c != NULL) {
		check_config(c);
		gt_config_unsupported(c, &m);
		check_messages(&m);
	}
	gt_config_free(c);
	gt_config_messages_free(&m);
	return 0;
}
