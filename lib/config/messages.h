/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages about a configuration file: collected, sorted by line, and fit for a terminal whatever
 * the file holds. And guesses at what a mistyped word was meant to be. Inside lib/config, and for
 * rules that need more than the file (app/gantry/ask.c).
 */
#ifndef GT_CONFIG_MESSAGES_H
#define GT_CONFIG_MESSAGES_H

#include "config/config.h"

/* Longest piece of a file that a message quotes. */
#define GT_QUOTE_MAX 72

/*
 * Adds one, formatted and cut at 1023 bytes. Failure is noted in messages->no_memory. An error
 * beyond GT_CONFIG_MESSAGES_MAX is only counted; so is a warning dropped.
 */
void gt_config_error(struct gt_config_messages *messages, unsigned line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void gt_config_warning(struct gt_config_messages *messages, unsigned line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Says in a full, sorted list that there are more errors than are told. Once. */
void gt_config_messages_more(struct gt_config_messages *messages);

/* By line; those of one line stay in the order in which they came. */
void gt_config_messages_sort(struct gt_config_messages *messages);

/* `text` with control bytes as \x1b and cut with "..." to fit. Returns buf. */
char *gt_config_quote(const char *text, char buf[GT_QUOTE_MAX]);

/*
 * The search for a near word, one candidate after another. Bounded: `budget` candidates for a
 * whole file, so that a file full of mistakes costs no more than one with a few.
 */
struct gt_config_nearest {
	const char *word;
	const char *best; /* NULL: none is near */
	unsigned distance;
	unsigned *budget;
};
#define GT_NEAREST_BUDGET 200000

void gt_config_nearest_start(struct gt_config_nearest *n, const char *word, unsigned *budget);
/* `candidate` must live as long as n. */
void gt_config_nearest_try(struct gt_config_nearest *n, const char *candidate);

#endif
