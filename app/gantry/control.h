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
#include "config/config.h"

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

struct gt_selection; /* of connections: connections.c */

/* A long answer on its way: where it is in the workers' tables. */
struct gt_walk {
	bool active;
	unsigned worker;
	uint32_t bucket;
	struct gt_selection *selection; /* freed with the client */
};

/* Who asks. */
struct gt_peer {
	uid_t uid;
	pid_t pid;
	char comm[17]; /* what the process calls itself; may be empty */
};

/* What a command says to its client, and who that is. */
struct gt_reply {
	struct gt_text text; /* one line, with its newline once it is whole */
	struct gt_walk walk; /* active: more is to come by gt_control_more */
	uint64_t later;	     /* not 0: it comes by gt_control_later under this number */
	uint64_t plan;	     /* not to be sent before all workers use this plan; 0: at once */
	bool watch;	     /* every line of gt_control_tell, too, until it leaves */
	bool failed;	     /* the text is an error */
	struct gt_peer peer;
	/* An order whose answer is made when `plan` is in use: its words. */
	struct {
		char server[160];
		char done[480];
		bool counts; /* what remains is part of the answer */
	} order;
};

/* What answers. Main. */
struct gt_control_hooks {
	/* One request, without its newline. */
	void (*answer)(void *ctx, char *line, struct gt_reply *reply);
	/* The next slice of a long answer. */
	void (*more)(void *ctx, struct gt_reply *reply);
	/* All workers use the plan that the reply waited for: completes it, if it is not whole. */
	void (*settled)(void *ctx, struct gt_reply *reply);
	void *ctx;
};

/* So many may watch, so that others still have room. */
#define GT_CONTROL_WATCHERS_MAX 8
/* Bytes that a watcher may leave unread. */
#define GT_CONTROL_UNREAD_MAX (256U << 10)

/* So many long answers are made at once: each may hold megabytes. */
#define GT_CONTROL_WALKS_MAX 4

struct gt_control;

/* Listens where the configuration says; see control_socket.h. 0, -errno after a message. Main. */
int gt_control_open(const struct gt_config *config, const struct gt_control_hooks *hooks,
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
/* A line, with its newline, for all who watch. None of them can make main wait. Main. */
void gt_control_tell(struct gt_control *c, const char *line, size_t n, uint64_t now_ms);
unsigned gt_control_watchers(const struct gt_control *c);

#endif
