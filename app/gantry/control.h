/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control socket: a Unix stream socket; each line that comes is a command, each answer is one
 * line of JSON. Nothing that a client does or leaves undone makes main wait: reads and writes never
 * block, what it says and what it is told is bounded, and who does nothing is let go.
 */
#ifndef GT_APP_CONTROL_H
#define GT_APP_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/log.h"

#define GT_CONTROL_CLIENTS_MAX 32
#define GT_CONTROL_LINE_MAX    4096
/* Who neither asks, nor reads what it asked for, for so long is let go. */
#define GT_CONTROL_IDLE_MS 10000

/* A growing text. */
struct gt_text {
	char *data;
	size_t n, capacity;
};

/* False: no memory, and nothing was added. Any caller. */
bool gt_text_add(struct gt_text *t, const char *s, size_t n);
void gt_text_free(struct gt_text *t);

/* A long answer on its way: where it is in the workers' tables. */
struct gt_walk {
	bool active;
	unsigned worker;
	uint32_t bucket;
	uint64_t shown, limit;
};

/* What a command says to its client, and who that is. */
struct gt_reply {
	struct gt_text text; /* one line, with its newline once it is whole */
	struct gt_walk walk; /* active: more is to come by gt_control_more */
	uint64_t later;	     /* not 0: it comes by gt_control_later under this number */
	uint64_t plan;	     /* not to be sent before all workers use this plan; 0: at once */
	uid_t uid;
	pid_t pid;
};

/* What answers. Main. */
struct gt_control_hooks {
	/* One request, without its newline. */
	void (*answer)(void *ctx, char *line, struct gt_reply *reply);
	/* The next slice of a long answer. */
	void (*more)(void *ctx, struct gt_reply *reply);
	void *ctx;
};

/* So many long answers are made at once: each may hold megabytes. */
#define GT_CONTROL_WALKS_MAX 4

struct gt_control;

/*
 * Takes the path: makes its directory if it is missing, replaces a socket that nobody listens on
 * any more, and listens. 0, -errno after a message (-EADDRINUSE: another gantry listens there).
 * Main.
 */
int gt_control_open(const char *path, const struct gt_control_hooks *hooks,
		    const struct gt_log *log, struct gt_control **out);
/* Removes the socket. NULL is allowed. Main. */
void gt_control_close(struct gt_control *c);

/*
 * Its place in main's epoll set: events carry `first_token` and up in their data. Main. 0, -errno.
 */
int gt_control_watch(struct gt_control *c, int epoll_fd, uint64_t first_token);
/* Long answers that are being made. Main. */
unsigned gt_control_walks(const struct gt_control *c);
/* An event with a token of ours. */
void gt_control_event(struct gt_control *c, uint64_t token, uint64_t now_ms);
/* Long answers go on, the idle are let go. True: call again soon, an answer is being made. Call it
 * every few ms. */
bool gt_control_run(struct gt_control *c, uint64_t now_ms);
/*
 * The answer, one line without its newline, to all who wait for it under this number; it is sent
 * when all workers use `plan` (0: at once). text NULL: there was no memory for one, and they are
 * let go. Main.
 */
void gt_control_later(struct gt_control *c, uint64_t later, const char *text, uint64_t plan,
		      uint64_t now_ms);
/* All workers use the plan of this number: sends what waited for it. Main. */
void gt_control_plan(struct gt_control *c, uint64_t plan, uint64_t now_ms);

#endif
