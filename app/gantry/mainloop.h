/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Main's loop: signals, the control socket, what workers punt, neighbours' timers, new plans for
 * the workers.
 */
#ifndef GT_APP_MAINLOOP_H
#define GT_APP_MAINLOOP_H

#include "run.h"

/* The signals that main takes from a descriptor; they must be blocked from before the first thread
 * on. Main. */
void gt_mainloop_block_signals(void);

/*
 * Runs until SIGTERM or SIGINT. Tells of readiness once all links are up, or 2 s later. 0, -errno
 * after a message. Main.
 */
int gt_mainloop(struct gt_run *r);

/* What is left when the workers have ended: punted frames get their verdicts. Main. */
void gt_mainloop_drain(struct gt_run *r);

/* The node's hook: sends a frame of main's own. ctx is the struct gt_run. Main. */
void gt_mainloop_emit(void *ctx, uint8_t interface, const uint8_t *frame, size_t len);

#endif
