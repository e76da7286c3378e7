/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How every command reads its configuration: load, tell all that is wrong on stderr in one form,
 * and turn the outcome into an exit code.
 */
#ifndef GT_APP_LOAD_H
#define GT_APP_LOAD_H

#include <stdbool.h>

#include "config/config.h"

enum gt_load_flags {
	/* What this version cannot do yet is an error (check, run, replay). */
	GT_LOAD_UNSUPPORTED_ERRORS = 1,
	/* Print warnings too (check, run). */
	GT_LOAD_WARNINGS = 2,
	/* Files that checks need must be there and right (check, run; replay checks nobody). */
	GT_LOAD_CHECKS = 4,
};

/*
 * Reads, validates and tells: errors as `FILE:LINE: message`, warnings as `FILE:LINE: warning:
 * message`. GT_EXIT_OK: *out is to be freed by gt_config_free. GT_EXIT_USAGE: the file is wrong or
 * cannot be read; GT_EXIT_FAILED: no memory; *out is NULL then. Main.
 */
int gt_load_config(const char *file, unsigned flags, struct gt_config **out);

/* Prints messages about a file on stderr in that form; warnings: those, too. Main. */
void gt_tell_messages(const char *file, const struct gt_config_messages *messages, bool warnings);

#endif
