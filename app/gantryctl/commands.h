/* SPDX-License-Identifier: BSD-3-Clause */
/* What was asked of gantryctl, and the commands that do more than ask once. */
#ifndef GT_CTL_COMMANDS_H
#define GT_CTL_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>

#include "client.h"

#define ARGUMENTS_MAX 8

struct options {
	const char *socket;
	bool json;
	bool wait;	     /* drain */
	uint64_t timeout_ms; /* drain --wait; 0: for ever */
	bool once;	     /* top */
	const struct command *command;
	size_t n_arguments;
	const char *arguments[ARGUMENTS_MAX];
	char texts[ARGUMENTS_MAX][256]; /* of arguments that were put together */
};

/* Each: an exit code. */
int ctl_drain_wait(const struct options *o);
int ctl_metrics(const struct options *o);
int ctl_watch(const struct options *o);
int ctl_top(const struct options *o);

/* Prints an object as --json does. */
int ctl_print(const json_t *answer);
/* Everything is out: EXIT_DONE, or EXIT_FAILED after a message. */
int ctl_flush(void);

/* "PACS/a: drained: ..., 3 connections remain". */
void ctl_show_done(FILE *out, const json_t *answer);

#endif
