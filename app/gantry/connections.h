/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `gantryctl connections`: the workers' tables read in slices while they go on, so that neither a
 * worker nor main waits for a table of millions.
 */
#ifndef GT_APP_CONNECTIONS_H
#define GT_APP_CONNECTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "control.h"

struct gt_run;

/* Begins an answer that shows up to `limit` connections. False: too many such answers are being
 * made. Main. */
bool gt_connections_begin(struct gt_run *r, struct gt_reply *reply, uint64_t limit);

/* The next slice, half a millisecond or so; the last one ends the walk and completes the line.
 * Main. */
void gt_connections_more(struct gt_run *r, struct gt_reply *reply);

#endif
