/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The reference page, docs/configuration.md, as Markdown from the schema. The rules of the file and
 * the example are written here, beside what the tests hold them to.
 */
#include "config/schema.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/frame.h"

static const char introduction[] =
	"<!-- Written by docs/reference.c from the schema in lib/config/schema.c; a test compares. "
	"After a\n"
	"     change there: build/docs/reference > docs/configuration.md -->\n"
	"# Configuration\n"
	"\n"
	"One INI file says all that gantry does. `gantry check FILE` reads it, tells every error "
	"with its\n"
	"line, and prints what it understood; it opens no device and needs no root. A mistyped "
	"section or\n"
	"key is an error, and nothing of a wrong file is used.\n"
	"\n"
	"## A complete example\n"
	"\n"
	"Two DICOM archives behind one address, `192.0.2.100` port 104:\n"
	"\n"
	"```ini\n"
	"[interface lan]\n"
	"device  = net_af_packet0,iface=eth1   # or a PCI address: 0000:3b:00.0\n"
	"address = 192.0.2.2/24\n"
	"\n"
	"[vip pacs]\n"
	"interface = lan\n"
	"address   = 192.0.2.100\n"
	"port      = 104\n"
	"\n"
	"[server pacs/archive1]\n"
	"address = 192.0.2.11\n"
	"\n"
	"[server pacs/archive2]\n"
	"address = 192.0.2.12\n"
	"```\n"
	"\n"
	"More stand in [config/](../config/).\n"
	"\n"
	"## The file\n"
	"\n"
	"- UTF-8 text, lines ended as on Unix or on Windows. A line holds at most 199 bytes, "
	"blanks around\n"
	"  it and a comment behind it not counted.\n"
	"- A comment begins with `#` or `;`, first in its line or behind a blank, and ends with "
	"the line. So no\n"
	"  value can hold a blank followed by `#` or `;`.\n"
	"- `key = value`, blanks around both ignored. A key stands once in its section.\n"
	"- A list is separated by commas. When a line ends with a comma, the list goes on in the "
	"next line,\n"
	"  which must be indented:\n"
	"\n"
	"  ```ini\n"
	"  address = 192.0.2.2/24,\n"
	"            2001:db8::2/64\n"
	"  ```\n"
	"- Durations are whole numbers with their unit: `200ms`, `5s`, `10m`, `2h`.\n"
	"- Names of interfaces, VIPs, servers and checks: letters, digits, `.`, `_` and `-`, at "
	"most 63.\n"
	"- `gantryctl reload` takes a changed file into force while gantry runs "
	"([reload.md](reload.md)); "
	"what is\n"
	"  settled at the start says so below.\n"
	"- Sections may stand in any order. With `policy = failover` the order of the servers "
	"counts.\n";

static void out(const struct gt_config_writer *w, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void out(const struct gt_config_writer *w, const char *fmt, ...)
{
	char buf[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(buf, sizeof(buf), fmt, args);
	va_end(args);
	w->write(w->ctx, buf, strlen(buf));
}

static void write_limits(const struct gt_config_writer *w)
{
	out(w,
	    "- At most %d interfaces, %d VIPs, %d servers, and %d services: a VIP's ports cost one "
	    "each,\n"
	    "  a range of more than %d ports one in all.\n",
	    GT_INTERFACES_MAX, GT_CONFIG_VIPS_MAX, GT_CONFIG_SERVERS_MAX, GT_CONFIG_SERVICES_MAX,
	    GT_CONFIG_PORTS_EXPANDED_MAX);
}

/* "Only with `type = http` or `https`." */
static void write_when(const struct gt_config_writer *w, const struct gt_schema_section *s,
		       const struct gt_schema_key *k)
{
	const struct gt_schema_key *other = gt_schema_find_key(s, k->when);
	bool first = true, all_but = k->when_values >> 31;

	out(w, " %s", all_but ? "Not with" : "Only with");
	for (const struct gt_schema_value *e = other->values; e->name != NULL; e++) {
		if ((k->when_values >> e->value & 1) == all_but)
			continue;
		out(w, first ? " `%s = %s`" : " or `%s = %s`", k->when, e->name);
		first = false;
	}
	out(w, ".");
}

static void write_key(const struct gt_config_writer *w, const struct gt_schema_section *s,
		      const struct gt_schema_key *k)
{
	char expected[200];

	out(w, "| `%s` | %s%s%s%s | ", k->name, gt_value_expected(k, expected, sizeof(expected)),
	    k->unit != NULL ? " (" : "", k->unit != NULL ? k->unit : "",
	    k->unit != NULL ? ")" : "");
	if (k->required)
		out(w, "**required**");
	else if (k->def != NULL && *k->def != '\0')
		out(w, "`%s`", k->def);
	else
		out(w, "%s", k->def != NULL ? "empty" : k->def_help);
	out(w, " | %s", k->help);
	if (k->when != NULL)
		write_when(w, s, k);
	if (k->settled)
		out(w, " *Settled at the start: a restart changes it.*");
	if (k->later != NULL)
		out(w, " *%c%s.*", toupper((unsigned char)k->later[0]), k->later + 1);
	out(w, " |\n");
}

void gt_config_reference(const struct gt_config_writer *w)
{
	w->write(w->ctx, introduction, strlen(introduction));
	write_limits(w);
	for (size_t i = 0; i < GT_SECTIONS; i++) {
		const struct gt_schema_section *s = &gt_schema[i];

		out(w, "\n## `%s`\n\n%s\n\n", s->title, s->help);
		out(w, "| key | value | default | meaning |\n| --- | --- | --- | --- |\n");
		for (const struct gt_schema_key *k = s->keys; k->name != NULL; k++)
			write_key(w, s, k);
	}
}
