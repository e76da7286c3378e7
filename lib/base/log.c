/* SPDX-License-Identifier: BSD-3-Clause */
/* Formatting of log lines; see log.h. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

void gt_log(const struct gt_log *log, int level, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (log == NULL || log->line == NULL)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log->line(log->ctx, level, text);
}
