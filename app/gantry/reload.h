/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reload while running, asked for by `gantryctl reload` or SIGHUP. A file of 10,000 VIPs takes 0.2
 * s to read and seconds of tables to build: a thread of its own does both, one after the other, and
 * main only puts the result into force. One reload at a time: who asks while one runs gets the
 * next, which reads the file again.
 */
#ifndef GT_APP_RELOAD_H
#define GT_APP_RELOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "control.h"
#include "run.h"

struct gt_reload;

/* 0, -errno. All: Main. */
int gt_reload_open(struct gt_run *r, struct gt_reload **out);
/* Waits for its thread. NULL is allowed. */
void gt_reload_close(struct gt_reload *l);
/* Its place in main's epoll set. 0, -errno. */
int gt_reload_watch(struct gt_reload *l, int epoll_fd, uint64_t token);

/* Reads the configuration again and puts it into force. reply: who is told, all of it; NULL: the
 * log is. */
void gt_reload_request(struct gt_reload *l, struct gt_reply *reply);

/* An event with the token: it was asked for, or its thread is done with something. */
void gt_reload_event(struct gt_reload *l);
/* Puts what is ready into force. True: node->plan is new, to be published as the plan of number
 * run->plans + 1. */
bool gt_reload_adopt(struct gt_reload *l);
/* All workers use the newest plan. */
void gt_reload_in_use(struct gt_reload *l);

#endif
