/* SPDX-License-Identifier: BSD-3-Clause */
/* gantry bench: its command line, and EAL; see bench.h. */
#include "bench.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <numa.h>

#include <rte_malloc.h>

#include "bench_output.h"
#include "commands.h"
#include "cpus.h"
#include "eal.h"
#include "load.h"
#include "say.h"
#include "version.h"

#define ROUNDS 9

static void usage(FILE *out)
{
	fputs("usage: gantry bench CONFIG [--json] [--what LIST] [--flows LIST] [--mode LIST]\n"
	      "                    [--rounds N]\n"
	      "\n"
	      "Measures on this machine, for the configuration's VIPs (the first of each mode\n"
	      "and family):\n"
	      "  core   the packet core: frames of established connections, and of new ones\n"
	      "  loop   the whole worker loop, beside one that only swaps MACs, and two workers\n"
	      "         beside one: the worker of `gantry run` on a device (net_pcap) that brings\n"
	      "         one frame of each connection again and again; what is sent vanishes.\n"
	      "         Both ways (nat, snat): also a reply of each connection's server\n"
	      "  table  the connection table alone, beside DPDK's rte_hash\n"
	      "No device of the configuration is opened. scripts/bench has dpdk-testpmd beside "
	      "it.\n"
	      "\n"
	      "  --what LIST    of core, loop, table (all)\n"
	      "  --flows LIST   numbers of connections (1,1000,100000,1000000,10000000; loop:\n"
	      "                 1000,1000000)\n"
	      "  --mode LIST    of dr, nat, snat, tunnel (all)\n"
	      "  --rounds N     of each figure, 1 to 99 (9)\n"
	      "  --json         one object on stdout\n"
	      "  --help, --version\n"
	      "\n"
	      "Figures are nanoseconds a frame, of the core's time that this thread had.\n"
	      "  all, core, floor  floor is the same loop without a balancer: frames made in\n"
	      "                    the cache, their MACs swapped; core is the difference\n"
	      "  of dr             what hits of the first IPv4 `dr` VIP took in the same\n"
	      "                    rounds, divided by this; of loops, what its loop took, with\n"
	      "                    as many frames as connections, or both ways with twice as many\n"
	      "  macswap           a loop of 32 frames received, their MACs swapped, sent: the\n"
	      "                    most that a worker could do. of macswap: its share of that\n"
	      "  of one            two workers' frames a second, each with half of the\n"
	      "                    connections, divided by those of one alone with such a half\n"
	      "  best              figures are medians over the rounds of the machine's best\n"
	      "                    phase, by the floor or macswap: so many of so many (at most\n"
	      "                    three times N). slow: even these were in a slow phase\n"
	      "  least-most        of all rounds\n"
	      "  bytes             all that a connection takes of a worker's memory at 80 %\n"
	      "                    use, beside what does not grow with connections\n"
	      "\n"
	      "All of it takes four to six minutes and, of config/bench.ini, 3.5 GB of\n"
	      "hugepages; what finds no memory is skipped and said so. --flows 1000,1000000\n"
	      "is done in two minutes with 2.7 GB. It runs on the first worker's core (two\n"
	      "workers: on the second's, too), with hugepages unless hugepages = no.\n"
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

/* ---- the run ---- */

static int measure(const struct gt_config *config, const struct gt_bench_options *options,
		   const struct gt_cpus *cpus, bool json, const struct gt_log *log)
{
	struct gt_memory memory = {take, give_back, (void *)(intptr_t)cpus->node};
	struct gt_bench_output out;
	struct gt_bench_sink sink = {gt_bench_output_row, &out};
	int rc;

	gt_bench_output_begin(&out, config, cpus->main, json);
	rc = gt_bench_measure(config, options, cpus, &memory, &sink);
	if (rc != 0)
		gt_log(log, LOG_ERR, "nothing can be measured: %s", strerror(-rc));
	if (gt_bench_output_end(&out, config, cpus, rc == 0) != 0)
		rc = -EIO;
	return rc == 0 ? GT_EXIT_OK : GT_EXIT_FAILED;
}

/* Where a second worker runs: as configured, else on a CPU of its own next to main's, else on
 * main's, which sleeps meanwhile. -1: there is no other than the first's. */
static int choose_second(const struct gt_config *config, const struct gt_cpus *cpus)
{
	int first = cpus->workers[0];

	if (config->n_worker_cores > 1 && config->worker_cores[1] != first)
		return config->worker_cores[1];
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET((size_t)cpu, &cpus->others) && cpu != first && cpu != cpus->main &&
		    (numa_available() < 0 || numa_node_of_cpu(cpu) == cpus->node))
			return cpu;
	return cpus->main != first ? cpus->main : -1;
}

/*
 * Main measures the core where the first worker would run. The workers of the loops are lcores of
 * their own: the first is where main is, as one of them sleeps while the other works.
 */
static int choose_cpus(struct gt_config *config, const struct gt_bench_options *options,
		       const struct gt_log *log, struct gt_cpus *cpus)
{
	int rc, second;

	config->workers = 1;
	rc = gt_cpus_choose(config, -1, log, cpus);
	if (rc != 0)
		return rc;
	second = choose_second(config, cpus);
	cpus->main = cpus->workers[0];
	cpus->n_workers = 0;
	if ((options->what & GT_BENCH_LOOP) != 0)
		cpus->n_workers = second >= 0 ? 2 : 1;
	cpus->workers[1] = second;
	cpus->shared = false;
	return 0;
}

static int run(struct gt_config *config, const struct gt_bench_options *options, bool json)
{
	struct gt_log log = gt_say_log(config->name);
	size_t n_interfaces = config->n_interfaces;
	struct gt_budget budget = {0};
	struct gt_cpus cpus;
	int rc;

	if (choose_cpus(config, options, &log, &cpus) != 0)
		return GT_EXIT_FAILED;
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

/* Of everything that is measured. */
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
			break;
		s = end + 1;
	}
	memcpy(o->loop_flows, o->flows, sizeof(o->flows));
	o->n_loop_flows = o->n_flows;
	return true;
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

static bool parse_what(const char *text, struct gt_bench_options *o)
{
	static const char *const names[] = {"core", "loop", "table"}; /* bit by bit */

	o->what = 0;
	for (const char *s = text;; s++) {
		size_t n = strcspn(s, ",");
		unsigned found = 0;

		for (unsigned i = 0; i < RTE_DIM(names); i++)
			if (strlen(names[i]) == n && strncmp(names[i], s, n) == 0)
				found = 1U << i;
		if (found == 0)
			return false;
		o->what |= found;
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
	{"--what", parse_what, "core, loop, table, comma-separated"},
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
	struct gt_bench_options o = {.what = GT_BENCH_CORE | GT_BENCH_LOOP | GT_BENCH_TABLE,
				     .flows = {1, 1000, 100000, 1000000, 10000000},
				     .n_flows = 5,
				     .loop_flows = {1000, 1000000},
				     .n_loop_flows = 2,
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
