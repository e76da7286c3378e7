/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rules about one section at a time, and about what can be counted. Rules about addresses are in
 * subnets.c and claims.c, those
 * about checks in checks.c. A rule judges only values that stand. See build.h.
 */
#include "config/build.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Keys that mean something only with some values of another key (schema: `when`). */
void gt_build_when(struct gt_build *b, const struct gt_schema_section *s, const void *object,
		   const struct gt_config_lines *lines)
{
	for (const struct gt_schema_key *k = s->keys; k->name != NULL; k++) {
		unsigned line = lines->key[k - s->keys];
		int value;

		if (k->when == NULL || line == 0)
			continue;
		const struct gt_schema_key *other = gt_schema_find_key(s, k->when);

		if (!gt_schema_stands(s, other->offset, lines))
			continue;
		memcpy(&value, (const char *)object + other->offset, sizeof(value));
		if (k->when_values >> value & 1)
			continue;
		const char *is = gt_schema_value_name(other->values, value);

		if (k->when_error)
			gt_config_error(b->messages, line,
					"%s means nothing with %s = %s; remove it, or change %s",
					k->name, k->when, is, k->when);
		else
			gt_config_warning(b->messages, line, "%s has no effect with %s = %s",
					  k->name, k->when, is);
	}
}

static void check_cores(struct gt_build *b)
{
	const struct gt_config *c = b->config;
	unsigned line = GT_LINE(GT_SECTION_GANTRY, c, worker_cores);
	bool used[GT_CPUS_MAX] = {false};

	if (!GT_STANDS(GT_SECTION_GANTRY, c, worker_cores) || c->n_worker_cores == 0)
		return;
	if (GT_STANDS(GT_SECTION_GANTRY, c, main_core) && c->main_core >= 0)
		used[c->main_core] = true;
	for (size_t i = 0; i < c->n_worker_cores; i++) {
		int core = c->worker_cores[i];

		if (used[core])
			gt_config_error(
				b->messages, line,
				"worker_cores: core %d is used twice%s; give each worker a core of "
				"its own",
				core, core == c->main_core ? ", it is main_core" : "");
		used[core] = true;
	}
	if (GT_STANDS(GT_SECTION_GANTRY, c, workers) && c->n_worker_cores != c->workers)
		gt_config_error(
			b->messages, line,
			"worker_cores: names %zu core%s and workers is %u%s; write workers = %zu, "
			"or name as many cores as workers",
			c->n_worker_cores, c->n_worker_cores == 1 ? "" : "s", c->workers,
			GT_WRITTEN(GT_SECTION_GANTRY, c, workers) ? "" : " by default",
			c->n_worker_cores);
}

#define IDENTITY_MAX 256

/*
 * What no two interfaces may share of their devices: names, and the kernel's interfaces below; of a
 * bond, its slaves' too. The i-th, from 0; false behind the last.
 */
static bool device_identity(const char *device, unsigned i, char buf[IDENTITY_MAX])
{
	const char *s = device;

	for (unsigned k = 0; k < i && s != NULL; k++) {
		const char *iface = strstr(s, ",iface="), *slave = strstr(s, ",slave=");

		if (iface != NULL && (slave == NULL || iface < slave))
			s = iface + 1;
		else if (slave != NULL)
			s = slave + strlen(",slave=") + (slave[7] == '(');
		else
			s = NULL;
	}
	if (s != NULL)
		snprintf(buf, IDENTITY_MAX, "%.*s", (int)strcspn(s, ",)"), s);
	return s != NULL;
}

static bool share_device(const char *a, const char *b)
{
	char one[IDENTITY_MAX], other[IDENTITY_MAX];

	for (unsigned i = 0; device_identity(a, i, one); i++)
		for (unsigned j = 0; device_identity(b, j, other); j++)
			if (strcasecmp(one, other) == 0)
				return true;
	return false;
}

static void check_device(struct gt_build *b, size_t i)
{
	struct gt_config_interface *interface = &b->config->interfaces[i];
	char quoted[GT_QUOTE_MAX];

	if (!GT_STANDS(GT_SECTION_INTERFACE, interface, device))
		return;
	interface->device_line = GT_LINE(GT_SECTION_INTERFACE, interface, device);
	for (size_t j = 0; j < i; j++) {
		const struct gt_config_interface *o = &b->config->interfaces[j];

		if (!GT_STANDS(GT_SECTION_INTERFACE, o, device) ||
		    !share_device(interface->device, o->device))
			continue;
		gt_config_error(b->messages, interface->device_line,
				"device = %s: [interface %s] has it already (line %u); give each "
				"interface a device of its own",
				gt_config_quote(interface->device, quoted), o->name,
				o->device_line);
		return;
	}
}

