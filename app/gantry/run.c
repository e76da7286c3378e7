/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `gantry run`: the order in which a node comes up and goes down. Everything that can be found
 * wrong without DPDK is found before it starts, and said in gantry's words.
 */
#include "run.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <rte_launch.h>

#include "answers.h"
#include "commands.h"
#include "control.h"
#include "crew.h"
#include "device_lock.h"
#include "eal.h"
#include "load.h"
#include "mainloop.h"
#include "metrics_http.h"
#include "notify.h"
#include "privileges.h"
#include "prober.h"
#include "reload.h"
#include "report/sums.h"
#include "requests.h"
#include "say.h"
#include "telemetry.h"
#include "version.h"
#include "watch.h"

/* As large as one array of a plan may be: 65536 servers with their names and states. */
#define PLAN_ARRAY_BYTES (32 << 20)

static void usage(FILE *out)
{
	fputs("usage: gantry run CONFIG [--foreground]\n\n"
	      "Boots DPDK as the configuration says and serves until SIGTERM or SIGINT.\n"
	      "Prints a line that begins with READY once frames are forwarded, and tells\n"
	      "systemd (Type=notify). Logs one line for each change of state on stderr.\n\n"
	      "  --foreground   do not go into the background: the default, and the only way\n"
	      "  --help, --version\n\n"
	      "A running gantry is asked with gantryctl. Exit codes: 0 stopped as asked;\n"
	      "1 it could not start or failed; 2 wrong use or a wrong configuration.\n",
	      out);
}

/* ---- coming up ---- */

static int prepare(struct gt_run *r)
{
	struct gt_control_hooks hooks = {gt_answer, gt_connections_more, gt_order_settled, r};
	int nic_node, rc;

	rc = gt_control_open(r->config, &hooks, &r->log, &r->control);
	if (rc == 0)
		rc = gt_metrics_http_listen(r->config, &r->log, &r->metrics);
	if (rc == 0)
		rc = gt_devices_prepare(r->config, &r->log, r->devices);
	if (rc == 0)
		rc = gt_devices_lock(r->config, r->devices, &r->log);
	if (rc == 0)
		rc = gt_devices_set_up(r->config, &r->log, r->devices);
	if (rc != 0)
		return rc;
	nic_node = gt_devices_node(r->config, r->devices, &r->log);
	rc = gt_cpus_choose(r->config, nic_node, &r->log, &r->cpus);
	if (rc != 0)
		return rc;
	rc = gt_kernel_create(&r->kernel, r->config, &r->log);
	if (rc != 0)
		return rc;
	gt_budget_plan(r->config, r->devices, &r->budget);
	return gt_budget_check(r->config, &r->budget, &r->cpus, &r->log);
}

static int create_workers(struct gt_run *r)
{
	struct gt_memory memory = gt_lcore_memory(r->config, r->cpus.node);
	int rc = gt_shared_create(r->config->workers, &r->shared);

	if (rc != 0)
		gt_log(&r->log, LOG_ERR, "no memory for what the workers share");
	for (unsigned i = 0; rc == 0 && i < r->config->workers; i++) {
		rc = gt_lcore_create(i, r->config, &r->ports, &r->cpus, r->shared, &memory, &r->log,
				     &r->lcores[i]);
		r->n_lcores += r->lcores[i] != NULL;
	}
	return rc;
}

/* The node's hook: connections that a server has at all workers. */
static uint64_t count_active(void *ctx, uint32_t server)
{
	struct gt_worker *workers[GT_WORKERS_MAX];
	const struct gt_run *r = ctx;

	gt_run_workers(r, workers);
	return (uint64_t)gt_sum_server(workers, r->n_lcores, server).active;
}

static int create_node(struct gt_run *r)
{
	const struct gt_plan_crew crew = {gt_crew_run, &r->cpus};
	struct gt_node_hooks hooks = {.emit = gt_mainloop_emit,
				      .event = gt_watch_hear,
				      .active = count_active,
				      .ctx = r,
				      .log = r->log,
				      .crew = &crew};
	struct gt_mac macs[GT_INTERFACES_MAX];
	int rc;

	for (unsigned i = 0; i < r->ports.n; i++)
		macs[i] = r->ports.list[i].mac;
	rc = gt_node_create(r->config, macs, &hooks, &r->node);
	if (r->node != NULL)
		r->config = NULL; /* the node's now */
	if (rc != 0) {
		gt_log(&r->log, LOG_ERR, "the configuration cannot be put into force: %s",
		       strerror(-rc));
		return rc;
	}
	r->shared->plan = r->node->plan;
	r->prober = gt_prober_create(&r->cpus.others, &r->log);
	if (r->prober == NULL) {
		gt_log(&r->log, LOG_ERR, "no memory for the health checks");
		return -ENOMEM;
	}
	rc = gt_reload_open(r, &r->reload);
	if (rc != 0)
		gt_log(&r->log, LOG_ERR, "reload cannot be prepared: %s", strerror(-rc));
	return rc;
}

static int launch(struct gt_run *r)
{
	for (unsigned i = 0; i < r->n_lcores; i++) {
		int rc = gt_lcore_launch(r->lcores[i]);

		if (rc != 0) {
			gt_log(&r->log, LOG_ERR, "worker %u cannot be started on CPU %d: %s", i,
			       r->lcores[i]->cpu, strerror(-rc));
			return rc;
		}
	}
	return 0;
}

