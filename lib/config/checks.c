/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules about [check NAME], and about the checks that VIPs name. See build.h. */
#include "config/build.h"

#include <stdio.h>
#include <string.h>

static void check_section(struct gt_build *b, const struct gt_config_check *check)
{
	char interval[16], timeout[16];

	gt_build_when(b, &gt_schema[GT_SECTION_CHECK], check, &check->lines);
	if (GT_STANDS(GT_SECTION_CHECK, check, interval_ms) &&
	    GT_STANDS(GT_SECTION_CHECK, check, timeout_ms) &&
	    check->timeout_ms > check->interval_ms) {
		bool written = GT_WRITTEN(GT_SECTION_CHECK, check, timeout_ms);

		gt_value_duration(check->interval_ms, interval, sizeof(interval));
		gt_value_duration(check->timeout_ms, timeout, sizeof(timeout));
		gt_config_error(
			b->messages,
			written ? GT_LINE(GT_SECTION_CHECK, check, timeout_ms)
				: GT_LINE(GT_SECTION_CHECK, check, interval_ms),
			"timeout = %s%s: longer than interval = %s; write a timeout of at most %s, "
			"or a longer interval",
			timeout, written ? "" : " by default", interval, interval);
	}
	if (!GT_STANDS(GT_SECTION_CHECK, check, type))
		return;
	if (check->type == GT_CHECK_EXEC && !GT_WRITTEN(GT_SECTION_CHECK, check, command))
		gt_config_error(b->messages, check->line,
				"[check %s] lacks its 'command', which type = exec needs; add for "
				"example: command = /usr/local/bin/check-pacs",
				check->name);
	for (const struct gt_schema_value *t = gt_schema_check_types; t->name != NULL; t++)
		if (strcmp(t->name, check->name) == 0 && t->value != (int)check->type)
			gt_config_error(
				b->messages, check->line,
				"[check %s] has the name of a built-in check and type = %s; give "
				"it another name",
				check->name, gt_check_type_name(check->type));
	if (strcmp(check->name, "none") == 0)
		gt_config_error(b->messages, check->line,
				"[check none]: check = none means no check; give it another name");
}

/* Can no TCP connection tell how a server of it is? */
static bool unreachable(const struct gt_config_vip *v)
{
	return v->protocol == GT_PROTO_UDP || (v->n_ports == 1 && v->ports[0].first == 0);
}

static bool connects(const struct gt_config_check *check)
{
	return check->type != GT_CHECK_ICMP && check->type != GT_CHECK_EXEC;
}

/* A check that would find healthy servers down: for a port that no TCP client connects to. */
static void check_port(struct gt_build *b, struct gt_config_vip *v)
{
	if (!connects(v->checked) || v->checked->port != 0 ||
	    !GT_STANDS(GT_SECTION_VIP, v, protocol) || !GT_STANDS(GT_SECTION_VIP, v, ports) ||
	    !unreachable(v))
		return;
	if (v->check_line == 0)
		v->checked = NULL;
	else if (v->protocol == GT_PROTO_UDP)
		gt_config_warning(
			b->messages, v->check_line,
			"check = %s connects by TCP to a port that serves UDP; name a [check NAME] "
			"with port = N, or write icmp",
			v->check);
	else
		gt_config_warning(
			b->messages, v->check_line,
			"check = %s has no port to connect to, for the VIP has port = any; name a "
			"[check NAME] with port = N, or write icmp",
			v->check);
}

/* Through the VIP goes what has its address on the wire, and what the host can send by us. */
static void check_via(struct gt_build *b, const struct gt_config_vip *v)
{
	if (v->checked->via != GT_VIA_VIP)
		return;
	if (GT_STANDS(GT_SECTION_VIP, v, mode) && v->mode != GT_MODE_DR) {
		gt_config_error(b->messages, v->check_line,
				"check = %s: its via = vip works with mode = dr only, and [vip %s] "
				"has mode = %s; write via = server in [check %s], or name another "
				"check",
				v->check, v->name, gt_mode_name(v->mode), v->check);
		return;
	}
	for (size_t i = 0; i < v->n_servers; i++) {
		const struct gt_config_server *s = &v->servers[i];
		const struct gt_config_interface *f = &b->config->interfaces[s->interface];

		if (f->kernel != NULL || !GT_STANDS(GT_SECTION_INTERFACE, f, kernel))
			continue;
		gt_config_error(b->messages, v->check_line,
				"check = %s: its via = vip needs the host's kernel on [interface "
				"%s], which leads to [server %s/%s]; add there for example: kernel "
				"= gantry%u, or write via = server in [check %s]",
				v->check, f->name, v->name, s->name, s->interface, v->check);
		return;
	}
}

void gt_build_checks(struct gt_build *b)
{
	struct gt_config *c = b->config;

	for (size_t i = 0; i < c->n_checks; i++)
		check_section(b, &c->checks[i]);
	for (size_t i = 0; i < c->n_vips; i++) {
		if (c->vips[i].checked != NULL)
			check_port(b, &c->vips[i]);
		if (c->vips[i].checked != NULL && c->n_interfaces > 0)
			check_via(b, &c->vips[i]);
	}
}
