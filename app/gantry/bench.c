/* SPDX-License-Identifier: BSD-3-Clause */
/* gantry bench: its command line, EAL, and the result as a table or as JSON; see bench.h. */
#include "bench.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_malloc.h>

#include "commands.h"
#include "cpus.h"
#include "eal.h"
#include "load.h"
#include "pipeline/pipeline.h"
#include "say.h"
#include "version.h"

#define ROUNDS 9

static void usage(FILE *out)
{
	fputs("usage: gantry bench CONFIG [--json] [--flows LIST] [--mode LIST] [--rounds N]\n"
	      "\n"
	      "Measures the packet core on this machine: frames of established connections\n"
	      "of the configuration's VIPs (the first of each mode and family), new ones, and\n"
	      "the connection table alone beside DPDK's rte_hash. No device is opened:\n"
	      "scripts/bench measures the whole worker loop, beside dpdk-testpmd.\n"
	      "\n"
	      "  --flows LIST   numbers of connections (1,1000,100000,1000000,10000000)\n"
	      "  --mode LIST    of dr, nat, snat, tunnel (all)\n"
	      "  --rounds N     of each figure, 1 to 99 (9)\n"
	      "  --json         one object on stdout\n"
	      "  --help, --version\n"
	      "\n"
	      "Figures are nanoseconds a frame, of the core's time that this thread had.\n"
	      "  all, core, floor  floor is the same loop without a balancer: frames made in\n"
	      "                    the cache, their MACs swapped; core is the difference\n"
	      "  of dr             what hits of the first IPv4 `dr` VIP took in the same\n"
	      "                    rounds, divided by this\n"
	      "  best              figures are medians over the rounds of the machine's best\n"
	      "                    phase, by the floor: so many of so many (at most three\n"
	      "                    times N). slow: even these were in a slow phase\n"
	      "  least-most        of all rounds\n"
	      "  bytes             all that a connection takes of a worker's memory at 80 %\n"
	      "                    use, beside what does not grow with connections\n"
	      "\n"
	      "All of it takes two to four minutes and, of config/bench.ini, 3.5 GB of\n"
	      "hugepages; what finds no memory is skipped and said so. --flows 1000,1000000\n"
	      "is done in half a minute with 1.9 GB. It runs on the first worker's core, with\n"
	      "hugepages unless hugepages = no.\n"
	      "Exit codes: 0 done; 1 it failed; 2 wrong use or a wrong configuration.\n",
	      out);
}

/* ---- memory from EAL ---- */

static void *take(void *ctx, size_t bytes)
{
	return rte_zmalloc_socket("bench", bytes, RTE_CACHE_LINE_SIZE, (int)(intptr_t)ctx);
}

static void give_back(void *ctx, void *p)
{
	(void)ctx;
	rte_free(p);
}

/* What EAL's heap loses between the tables. */
#define LOST_BYTES (32ULL << 20)

/* Less than this is no machine to measure on. */
#define LEAST_BYTES (128ULL << 20)

/* What can be had of what all measurements need. 0, or -ENOMEM, said. */
static int plan_memory(const struct gt_config *config, const struct gt_bench_options *o,
		       const struct gt_cpus *cpus, struct gt_budget *budget,
		       const struct gt_log *log)
{
	uint64_t needed = gt_bench_bytes(config, o) + LOST_BYTES;
	uint64_t available = gt_budget_available(config, cpus);
	int rc;

	if (needed > available && available >= LEAST_BYTES) {
		gt_log(log, LOG_NOTICE,
		       "the largest figures need %" PRIu64 " MB of %s, and %" PRIu64
		       " MB are free: what finds no room is skipped",
		       needed >> 20, config->hugepages ? "hugepages" : "memory", available >> 20);
		needed = available;
	}
	budget->total_bytes = budget->tables_bytes = needed;
	rc = gt_budget_check(config, budget, cpus, log);
	/* All of it is EAL's here, where a worker's tables are not without hugepages (worker.c). */
	budget->tables_bytes = 0;
	return rc;
}

/* ---- output ---- */

struct output {
	json_t *rows;	       /* NULL: a table */
	uint32_t flows;	       /* of the row before */
	unsigned rounds, best; /* of all rows */
};

static json_t *row_json(const struct gt_bench_row *r)
{
	json_t *o = json_pack("{s:s, s:I, s:s}", "what", r->what, "flows", (json_int_t)r->flows,
			      "order", r->random ? "random" : "sequential");

	if (r->vip != NULL)
		json_object_update_new(o, json_pack("{s:s, s:s, s:i}", "vip", r->vip, "mode",
						    r->mode, "family", r->v6 ? 6 : 4));
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
	if (r->share > 0)
		json_object_update_new(
			o, json_pack("{s:f, s:f}", "dr_ns", r->base_ns, "of_dr", r->share));
	if (r->bytes > 0)
		json_object_set_new(o, "bytes", json_real(r->bytes));
	return o;
}

