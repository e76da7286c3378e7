/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How other threads get numbers from main. All that is worth telling (node, plan, workers) is
 * main's alone, and may be freed by it at any time; so a thread that wants to read it asks main to
 * run a function, and waits for it. Main runs at most one such function in a turn of its loop, and
 * waits for nobody.
 */
#ifndef GT_APP_MAILBOX_H
#define GT_APP_MAILBOX_H

#include <stdint.h>

struct gt_run;

/* What is asked: runs on main, for a fraction of a millisecond. */
typedef void gt_mailbox_fn(struct gt_run *r, void *arg);

/* A thread waits so long for main: longer than any pause of main's that is not a fault. */
#define GT_MAILBOX_WAIT_MS 2000

/*
 * Runs fn on main and comes back when it is done. 0, -ETIMEDOUT (main is stuck; fn was not run and
 * will not be), -ECANCELED (gantry is not serving: it starts or stops). Any thread but main.
 */
int gt_mailbox_ask(gt_mailbox_fn *fn, void *arg);

/* Opens it, and watches for letters: events of main's epoll set with this token. 0, -errno. Main.
 */
int gt_mailbox_open(int epoll_fd, uint64_t token);
/* An event with that token. Main. */
void gt_mailbox_event(struct gt_run *r);
/* Whoever waits is sent away, and so is who asks from now on. Main. */
void gt_mailbox_close(void);

#endif