static int come_up(struct gt_run *r)
{
	int rc = prepare(r);

	if (rc == 0)
		rc = gt_eal_start(r->config, r->devices, &r->cpus, &r->budget, &r->log);
	if (rc == 0)
		rc = gt_ports_open(&r->ports, r->config, r->devices, &r->budget, r->cpus.node,
				   gt_idle_sleeps(r->config, &r->cpus), &r->log);
	if (rc == 0)
		rc = gt_kernel_set_up(&r->kernel, r->config, &r->ports);
	if (rc == 0)
		rc = create_workers(r);
	if (rc == 0)
		rc = create_node(r);
	if (rc == 0) {
		gt_eal_listen(&r->log);
		gt_telemetry_register(&r->log);
		rc = gt_metrics_http_serve(r->metrics, &r->log);
	}
	if (rc == 0)
		rc = gt_privileges_drop(r->node->config, r->devices, &r->log);
	if (rc == 0)
		rc = launch(r);
	return rc;
}

/* ---- going down ---- */

static void stop_workers(struct gt_run *r)
{
	if (r->shared == NULL)
		return;
	__atomic_store_n(&r->shared->stop, true, __ATOMIC_RELAXED);
	rte_eal_mp_wait_lcore();
	if (r->node == NULL)
		return;
	gt_mainloop_drain(r);
	for (unsigned i = 0; i < r->n_lcores; i++)
		gt_lcore_finish(r->lcores[i], gt_clock_ms());
}

static void summarize(const struct gt_run *r)
{
	struct gt_counters sum = {0};
	uint64_t s = (gt_clock_ms() - r->started_ms) / 1000;

	gt_counters_add(&sum, &r->node->counters);
	for (unsigned i = 0; i < r->n_lcores; i++)
		gt_counters_add(&sum, &r->lcores[i]->worker->counters);
	gt_log(&r->log, LOG_NOTICE,
	       "stopped after %" PRIu64 " s: %" PRIu64 " frames in, %" PRIu64 " forwarded, %" PRIu64
	       " answered, %" PRIu64 " to the kernel, %" PRIu64 " dropped",
	       s, sum.in, sum.forwarded, sum.answered, sum.kernel, gt_counters_dropped(&sum));
}

/* Undoes whatever come_up did, in reverse. */
static void go_down(struct gt_run *r, bool served)
{
	gt_control_close(r->control);
	gt_metrics_http_close(r->metrics);
	stop_workers(r);
	if (served)
		summarize(r);
	gt_reload_close(r->reload);
	gt_prober_destroy(r->prober);
	gt_kernel_close(&r->kernel);
	gt_node_destroy(r->node);
	for (unsigned i = 0; i < r->n_lcores; i++)
		gt_lcore_destroy(r->lcores[i]);
	gt_ports_close(&r->ports);
	gt_shared_destroy(r->shared);
	gt_eal_stop();
	gt_devices_restore(r->devices, &r->log);
	gt_config_free(r->config);
}

/* Seconds since 1970. */
static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (double)t.tv_sec + (double)(t.tv_nsec / 1000000) / 1000;
}

static int serve(struct gt_config *config)
{
	/* Too large for a stack, and there is one in a process, as there is one EAL. */
	static struct gt_run r;
	int rc;

	/* A plan is some arrays of MB, made and freed in turn, and main may not wait for the kernel
	 * to give and take their pages each time. */
	mallopt(M_MMAP_THRESHOLD, PLAN_ARRAY_BYTES);
	mallopt(M_TRIM_THRESHOLD, 2 * PLAN_ARRAY_BYTES);
	r.config = config;
	r.started_ms = gt_clock_ms();
	r.started_s = now_s();
	memcpy(r.name, config->name, sizeof(r.name));
	r.log = gt_say_log(r.name);
	r.events = (struct gt_events){r.log, gt_watch_hear, &r};
	gt_mainloop_block_signals();
	rc = come_up(&r);
	if (rc == 0) {
		gt_log(&r.log, LOG_NOTICE,
		       "gantry " GT_VERSION ": worker on CPU %d, main on CPU %d", r.cpus.workers[0],
		       r.cpus.main);
		rc = gt_mainloop(&r);
		gt_notify("STOPPING=1");
		go_down(&r, true);
	} else {
		go_down(&r, false);
	}
	return rc == 0 ? GT_EXIT_OK : GT_EXIT_FAILED;
}

int gt_command_run(int argc, char **argv)
{
	const char *file = NULL;
	struct gt_config *config;
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
		if (strcmp(argv[i], "--foreground") == 0)
			continue;
		if (argv[i][0] == '-' || file != NULL) {
			fprintf(stderr, "gantry run: unexpected argument '%s'\n", argv[i]);
			usage(stderr);
			return GT_EXIT_USAGE;
		}
		file = argv[i];
	}
	if (file == NULL) {
		fputs("gantry run: which configuration?\n", stderr);
		usage(stderr);
		return GT_EXIT_USAGE;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	rc = gt_load_config(file, GT_LOAD_UNSUPPORTED_ERRORS | GT_LOAD_WARNINGS | GT_LOAD_CHECKS,
			    &config);
	return rc != GT_EXIT_OK ? rc : serve(config);
}
