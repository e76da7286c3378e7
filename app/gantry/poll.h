/* SPDX-License-Identifier: BSD-3-Clause */
/* The loop of a worker; see poll.c. */
#ifndef GT_APP_POLL_H
#define GT_APP_POLL_H

/* arg: a struct gt_lcore. Returns 0 once main says stop. The lcore's function. */
int gt_poll(void *arg);

#endif
