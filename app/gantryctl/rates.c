/* SPDX-License-Identifier: BSD-3-Clause */
/* Rates from two answers; see rates.h. A counter that went back belongs to another gantry: 0. */
#include "rates.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

const char *rates_order_name(enum rates_order order)
{
	static const char *const names[RATES_ORDERS] = {
		[RATES_AS_WRITTEN] = "as in the file",
		[RATES_BY_BITS] = "bit/s",
		[RATES_BY_FRAMES] = "frames/s",
		[RATES_BY_OPEN] = "open",
		[RATES_BY_NEW] = "new/s",
	};

	return names[order];
}

static double number(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

static double rate(const json_t *before, const json_t *now, const char *key, double seconds)
{
	double then = number(before, key), is = number(now, key);

	return before != NULL && is > then ? (is - then) / seconds : 0;
}

/* "999", "1.23k", "45.6M": three digits that count. */
static const char *human(double value, char buf[16])
{
	static const char units[] = " kMGT";
	size_t i = 0;

	while (value >= 999.5 && i + 2 < sizeof(units)) {
		value /= 1000;
		i++;
	}
	if (i == 0)
		snprintf(buf, 16, value > 0 && value < 9.95 ? "%.1f" : "%.0f", value);
	else
		snprintf(buf, 16, "%.*f%c",
			 value < 9.995	 ? 2
			 : value < 99.95 ? 1
					 : 0,
			 value, units[i]);
	return buf;
}

/* ---- the head ---- */

static void print_workers(FILE *out, const json_t *workers)
{
	fputs("workers", out);
	for (size_t i = 0; i < json_array_size(workers); i++) {
		const json_t *w = json_array_get(workers, i);

		fprintf(out, "  %.0f (CPU %.0f): %.0f %% busy", number(w, "worker"),
			number(w, "cpu"), number(w, "busy_percent"));
	}
	fputc('\n', out);
}

static void print_drops(FILE *out, const json_t *before, const json_t *now, double seconds)
{
	json_t *drops = json_object_get(now, "drops"), *value;
	const json_t *old = json_object_get(before, "drops");
	const char *name;
	char buf[16];
	bool any = false;

	fputs("drops/s", out);
	json_object_foreach(drops, name, value)
	{
		/* A reason that is new began at 0. */
		double r = (json_number_value(value) - number(old, name)) / seconds;

		if (before == NULL || r <= 0)
			continue;
		fprintf(out, "  %s %s", name, human(r, buf));
		any = true;
	}
	fputs(any ? "\n" : "  none\n", out);
}

void rates_head(FILE *out, const json_t *before, const json_t *now, double seconds)
{
	const json_t *f = json_object_get(now, "frames"), *old = json_object_get(before, "frames");
	const json_t *c = json_object_get(now, "connections");
	const json_t *old_c = json_object_get(before, "connections");
	const char *node = json_string_value(json_object_get(now, "node"));
	char a[16], b[16], d[16], e[16];

	fprintf(out, "node %s, up %.0f s\n", node != NULL ? node : "-", number(now, "uptime_s"));
	fprintf(out, "frames/s  in %s  forwarded %s  answered %s  dropped %s\n",
		human(rate(old, f, "in", seconds), a), human(rate(old, f, "forwarded", seconds), b),
		human(rate(old, f, "answered", seconds), d),
		human(rate(old, f, "dropped", seconds), e));
	fprintf(out, "connections  active %s  new/s %s  moved/s %s\n",
		human(number(c, "active"), a), human(rate(old_c, c, "created", seconds), b),
		human(rate(old_c, c, "moved", seconds), d));
	print_workers(out, json_object_get(now, "workers"));
	print_drops(out, before, now, seconds);
}

/* ---- VIPs and servers ---- */

struct row {
	const char *name;
	const json_t *now, *before;
	double open, created, frames, bits;
};

static void measure(struct row *r, const json_t *now, const json_t *before, double seconds)
{
	r->now = now;
	r->before = before;
	r->open = number(now, "open");
	r->created = rate(before, now, "connections", seconds);
	r->frames = rate(before, now, "frames", seconds);
	r->bits = 8 * rate(before, now, "bytes", seconds);
}

static double key_of(const struct row *r, enum rates_order order)
{
	switch (order) {
	case RATES_BY_BITS:
		return r->bits;
	case RATES_BY_FRAMES:
		return r->frames;
	case RATES_BY_OPEN:
		return r->open;
	case RATES_BY_NEW:
		return r->created;
	default:
		return 0;
	}
}

static int compare(const void *a, const void *b, void *order)
{
	double x = key_of(a, *(const enum rates_order *)order);
	double y = key_of(b, *(const enum rates_order *)order);

	return x > y ? -1 : x < y;
}

/* The members of an object as rows, in order. *n of them; NULL: none, or no memory. */
static struct row *make_rows(const json_t *before, json_t *now, double seconds,
			     enum rates_order order, size_t *n)
{
	struct row *rows = calloc(json_object_size(now) + 1, sizeof(*rows));
	const char *name;
	json_t *value;

	*n = 0;
	if (rows == NULL)
		return NULL;
	json_object_foreach(now, name, value)
	{
		rows[*n].name = name;
		measure(&rows[(*n)++], value, json_object_get(before, name), seconds);
	}
	/* qsort_r of glibc is a merge sort: what is equal stays as in the file. */
	if (order != RATES_AS_WRITTEN)
		qsort_r(rows, *n, sizeof(*rows), compare, &order);
	return rows;
}

static void print_weight(const json_t *server, char *buf, size_t size)
{
	const json_t *now = json_object_get(server, "weight_now");

	if (json_is_number(now))
		snprintf(buf, size, "%.0f now %.0f", number(server, "weight"),
			 json_number_value(now));
	else
		snprintf(buf, size, "%.0f", number(server, "weight"));
}

static void print_server(FILE *out, const struct row *r, double vip_frames)
{
	const char *state = json_string_value(json_object_get(r->now, "state"));
	bool lost = json_is_null(json_object_get(r->now, "mac")) && state != NULL &&
		    strcmp(state, "disabled") != 0;
	char weight[32], text[40], share[16] = "-", a[16], b[16], c[16], d[16];

	print_weight(r->now, weight, sizeof(weight));
	snprintf(text, sizeof(text), "%s%s", state != NULL ? state : "-", lost ? ", no MAC" : "");
	if (vip_frames > 0)
		snprintf(share, sizeof(share), "%.0f %%", 100 * r->frames / vip_frames);
	fprintf(out, "  %-20.20s %-16.16s %12s %7s %7s %9s %9s %6s\n", r->name, text, weight,
		human(r->open, a), human(r->created, b), human(r->frames, c), human(r->bits, d),
		share);
}

static void print_vip(FILE *out, const struct row *vip, double seconds, enum rates_order order)
{
	char a[16], b[16], c[16], d[16];
	json_t *servers = json_object_get(vip->now, "servers");
	size_t n;
	struct row *rows =
		make_rows(json_object_get(vip->before, "servers"), servers, seconds, order, &n);

	fprintf(out, "%-22.22s %-16s %12s %7s %7s %9s %9s\n", vip->name, "", "",
		human(vip->open, a), human(vip->created, b), human(vip->frames, c),
		human(vip->bits, d));
	for (size_t i = 0; rows != NULL && i < n; i++)
		print_server(out, &rows[i], vip->frames);
	free(rows);
}

/* What its servers have open. */
static double sum_open(const json_t *vip)
{
	json_t *servers = json_object_get(vip, "servers"), *server;
	const char *name;
	double sum = 0;

	json_object_foreach(servers, name, server) sum += number(server, "open");
	return sum;
}

void rates_servers(FILE *out, const json_t *before, const json_t *now, double seconds,
		   enum rates_order order)
{
	size_t n;
	struct row *vips = make_rows(json_object_get(before, "vips"), json_object_get(now, "vips"),
				     seconds, RATES_AS_WRITTEN, &n);

	fprintf(out, "%-22s %-16s %12s %7s %7s %9s %9s %6s\n", "VIP / server", "state", "weight",
		"open", "new/s", "frames/s", "bit/s", "share");
	for (size_t i = 0; vips != NULL && i < n; i++)
		vips[i].open = sum_open(vips[i].now);
	if (vips != NULL && order != RATES_AS_WRITTEN)
		qsort_r(vips, n, sizeof(*vips), compare, &order);
	for (size_t i = 0; vips != NULL && i < n; i++)
		print_vip(out, &vips[i], seconds, order);
	free(vips);
}
