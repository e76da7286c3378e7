/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A change of state, told once: as a line of the log for people, and as fields for programs
 * (`gantryctl watch`). Whoever tells fills the fields and writes the sentence; both go out from
 * here, so that neither can be forgotten.
 */
#ifndef GT_BASE_EVENT_H
#define GT_BASE_EVENT_H

#include "base/log.h"

struct gt_event {
	int level; /* syslog's, of the line */
	const char
		*kind; /* "server", "vip", "interface", "neighbour", "reload", "snat", "worker" */
	/* What it is about; NULL: not about such a thing. */
	const char *vip, *server, *interface, *address;
	const char *what;      /* which property: "state", "weight", "link", "mac" */
	const char *old, *now; /* its values; NULL: unknown, or there is none */
	const char *reason;    /* why, in words; NULL: nothing beyond what `old` and `now` say */
	const char *text;      /* the sentence; set by gt_event */
};

/* Where events go. */
struct gt_events {
	struct gt_log log;
	void (*hear)(void *ctx, const struct gt_event *event); /* NULL: nobody but the log */
	void *ctx;
};

/* Formats the sentence, cut at 511 bytes, logs it and hands the whole event on. The texts need to
 * last for the call only. Any caller. */
void gt_event(const struct gt_events *events, struct gt_event event, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
