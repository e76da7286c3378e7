/* SPDX-License-Identifier: BSD-3-Clause */
/* Telling of changes of state; see event.h. */
#include "base/event.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

void gt_event(const struct gt_events *events, struct gt_event event, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	event.text = text;
	gt_log(&events->log, event.level, "%s", text);
	if (events->hear != NULL)
		events->hear(events->ctx, &event);
}
