/* SPDX-License-Identifier: BSD-3-Clause */
/* `gantry check CONFIG`: what a file says, or all that is wrong with it. Opens no device, needs no
 * root. */
#include "commands.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "load.h"
#include "version.h"

static void usage(FILE *out)
{
	fprintf(out,
		"usage: gantry check CONFIG\n\n"
		"Reads and validates a configuration and prints its interfaces, VIPs and servers.\n"
		"Every error is told on stderr as FILE:LINE: message. Opens no device and needs "
		"no\n"
		"root.\n\n"
		"  --help      this text\n"
		"  --version   the version\n\n"
		"Exit code: 0 the configuration is right; 2 it is wrong, or cannot be read.\n");
}

/* A table of text: cells row by row, printed with columns as wide as their widest cell. */
#define COLUMNS_MAX 6

struct table {
	size_t columns, n_cells;
	char **cells;
	bool no_memory;
};

static void cell(struct table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void cell(struct table *t, const char *fmt, ...)
{
	va_list args;
	char *text;

	if ((t->n_cells & (t->n_cells - 1)) == 0) {
		size_t room = t->n_cells == 0 ? 1 : 2 * t->n_cells;
		char **more = realloc(t->cells, room * sizeof(*more));

		if (more == NULL) {
			t->no_memory = true;
			return;
		}
		t->cells = more;
	}
	va_start(args, fmt);
	if (t->no_memory || vasprintf(&text, fmt, args) < 0)
		t->no_memory = true;
	else
		t->cells[t->n_cells++] = text;
	va_end(args);
}

/* Prints the table and frees its cells. 0, or -1: no memory. */
static int print(struct table *t)
{
	size_t widths[COLUMNS_MAX] = {0};
	int rc = t->no_memory ? -1 : 0;

	for (size_t i = 0; i < t->n_cells; i++)
		if (strlen(t->cells[i]) > widths[i % t->columns])
			widths[i % t->columns] = strlen(t->cells[i]);
	for (size_t i = 0; i < t->n_cells; i++) {
		bool last = i % t->columns == t->columns - 1;

		if (rc == 0)
			printf("%s%-*s%s", i % t->columns == 0 ? "  " : "",
			       last ? 0 : (int)widths[i % t->columns], t->cells[i],
			       last ? "\n" : "  ");
		free(t->cells[i]);
	}
	free(t->cells);
	return rc;
}

static int print_interfaces(const struct gt_config *c)
{
	struct table t = {.columns = 5};
	char text[GT_PREFIX_STRLEN], mac[GT_MAC_STRLEN];

	printf("\ninterfaces\n");
	cell(&t, "NAME");
	cell(&t, "DEVICE");
	cell(&t, "MAC");
	cell(&t, "VLAN");
	cell(&t, "ADDRESSES");
	for (size_t i = 0; i < c->n_interfaces; i++) {
		const struct gt_config_interface *f = &c->interfaces[i];
		char list[512] = "";
		size_t n = 0;

		for (size_t j = 0; j < f->n_addresses && n < sizeof(list); j++)
			n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", j > 0 ? ", " : "",
					      gt_prefix_format(&f->addresses[j], text));
		if (f->has_gateway4 && n < sizeof(list))
			n += (size_t)snprintf(list + n, sizeof(list) - n, " via %s",
					      gt_addr_format(&f->gateway4, text));
		if (f->has_gateway6 && n < sizeof(list))
			snprintf(list + n, sizeof(list) - n, " via %s",
				 gt_addr_format(&f->gateway6, text));
		cell(&t, "%s", f->name);
		cell(&t, "%s", f->device);
		cell(&t, "%s", f->has_mac ? gt_mac_format(&f->mac, mac) : "the device's");
		cell(&t, f->vlan != 0 ? "%u" : "none", f->vlan);
		cell(&t, "%s", list);
	}
	return print(&t);
}

/* "dicom every 2s", or "none". */
static const char *check_words(const struct gt_config_vip *v, char *buf, size_t size)
{
	const struct gt_config_check *c = v->checked;
	bool named = c != NULL && strcmp(c->name, gt_check_type_name(c->type)) != 0;

	if (c == NULL)
		return "none";
	snprintf(buf, size, "%s%s%s%s every %gs%s", c->name, named ? " (" : "",
		 named ? gt_check_type_name(c->type) : "", named ? ")" : "",
		 (double)c->interval_ms / 1000, c->via == GT_VIA_VIP ? " via the VIP" : "");
	return buf;
}