static void name_row(const struct gt_bench_row *r, char *name, size_t size)
{
	if (r->vip == NULL)
		snprintf(name, size, "table: %s", r->what);
	else
		snprintf(name, size, "%s IPv%d: %s%s", r->mode, r->v6 ? 6 : 4, r->what,
			 r->random ? "" : ", in order");
}

static void print_row(const struct gt_bench_row *r)
{
	char name[96], range[32], best[32], share[16] = "";

	name_row(r, name, sizeof(name));
	if (r->failed[0] != '\0') {
		printf("%10" PRIu32 "  %-23s  not measured: %s\n", r->flows, name, r->failed);
		return;
	}
	if (r->share > 0)
		snprintf(share, sizeof(share), "%.0f %%", 100 * r->share);
	snprintf(range, sizeof(range), "%.1f-%.1f", r->least_ns, r->most_ns);
	snprintf(best, sizeof(best), "%u/%u", r->best, r->rounds);
	printf("%10" PRIu32 "  %-23s %7.1f %7.1f %7.1f %7.1f  %6s  %-13s %-6s", r->flows, name,
	       r->ns, r->ns - r->floor_ns, r->floor_ns, 1e3 / r->ns, share, range, best);
	if (r->bytes > 0)
		printf(" %5.1f", r->bytes);
	puts(r->slow ? " slow" : "");
}

static void take_row(void *ctx, const struct gt_bench_row *row)
{
	struct output *out = ctx;

	if (row->failed[0] == '\0') {
		out->rounds += row->rounds;
		out->best += row->best;
	}
	if (out->rows != NULL) {
		json_array_append_new(out->rows, row_json(row));
		return;
	}
	if (out->flows != 0 && out->flows != row->flows)
		putchar('\n');
	out->flows = row->flows;
	print_row(row);
	fflush(stdout);
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

static void begin_table(const struct gt_config *config, int cpu)
{
	char model[128];

	printf("%s, CPU %d, TSC %.2f GHz, %s\n\n", cpu_model(model, sizeof(model)), cpu,
	       (double)rte_get_tsc_hz() / 1e9,
	       config->hugepages ? "hugepages" : "no hugepages (hugepages = no)");
	printf("%10s  %-23s %7s %7s %7s %7s  %6s  %-13s %-6s %5s\n", "flows", "nanoseconds a frame",
	       "all", "core", "floor", "Mpps", "of dr", "least-most", "best", "bytes");
}

static void end_table(const struct output *out)
{
	if (out->best < out->rounds)
		printf("\nIn %u of %u rounds the machine was slower, by the floor: left out.\n",
		       out->rounds - out->best, out->rounds);
}

static int print_json(const struct gt_config *config, int cpu, json_t *rows)
{
	char model[128];
	json_t *o = json_pack("{s:s, s:{s:s, s:i, s:f, s:b}, s:O}", "version", GT_VERSION,
			      "machine", "cpu", cpu_model(model, sizeof(model)), "core", cpu,
			      "tsc_ghz", (double)rte_get_tsc_hz() / 1e9, "hugepages",
			      (int)config->hugepages, "rows", rows);
	int rc = o == NULL || json_dumpf(o, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(5)) != 0;

	putchar('\n');
	json_decref(o);
	return rc;
}

/* ---- the run ---- */

static int measure(const struct gt_config *config, const struct gt_bench_options *options,
		   const struct gt_cpus *cpus, bool json, const struct gt_log *log)
{
	struct gt_memory memory = {take, give_back, (void *)(intptr_t)cpus->node};
	struct output out = {.rows = json ? json_array() : NULL};
	struct gt_bench_sink sink = {take_row, &out};
	int rc;

	if (!json)
		begin_table(config, cpus->main);
	rc = gt_bench_measure(config, options, &memory, &sink);
	if (rc != 0)
		gt_log(log, LOG_ERR, "nothing can be measured: %s", strerror(-rc));
	else if (json)
		rc = print_json(config, cpus->main, out.rows);
	else
		end_table(&out);
	json_decref(out.rows);
	return rc == 0 ? GT_EXIT_OK : GT_EXIT_FAILED;
}

static int run(struct gt_config *config, const struct gt_bench_options *options, bool json)
{
	struct gt_log log = gt_say_log(config->name);
	size_t n_interfaces = config->n_interfaces;
	struct gt_budget budget = {0};
	struct gt_cpus cpus;
	int rc;

	/* One core, and no other lcore: the first worker's. */
	config->workers = 1;
	if (gt_cpus_choose(config, -1, &log, &cpus) != 0)
		return GT_EXIT_FAILED;
	cpus.main = cpus.workers[0];
	cpus.n_workers = 0;
	if (plan_memory(config, options, &cpus, &budget, &log) != 0)
		return GT_EXIT_FAILED;
	config->n_interfaces = 0; /* EAL opens no device */
	rc = gt_eal_start(config, NULL, &cpus, &budget, &log);
	config->n_interfaces = n_interfaces;
	if (rc == 0) {
		gt_eal_listen(&log);
		rc = measure(config, options, &cpus, json, &log);
	} else {
		rc = GT_EXIT_FAILED;
	}
	gt_eal_stop();
	return rc;
}

/* ---- the command line ---- */

static bool parse_flows(const char *text, struct gt_bench_options *o)
{
	o->n_flows = 0;
	for (const char *s = text;;) {
		char *end;
		unsigned long n = strtoul(s, &end, 10);

		if (end == s || n < 1 || n > 100000000 || o->n_flows == GT_BENCH_FLOWS_MAX ||
		    (*end != '\0' && *end != ','))
			return false;
		o->flows[o->n_flows++] = (uint32_t)n;
		if (*end == '\0')
			return true;
		s = end + 1;
	}
}

static bool parse_modes(const char *text, struct gt_bench_options *o)
{
	o->modes = 0;
	for (const char *s = text;; s++) {
		size_t n = strcspn(s, ",");
		int found = -1;

		for (int m = GT_MODE_DR; m <= GT_MODE_TUNNEL; m++)
			if (strlen(gt_mode_name((enum gt_mode)m)) == n &&
			    strncmp(gt_mode_name((enum gt_mode)m), s, n) == 0)
				found = m;
		if (found < 0)
			return false;
		o->modes |= 1U << found;
		s += n;
		if (*s == '\0')
			return true;
	}
}

static bool parse_rounds(const char *text, struct gt_bench_options *o)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	o->rounds = (unsigned)n;
	return end != text && *end == '\0' && n >= 1 && n <= GT_BENCH_ROUNDS_MAX;
}

