/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How the core tells of a change of state: through a hook that the application gives. One line,
 * who, what and why, without a newline; levels are syslog's (LOG_ERR, LOG_WARNING, LOG_NOTICE,
 * LOG_INFO). Never called for a frame.
 */
#ifndef GT_BASE_LOG_H
#define GT_BASE_LOG_H

#include <syslog.h>

struct gt_log {
	void (*line)(void *ctx, int level, const char *text); /* NULL: say nothing */
	void *ctx;
};

/* Formats one line, cut at 511 bytes, and hands it on. Any caller. */
void gt_log(const struct gt_log *log, int level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
