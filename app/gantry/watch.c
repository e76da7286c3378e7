/* SPDX-License-Identifier: BSD-3-Clause */
/* Events as lines of JSON; see watch.h. */
#include "watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "requests.h"

/* ISO 8601, UTC, milliseconds. */
static void format_now(char *buf, size_t size)
{
	struct timespec t;
	struct tm tm;
	size_t n;

	clock_gettime(CLOCK_REALTIME, &t);
	gmtime_r(&t.tv_sec, &tm);
	n = strftime(buf, size, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + n, size - n, ".%03ldZ", t.tv_nsec / 1000000);
}

/* Adds what the event says of it; what it does not say is left out. */
static void set(json_t *o, const char *key, const char *value)
{
	if (value != NULL)
		json_object_set_new(o, key, json_string(value));
}

void gt_watch_hear(void *ctx, const struct gt_event *event)
{
	struct gt_run *r = ctx;
	char now[40], *text;
	json_t *o;
	size_t n;

	if (r->control == NULL || gt_control_watchers(r->control) == 0)
		return;
	format_now(now, sizeof(now));
	o = json_pack("{s:s, s:s}", "time", now, "kind", event->kind);
	set(o, "vip", event->vip);
	set(o, "server", event->server);
	set(o, "interface", event->interface);
	set(o, "address", event->address);
	set(o, "what", event->what);
	/* Always there: null is "not known", or "nothing any more". */
	json_object_set_new(o, "old", event->old != NULL ? json_string(event->old) : json_null());
	json_object_set_new(o, "new", event->now != NULL ? json_string(event->now) : json_null());
	set(o, "reason", event->reason);
	set(o, "text", event->text);
	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	if (text == NULL)
		return;
	n = strlen(text);
	text[n++] = '\n'; /* in the place of its end */
	gt_control_tell(r->control, text, n, gt_clock_ms());
	free(text);
}

void gt_show_watch(struct gt_run *r, struct gt_reply *reply, const struct gt_request *q)
{
	char now[40];

	(void)q;
	if (gt_control_watchers(r->control) >= GT_CONTROL_WATCHERS_MAX) {
		gt_say_error(reply, 1, "%d watch already: no room for one more",
			     GT_CONTROL_WATCHERS_MAX);
		return;
	}
	format_now(now, sizeof(now));
	gt_say(reply,
	       json_pack("{s:s, s:s, s:s, s:I}", "time", now, "kind", "hello", "node", r->name,
			 "uptime_s", (json_int_t)((gt_clock_ms() - r->started_ms) / 1000)));
	reply->watch = reply->text.n > 0;
}