static void check_interface(struct gt_build *b, size_t i)
{
	struct gt_config_interface *interface = &b->config->interfaces[i];
	bool v6 = false;

	check_device(b, i);
	for (size_t j = 0; j < interface->n_addresses; j++)
		v6 |= !gt_addr_is_v4(&interface->addresses[j].addr);
	if (GT_STANDS(GT_SECTION_INTERFACE, interface, mtu) && v6 && interface->mtu < 1280)
		gt_config_error(
			b->messages, GT_LINE(GT_SECTION_INTERFACE, interface, mtu),
			"mtu = %u: IPv6 needs 1280 at least (RFC 8200); write 1280 or more, or "
			"remove the IPv6 address",
			interface->mtu);
	for (size_t j = 0; j < i && interface->kernel != NULL; j++) {
		const struct gt_config_interface *o = &b->config->interfaces[j];

		if (o->kernel != NULL && strcmp(o->kernel, interface->kernel) == 0) {
			gt_config_error(
				b->messages, GT_LINE(GT_SECTION_INTERFACE, interface, kernel),
				"kernel = %s: [interface %s] has a TAP of this name already; write "
				"another",
				interface->kernel, o->name);
			return;
		}
	}
}

static int by_port(const void *a, const void *b)
{
	const struct gt_port_range *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

static void check_ports(struct gt_build *b, struct gt_config_vip *v)
{
	unsigned line = GT_LINE(GT_SECTION_VIP, v, ports);

	if (!GT_STANDS(GT_SECTION_VIP, v, ports))
		return;
	qsort(v->ports, v->n_ports, sizeof(*v->ports), by_port);
	for (size_t i = 1; i < v->n_ports; i++) {
		if (v->ports[i].first > v->ports[i - 1].last)
			continue;
		if (v->ports[0].first == 0)
			gt_config_error(
				b->messages, line,
				"port: any stands beside other ports; write any alone, or the "
				"ports");
		else
			gt_config_error(b->messages, line,
					"port: %u is in the list twice; write each port once",
					v->ports[i].first);
		GT_REFUSE(GT_SECTION_VIP, v, ports);
		return;
	}
}

/* How many services a VIP costs, by the rule of balance/plan.h or more. */
static size_t count_services(const struct gt_config_vip *v)
{
	size_t n = v->persistence == GT_PERSIST_SOURCE ? 1 : 0;

	for (size_t i = 0; i < v->n_ports; i++) {
		size_t ports = (size_t)(v->ports[i].last - v->ports[i].first) + 1;

		n += ports <= GT_CONFIG_PORTS_EXPANDED_MAX ? ports : 1;
	}
	return n;
}

static void check_server_port(struct gt_build *b, const struct gt_config_vip *v,
			      const struct gt_config_server *s)
{
	char ports[64];

	if (s->port == 0 || !GT_STANDS(GT_SECTION_VIP, v, mode) ||
	    (v->mode != GT_MODE_DR && v->mode != GT_MODE_TUNNEL) ||
	    !GT_STANDS(GT_SECTION_VIP, v, ports))
		return;
	if (v->n_ports == 1 && v->ports[0].first == s->port && v->ports[0].last == s->port)
		return;
	gt_config_error(b->messages, GT_LINE(GT_SECTION_SERVER, s, port),
			"port = %u: mode = %s cannot change the port, and [vip %s] has port = %s; "
			"remove the key and let the server listen there",
			s->port, gt_mode_name(v->mode), v->name,
			gt_ports_format(v, ports, sizeof(ports)));
}

static void check_vip(struct gt_build *b, struct gt_config_vip *v)
{
	bool takes = v->n_servers == 0;

	check_ports(b, v);
	for (size_t i = 0; i < v->n_servers; i++) {
		const struct gt_config_server *s = &v->servers[i];

		check_server_port(b, v, s);
		takes |= !GT_STANDS(GT_SECTION_SERVER, s, weight) ||
			 !GT_STANDS(GT_SECTION_SERVER, s, state) ||
			 (s->weight > 0 && s->state == GT_ADMIN_ENABLED);
	}
	if (!takes)
		gt_config_warning(b->messages, v->line,
				  "[vip %s]: none of its servers takes new connections: each has "
				  "weight = 0 or a state other than enabled",
				  v->name);
}

void gt_build_validate(struct gt_build *b)
{
	struct gt_config *c = b->config;
	size_t services = 0, before;

	check_cores(b);
	for (size_t i = 0; i < c->n_interfaces; i++)
		check_interface(b, i);
	for (size_t i = 0; i < c->n_vips; i++) {
		struct gt_config_vip *v = &c->vips[i];

		gt_build_when(b, &gt_schema[GT_SECTION_VIP], v, &v->lines);
		check_vip(b, v);
		before = services;
		services += count_services(v);
		if (services > GT_CONFIG_SERVICES_MAX && before <= GT_CONFIG_SERVICES_MAX)
			gt_config_error(
				b->messages, GT_LINE(GT_SECTION_VIP, v, ports),
				"port: with [vip %s] the VIPs have more than %d ports to tell "
				"apart; write longer ranges (over %d ports, a range counts as "
				"one), or fewer VIPs",
				v->name, GT_CONFIG_SERVICES_MAX, GT_CONFIG_PORTS_EXPANDED_MAX);
	}
}
