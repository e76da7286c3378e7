/* SPDX-License-Identifier: BSD-3-Clause */
/* The result of `gantry bench`; see bench_output.h. */
#include "bench_output.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <rte_cycles.h>

#include "version.h"

/* ---- JSON ---- */

static void add_comparison(json_t *o, const struct gt_bench_row *r)
{
	if (r->part == GT_BENCH_LOOP)
		json_object_update_new(
			o, json_pack("{s:f, s:f}", "mpps", 1e3 / r->ns, "of_macswap", r->of_floor));
	if (r->share <= 0)
		return;
	if (r->workers > 1)
		json_object_update_new(
			o, json_pack("{s:f, s:f}", "one_ns", r->base_ns, "speedup", r->share));
	else
		json_object_update_new(
			o, json_pack("{s:f, s:f}", "dr_ns", r->base_ns, "of_dr", r->share));
}

static json_t *row_json(const struct gt_bench_row *r)
{
	json_t *o = json_pack("{s:s, s:I, s:s}", "what", r->what, "flows", (json_int_t)r->flows,
			      "order", r->random ? "random" : "sequential");

	if (r->vip != NULL)
		json_object_update_new(o, json_pack("{s:s, s:s, s:i}", "vip", r->vip, "mode",
						    r->mode, "family", r->v6 ? 6 : 4));
	if (r->part == GT_BENCH_LOOP)
		json_object_set_new(o, "workers", json_integer(r->workers));
	if (r->failed[0] != '\0') {
		json_object_set_new(o, "failed", json_string(r->failed));
		return o;
	}
	json_object_update_new(o, json_pack("{s:f, s:f, s:f, s:f, s:f, s:f}", "ns", r->ns,
					    "least_ns", r->least_ns, "most_ns", r->most_ns,
					    "floor_ns", r->floor_ns, "floor_least_ns",
					    r->floor_least_ns, "floor_most_ns", r->floor_most_ns));
	json_object_update_new(
		o, json_pack("{s:i, s:i}", "rounds", (int)r->rounds, "best_rounds", (int)r->best));
	add_comparison(o, r);
	if (r->bytes > 0)
		json_object_set_new(o, "bytes", json_real(r->bytes));
	return o;
}

/* ---- tables ---- */

static void name_row(const struct gt_bench_row *r, char *name, size_t size)
{
	if (r->vip == NULL)
		snprintf(name, size, "table: %s", r->what);
	else if (r->workers > 1)
		snprintf(name, size, "%s IPv%d: %u workers", r->mode, r->v6 ? 6 : 4, r->workers);
	else
		snprintf(name, size, "%s IPv%d: %s%s", r->mode, r->v6 ? 6 : 4, r->what,
			 r->random ? "" : ", in order");
}

static void print_loop(const struct gt_bench_row *r, const char *name, const char *range,
		       const char *best)
{
	char share[16], of_dr[16] = "", speedup[16] = "";

	snprintf(share, sizeof(share), "%.0f %%", 100 * r->of_floor);
	if (r->workers > 1)
		snprintf(speedup, sizeof(speedup), "%.2f", r->share);
	else if (r->share > 0)
		snprintf(of_dr, sizeof(of_dr), "%.0f %%", 100 * r->share);
	printf("%10" PRIu32 "  %-26s %7.1f %7.1f %7.1f  %10s %6s %7s  %-13s %-6s%s\n", r->flows,
	       name, r->ns, r->floor_ns, 1e3 / r->ns, share, of_dr, speedup, range, best,
	       r->slow ? " slow" : "");
}

static void print_row(const struct gt_bench_row *r)
{
	char name[96], range[32], best[32], share[16] = "";

	name_row(r, name, sizeof(name));
	if (r->failed[0] != '\0') {
		printf("%10" PRIu32 "  %-26s  not measured: %s\n", r->flows, name, r->failed);
		return;
	}
	snprintf(range, sizeof(range), "%.1f-%.1f", r->least_ns, r->most_ns);
	snprintf(best, sizeof(best), "%u/%u", r->best, r->rounds);
	if (r->part == GT_BENCH_LOOP) {
		print_loop(r, name, range, best);
		return;
	}
	if (r->share > 0)
		snprintf(share, sizeof(share), "%.0f %%", 100 * r->share);
	printf("%10" PRIu32 "  %-26s %7.1f %7.1f %7.1f %7.1f  %6s  %-13s %-6s", r->flows, name,
	       r->ns, r->ns - r->floor_ns, r->floor_ns, 1e3 / r->ns, share, range, best);
	if (r->bytes > 0)
		printf(" %5.1f", r->bytes);
	puts(r->slow ? " slow" : "");
}

