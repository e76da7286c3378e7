/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What `gantry replay` is told on its command line, checked as a whole before the first frame is
 * read: an event is judged against the configuration that will be in force when it happens.
 */
#ifndef GT_APP_REPLAY_OPTIONS_H
#define GT_APP_REPLAY_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "base/frame.h"
#include "config/config.h"
#include "node/node.h"

struct gt_replay_input {
	uint8_t interface;
	const char *file;
};

struct gt_replay_event {
	const char *text; /* as written, for messages */
	int64_t at_ns;	  /* after the first frame */
	size_t order;	  /* on the command line */
	enum gt_node_action action;
	const char *reload;	  /* a configuration's file, NULL: not a reload */
	struct gt_config *config; /* that file, loaded; NULL once it is in force */
	char *server;		  /* VIP/SERVER, where not a reload */
	long weight;		  /* with GT_ACTION_WEIGHT */
};

struct gt_replay_options {
	struct gt_config *config;	/* NULL once a node has taken it */
	struct gt_replay_input *inputs; /* in the order of the command line, at least one */
	size_t n_inputs;
	const char *outputs[GT_INTERFACES_MAX]; /* by interface; NULL: not asked for */
	struct gt_replay_event *events;		/* by time, then by the order of the command line */
	size_t n_events;
	const char *report; /* NULL: none */
	/* Of interfaces, in place of what any configuration says. */
	struct gt_replay_mac {
		bool given;
		struct gt_mac mac;
	} macs[GT_INTERFACES_MAX];
};

/*
 * Reads a command line; argv[0] is "replay". -1: go on with the options; else the exit code, with
 * help on stdout or messages on stderr. gt_replay_options_free is to be called in every case.
 */
int gt_replay_options_read(struct gt_replay_options *o, int argc, char **argv);
void gt_replay_options_free(struct gt_replay_options *o);

#endif