static int print_vips(const struct gt_config *c)
{
	struct table t = {.columns = 6};
	char text[GT_ADDR_STRLEN], ports[64], check[128];

	printf("\nvips\n");
	cell(&t, "NAME");
	cell(&t, "ADDRESS");
	cell(&t, "PORTS");
	cell(&t, "INTERFACE");
	cell(&t, "SERVERS");
	cell(&t, "HOW");
	for (size_t i = 0; i < c->n_vips; i++) {
		const struct gt_config_vip *v = &c->vips[i];

		cell(&t, "%s", v->name);
		cell(&t, "%s", gt_addr_format(&v->address, text));
		cell(&t, "%s %s", gt_protocol_name(v->protocol),
		     gt_ports_format(v, ports, sizeof(ports)));
		cell(&t, "%s", v->interface_name);
		cell(&t, "%zu", v->n_servers);
		cell(&t, "mode = %s, %s, persistence = %s%s%s%s%s, check = %s",
		     gt_mode_name(v->mode),
		     v->policy == GT_POLICY_BALANCE ? gt_scheduler_name(v->scheduler)
		     : v->sticky_failover	    ? "sticky failover"
						    : "failover",
		     gt_persistence_name(v->persistence),
		     v->persistence_group[0] != '\0' ? " in group " : "", v->persistence_group,
		     v->fallback[0] != '\0' ? ", fallback = " : "", v->fallback,
		     check_words(v, check, sizeof(check)));
	}
	return print(&t);
}

static int print_servers(const struct gt_config *c)
{
	struct table t = {.columns = 6};
	char text[GT_ADDR_STRLEN], mac[GT_MAC_STRLEN];

	printf("\nservers\n");
	cell(&t, "NAME");
	cell(&t, "ADDRESS");
	cell(&t, "WEIGHT");
	cell(&t, "STATE");
	cell(&t, "INTERFACE");
	cell(&t, "MAC");
	for (size_t i = 0; i < c->n_vips; i++)
		for (size_t j = 0; j < c->vips[i].n_servers; j++) {
			const struct gt_config_server *s = &c->vips[i].servers[j];

			cell(&t, "%s/%s", c->vips[i].name, s->name);
			cell(&t, s->port != 0 ? "%s port %u" : "%s",
			     gt_addr_format(&s->address, text), s->port);
			cell(&t, "%u", s->weight);
			cell(&t, "%s", gt_admin_name(s->state));
			cell(&t, "%s", c->interfaces[s->interface].name);
			cell(&t, "%s", s->has_mac ? gt_mac_format(&s->mac, mac) : "resolved");
		}
	return print(&t);
}

static int print_summary(const struct gt_config *c)
{
	size_t servers = 0;

	for (size_t i = 0; i < c->n_vips; i++)
		servers += c->vips[i].n_servers;
	printf("%s is right: node %s, %zu interface%s, %zu VIP%s, %zu server%s\n", c->file, c->name,
	       c->n_interfaces, c->n_interfaces == 1 ? "" : "s", c->n_vips,
	       c->n_vips == 1 ? "" : "s", servers, servers == 1 ? "" : "s");
	if (print_interfaces(c) != 0)
		return -1;
	if (c->n_vips == 0)
		return 0;
	return print_vips(c) != 0 || print_servers(c) != 0 ? -1 : 0;
}

static int check(const char *file)
{
	struct gt_config *config;
	int rc = gt_load_config(
		file, GT_LOAD_UNSUPPORTED_ERRORS | GT_LOAD_WARNINGS | GT_LOAD_CHECKS, &config);

	if (rc != GT_EXIT_OK)
		return rc;
	if (print_summary(config) != 0) {
		fprintf(stderr, "gantry check: not enough memory to print the summary\n");
		rc = GT_EXIT_FAILED;
	}
	gt_config_free(config);
	if (rc == GT_EXIT_OK && (fflush(stdout) != 0 || ferror(stdout))) {
		fprintf(stderr, "gantry check: the summary cannot be written: %m\n");
		rc = GT_EXIT_FAILED;
	}
	return rc;
}

int gt_command_check(int argc, char **argv)
{
	const char *file = NULL;
	bool options = true;

	for (int i = 1; i < argc; i++) {
		if (options && (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)) {
			usage(stdout);
			return GT_EXIT_OK;
		}
		if (options && strcmp(argv[i], "--version") == 0) {
			puts("gantry " GT_VERSION);
			return GT_EXIT_OK;
		}
		if (options && strcmp(argv[i], "--") == 0) {
			options = false;
			continue;
		}
		if (options && argv[i][0] == '-' && argv[i][1] != '\0') {
			fprintf(stderr, "gantry check: no option '%s'\n\n", argv[i]);
			usage(stderr);
			return GT_EXIT_USAGE;
		}
		if (file != NULL) {
			fprintf(stderr, "gantry check: one file at a time, not also '%s'\n\n",
				argv[i]);
			usage(stderr);
			return GT_EXIT_USAGE;
		}
		file = argv[i];
	}
	if (file == NULL) {
		fprintf(stderr, "gantry check: which configuration?\n\n");
		usage(stderr);
		return GT_EXIT_USAGE;
	}
	return check(file);
}
