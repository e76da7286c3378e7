/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * INI text to sections and values, line by line, by inih. Whatever inih would swallow in silence
 * (cut lines and section names, continuations, keys behind a broken heading) is dealt with before
 * it sees it. Inside lib/config only.
 */
#ifndef GT_CONFIG_INI_H
#define GT_CONFIG_INI_H

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"

struct gt_ini_events {
	/* The text between the brackets, blanks around it removed. */
	void (*section)(void *ctx, const char *heading, unsigned line);
	/*
	 * A key with its value, which may be empty. Returns whether the value is to be continued:
	 * then an indented next line comes by `more`, and anything else by `cut_off` with the line
	 * of the value that waited in vain.
	 */
	bool (*value)(void *ctx, const char *key, const char *value, unsigned line);
	bool (*more)(void *ctx, const char *value, unsigned line);
	void (*cut_off)(void *ctx, unsigned line);
	/* A line was refused, of the current section; if it was a heading, what follows is
	 * nobody's. */
	void (*spoilt)(void *ctx, bool heading);
	void *ctx;
};

/* Errors of form go to messages. 0, or -ENOMEM. */
int gt_ini_parse(const char *text, size_t len, const struct gt_ini_events *events,
		 struct gt_config_messages *messages);

#endif