static const struct option {
	const char *name;
	bool (*parse)(const char *text, struct gt_bench_options *o);
	const char *expected;
} options_list[] = {
	{"--flows", parse_flows, "numbers from 1 to 100000000, comma-separated, at most 16"},
	{"--mode", parse_modes, "dr, nat, snat, tunnel, comma-separated"},
	{"--rounds", parse_rounds, "a number from 1 to 99"},
};

/* 1: taken, with its value; 0: no such option; -1: told what is wrong. */
static int take_option(const char *name, const char *value, struct gt_bench_options *o)
{
	for (size_t i = 0; i < sizeof(options_list) / sizeof(options_list[0]); i++) {
		if (strcmp(options_list[i].name, name) != 0)
			continue;
		if (value != NULL && options_list[i].parse(value, o))
			return 1;
		fprintf(stderr, "gantry bench: %s %s: write %s\n", name,
			value != NULL ? value : "(nothing)", options_list[i].expected);
		return -1;
	}
	return 0;
}

int gt_command_bench(int argc, char **argv)
{
	struct gt_bench_options o = {.flows = {1, 1000, 100000, 1000000, 10000000},
				     .n_flows = 5,
				     .modes = ~0U,
				     .rounds = ROUNDS};
	const char *file = NULL;
	struct gt_config *config;
	bool json = false;
	int rc;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			usage(stdout);
			return GT_EXIT_OK;
		}
		if (strcmp(argv[i], "--version") == 0) {
			puts("gantry " GT_VERSION);
			return GT_EXIT_OK;
		}
		if (strcmp(argv[i], "--json") == 0) {
			json = true;
			continue;
		}
		rc = take_option(argv[i], i + 1 < argc ? argv[i + 1] : NULL, &o);
		if (rc < 0)
			return GT_EXIT_USAGE;
		if (rc > 0) {
			i++;
			continue;
		}
		if (argv[i][0] == '-' || file != NULL) {
			fprintf(stderr, "gantry bench: unexpected argument '%s'\n", argv[i]);
			usage(stderr);
			return GT_EXIT_USAGE;
		}
		file = argv[i];
	}
	if (file == NULL) {
		fputs("gantry bench: which configuration?\n", stderr);
		usage(stderr);
		return GT_EXIT_USAGE;
	}
	rc = gt_load_config(file, GT_LOAD_UNSUPPORTED_ERRORS, &config);
	if (rc != GT_EXIT_OK)
		return rc;
	rc = run(config, &o, json);
	gt_config_free(config);
	return rc;
}