static const char *cpu_model(char *buf, size_t size)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	char line[256];

	snprintf(buf, size, "unknown");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		const char *colon = strchr(line, ':');

		if (strncmp(line, "model name", 10) != 0 || colon == NULL)
			continue;
		snprintf(buf, size, "%s", colon + 2);
		buf[strcspn(buf, "\n")] = '\0';
		break;
	}
	if (f != NULL)
		fclose(f);
	return buf;
}

/* The heads of the tables: loops have one of their own. */
static void print_head(const struct gt_bench_row *r)
{
	if (r->part == GT_BENCH_LOOP)
		printf("%10s  %-26s %7s %7s %7s  %10s %6s %7s  %-13s %-6s\n", "flows",
		       "whole worker loop", "all", "macswap", "Mpps", "of macswap", "of dr",
		       "of one", "least-most", "best");
	else
		printf("%10s  %-26s %7s %7s %7s %7s  %6s  %-13s %-6s %5s\n", "flows",
		       "nanoseconds a frame", "all", "core", "floor", "Mpps", "of dr", "least-most",
		       "best", "bytes");
}

void gt_bench_output_row(void *ctx, const struct gt_bench_row *row)
{
	struct gt_bench_output *out = ctx;

	if (row->failed[0] == '\0') {
		out->rounds += row->rounds;
		out->best += row->best;
	}
	if (out->rows != NULL) {
		json_array_append_new(out->rows, row_json(row));
		return;
	}
	if (!out->begun || out->part != row->part || out->flows != row->flows)
		putchar('\n');
	if (!out->begun || out->part != row->part)
		print_head(row);
	out->begun = true;
	out->part = row->part;
	out->flows = row->flows;
	print_row(row);
	fflush(stdout);
}

/* ---- the whole ---- */

void gt_bench_output_begin(struct gt_bench_output *out, const struct gt_config *config, int cpu,
			   bool json)
{
	char model[128];

	*out = (struct gt_bench_output){.rows = json ? json_array() : NULL};
	if (!json)
		printf("%s, CPU %d, TSC %.2f GHz, %s\n", cpu_model(model, sizeof(model)), cpu,
		       (double)rte_get_tsc_hz() / 1e9,
		       config->hugepages ? "hugepages" : "no hugepages (hugepages = no)");
}

/* Of the loops' workers. */
static json_t *list_cores(const struct gt_cpus *cpus)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < cpus->n_workers; i++)
		json_array_append_new(list, json_integer(cpus->workers[i]));
	return list;
}

static int print_json(const struct gt_config *config, const struct gt_cpus *cpus, json_t *rows)
{
	char model[128];
	json_t *o = json_pack("{s:s, s:{s:s, s:i, s:o, s:f, s:b}, s:O}", "version", GT_VERSION,
			      "machine", "cpu", cpu_model(model, sizeof(model)), "core", cpus->main,
			      "worker_cores", list_cores(cpus), "tsc_ghz",
			      (double)rte_get_tsc_hz() / 1e9, "hugepages", (int)config->hugepages,
			      "rows", rows);
	int rc = o == NULL || json_dumpf(o, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(5)) != 0;

	putchar('\n');
	json_decref(o);
	return rc;
}

int gt_bench_output_end(struct gt_bench_output *out, const struct gt_config *config,
			const struct gt_cpus *cpus, bool good)
{
	int rc = 0;

	if (out->rows != NULL && good)
		rc = print_json(config, cpus, out->rows);
	else if (out->rows == NULL && out->best < out->rounds)
		printf("\nIn %u of %u rounds the machine was slower, by the floor: left out.\n",
		       out->rounds - out->best, out->rounds);
	json_decref(out->rows);
	return rc;
}
