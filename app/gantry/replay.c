/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gantry replay: captures through the packet core. The captures' time is the only clock, the keys
 * of the tables are constants, and the node sends nothing unasked, so the same inputs give the same
 * bytes.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "replay.h"

/* A change of state, on stderr, with the captures' time. */
static void log_line(void *ctx, int level, const char *text)
{
	const struct gt_replay *r = ctx;

	if (level > LOG_INFO)
		return;
	if (r->started)
		fprintf(stderr, "gantry: %" PRId64 ".%06" PRId64 " s: %s\n", r->now_ns / 1000000000,
			r->now_ns / 1000 % 1000000, text);
	else
		fprintf(stderr, "gantry: %s\n", text);
}

/* ---- captures ---- */

bool gt_replay_outputs_failed(const struct gt_replay *r)
{
	for (size_t i = 0; i < GT_INTERFACES_MAX; i++)
		if (r->out[i] != NULL && gt_capture_out_failed(r->out[i]))
			return true;
	return false;
}

/* Gives the outputs their names, or removes them. 0, or -1 with messages. */
static int close_outputs(struct gt_replay *r, bool good)
{
	bool failed = gt_replay_outputs_failed(r);
	int rc = 0;

	for (size_t i = 0; i < GT_INTERFACES_MAX; i++) {
		if (r->out[i] == NULL)
			continue;
		/* One that failed tells why; the others then go too. */
		if (good || gt_capture_out_failed(r->out[i])) {
			if (gt_capture_out_commit(r->out[i]) != 0)
				rc = -1;
		} else {
			gt_capture_out_discard(r->out[i]);
		}
		r->out[i] = NULL;
	}
	return failed ? -1 : rc;
}

/* Would this file that is to be written overwrite an input? Then with a message. */
static bool is_input(const struct gt_replay *r, const char *file)
{
	if (!gt_captures_has(r->in, file))
		return false;
	fprintf(stderr, "gantry: %s is an input; write to another file\n", file);
	return true;
}

static int open_captures(struct gt_replay *r)
{
	const struct gt_replay_options *o = &r->options;

	r->in = gt_captures_create();
	if (r->in == NULL) {
		fputs("gantry: no memory\n", stderr);
		return -1;
	}
	for (size_t i = 0; i < o->n_inputs; i++)
		if (gt_captures_add(r->in, o->inputs[i].interface, o->inputs[i].file) != 0)
			return -1;
	if (o->report != NULL && is_input(r, o->report))
		return -1;
	for (size_t i = 0; i < GT_INTERFACES_MAX; i++) {
		if (o->outputs[i] == NULL)
			continue;
		if (is_input(r, o->outputs[i]))
			return -1;
		r->out[i] = gt_capture_out_open(o->outputs[i]);
		if (r->out[i] == NULL)
			return -1;
	}
	return 0;
}

/* ---- the packet core ---- */

/* All workers have one device with receive-side scaling on every interface. */
static int create_workers(struct gt_replay *r, struct gt_worker_params *params)
{
	unsigned n = params->steer.n_workers;

	if (n > 1) {
		r->loads = gt_loads_create(n);
		r->turns = calloc(1, sizeof(*r->turns));
		if (r->loads == NULL || r->turns == NULL)
			return -1;
	}
	params->loads = r->loads;
	params->turns = r->turns;
	for (unsigned i = 0; i < GT_INTERFACES_MAX; i++)
		params->steer.exact[i] = true;
	for (r->n_workers = 0; r->n_workers < n; r->n_workers++) {
		params->steer.worker = (uint16_t)r->n_workers;
		r->workers[r->n_workers] = gt_worker_create(params);
		if (r->workers[r->n_workers] == NULL)
			return -1;
	}
	return 0;
}

/* The node and its workers, as they are before the first frame. 0, -1. */
static int create_core(struct gt_replay *r)
{
	struct gt_config *config = r->options.config;
	struct gt_node_hooks hooks = {.log = {.line = log_line, .ctx = r}};
	struct gt_mac macs[GT_INTERFACES_MAX];
	struct gt_worker_params params, later;

	gt_worker_params_init(&params, config);
	params.memory = gt_memory_heap;
	/* No attacker aims at a replay, and another key would be another order of eviction. */
	memcpy(params.random, "gantry's replay", sizeof(params.random));
	for (size_t i = 0; i < r->options.n_events; i++) {
		if (r->options.events[i].reload == NULL)
			continue;
		gt_worker_params_init(&later, r->options.events[i].config);
		params.wide |= later.wide;
		params.snat = RTE_MAX(params.snat, later.snat);
	}
	for (size_t i = 0; i < config->n_interfaces; i++)
		macs[i] = config->interfaces[i].has_mac ? config->interfaces[i].mac
							: (struct gt_mac){{0x02, 0, 0, 0, 0, 0x01}};
	if (gt_node_create(config, macs, &hooks, &r->node) != 0 && r->node == NULL)
		goto no_memory;
	r->options.config = NULL; /* the node's from here on */
	r->node->snat = params.snat;
	if (create_workers(r, &params) == 0)
		return 0;

no_memory:
	fprintf(stderr,
		"gantry: no memory for %" PRIu32
		" connections; fewer `connections` in the configuration need less\n",
		params.connections);
	return -1;
}

/* ---- the command ---- */

static void destroy(struct gt_replay *r)
{
	for (unsigned i = 0; i < r->n_workers; i++)
		gt_worker_destroy(r->workers[i]);
	if (r->node != NULL)
		gt_node_destroy(r->node);
	gt_captures_destroy(r->in);
	free(r->loads);
	free(r->turns);
	gt_replay_destroy_buffers(r);
	gt_replay_options_free(&r->options);
}

int gt_command_replay(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = gt_replay_interrupt};
	struct gt_replay r = {0};
	bool good = false;
	int rc = gt_replay_options_read(&r.options, argc, argv);

	if (rc < 0) {
		sigaction(SIGINT, &action, NULL);
		sigaction(SIGTERM, &action, NULL);
		good = open_captures(&r) == 0 && gt_replay_create_buffers(&r) == 0 &&
		       create_core(&r) == 0 && gt_replay_run(&r) == 0 && gt_replay_adds_up(&r);
		/* What precedes the damage of a capture is whole, but the exit code tells of it. */
		good = close_outputs(&r, good) == 0 && good && gt_replay_report(&r) == 0 &&
		       !gt_captures_damaged(r.in);
		rc = good ? GT_EXIT_OK : GT_EXIT_FAILED;
	}
	destroy(&r);
	return rc;
}
