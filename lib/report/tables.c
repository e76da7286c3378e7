/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * JSON objects as tables for people; see report.h. A missing key shows as "-", so that an older
 * gantryctl can show what a newer gantry says, and the other way round.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/counters.h"
#include "report/report.h"

#define COLUMNS_MAX 16
#define GAP	    "  "

struct column {
	const char *title;
	bool right; /* numbers */
};

/* Cells row by row. */
struct table {
	const struct column *columns;
	size_t n_columns;
	char **cells;
	size_t n, capacity;
	bool failed; /* no memory */
};

static void cell(struct table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Adds the next cell of the row. */
static void cell(struct table *t, const char *fmt, ...)
{
	va_list ap;

	if (t->n == t->capacity) {
		size_t capacity = t->capacity == 0 ? 64 : 2 * t->capacity;
		char **cells = reallocarray(t->cells, capacity, sizeof(*cells));

		if (cells == NULL) {
			t->failed = true;
			return;
		}
		t->cells = cells;
		t->capacity = capacity;
	}
	va_start(ap, fmt);
	if (vasprintf(&t->cells[t->n], fmt, ap) < 0)
		t->failed = true;
	else
		t->n++;
	va_end(ap);
}

/* A cell from a value of any kind; lists are joined by commas. */
static void value_cell(struct table *t, const json_t *value)
{
	char joined[512] = "";
	size_t i, used = 0;
	json_t *item;

	if (json_is_integer(value)) {
		cell(t, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	} else if (json_is_real(value)) {
		cell(t, "%.1f", json_real_value(value));
	} else if (json_is_string(value)) {
		cell(t, "%s", json_string_value(value));
	} else if (json_is_array(value) && json_array_size(value) > 0) {
		/* json_array_foreach wants no const, and takes none away. */
		for (i = 0; i < json_array_size(value) && used < sizeof(joined); i++) {
			item = json_array_get(value, i);
			used += (size_t)snprintf(
				joined + used, sizeof(joined) - used, "%s%s", i > 0 ? ", " : "",
				json_is_string(item) ? json_string_value(item) : "-");
		}
		cell(t, "%s", joined);
	} else {
		cell(t, "-");
	}
}

static void key_cell(struct table *t, const json_t *object, const char *key)
{
	value_cell(t, json_object_get(object, key));
}

static void print_cell(FILE *out, const char *text, const struct column *c, size_t width, bool last)
{
	if (c->right)
		fprintf(out, "%*s", (int)width, text);
	else if (last)
		fputs(text, out); /* no blanks at the end of a line */
	else
		fprintf(out, "%-*s", (int)width, text);
	fputs(last ? "\n" : GAP, out);
}

/* Prints what was collected, or "none", and frees it. */
static void print(FILE *out, struct table *t)
{
	size_t width[COLUMNS_MAX], n = t->n_columns;

	if (t->failed)
		fputs("no memory to show this\n", out);
	else if (t->n == 0)
		fputs("none\n", out);
	for (size_t i = 0; i < n; i++)
		width[i] = strlen(t->columns[i].title);
	for (size_t i = 0; i < t->n; i++)
		if (strlen(t->cells[i]) > width[i % n])
			width[i % n] = strlen(t->cells[i]);
	if (!t->failed && t->n > 0) {
		for (size_t i = 0; i < n; i++)
			print_cell(out, t->columns[i].title, &t->columns[i], width[i], i + 1 == n);
		for (size_t i = 0; i < t->n; i++)
			print_cell(out, t->cells[i], &t->columns[i % n], width[i % n],
				   i % n + 1 == n);
	}
	for (size_t i = 0; i < t->n; i++)
		free(t->cells[i]);
	free(t->cells);
}

#define TABLE(columns_)                                                                            \
	{                                                                                          \
		.columns = (columns_), .n_columns = sizeof(columns_) / sizeof((columns_)[0])       \
	}

static void table_frames(FILE *out, const json_t *frames)
{
	static const struct column columns[] = {
		{"frames in", true}, {"forwarded", true}, {"answered", true},
		{"kernel", true},    {"dropped", true},
	};
	struct table t = TABLE(columns);

	key_cell(&t, frames, "in");
	key_cell(&t, frames, "forwarded");
	key_cell(&t, frames, "answered");
	key_cell(&t, frames, "kernel");
	key_cell(&t, frames, "dropped");
	print(out, &t);
}

static void table_connection_sums(FILE *out, const json_t *connections)
{
	static const struct column columns[] = {
		{"connections active", true},
		{"created", true},
		{"expired", true},
		{"moved", true},
	};
	struct table t = TABLE(columns);

	key_cell(&t, connections, "active");
	key_cell(&t, connections, "created");
	key_cell(&t, connections, "expired");
	key_cell(&t, connections, "moved");
	print(out, &t);
}

void gt_table_vips(FILE *out, const json_t *vips)
{
	static const struct column columns[] = {
		{"vip", false},	 {"servers up", true},	{"frames", true},
		{"bytes", true}, {"connections", true}, {"untracked", true},
	};
	struct table t = TABLE(columns);
	json_t *all = json_object_get(vips, "vips"), *vip, *server;
	const char *name, *server_name;

	json_object_foreach(all, name, vip)
	{
		json_t *servers = json_object_get(vip, "servers");
		size_t up = 0;

		json_object_foreach(servers, server_name, server)
		{
			const char *state = json_string_value(json_object_get(server, "state"));

			up += state != NULL && strcmp(state, "up") == 0;
		}
		cell(&t, "%s", name);
		cell(&t, "%zu of %zu", up, json_object_size(servers));
		key_cell(&t, vip, "frames");
		key_cell(&t, vip, "bytes");
		key_cell(&t, vip, "connections");
		key_cell(&t, vip, "untracked");
	}
	print(out, &t);
}

/* What gantry would do with it, and whether it can: a server without a MAC gets nothing. */
static void state_cell(struct table *t, const json_t *server)
{
	const char *state = json_string_value(json_object_get(server, "state"));
	bool lost = json_is_null(json_object_get(server, "mac")) && state != NULL &&
		    strcmp(state, "disabled") != 0;
	const char *file = json_string_value(json_object_get(server, "state_in_file"));

	cell(t, "%s%s%s%s%s", state != NULL ? state : "-", lost ? ", no MAC" : "",
	     file != NULL ? " (file: " : "", file != NULL ? file : "", file != NULL ? ")" : "");
}

/* "100, now 30 (file: 50)": what it grows to, in slow start how far it is, and what the file says
 * where that is something else. */
static void weight_cell(struct table *t, const json_t *server)
{
	const json_t *now = json_object_get(server, "weight_now");
	const json_t *file = json_object_get(server, "weight_in_file");
	char growing[32] = "", differs[32] = "";

	if (now == NULL && file == NULL) {
		key_cell(t, server, "weight");
		return;
	}
	if (now != NULL)
		snprintf(growing, sizeof(growing), ", now %" JSON_INTEGER_FORMAT,
			 json_integer_value(now));
	if (file != NULL)
		snprintf(differs, sizeof(differs), " (file: %" JSON_INTEGER_FORMAT ")",
			 json_integer_value(file));
	cell(t, "%" JSON_INTEGER_FORMAT "%s%s",
	     json_integer_value(json_object_get(server, "weight")), growing, differs);
}

/* What its checks say, and for how long its state has been what it is. */
static void check_cells(struct table *t, const json_t *check)
{
	const char *result = json_string_value(json_object_get(check, "result"));
	const char *reason = json_string_value(json_object_get(check, "reason"));
	json_t *duration = json_object_get(check, "duration_us");
	json_t *changed = json_object_get(check, "changed_s");

	if (json_is_integer(changed))
		cell(t, "%" JSON_INTEGER_FORMAT "s", json_integer_value(changed));
	else
		cell(t, "-");
	if (result == NULL)
		cell(t, "-");
	else if (json_is_integer(duration) && strcmp(result, "unchecked") != 0)
		cell(t, "%s in %.1f ms: %s", result, json_number_value(duration) / 1000,
		     reason != NULL ? reason : "-");
	else
		cell(t, "%s: %s", result, reason != NULL ? reason : "-");
}

void gt_table_servers(FILE *out, const json_t *vips)
{
	static const struct column columns[] = {
		{"vip", false},	  {"server", false}, {"address", false}, {"state", false},
		{"weight", true}, {"frames", true},  {"bytes", true},	 {"connections", true},
		{"active", true}, {"open", true},    {"since", true},	 {"check", false},
	};
	struct table t = TABLE(columns);
	json_t *all = json_object_get(vips, "vips"), *vip, *server;
	const char *name, *server_name;

	json_object_foreach(all, name, vip)
	{
		json_t *servers = json_object_get(vip, "servers");

		json_object_foreach(servers, server_name, server)
		{
			cell(&t, "%s", name);
			cell(&t, "%s", server_name);
			key_cell(&t, server, "address");
			state_cell(&t, server);
			weight_cell(&t, server);
			key_cell(&t, server, "frames");
			key_cell(&t, server, "bytes");
			key_cell(&t, server, "connections");
			key_cell(&t, server, "active");
			key_cell(&t, server, "open");
			check_cells(&t, json_object_get(server, "check"));
		}
	}
	print(out, &t);
}

static const char *drop_help(const char *name)
{
	for (size_t i = 0; i < GT_DROP_REASON_COUNT; i++)
		if (strcmp(gt_drop_name((enum gt_drop_reason)i), name) == 0)
			return gt_drop_help((enum gt_drop_reason)i);
	return "a reason that this version does not know";
}

void gt_table_drops(FILE *out, const json_t *drops)
{
	static const struct column columns[] = {
		{"dropped", true},
		{"reason", false},
		{"meaning", false},
	};
	struct table t = TABLE(columns);
	json_t *all = json_object_get(drops, "drops"), *count;
	const char *name;

	json_object_foreach(all, name, count)
	{
		value_cell(&t, count);
		cell(&t, "%s", name);
		cell(&t, "%s", drop_help(name));
	}
	print(out, &t);
}

void gt_table_interfaces(FILE *out, const json_t *interfaces)
{
	static const struct {
		struct column column;
		const char *key; /* NULL: the name */
	} keys[] = {
		{{"interface", false}, NULL},
		{{"device", false}, "device"},
		{{"mac", false}, "mac"},
		{{"link", false}, "link"},
		{{"for s", true}, "link_for_s"},
		{{"Mbit/s", true}, "speed_mbps"},
		{{"frames in", true}, "in_frames"},
		{{"bytes in", true}, "in_bytes"},
		{{"frames out", true}, "out_frames"},
		{{"bytes out", true}, "out_bytes"},
		{{"missed", true}, "missed"},
		{{"errors", true}, "errors"},
		{{"addresses", false}, "addresses"},
	};
	const size_t n = sizeof(keys) / sizeof(keys[0]);
	struct column columns[sizeof(keys) / sizeof(keys[0])];
	struct table t = TABLE(columns);
	json_t *all = json_object_get(interfaces, "interfaces"), *interface;
	const char *name;

	for (size_t i = 0; i < n; i++)
		columns[i] = keys[i].column;
	json_object_foreach(all, name, interface)
	{
		for (size_t i = 0; i < n; i++) {
			if (keys[i].key == NULL)
				cell(&t, "%s", name);
			else
				key_cell(&t, interface, keys[i].key);
		}
	}
	print(out, &t);
}

static void table_conflicts(FILE *out, const json_t *conflicts)
{
	static const struct column columns[] = {
		{"interface", false}, {"our address", false}, {"also answered by", false},
		{"times", true},      {"last, s ago", true},
	};
	struct table t = TABLE(columns);

	for (size_t i = 0; i < json_array_size(conflicts); i++) {
		const json_t *c = json_array_get(conflicts, i);

		key_cell(&t, c, "interface");
		key_cell(&t, c, "address");
		key_cell(&t, c, "mac");
		key_cell(&t, c, "count");
		key_cell(&t, c, "last_s");
	}
	fputs("\nOther stations answer for addresses of gantry's: on a DR server set arp_ignore=1 "
	      "and\n"
	      "arp_announce=2, else clients reach it past gantry.\n",
	      out);
	print(out, &t);
}

void gt_table_neighbours(FILE *out, const json_t *neighbours)
{
	static const struct column columns[] = {
		{"interface", false}, {"address", false},	  {"mac", false},
		{"state", false},     {"confirmed, s ago", true},
	};
	struct table t = TABLE(columns);
	const json_t *all = json_object_get(neighbours, "neighbours");
	const json_t *conflicts = json_object_get(neighbours, "conflicts");

	for (size_t i = 0; i < json_array_size(all); i++) {
		const json_t *n = json_array_get(all, i);

		key_cell(&t, n, "interface");
		key_cell(&t, n, "address");
		key_cell(&t, n, "mac");
		key_cell(&t, n, "state");
		key_cell(&t, n, "age_s");
	}
	print(out, &t);
	if (json_array_size(conflicts) > 0)
		table_conflicts(out, conflicts);
}

void gt_table_connections(FILE *out, const json_t *connections)
{
	static const struct column columns[] = {
		{"vip", false},	  {"server", false}, {"client", false},
		{"state", false}, {"idle, s", true},
	};
	struct table t = TABLE(columns);
	const json_t *all = json_object_get(connections, "connections");
	json_t *matched = json_object_get(connections, "matched");
	json_int_t total = json_integer_value(
		matched != NULL ? matched : json_object_get(connections, "total"));
	json_int_t shown = json_integer_value(json_object_get(connections, "shown"));

	for (size_t i = 0; i < json_array_size(all); i++) {
		const json_t *c = json_array_get(all, i);

		key_cell(&t, c, "vip");
		key_cell(&t, c, "server");
		key_cell(&t, c, "client");
		key_cell(&t, c, "state");
		key_cell(&t, c, "idle_s");
	}
	print(out, &t);
	if (shown < total)
		fprintf(out,
			"the first %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT
			" connections\n",
			shown, total);
}

/* "2 d 3 h", "4 min 5 s": the two largest units. */
static void print_uptime(FILE *out, uint64_t s)
{
	if (s >= 86400)
		fprintf(out, "%" PRIu64 " d %" PRIu64 " h", s / 86400, s / 3600 % 24);
	else if (s >= 3600)
		fprintf(out, "%" PRIu64 " h %" PRIu64 " min", s / 3600, s / 60 % 60);
	else
		fprintf(out, "%" PRIu64 " min %" PRIu64 " s", s / 60, s % 60);
}

/* A line for each worker whose loop makes no turn: nothing else on the page matters then. */
static void print_stuck(FILE *out, const json_t *workers)
{
	size_t i;
	json_t *w;

	json_array_foreach(workers, i, w)
	{
		double s = json_number_value(json_object_get(w, "stuck_s"));

		if (s > 0)
			fprintf(out, "worker %zu IS STUCK: no turn of its loop for %.1f s\n\n", i,
				s);
	}
}

void gt_table_status(FILE *out, const json_t *status)
{
	const char *node = json_string_value(json_object_get(status, "node"));
	const json_t *uptime = json_object_get(status, "uptime_s");

	if (node != NULL) {
		fprintf(out, "node %s", node);
		if (json_is_number(uptime)) {
			fputs(", up ", out);
			print_uptime(out, (uint64_t)json_number_value(uptime));
		}
		fputs("\n\n", out);
	}
	print_stuck(out, json_object_get(status, "workers"));
	table_frames(out, json_object_get(status, "frames"));
	fputc('\n', out);
	gt_table_vips(out, status);
	fputc('\n', out);
	gt_table_servers(out, status);
	fputc('\n', out);
	table_connection_sums(out, json_object_get(status, "connections"));
	if (json_object_size(json_object_get(status, "drops")) > 0) {
		fputc('\n', out);
		gt_table_drops(out, status);
	}
	if (json_object_get(status, "interfaces") != NULL) {
		fputc('\n', out);
		gt_table_interfaces(out, status);
	}
}
